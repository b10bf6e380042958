//! What has to be reached against the better of the peers.

use super::Work;
use crate::report::Report;

/// A figure of a report, and which way is better.
pub struct Figure {
    /// Its name in the table.
    pub name: &'static str,
    /// Reads it.
    pub of: fn(&Report) -> Option<f64>,
    /// Whether less is better.
    pub less: bool,
}

/// CPU of the server per item.
pub const CPU: Figure = Figure {
    name: "server CPU per item, µs",
    of: |report| report.server_cpu_us,
    less: true,
};
/// Items per second.
pub const RATE: Figure = Figure {
    name: "items per second",
    of: |report| Some(report.rate),
    less: false,
};
/// Memory per session.
pub const MEMORY: Figure = Figure {
    name: "memory per session, KiB",
    of: |report| report.rss_per_item.map(|bytes| bytes / 1024.0),
    less: true,
};
/// Median latency.
pub const P50: Figure = Figure {
    name: "latency p50, µs",
    of: |report| report.latency_us.as_ref().map(|l| l.p50),
    less: true,
};
/// Tail latency.
pub const P99: Figure = Figure {
    name: "latency p99, µs",
    of: |report| report.latency_us.as_ref().map(|l| l.p99),
    less: true,
};
/// The load generator's share of a core.
pub const CLIENT: Figure = Figure {
    name: "load generator, cores",
    of: |report| Some(report.client_cores),
    less: true,
};

/// A goal: our figure divided by the best peer's, at most or at least this.
pub struct Goal {
    /// The work it is about.
    pub work: Work,
    /// The figure.
    pub figure: &'static Figure,
    /// The ratio to reach.
    pub ratio: f64,
    /// The only peer that counts, if it is not the best one.
    pub peer: Option<&'static str>,
}

/// All goals.
pub const GOALS: [Goal; 7] = [
    Goal {
        work: Work::RoomMany,
        figure: &CPU,
        ratio: 0.1,
        peer: None,
    },
    Goal {
        work: Work::Chat,
        figure: &CPU,
        ratio: 0.1,
        peer: None,
    },
    Goal {
        work: Work::Login,
        figure: &CPU,
        ratio: 0.25,
        peer: None,
    },
    Goal {
        work: Work::Idle,
        figure: &MEMORY,
        ratio: 0.5,
        peer: None,
    },
    Goal {
        work: Work::ManyQos0,
        figure: &RATE,
        ratio: 3.0,
        peer: Some("mosquitto"),
    },
    Goal {
        work: Work::OneQos0,
        figure: &RATE,
        ratio: 1.0,
        peer: Some("mosquitto"),
    },
    Goal {
        work: Work::OneQos1,
        figure: &RATE,
        ratio: 1.0,
        peer: Some("mosquitto"),
    },
];

/// The figures that the table shows for a piece of work, the first being the one compared.
pub fn figures(work: Work) -> &'static [&'static Figure] {
    match work {
        Work::Idle => &[&MEMORY],
        Work::OneQos0 | Work::OneQos1 | Work::ManyQos0 | Work::ManyQos1 => {
            &[&RATE, &CPU, &P50, &P99, &CLIENT]
        }
        _ => &[&CPU, &RATE, &P50, &P99],
    }
}
