-- What of an archive is kept and for how long (XEP-0424, XEP-0425).
-- The columns and the first table as in server/0004_archive_rules.sql.
ALTER TABLE archive ADD COLUMN said INTEGER;     -- only direct messages have it
ALTER TABLE archive ADD COLUMN sender TEXT;      -- in rooms: the full JID that it came from

-- Archives whose messages expire.
CREATE TABLE archive_retention (
    archive TEXT    PRIMARY KEY,               -- as in `archive`
    days    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
