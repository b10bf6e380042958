-- Login with ATProto (adrs/0007-oauth-client.md). Every `sealed` value is encrypted and bound to its row.
CREATE TABLE oauth_states (
    digest     BLOB PRIMARY KEY, -- SHA-256 of the state
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_states_expiry ON oauth_states (expires_at);

CREATE TABLE oauth_sessions (
    did        TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE oauth_keys (
    kid        TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
