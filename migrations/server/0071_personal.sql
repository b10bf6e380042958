-- Private XML storage (XEP-0049).
CREATE TABLE private_xml (
    owner   TEXT NOT NULL,             -- localpart of the account
    name    TEXT NOT NULL,             -- of the element
    ns      TEXT NOT NULL,             -- its namespace
    payload BLOB NOT NULL,             -- the element, self-contained
    PRIMARY KEY (owner, ns, name)
) STRICT, WITHOUT ROWID;

-- vCards (XEP-0054), without the photo: that is the account's avatar (XEP-0398).
CREATE TABLE vcards (
    owner  TEXT PRIMARY KEY,           -- localpart of the account
    vcard  BLOB NOT NULL,              -- the element, self-contained
    vcard4 BLOB NOT NULL               -- what was published of it as vCard4 (XEP-0292)
) STRICT, WITHOUT ROWID;
