//! Figures of logins (mission: failed logins by protocol, mechanism and reason).

use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

/// Where and how somebody tried to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// `xmpp`, `mqtt` or `http`.
    pub protocol: &'static str,
    /// `PLAIN`, `SCRAM-SHA-256`, `oauth`, `password`, …
    pub mechanism: &'static str,
}

pub(crate) struct Metrics {
    pub logins: Counter<u64>,
    pub failed: Counter<u64>,
    pub derivation: Histogram<f64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("waddle");
    Metrics {
        logins: meter
            .u64_counter("identity.logins")
            .with_description("logins that succeeded, by protocol and mechanism")
            .build(),
        failed: meter
            .u64_counter("identity.logins.failed")
            .with_description("logins that failed, by protocol, mechanism and reason")
            .build(),
        derivation: meter
            .f64_histogram("identity.derivation.duration")
            .with_description("waiting for and doing one password derivation")
            .with_unit("s")
            .with_boundaries(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ])
            .build(),
    }
});

impl Attempt {
    pub(crate) fn labels(self) -> [KeyValue; 2] {
        [
            KeyValue::new("protocol", self.protocol),
            KeyValue::new("mechanism", self.mechanism),
        ]
    }
}
