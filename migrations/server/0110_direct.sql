-- Waddles with purges under way, to be taken up after a restart.
CREATE TABLE purging (
    waddle TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Who may write to an account; everybody where it has no row.
CREATE TABLE direct_policies (
    owner  TEXT PRIMARY KEY,                 -- localpart
    policy TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who was let to write to an account, beside its contacts: by consent, or because they were written to.
CREATE TABLE direct_allowed (
    owner TEXT    NOT NULL,
    jid   TEXT    NOT NULL,                  -- bare JID
    at    INTEGER NOT NULL,
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;

-- Who asks to be let: a person, or a group that somebody was added to.
CREATE TABLE direct_requests (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT    NOT NULL,
    jid   TEXT    NOT NULL,                  -- bare JID of the person who asks
    room  TEXT    NOT NULL DEFAULT '',       -- the group's localpart, where it is about one
    at    INTEGER NOT NULL,
    refused_at INTEGER,
    UNIQUE (owner, jid, room)
) STRICT;

-- What they wrote, until it is accepted.
CREATE TABLE direct_held (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    request INTEGER NOT NULL REFERENCES direct_requests (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    body    TEXT,
    stanza  BLOB    NOT NULL
) STRICT;
CREATE INDEX direct_held_request ON direct_held (request, id);
CREATE INDEX direct_requests_at ON direct_requests (at);

-- Small private groups: plain rooms of the rooms' service that are listed here.
CREATE TABLE direct_groups (
    room    TEXT    PRIMARY KEY,             -- localpart
    name    TEXT    NOT NULL,
    made_by TEXT    NOT NULL,                -- UserId
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE direct_people (
    room  TEXT    NOT NULL REFERENCES direct_groups (room) ON DELETE CASCADE,
    jid   TEXT    NOT NULL,                  -- bare JID
    at    INTEGER NOT NULL,
    PRIMARY KEY (room, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX direct_people_jid ON direct_people (jid, room);
