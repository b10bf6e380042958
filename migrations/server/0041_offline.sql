-- Messages for accounts without an available session (RFC 6121 §8.5.2.2.1, XEP-0160).
CREATE TABLE offline (
    id     INTEGER PRIMARY KEY,
    owner  TEXT    NOT NULL,      -- localpart of the account
    at     INTEGER NOT NULL,      -- when it was sent, in microseconds since 1970: its order and its delay (XEP-0203)
    stanza BLOB    NOT NULL
) STRICT;
CREATE INDEX offline_owner ON offline (owner, at);
