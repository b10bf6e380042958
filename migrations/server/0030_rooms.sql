-- Plain rooms (XEP-0045): settings, subject, and who belongs to them.
CREATE TABLE rooms (
    name           TEXT    PRIMARY KEY,      -- localpart of the address
    secret         BLOB    NOT NULL,         -- of the occupant ids (XEP-0421)
    created        INTEGER NOT NULL,         -- microseconds since 1970
    title          TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    persistent     INTEGER NOT NULL,
    public         INTEGER NOT NULL,
    members_only   INTEGER NOT NULL,
    moderated      INTEGER NOT NULL,
    password       TEXT,
    whois_anyone   INTEGER NOT NULL,
    max_occupants  INTEGER NOT NULL,
    change_subject INTEGER NOT NULL,
    allow_invites  INTEGER NOT NULL,
    allow_private  INTEGER NOT NULL,
    archive        INTEGER NOT NULL,
    subject        TEXT,
    subject_nick   TEXT,
    subject_at     INTEGER
) STRICT;
CREATE TABLE room_affiliations (
    room        TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
    jid         TEXT NOT NULL,               -- bare JID
    affiliation TEXT NOT NULL,               -- owner, admin, member or outcast
    nick        TEXT,                        -- reserved for them
    reason      TEXT,
    PRIMARY KEY (room, jid)
) STRICT, WITHOUT ROWID;
