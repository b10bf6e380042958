-- Personal access tokens: random texts for a person's programs, kept as their SHA-256 alone.
CREATE TABLE access_tokens (
    id           TEXT PRIMARY KEY,
    account      INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    label        TEXT NOT NULL,
    digest       BLOB NOT NULL UNIQUE,
    scopes       TEXT NOT NULL, -- words with spaces between
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_account ON access_tokens (account);
