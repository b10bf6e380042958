-- Word and link rules (specs/moderation.md).
CREATE TABLE rules (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- JSON: what it matches, what follows, who is exempt.
    rule       TEXT    NOT NULL,
    made_by    TEXT,
    changed_at INTEGER NOT NULL
) STRICT;

-- The queue of reports.
CREATE TABLE reports (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    source     TEXT    NOT NULL,             -- xmpp, http or rule
    reporter   TEXT    NOT NULL DEFAULT '',  -- UserId; empty for a rule
    rule       INTEGER,
    reported   TEXT    NOT NULL DEFAULT '',  -- UserId of who wrote it
    channel    TEXT    NOT NULL DEFAULT '',
    message    INTEGER NOT NULL DEFAULT 0,   -- MessageId; 0 for none
    reason     TEXT    NOT NULL,
    text       TEXT,
    excerpt    TEXT,                         -- what the message said when it was reported
    times      INTEGER NOT NULL DEFAULT 1,
    state      TEXT    NOT NULL,             -- open, claimed, resolved or dismissed
    handler    TEXT,
    handled_at INTEGER,
    action     TEXT,
    note       TEXT
) STRICT;
CREATE UNIQUE INDEX reports_same ON reports (reporter, reported, channel, message, reason);
CREATE INDEX reports_state ON reports (state, id);

-- Purges of somebody's messages, under way or done. They go from the newest message to the oldest.
CREATE TABLE purges (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user        TEXT    NOT NULL,
    made_by     TEXT,
    reason      TEXT,
    channel     TEXT,                        -- only of this one
    since       INTEGER NOT NULL,            -- nothing older
    below       INTEGER NOT NULL,            -- next: messages with a smaller MessageId
    left        INTEGER NOT NULL,            -- how many may still go
    removed     INTEGER NOT NULL DEFAULT 0,
    at          INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX purges_open ON purges (id) WHERE finished_at IS NULL;

-- From where something was done: over what, from which address, with which token.
ALTER TABLE audit ADD COLUMN via TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN token TEXT;
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_target ON audit (target, id);
