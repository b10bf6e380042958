-- Plain rooms: what the whole configuration form of XEP-0045 asks for, and the avatar (XEP-0486).
-- `allow_private` is from now on who may send private messages: 0 moderators, 1 anyone, 2 participants, 3 nobody.
-- Roles are a sum: 1 visitors, 2 participants, 4 moderators.
ALTER TABLE rooms ADD COLUMN lang              TEXT    NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN presence_of       INTEGER NOT NULL DEFAULT 7;
ALTER TABLE rooms ADD COLUMN member_list_for   INTEGER NOT NULL DEFAULT 4;
ALTER TABLE rooms ADD COLUMN max_history       INTEGER;
ALTER TABLE rooms ADD COLUMN contacts          TEXT    NOT NULL DEFAULT '';  -- bare JIDs, one a line
ALTER TABLE rooms ADD COLUMN vcard             BLOB;
