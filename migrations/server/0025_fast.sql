-- What a credential was made from: it goes with it.
ALTER TABLE credentials ADD COLUMN origin INTEGER REFERENCES credentials (id) ON DELETE CASCADE;
CREATE INDEX credentials_origin ON credentials (origin) WHERE origin IS NOT NULL;

-- Clients that log in with FAST (XEP-0484): a credential each.
CREATE TABLE fast_clients (
    credential INTEGER PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client     TEXT NOT NULL, -- the id of its <user-agent/>
    UNIQUE (account, client)
) STRICT;

-- Their tokens, encrypted: the one in use, and the one that was given to follow it.
CREATE TABLE fast_tokens (
    credential INTEGER NOT NULL REFERENCES fast_clients (credential) ON DELETE CASCADE,
    fresh      INTEGER NOT NULL CHECK (fresh IN (0, 1)),
    mechanism  TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    count      INTEGER NOT NULL DEFAULT 0, -- the highest that was used, against replay
    PRIMARY KEY (credential, fresh)
) STRICT, WITHOUT ROWID;
