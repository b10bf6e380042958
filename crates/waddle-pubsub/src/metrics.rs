//! Instruments of publish-subscribe (`specs/telemetry.md`).

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;

static NOTIFICATIONS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    opentelemetry::global::meter("waddle")
        .u64_counter("xmpp.pubsub.notifications")
        .with_description("Notifications handed to sessions")
        .build()
});
static PUBLISHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    opentelemetry::global::meter("waddle")
        .u64_counter("xmpp.pubsub.items")
        .with_description("Items published")
        .build()
});

/// Notifications were handed over.
pub(crate) fn notified(n: u64) {
    NOTIFICATIONS.add(n, &[]);
}

/// An item was published.
pub(crate) fn published() {
    PUBLISHED.add(1, &[]);
}
