//! Figures of the permissions (mission line 49): counted in plain atomics, read when somebody collects.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, ObservableCounter, ObservableGauge},
};
use waddle_permissions::Decision;

/// Counts that checks leave behind; a check adds one relaxed increment.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    allowed: AtomicU64,
    denied: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
    pub in_memory: AtomicUsize,
}

impl Counts {
    pub fn decided(&self, d: Decision) {
        let count = match d {
            Decision::Allowed => &self.allowed,
            Decision::Denied => &self.denied,
            Decision::Unknown => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The instruments of one community handle.
pub(crate) struct Metrics {
    pub counts: Arc<Counts>,
    changes: Counter<u64>,
    _observed: (ObservableCounter<u64>, ObservableGauge<u64>),
}

impl Metrics {
    pub fn new() -> Self {
        let meter = global::meter("waddle");
        let counts = Arc::<Counts>::default();
        let (c, o) = (counts.clone(), counts.clone());
        let checks = meter
            .u64_observable_counter("permission.checks")
            .with_description("Decisions, by what they were")
            .with_callback(move |to| {
                for (decision, count) in [
                    ("allowed", &c.allowed),
                    ("denied", &c.denied),
                    ("unknown", &c.unknown),
                    ("too_complex", &c.failed),
                ] {
                    to.observe(
                        count.load(Ordering::Relaxed),
                        &[KeyValue::new("decision", decision)],
                    );
                }
            })
            .build();
        let open = meter
            .u64_observable_gauge("permission.waddles.in_memory")
            .with_description("Waddles whose tuples are in memory")
            .with_callback(move |to| to.observe(o.in_memory.load(Ordering::Relaxed) as u64, &[]))
            .build();
        Self {
            counts,
            changes: meter
                .u64_counter("community.changes")
                .with_description("Changes of waddles, by their result")
                .build(),
            _observed: (checks, open),
        }
    }

    pub fn changed(&self, result: &'static str) {
        self.changes.add(1, &[KeyValue::new("result", result)]);
    }
}
