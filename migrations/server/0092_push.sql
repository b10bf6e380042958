-- Where accounts want to be woken (XEP-0357): one row per push service and node.
CREATE TABLE push (
    owner    TEXT    NOT NULL,            -- localpart of the account
    service  TEXT    NOT NULL,            -- JID of the push service
    node     TEXT    NOT NULL,            -- its node; empty for none
    resource TEXT    NOT NULL,            -- the device that asked for it
    options  BLOB    NOT NULL,            -- the form of publish-options, a complete element; empty for none
    failures INTEGER NOT NULL DEFAULT 0,  -- in a row
    PRIMARY KEY (owner, service, node)
) STRICT, WITHOUT ROWID;
