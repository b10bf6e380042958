//! Figures of webhooks, bots and commands.

use std::sync::OnceLock;

use opentelemetry::{KeyValue, global, metrics::Counter};

struct Instruments {
    incoming: Counter<u64>,
    outgoing: Counter<u64>,
    given_up: Counter<u64>,
    interactions: Counter<u64>,
}

fn instruments() -> &'static Instruments {
    static ONCE: OnceLock<Instruments> = OnceLock::new();
    ONCE.get_or_init(|| {
        let meter = global::meter("waddle");
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        Instruments {
            incoming: counter("hook.incoming", "Calls of incoming webhooks, by result"),
            outgoing: counter(
                "hook.deliveries",
                "Attempts to deliver an event to an outgoing webhook, by result",
            ),
            given_up: counter("hook.given_up", "Events that a receiver did not take"),
            interactions: counter("command.interactions", "Slash commands that were run, by result"),
        }
    })
}

/// A call of an incoming hook.
pub(crate) fn incoming(result: &'static str) {
    instruments().incoming.add(1, &[KeyValue::new("result", result)]);
}

/// An attempt at a delivery.
pub(crate) fn delivery(result: &'static str) {
    instruments().outgoing.add(1, &[KeyValue::new("result", result)]);
}

/// An event became a dead letter.
pub(crate) fn given_up() {
    instruments().given_up.add(1, &[]);
}

/// A slash command.
pub(crate) fn interaction(result: &'static str) {
    instruments()
        .interactions
        .add(1, &[KeyValue::new("result", result)]);
}
