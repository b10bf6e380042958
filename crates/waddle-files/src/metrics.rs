//! Figures of uploads.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;

pub(crate) struct Metrics {
    pub slots: Counter<u64>,
    pub uploads: Counter<u64>,
    pub bytes: Counter<u64>,
    pub removed: Counter<u64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("waddle");
    Metrics {
        slots: meter
            .u64_counter("files.slots")
            .with_description("upload slots asked for, by outcome")
            .build(),
        uploads: meter
            .u64_counter("files.uploads")
            .with_description("uploads that ended, by outcome")
            .build(),
        bytes: meter
            .u64_counter("files.uploaded")
            .with_description("bytes of files that were stored")
            .with_unit("By")
            .build(),
        removed: meter
            .u64_counter("files.removed")
            .with_description("files whose bytes the sweep removed")
            .build(),
    }
});
