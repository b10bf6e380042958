-- Accounts that an administrator disabled: they keep everything and cannot log in (XEP-0133 §4.3).
ALTER TABLE accounts ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));
CREATE INDEX accounts_disabled ON accounts (localpart) WHERE disabled = 1;
CREATE INDEX accounts_admin ON accounts (localpart) WHERE admin = 1;
