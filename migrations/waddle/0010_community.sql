-- The waddle that this database is of.
CREATE TABLE waddle (
    one              INTEGER PRIMARY KEY CHECK (one = 1),
    id               TEXT NOT NULL,
    slug             TEXT NOT NULL,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    visibility       TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    -- Raised by every change of `tuples` and of `members`.
    revision         INTEGER NOT NULL,
    members_revision INTEGER NOT NULL
) STRICT;

CREATE TABLE channels (
    id         TEXT PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    topic      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    private    INTEGER NOT NULL CHECK (private IN (0, 1)),
    position   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    user      TEXT PRIMARY KEY,
    role      TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    -- The invite that was accepted, if it was one.
    invite    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX members_joined ON members (joined_at, user);
CREATE INDEX members_owners ON members (user) WHERE role = 'owner';

CREATE TABLE bans (
    user      TEXT PRIMARY KEY,
    reason    TEXT,
    -- Empty for the server's operator.
    banned_by TEXT,
    banned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bans_at ON bans (banned_at DESC, user);

-- object#relation@subject (specs/permissions.md).
CREATE TABLE tuples (
    object   TEXT NOT NULL,
    relation TEXT NOT NULL,
    subject  TEXT NOT NULL,
    PRIMARY KEY (object, relation, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    id         TEXT PRIMARY KEY,
    -- SHA-256 of the code.
    code_hash  BLOB NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    max_uses   INTEGER,
    uses       INTEGER NOT NULL,
    expires_at INTEGER,
    made_by    TEXT,
    made_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    -- The credential that identity issued.
    credential TEXT,
    made_by    TEXT,
    made_at    INTEGER NOT NULL,
    revoked_at INTEGER,
    last_use   INTEGER
) STRICT, WITHOUT ROWID;

-- A prefix covers itself and everything below it.
CREATE TABLE device_topics (
    device    TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    prefix    TEXT NOT NULL,
    can_read  INTEGER NOT NULL CHECK (can_read IN (0, 1)),
    can_write INTEGER NOT NULL CHECK (can_write IN (0, 1)),
    PRIMARY KEY (device, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE bindings (
    id      TEXT PRIMARY KEY,
    filter  TEXT NOT NULL,
    channel TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    mode    TEXT NOT NULL,
    name    TEXT NOT NULL,
    made_by TEXT,
    made_at INTEGER NOT NULL,
    UNIQUE (channel, filter)
) STRICT, WITHOUT ROWID;

-- Who did what to whom, when and why.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    reason TEXT
) STRICT;
