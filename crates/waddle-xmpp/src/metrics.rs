//! Metrics of mission line 49, made once.

use std::{sync::LazyLock, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, UpDownCounter},
};
use waddle_stanza::Kind;

struct Instruments {
    connections: UpDownCounter<i64>,
    stanzas: Counter<u64>,
    latency: Histogram<f64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let m = opentelemetry::global::meter("waddle");
    Instruments {
        connections: m
            .i64_up_down_counter("xmpp.connections.active")
            .with_description("Open XMPP connections")
            .build(),
        stanzas: m
            .u64_counter("xmpp.stanzas.processed")
            .with_description("Stanzas received from and sent to clients")
            .build(),
        latency: m
            .f64_histogram("xmpp.stanza.latency")
            .with_unit("s")
            .with_description("Time from reading a stanza to its having been routed")
            .with_boundaries(vec![
                0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
            ])
            .build(),
    }
});

/// What [`KeyValue`] sets are needed again and again.
struct Sets {
    kinds: [[KeyValue; 1]; 4],
    received: [[KeyValue; 2]; 4],
    sent: [[KeyValue; 2]; 4],
}

const NAMES: [&str; 4] = ["message", "presence", "iq", "other"];

/// A kind as metrics and spans name it.
pub fn name(kind: Kind) -> &'static str {
    NAMES[index(kind)]
}

static SETS: LazyLock<Sets> = LazyLock::new(|| {
    let two = |d: &'static str| {
        std::array::from_fn(|i| [KeyValue::new("type", NAMES[i]), KeyValue::new("direction", d)])
    };
    Sets {
        kinds: std::array::from_fn(|i| [KeyValue::new("type", NAMES[i])]),
        received: two("in"),
        sent: two("out"),
    }
});

fn index(kind: Kind) -> usize {
    match kind {
        Kind::Message => 0,
        Kind::Presence => 1,
        Kind::Iq => 2,
        Kind::Other => 3,
    }
}

/// A connection opened (`by` = 1) or closed (−1).
pub fn connections(transport: &'static str, by: i64) {
    INSTRUMENTS
        .connections
        .add(by, &[KeyValue::new("transport", transport)]);
}

/// Stanzas received since the last call: one addition per read, not per stanza.
pub fn received(kind: Kind, n: u64) {
    if n > 0 {
        INSTRUMENTS.stanzas.add(n, &SETS.received[index(kind)]);
    }
}

/// Stanzas sent, by kind: message, presence, iq, other.
pub fn sent(counts: [u64; 4]) {
    for (i, n) in counts.into_iter().enumerate() {
        if n > 0 {
            INSTRUMENTS.stanzas.add(n, &SETS.sent[i]);
        }
    }
}

/// The time that one stanza took.
pub fn latency(kind: Kind, took: Duration) {
    INSTRUMENTS
        .latency
        .record(took.as_secs_f64(), &SETS.kinds[index(kind)]);
}
