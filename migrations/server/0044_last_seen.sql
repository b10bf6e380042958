-- When an account was available for the last time, and how it said goodbye (RFC 6121 §4.3, XEP-0012).
CREATE TABLE last_seen (
    owner    TEXT    PRIMARY KEY,      -- localpart of the account
    at       INTEGER NOT NULL,         -- microseconds since 1970
    presence BLOB    NOT NULL          -- the last presence of type unavailable, without `to`
) STRICT, WITHOUT ROWID;
