//! What has to be reached against the better of the peers.

use super::Work;
use crate::report::Report;

/// A figure of a report, and which way is better.
#[derive(Debug)]
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

/// What our figure is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Against {
    /// The same figure of the better peer.
    Best,
    /// The same figure of one peer.
    Peer(&'static str),
    /// Another figure of the better peer.
    Figure(&'static Figure),
    /// Our own figure in another piece of work.
    Own(Work),
    /// A number, in the figure's unit.
    Number,
}

/// A goal: our figure divided by another is at most or at least this, or the figure itself is.
pub struct Goal {
    /// The work it is about.
    pub work: Work,
    /// The figure.
    pub figure: &'static Figure,
    /// The ratio to reach, or the number.
    pub reach: f64,
    /// What it is compared with.
    pub against: Against,
}

const fn goal(work: Work, figure: &'static Figure, reach: f64, against: Against) -> Goal {
    Goal {
        work,
        figure,
        reach,
        against,
    }
}

/// All goals.
pub const GOALS: [Goal; 12] = [
    goal(Work::RoomMany, &CPU, 0.1, Against::Best),
    goal(Work::Crowd, &RATE, 20.0, Against::Best),
    goal(Work::CrowdTalk, &P99, 1.0, Against::Figure(&P50)),
    goal(Work::Chat, &CPU, 0.1, Against::Best),
    goal(Work::ChatAmong, &CPU, 1.25, Against::Own(Work::Chat)),
    goal(Work::ChatAmong, &MEMORY, 30.0, Against::Number),
    goal(Work::Login, &CPU, 0.25, Against::Best),
    goal(Work::Idle, &MEMORY, 0.5, Against::Best),
    goal(Work::Idle, &MEMORY, 30.0, Against::Number),
    goal(Work::ManyQos0, &RATE, 3.0, Against::Peer("mosquitto")),
    goal(Work::OneQos0, &RATE, 1.0, Against::Peer("mosquitto")),
    goal(Work::OneQos1, &RATE, 1.0, Against::Peer("mosquitto")),
];

/// The figures that the table shows for a piece of work, the first being the one compared.
pub fn figures(work: Work) -> &'static [&'static Figure] {
    match work {
        Work::Idle => &[&MEMORY],
        Work::ChatAmong => &[&CPU, &RATE, &P50, &P99, &MEMORY],
        Work::CrowdTalk => &[&P50, &P99, &RATE],
        Work::OneQos0 | Work::OneQos1 | Work::ManyQos0 | Work::ManyQos1 => {
            &[&RATE, &CPU, &P50, &P99, &CLIENT]
        }
        _ => &[&CPU, &RATE, &P50, &P99],
    }
}
