-- Sessions of browsers and of our own clients; the access token is kept as its SHA-256 alone.
CREATE TABLE login_sessions (
    id         TEXT PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    digest     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_sessions_account ON login_sessions (account);
CREATE INDEX login_sessions_expiry ON login_sessions (expires_at);
