-- What devices log in with. The password is random (over 160 bits), so a salted hash is enough.
CREATE TABLE device_credentials (
    device       TEXT PRIMARY KEY,
    waddle       TEXT NOT NULL,
    username     TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    topics       TEXT NOT NULL, -- JSON: [{"prefix": "home/sensors", "read": true, "write": true}]
    salt         BLOB NOT NULL,
    digest       BLOB NOT NULL, -- SHA-256 of salt and password
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_credentials_waddle ON device_credentials (waddle);
