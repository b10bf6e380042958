-- Invitations to make an account here, or to become somebody's contact (XEP-0401, XEP-0445, XEP-0379).
CREATE TABLE account_invites (
    digest     BLOB PRIMARY KEY,                    -- SHA-256 of the token
    inviter    INTEGER REFERENCES accounts (id) ON DELETE CASCADE, -- null: the server's operator
    localpart  TEXT,                                -- the name that is kept for the invited
    contact    INTEGER NOT NULL CHECK (contact IN (0, 1)), -- whether the two become contacts
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_invites_inviter ON account_invites (inviter);
CREATE INDEX account_invites_localpart ON account_invites (localpart) WHERE localpart IS NOT NULL;
CREATE INDEX account_invites_expiry ON account_invites (expires_at);
