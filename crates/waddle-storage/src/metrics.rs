//! Figures of the storage: commits, batches, latency, queues, open databases (mission line 49).

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram, ObservableGauge},
};

/// The instruments of one storage.
pub(crate) struct Metrics {
    commits: Counter<u64>,
    batch: Histogram<u64>,
    latency: Histogram<f64>,
    queued: Arc<AtomicI64>,
    open: Arc<AtomicU64>,
    labels: [[[KeyValue; 2]; 2]; 2],
    _gauges: (ObservableGauge<i64>, ObservableGauge<u64>),
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("waddle");
        let (queued, open) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
        let (q, o) = (queued.clone(), open.clone());
        let depth = meter
            .i64_observable_gauge("storage.queue.depth")
            .with_description("Requests that wait for a database")
            .with_callback(move |to| to.observe(q.load(Ordering::Relaxed), &[]))
            .build();
        let databases = meter
            .u64_observable_gauge("storage.databases.open")
            .with_description("Waddle databases that are open")
            .with_callback(move |to| to.observe(o.load(Ordering::Relaxed), &[]))
            .build();
        let labels = ["server", "waddle"].map(|database| {
            ["failed", "ok"].map(|result| {
                [
                    KeyValue::new("database", database),
                    KeyValue::new("result", result),
                ]
            })
        });
        Self {
            commits: meter
                .u64_counter("storage.commits")
                .with_description("Group commits")
                .build(),
            batch: meter
                .u64_histogram("storage.commit.batch")
                .with_description("Jobs of one group commit")
                .with_boundaries(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
                .build(),
            latency: meter
                .f64_histogram("storage.commit.latency")
                .with_unit("s")
                .with_description("Time from the start of a group commit to its end on the disk")
                .with_boundaries(vec![
                    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0,
                ])
                .build(),
            queued,
            open,
            labels,
            _gauges: (depth, databases),
        }
    }

    pub(crate) fn queued(&self, change: i64) {
        self.queued.fetch_add(change, Ordering::Relaxed);
    }

    pub(crate) fn open(&self, databases: usize) {
        self.open.store(databases as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, waddle: bool, jobs: usize, took: Duration, ok: bool) {
        let labels = &self.labels[usize::from(waddle)][usize::from(ok)];
        self.commits.add(1, labels);
        self.batch.record(jobs as u64, &labels[..1]);
        self.latency.record(took.as_secs_f64(), &labels[..1]);
    }
}
