-- Passwords and tokens as SCRAM keys (RFC 5802): one salt and count per account and hash, shared by all of them.
CREATE TABLE account_salts (
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash       INTEGER NOT NULL CHECK (hash IN (1, 256, 512)),
    salt       BLOB NOT NULL,
    iterations INTEGER NOT NULL CHECK (iterations >= 4096),
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account      INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('password', 'token')),
    label        TEXT NOT NULL,
    digest       BLOB UNIQUE, -- SHA-256 of a token, which is random; null for a password
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX credentials_account ON credentials (account, kind);
CREATE INDEX credentials_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE credential_keys (
    credential INTEGER NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    hash       INTEGER NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL,
    PRIMARY KEY (credential, hash)
) STRICT, WITHOUT ROWID;
