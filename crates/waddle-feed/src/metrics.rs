//! Figures of feeds.

use std::sync::OnceLock;

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, UpDownCounter},
};

struct Instruments {
    readings: Counter<u64>,
    unreadable: Counter<u64>,
    dropped: Counter<u64>,
    lines: Counter<u64>,
    summarized: Counter<u64>,
    failed: Counter<u64>,
    restarts: Counter<u64>,
    active: UpDownCounter<i64>,
}

fn instruments() -> &'static Instruments {
    static ONCE: OnceLock<Instruments> = OnceLock::new();
    ONCE.get_or_init(|| {
        let meter = global::meter("waddle");
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        Instruments {
            readings: counter("feed.readings", "Readings that feeds took"),
            unreadable: counter("feed.unreadable", "Readings among them that could not be read"),
            dropped: counter("feed.dropped", "Readings that no feed could take, by reason"),
            lines: counter("feed.lines", "Lines that feeds put into channels"),
            summarized: counter(
                "feed.summarized",
                "Readings that came too fast and share a line with others",
            ),
            failed: counter("feed.failed", "Lines that a channel did not take, by reason"),
            restarts: counter("feed.restarts", "Feeds started anew after a fault"),
            active: meter
                .i64_up_down_counter("feed.waddles.active")
                .with_description("Waddles whose feeds are at work")
                .build(),
        }
    })
}

/// A feed took a reading.
pub(crate) fn reading(unreadable: bool) {
    let i = instruments();
    i.readings.add(1, &[]);
    if unreadable {
        i.unreadable.add(1, &[]);
    }
}

/// A reading is lost: `queue` (too many wait) or `bindings` (they cannot be read from the database).
pub(crate) fn dropped(reason: &'static str) {
    instruments().dropped.add(1, &[KeyValue::new("reason", reason)]);
}

/// A line is in its channel.
pub(crate) fn line() {
    instruments().lines.add(1, &[]);
}

/// So many readings became one line.
pub(crate) fn summarized(readings: u64) {
    if readings > 1 {
        instruments().summarized.add(readings, &[]);
    }
}

/// A line is lost: `no-channel`, `nick`, `busy`, `storage` or `shutdown`.
pub(crate) fn failed(reason: &'static str, lines: usize) {
    if lines > 0 {
        instruments()
            .failed
            .add(lines as u64, &[KeyValue::new("reason", reason)]);
    }
}

/// The feeds of a waddle failed and start anew.
pub(crate) fn restarted() {
    instruments().restarts.add(1, &[]);
}

/// The feeds of waddles started or stopped.
pub(crate) fn active(by: i64) {
    instruments().active.add(by, &[]);
}
