-- Bots, which are accounts of a waddle's or a person's (specs/integrations.md).
CREATE TABLE bots (
    id          TEXT PRIMARY KEY,
    account     INTEGER NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
    -- One of both.
    waddle      TEXT,
    owner       TEXT,
    description TEXT NOT NULL,
    avatar_url  TEXT,
    scopes      TEXT NOT NULL, -- JSON: ["messages:write"]
    -- Where slash commands go, and the sealed secret that signs them.
    callback    TEXT,
    secret      BLOB,
    made_by     TEXT,
    made_at     INTEGER NOT NULL,
    CHECK ((waddle IS NULL) <> (owner IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX bots_waddle ON bots (waddle) WHERE waddle IS NOT NULL;
CREATE INDEX bots_owner ON bots (owner) WHERE owner IS NOT NULL;

-- Waddles that may have outgoing webhooks: those whose databases are looked into at start.
CREATE TABLE hook_waddles (
    waddle TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- People who are not shown in web-readable archives.
CREATE TABLE archive_hidden (
    user      TEXT PRIMARY KEY,
    hidden_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
