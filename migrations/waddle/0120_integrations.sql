-- Webhooks in and out, slash commands (specs/integrations.md).
CREATE TABLE incoming_hooks (
    id            TEXT PRIMARY KEY,
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    avatar_url    TEXT,
    -- SHA-256 of the secret in its URL, which is random.
    secret        BLOB NOT NULL,
    made_by       TEXT,
    made_at       INTEGER NOT NULL,
    last_used_at  INTEGER,
    last_error    TEXT,
    last_error_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX incoming_hooks_channel ON incoming_hooks (channel);

CREATE TABLE outgoing_hooks (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    -- Sealed with the server's keys; the one before still signs until old_until.
    secret          BLOB NOT NULL,
    old_secret      BLOB,
    old_until       INTEGER,
    events          TEXT NOT NULL, -- JSON: ["message.*"]
    channels        TEXT,          -- JSON: identifiers; null for all
    made_by         TEXT,
    made_at         INTEGER NOT NULL,
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    disabled_why    TEXT,
    -- All up to these was delivered, given up or not asked for: archive and audit identifiers.
    messages_done   INTEGER NOT NULL,
    audit_done      INTEGER NOT NULL,
    -- Of the event after them.
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_at         INTEGER,
    failing_since   INTEGER,
    last_success_at INTEGER,
    last_error      TEXT,
    last_error_at   INTEGER
) STRICT, WITHOUT ROWID;

-- Events that a receiver did not take: only where they are, so that what is retracted is gone here too.
CREATE TABLE hook_dead_letters (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    hook     TEXT NOT NULL REFERENCES outgoing_hooks (id) ON DELETE CASCADE,
    source   INTEGER NOT NULL,    -- 0 archive, 1 audit
    position INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error    TEXT NOT NULL
) STRICT;
CREATE INDEX hook_dead_letters_hook ON hook_dead_letters (hook, id);

-- Slash commands that bots offer here.
CREATE TABLE slash_commands (
    name        TEXT PRIMARY KEY,
    bot         TEXT NOT NULL,
    description TEXT NOT NULL,
    options     TEXT NOT NULL, -- JSON
    made_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX slash_commands_bot ON slash_commands (bot);
