-- What administrators say to everybody (XEP-0133 §4.24 to §4.28): 'motd' and 'welcome'.
CREATE TABLE service_texts (
    name    TEXT PRIMARY KEY,
    body    TEXT NOT NULL,
    -- Rises when the text is to be shown again to those who saw an earlier one.
    version INTEGER NOT NULL,
    set_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which version of a text an account was shown.
CREATE TABLE service_texts_seen (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- Addresses that the service does not talk with ('block'), or the only foreign ones that it talks with ('allow').
CREATE TABLE service_lists (
    list TEXT NOT NULL CHECK (list IN ('block', 'allow')),
    jid  TEXT NOT NULL,
    PRIMARY KEY (list, jid)
) STRICT, WITHOUT ROWID;
