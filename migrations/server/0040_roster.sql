-- Contacts of the accounts (RFC 6121 §2, §3).
CREATE TABLE roster (
    owner        TEXT    NOT NULL,             -- localpart of the account
    jid          TEXT    NOT NULL,             -- bare JID of the contact
    name         TEXT,
    groups       TEXT    NOT NULL DEFAULT '',  -- names, with U+001F (which XML cannot hold) between them
    subscription INTEGER NOT NULL DEFAULT 0,   -- 1: owner gets contact's presence (to), 2: contact gets owner's (from)
    asked        INTEGER NOT NULL DEFAULT 0,   -- the owner's request waits for the contact's answer (ask='subscribe')
    approved     INTEGER NOT NULL DEFAULT 0,   -- the owner approved the contact's request beforehand (§3.4)
    listed       INTEGER NOT NULL DEFAULT 1,   -- 0: no roster item, only a request or an approval
    request      BLOB,                         -- the contact's request that waits for the owner's answer
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;

-- Versions of the rosters (RFC 6121 §2.6).
CREATE TABLE roster_version (
    owner   TEXT    PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
