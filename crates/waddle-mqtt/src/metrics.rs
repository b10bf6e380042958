//! The broker's instruments and figures (mission line 49: MQTT figures likewise).

use std::sync::{
    LazyLock,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram, UpDownCounter},
};

struct Instruments {
    connections: UpDownCounter<i64>,
    messages: Counter<u64>,
    dropped: Counter<u64>,
    refused: Counter<u64>,
    logins: Counter<u64>,
    sessions: UpDownCounter<i64>,
    subscriptions: UpDownCounter<i64>,
    commit: Histogram<f64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let m = global::meter("waddle");
    Instruments {
        connections: m
            .i64_up_down_counter("mqtt.connections.active")
            .with_description("MQTT connections after CONNACK, by transport and version")
            .build(),
        messages: m
            .u64_counter("mqtt.messages.processed")
            .with_description("Messages, by direction")
            .build(),
        dropped: m
            .u64_counter("mqtt.messages.dropped")
            .with_description("Messages that were not delivered, by reason")
            .build(),
        refused: m
            .u64_counter("mqtt.requests.refused")
            .with_description("CONNECT, PUBLISH and SUBSCRIBE without the right to it, by kind")
            .build(),
        logins: m
            .u64_counter("mqtt.logins")
            .with_description("Logins, by result")
            .build(),
        sessions: m
            .i64_up_down_counter("mqtt.sessions")
            .with_description("Sessions, present and absent")
            .build(),
        subscriptions: m
            .i64_up_down_counter("mqtt.subscriptions")
            .with_description("Subscriptions of all sessions")
            .build(),
        commit: m
            .f64_histogram("mqtt.commit.latency")
            .with_description("Seconds from PUBLISH to the commit that its acknowledgement waits for")
            .with_unit("s")
            .build(),
    }
});

/// Counters of one broker, for `$SYS` and status pages, fed together with the process's instruments.
#[derive(Debug, Default)]
pub struct Metrics {
    connections: AtomicI64,
    sessions: AtomicI64,
    subscriptions: AtomicI64,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    connects: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Figures {
    pub connections: i64,
    pub sessions: i64,
    pub subscriptions: i64,
    pub messages_received: u64,
    pub messages_sent: u64,
    pub messages_dropped: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub connects: u64,
}

impl Metrics {
    /// A connection came (+1) or went (-1).
    pub fn connection(&self, by: i64, transport: &'static str, version: &'static str) {
        self.connections.fetch_add(by, Ordering::Relaxed);
        if by > 0 {
            self.connects.fetch_add(1, Ordering::Relaxed);
        }
        INSTRUMENTS.connections.add(
            by,
            &[
                KeyValue::new("transport", transport),
                KeyValue::new("version", version),
            ],
        );
    }

    /// Sessions came or went.
    pub fn session(&self, by: i64) {
        self.sessions.fetch_add(by, Ordering::Relaxed);
        INSTRUMENTS.sessions.add(by, &[]);
    }

    /// Subscriptions came or went.
    pub fn subscription(&self, by: i64) {
        self.subscriptions.fetch_add(by, Ordering::Relaxed);
        INSTRUMENTS.subscriptions.add(by, &[]);
    }

    /// Messages and bytes from clients.
    pub fn received(&self, messages: u64, bytes: u64) {
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
        if messages > 0 {
            self.received.fetch_add(messages, Ordering::Relaxed);
            INSTRUMENTS
                .messages
                .add(messages, &[KeyValue::new("direction", "in")]);
        }
    }

    /// Messages and bytes to clients.
    pub fn sent(&self, messages: u64, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
        if messages > 0 {
            self.sent.fetch_add(messages, Ordering::Relaxed);
            INSTRUMENTS
                .messages
                .add(messages, &[KeyValue::new("direction", "out")]);
        }
    }

    /// Messages that were not delivered.
    pub fn dropped(&self, reason: &'static str, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
        INSTRUMENTS
            .dropped
            .add(messages, &[KeyValue::new("reason", reason)]);
    }

    /// The figures now.
    pub fn figures(&self) -> Figures {
        let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
        Figures {
            connections: self.connections.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            messages_received: get(&self.received),
            messages_sent: get(&self.sent),
            messages_dropped: get(&self.dropped),
            bytes_received: get(&self.bytes_received),
            bytes_sent: get(&self.bytes_sent),
            connects: get(&self.connects),
        }
    }
}

/// Something was asked for without the right to it.
pub fn refused(kind: &'static str) {
    INSTRUMENTS.refused.add(1, &[KeyValue::new("kind", kind)]);
}

/// A login was answered.
pub fn login(result: &'static str) {
    INSTRUMENTS.logins.add(1, &[KeyValue::new("result", result)]);
}

/// A commit that a client waited for.
pub fn committed(seconds: f64) {
    INSTRUMENTS.commit.record(seconds, &[]);
}
