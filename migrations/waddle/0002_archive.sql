-- Archived messages (XEP-0313) of the channels of this waddle.
-- The same definition as in server/0002_archive.sql.
CREATE TABLE archive (
    id        INTEGER PRIMARY KEY,           -- MessageId: increases over the whole database
    archive   TEXT    NOT NULL,              -- 'user:…', 'room:…' or 'channel:…'
    at        INTEGER NOT NULL,              -- microseconds since 1970, as the message was stamped
    kind      INTEGER NOT NULL DEFAULT 0,    -- 0 message, 1 subject, 2 other
    retracted INTEGER NOT NULL DEFAULT 0,    -- 1: only a tombstone is left
    peer      TEXT,                          -- bare JID of the other side; in rooms the sender's nickname
    resource  TEXT,                          -- of the other side
    author    TEXT,                          -- UserId of who really sent it
    origin_id TEXT,                          -- XEP-0359
    body      TEXT,                          -- readable text, for search
    stanza    BLOB    NOT NULL
) STRICT;
-- One index serves all pages, so that a message costs one page of index: a search for one peer reads the
-- entries of the archive, but only the rows that it gives out.
CREATE INDEX archive_page ON archive (archive, id, peer);
