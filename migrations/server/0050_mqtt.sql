-- MQTT sessions that outlive their connection, with their subscriptions, queues and packet identifiers
-- (specs/mqtt.md, Durability).

CREATE TABLE mqtt_session (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id         TEXT NOT NULL,
    -- The mounted waddle; empty for a person's plain login.
    waddle          TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    -- The principal as JSON, for checks while the client is away.
    principal       TEXT NOT NULL,
    -- The home waddle of a plain login, or empty.
    home            TEXT NOT NULL,
    -- Seconds; 4294967295 is for ever.
    expiry          INTEGER NOT NULL,
    -- Microseconds; NULL while the client is connected.
    gone_at         INTEGER,
    -- The will: its parameters as JSON, payload and properties; NULL where there is none.
    will            TEXT,
    will_payload    BLOB,
    will_props      BLOB,
    UNIQUE (user_id, waddle, client_id)
) STRICT;

CREATE TABLE mqtt_subscription (
    session         INTEGER NOT NULL REFERENCES mqtt_session (id) ON DELETE CASCADE,
    -- As the client wrote it, $share/… included.
    filter          TEXT NOT NULL,
    qos             INTEGER NOT NULL,
    no_local        INTEGER NOT NULL,
    as_published    INTEGER NOT NULL,
    identifier      INTEGER,
    PRIMARY KEY (session, filter)
) STRICT, WITHOUT ROWID;

-- A message that at least one queue holds.
CREATE TABLE mqtt_message (
    id              INTEGER PRIMARY KEY,
    waddle          TEXT NOT NULL,
    topic           TEXT NOT NULL,
    qos             INTEGER NOT NULL,
    response        TEXT NOT NULL,
    props           BLOB NOT NULL,
    payload         BLOB NOT NULL,
    publisher       TEXT,
    received_at     INTEGER NOT NULL,
    -- Seconds from received_at on; NULL for ever.
    expiry          INTEGER
) STRICT;

-- A row's number is never used again: queues are read on from the last number seen.
CREATE TABLE mqtt_queue (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    session         INTEGER NOT NULL REFERENCES mqtt_session (id) ON DELETE CASCADE,
    message         INTEGER NOT NULL REFERENCES mqtt_message (id),
    qos             INTEGER NOT NULL,
    retain          INTEGER NOT NULL,
    prefixed        INTEGER NOT NULL,
    -- Subscription identifiers, four bytes each.
    identifiers     BLOB NOT NULL,
    -- The packet identifier, once it was sent.
    packet          INTEGER,
    -- QoS 2: its receipt was acknowledged.
    released        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX mqtt_queue_by_session ON mqtt_queue (session, id);
CREATE INDEX mqtt_queue_by_message ON mqtt_queue (message);

-- Packet identifiers of QoS 2 messages that were received and not yet released.
CREATE TABLE mqtt_received (
    session         INTEGER NOT NULL REFERENCES mqtt_session (id) ON DELETE CASCADE,
    packet          INTEGER NOT NULL,
    PRIMARY KEY (session, packet)
) STRICT, WITHOUT ROWID;
