-- Nodes of the accounts (XEP-0163) and of the publish-subscribe service (XEP-0060).
CREATE TABLE pubsub_nodes (
    id            INTEGER PRIMARY KEY,
    service       TEXT    NOT NULL,            -- localpart of the account; '' for the service of its own
    name          TEXT    NOT NULL,
    config        TEXT    NOT NULL,            -- JSON, fields that are missing have their defaults
    creator       TEXT    NOT NULL,            -- bare JID
    created_at    INTEGER NOT NULL,
    purge_offline INTEGER NOT NULL DEFAULT 0,  -- of config: items go with their publisher's presence
    items         INTEGER NOT NULL DEFAULT 0,  -- how many, kept by the triggers below
    bytes         INTEGER NOT NULL DEFAULT 0,  -- of their payloads, likewise
    UNIQUE (service, name)
) STRICT;

CREATE INDEX pubsub_nodes_purged ON pubsub_nodes (id) WHERE purge_offline = 1;

CREATE TABLE pubsub_items (
    seq          INTEGER PRIMARY KEY,          -- order of publication
    node         INTEGER NOT NULL REFERENCES pubsub_nodes (id) ON DELETE CASCADE,
    item         TEXT    NOT NULL,
    publisher    TEXT    NOT NULL,             -- JID
    payload      BLOB,                         -- one self-contained element
    published_at INTEGER NOT NULL,
    UNIQUE (node, item)
) STRICT;
CREATE INDEX pubsub_items_order ON pubsub_items (node, seq);

CREATE TRIGGER pubsub_item_added AFTER INSERT ON pubsub_items BEGIN
    UPDATE pubsub_nodes SET items = items + 1, bytes = bytes + coalesce(length(new.payload), 0) WHERE id = new.node;
END;
CREATE TRIGGER pubsub_item_gone AFTER DELETE ON pubsub_items BEGIN
    UPDATE pubsub_nodes SET items = items - 1, bytes = bytes - coalesce(length(old.payload), 0) WHERE id = old.node;
END;

CREATE TABLE pubsub_affiliations (
    node        INTEGER NOT NULL REFERENCES pubsub_nodes (id) ON DELETE CASCADE,
    jid         TEXT    NOT NULL,              -- bare JID
    affiliation TEXT    NOT NULL,
    PRIMARY KEY (node, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_affiliations_of ON pubsub_affiliations (jid);

CREATE TABLE pubsub_subscriptions (
    node    INTEGER NOT NULL REFERENCES pubsub_nodes (id) ON DELETE CASCADE,
    jid     TEXT    NOT NULL,                  -- bare or full
    bare    TEXT    NOT NULL,                  -- the same without resource
    subid   TEXT    NOT NULL,
    pending INTEGER NOT NULL,                  -- waits for an owner's approval
    options TEXT    NOT NULL,                  -- JSON
    PRIMARY KEY (node, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_subscriptions_of ON pubsub_subscriptions (bare);

-- Where deleted nodes went (XEP-0060 §8.4.2).
CREATE TABLE pubsub_moved (
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    uri     TEXT NOT NULL,
    PRIMARY KEY (service, name)
) STRICT, WITHOUT ROWID;
