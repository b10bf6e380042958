-- What changed in a roster since a version that a client has (RFC 6121 §2.6.3).
ALTER TABLE roster ADD COLUMN version INTEGER NOT NULL DEFAULT 0;           -- the roster's version when the item last changed
ALTER TABLE roster_version ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;     -- what changed before this version is not known
UPDATE roster_version SET floor = version;

-- Items that were removed; the oldest are forgotten.
CREATE TABLE roster_removed (
    owner   TEXT    NOT NULL,
    jid     TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;
