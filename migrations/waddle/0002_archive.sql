-- Archived messages (XEP-0313) of the channels of this waddle.
-- The same definition as in server/0002_archive.sql.
CREATE TABLE archive (
    id        INTEGER PRIMARY KEY,           -- MessageId: increases over the whole database
    archive   TEXT    NOT NULL,              -- 'user:…', 'room:…' or 'channel:…'
    at        INTEGER NOT NULL,              -- microseconds since 1970, as the message was stamped
    kind      INTEGER NOT NULL DEFAULT 0,    -- 0 message, 1 subject, 2 other
    flags     INTEGER NOT NULL DEFAULT 0,    -- 1 retracted, 2 without a body
    peer      TEXT,                          -- direct messages: bare JID of the other side
    resource  TEXT,                          -- direct messages: resource of the other side
    sender    TEXT,                          -- rooms: nickname
    author    TEXT,                          -- UserId of who really sent it
    origin_id TEXT,                          -- XEP-0359
    body      TEXT,                          -- readable text, for search
    stanza    BLOB    NOT NULL
) STRICT;
-- An index's entries end with the rowid, so these are (archive, id) and (archive, peer, id).
CREATE INDEX archive_page ON archive (archive);
CREATE INDEX archive_peer ON archive (archive, peer) WHERE peer IS NOT NULL;
