-- Requests that make something, by the key that their client gave (`Idempotency-Key`), with their answers for a day.
CREATE TABLE idempotent_requests (
    account  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    key      BLOB NOT NULL, -- SHA-256 of the client's
    request  BLOB NOT NULL, -- SHA-256 of method, address and body
    begun_at INTEGER NOT NULL,
    answer   BLOB,          -- sealed: it may hold a secret; null while the request is under way
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotent_requests_begun ON idempotent_requests (begun_at);
