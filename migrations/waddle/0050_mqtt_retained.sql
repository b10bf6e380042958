-- Retained MQTT messages of the waddle's topic space (specs/mqtt.md, Durability).

CREATE TABLE mqtt_retained (
    topic           TEXT PRIMARY KEY,
    qos             INTEGER NOT NULL,
    response        TEXT NOT NULL,
    props           BLOB NOT NULL,
    payload         BLOB NOT NULL,
    publisher       TEXT,
    received_at     INTEGER NOT NULL,
    -- Seconds from received_at on; NULL for ever.
    expiry          INTEGER
) STRICT, WITHOUT ROWID;
