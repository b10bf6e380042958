-- What of an archive is kept and for how long (XEP-0424, XEP-0425, XEP-0441).
ALTER TABLE archive ADD COLUMN said INTEGER;     -- hash of author and message id: finds a direct message again
ALTER TABLE archive ADD COLUMN sender TEXT;      -- in rooms: the full JID that it came from
CREATE INDEX archive_said ON archive (said) WHERE said IS NOT NULL;

-- Archives whose messages expire.
CREATE TABLE archive_retention (
    archive TEXT    PRIMARY KEY,               -- as in `archive`
    days    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What accounts want archived (XEP-0441); who is not here wants everything.
CREATE TABLE archive_prefs (
    owner     TEXT    PRIMARY KEY,             -- localpart of the account
    otherwise INTEGER NOT NULL                 -- whom no list names: 0 always, 1 never, 2 if in the roster
) STRICT, WITHOUT ROWID;
CREATE TABLE archive_prefs_jids (
    owner  TEXT    NOT NULL,
    jid    TEXT    NOT NULL,                   -- bare: with any resource
    always INTEGER NOT NULL,                   -- 1 always, 0 never
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;
