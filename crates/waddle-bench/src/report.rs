//! The figures of one run, and the clock and meters that make them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::histogram::{Histogram, Percentiles};
use crate::process;

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the program started; what messages carry as their time of sending.
pub fn nanos() -> u64 {
    ORIGIN.elapsed().as_nanos() as u64
}

/// The outcome of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The work that was done, e.g. `xmpp room`.
    pub bench: String,
    /// Its parameters, in words.
    pub parameters: String,
    /// How many items the measured time saw: logins, messages, deliveries, archive items or sessions.
    pub items: u64,
    /// The measured time.
    pub seconds: f64,
    /// Items per second.
    pub rate: f64,
    /// CPU of the server's process tree per item, in microseconds, where its pid was given.
    pub server_cpu_us: Option<f64>,
    /// Share of one core that the server used.
    pub server_cores: Option<f64>,
    /// The load generator's own CPU per item, in microseconds.
    pub client_cpu_us: f64,
    /// Share of one core that the load generator used; near its thread count it was the bottleneck.
    pub client_cores: f64,
    /// Latencies in microseconds, where the work has any.
    pub latency_us: Option<Percentiles>,
    /// Growth of the server's resident memory per item in bytes, for idle sessions.
    pub rss_per_item: Option<f64>,
    /// Items that failed or got lost.
    pub errors: u64,
    /// Seconds that went into the preparation (joins, filling an archive), which is not measured.
    pub setup_seconds: f64,
}

/// Counters that workers share and the main task reads at both ends of the measured time.
#[derive(Default)]
pub struct Progress {
    /// Items done since the start, warm-up included.
    pub items: AtomicU64,
    /// Failures since the start.
    pub errors: AtomicU64,
    /// Whether latencies count now.
    pub measuring: AtomicBool,
    /// Nothing new is sent when this is set.
    pub stop: AtomicBool,
    /// Workers that do something after the measured time end when this is set.
    pub end: AtomicBool,
}

impl Progress {
    /// Whether latencies count now.
    pub fn measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// Whether workers that only do what is measured should end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the workers that went on after the measured time.
    pub fn end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    /// Whether those should end.
    pub fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Counts items.
    pub fn add(&self, items: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
    }

    /// Counts a failure.
    pub fn fail(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}

/// One measured span of time.
pub struct Meter {
    pid: Option<u32>,
    server: f64,
    client: f64,
    started: Instant,
    items: u64,
}

impl Meter {
    /// Starts to measure; `items` is the counter's value now.
    pub fn start(pid: Option<u32>, items: u64) -> Self {
        Self {
            pid,
            server: pid.map_or(0.0, |pid| process::tree(pid).cpu),
            client: process::own_cpu(),
            started: Instant::now(),
            items,
        }
    }

    /// Ends the measured time; `items` is the counter's value now.
    pub fn finish(self, bench: &str, parameters: String, items: u64) -> Report {
        let seconds = self.started.elapsed().as_secs_f64();
        let client = process::own_cpu() - self.client;
        let server = self.pid.map(|pid| process::tree(pid).cpu - self.server);
        let items = items - self.items;
        let per_item = |cpu: f64| cpu * 1e6 / items.max(1) as f64;
        Report {
            bench: bench.to_owned(),
            parameters,
            items,
            seconds,
            rate: items as f64 / seconds,
            server_cpu_us: server.map(per_item),
            server_cores: server.map(|cpu| cpu / seconds),
            client_cpu_us: per_item(client),
            client_cores: client / seconds,
            latency_us: None,
            rss_per_item: None,
            errors: 0,
            setup_seconds: 0.0,
        }
    }
}

/// Lets workers run for `warm_up`, then measures for `duration`, then tells them to stop.
pub async fn measure(
    progress: &Progress,
    pid: Option<u32>,
    warm_up: Duration,
    duration: Duration,
    bench: &str,
    parameters: String,
) -> Report {
    tokio::time::sleep(warm_up).await;
    progress.measuring.store(true, Ordering::Relaxed);
    let meter = Meter::start(pid, progress.items.load(Ordering::Relaxed));
    tokio::time::sleep(duration).await;
    let mut report = meter.finish(bench, parameters, progress.items.load(Ordering::Relaxed));
    progress.measuring.store(false, Ordering::Relaxed);
    progress.stop.store(true, Ordering::Relaxed);
    report.errors = progress.errors.load(Ordering::Relaxed);
    report
}

/// Merges the workers' histograms into a report.
pub fn latencies(report: &mut Report, histograms: impl IntoIterator<Item = Histogram>) {
    let mut all = Histogram::new();
    for histogram in histograms {
        all.merge(&histogram);
    }
    report.latency_us = all.percentiles();
}
