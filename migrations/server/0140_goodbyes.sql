-- Contacts of deleted accounts who were not told yet (RFC 6121 §3).
CREATE TABLE goodbyes (
    gone    TEXT    NOT NULL,            -- localpart of the account that was
    contact TEXT    NOT NULL,            -- bare JID
    seen    INTEGER NOT NULL,            -- 1: the contact got its presence
    saw     INTEGER NOT NULL,            -- 1: it got the contact's presence, or had asked for it
    PRIMARY KEY (gone, contact)
) STRICT, WITHOUT ROWID;
