-- What people reported (XEP-0377).
CREATE TABLE reports (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,         -- microseconds since 1970, of the newest of equal reports
    reporter TEXT    NOT NULL,         -- user id
    reported TEXT    NOT NULL,         -- JID
    reason   TEXT    NOT NULL,         -- a URI
    text     TEXT,
    ids      TEXT    NOT NULL,         -- stanza ids, "by id" a line
    times    INTEGER NOT NULL DEFAULT 1,
    UNIQUE (reporter, reported, reason)
) STRICT;
CREATE INDEX reports_reported ON reports (reported);
