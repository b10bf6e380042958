-- Whom an account blocks (XEP-0191).
CREATE TABLE blocked (
    owner TEXT NOT NULL,               -- localpart of the account
    jid   TEXT NOT NULL,               -- full, bare, host/resource or host
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;
