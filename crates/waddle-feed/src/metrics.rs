//! Figures of feeds.

use std::sync::OnceLock;

use opentelemetry::{global, metrics::Counter};

/// Counters of all feeds.
pub(crate) struct Instruments {
    pub posted: Counter<u64>,
    pub dropped: Counter<u64>,
    pub failed: Counter<u64>,
}

/// The instruments, made once.
pub(crate) fn instruments() -> &'static Instruments {
    static ONCE: OnceLock<Instruments> = OnceLock::new();
    ONCE.get_or_init(|| {
        let meter = global::meter("waddle");
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        Instruments {
            posted: counter("feed.lines", "Lines that feeds put into channels"),
            dropped: counter("feed.dropped", "Readings that came faster than feeds could take them"),
            failed: counter("feed.failed", "Lines that a channel did not take"),
        }
    })
}
