-- The list of waddles. The row in the waddle's own database decides all but the slug and the state;
-- name, description and visibility are copied from there.
CREATE TABLE waddles (
    id               TEXT PRIMARY KEY,
    slug             TEXT NOT NULL UNIQUE,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    visibility       TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    -- 'making' until its database is complete, 'deleting' from the moment that it is to go.
    state            TEXT NOT NULL CHECK (state IN ('making', 'live', 'deleting')),
    -- The revision of the members that `memberships` shows; differs after a crash, then it is read anew.
    members_revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who is in which waddle: derived from the members in each waddle's database.
CREATE TABLE memberships (
    user   TEXT NOT NULL,
    waddle TEXT NOT NULL REFERENCES waddles (id) ON DELETE CASCADE,
    role   TEXT NOT NULL,
    PRIMARY KEY (user, waddle)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_waddle ON memberships (waddle);
