-- People: Bluesky accounts and local ones in one namespace of localparts (adrs/0006-did-to-jid.md).
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY,
    user_id       TEXT NOT NULL UNIQUE,
    localpart     TEXT NOT NULL UNIQUE,
    did           TEXT UNIQUE,
    handle        TEXT,
    display_name  TEXT,
    admin         INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;
CREATE UNIQUE INDEX accounts_handle ON accounts (handle) WHERE handle IS NOT NULL;

-- Localparts of deleted accounts: nobody else ever gets them, for tuples and archives of others still name them.
CREATE TABLE retired_localparts (
    localpart  TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    retired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
