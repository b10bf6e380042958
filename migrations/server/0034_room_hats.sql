-- Hats of plain rooms (XEP-0317), and who wears them.
CREATE TABLE room_hats (
    room     TEXT    NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
    uri      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    title    TEXT    NOT NULL,
    hue      TEXT    NOT NULL,              -- an angle (XEP-0392); empty for none
    PRIMARY KEY (room, uri)
) STRICT, WITHOUT ROWID;
CREATE TABLE room_hats_worn (
    room TEXT NOT NULL,
    jid  TEXT NOT NULL,                     -- bare JID
    uri  TEXT NOT NULL,
    PRIMARY KEY (room, jid, uri),
    FOREIGN KEY (room, uri) REFERENCES room_hats (room, uri) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
