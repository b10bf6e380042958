//! `$SYS` figures, for operators only (`specs/mqtt.md`).

use std::sync::Arc;

use waddle_core::Timestamp;

use crate::{
    core::Core,
    message::{Envelope, Gather},
    ticket::Ticket,
};

/// Publishes the figures, retained in memory.
pub async fn publish(core: &Arc<Core>, started: Timestamp) {
    let f = core.metrics.figures();
    let uptime = core.clock.now().since(started).as_secs();
    let figures = [
        (
            "$SYS/broker/version",
            concat!("waddle ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("$SYS/broker/uptime", uptime.to_string()),
        ("$SYS/broker/clients/connected", f.connections.to_string()),
        ("$SYS/broker/clients/total", f.sessions.to_string()),
        (
            "$SYS/broker/clients/disconnected",
            (f.sessions - f.connections).max(0).to_string(),
        ),
        ("$SYS/broker/subscriptions/count", f.subscriptions.to_string()),
        ("$SYS/broker/messages/received", f.messages_received.to_string()),
        ("$SYS/broker/messages/sent", f.messages_sent.to_string()),
        ("$SYS/broker/messages/dropped", f.messages_dropped.to_string()),
        ("$SYS/broker/bytes/received", f.bytes_received.to_string()),
        ("$SYS/broker/bytes/sent", f.bytes_sent.to_string()),
    ];
    let space = core.server_space.clone();
    for (topic, value) in figures {
        let mut g = Gather::default();
        g.add_parts("", b"", value.as_bytes(), None);
        let topic: Arc<str> = topic.into();
        let run = g.finish(Envelope {
            waddle: None,
            view: "".into(),
            topic: topic.clone(),
            qos: 0,
            retain: true,
            received: core.clock.now(),
            from: 0,
            publisher: None,
        });
        let targets = space.targets(&topic);
        // The few figures are always within the limits.
        let _ = core
            .route(&space, &targets, run, None, || Ticket::new(None))
            .await;
    }
}
