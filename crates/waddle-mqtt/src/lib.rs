//! The MQTT broker: core over `mqtt-protocol-core`, authorization, mounts, persistence.
