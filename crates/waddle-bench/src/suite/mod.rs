//! The whole comparison: every piece of work on every target with the same parameters, repeated and
//! interleaved, so that a noisy moment does not hit one target alone.

mod config;
mod goals;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use self::config::{Config, Kind, Target};
use crate::report::Report;
use crate::{mqtt, xmpp};

/// `waddle-bench suite …`
#[derive(Args, Debug)]
pub struct Options {
    /// TOML file that describes the targets.
    #[arg(long)]
    config: PathBuf,
    /// Only these targets.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Only these pieces of work: idle, login, chat, room, crowd, rooms, among, archive, mqtt.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where the table goes, as Markdown.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Where every single run goes, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A piece of work; the order is that of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Memory of idle sessions; first, while the servers are fresh.
    Idle,
    /// Logins.
    Login,
    /// One-to-one messages.
    Chat,
    /// A room with one broadcast in flight.
    RoomOne,
    /// A room with many broadcasts in flight.
    RoomMany,
    /// Joins of a large room.
    CrowdJoin,
    /// Broadcasts in it, many in flight.
    Crowd,
    /// One-to-one messages beside those.
    CrowdTalk,
    /// Leaves.
    CrowdLeave,
    /// Many small rooms.
    Rooms,
    /// One-to-one messages beside very many idle sessions.
    ChatAmong,
    /// Archive paging.
    Archive,
    /// MQTT to one subscriber, QoS 0.
    OneQos0,
    /// MQTT to one subscriber, QoS 1.
    OneQos1,
    /// MQTT to many subscribers, QoS 0.
    ManyQos0,
    /// MQTT to many subscribers, QoS 1.
    ManyQos1,
}

impl Work {
    /// What is run; the other figures of a crowd come with its broadcasts.
    const RUNS: [Self; 13] = [
        Self::Idle,
        Self::Login,
        Self::Chat,
        Self::RoomOne,
        Self::RoomMany,
        Self::Crowd,
        Self::Rooms,
        Self::ChatAmong,
        Self::Archive,
        Self::OneQos0,
        Self::OneQos1,
        Self::ManyQos0,
        Self::ManyQos1,
    ];

    fn kind(self) -> Kind {
        match self {
            Self::OneQos0 | Self::OneQos1 | Self::ManyQos0 | Self::ManyQos1 => Kind::Mqtt,
            _ => Kind::Xmpp,
        }
    }

    fn group(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Login => "login",
            Self::Chat => "chat",
            Self::RoomOne | Self::RoomMany => "room",
            Self::Crowd | Self::CrowdJoin | Self::CrowdTalk | Self::CrowdLeave => "crowd",
            Self::Rooms => "rooms",
            Self::ChatAmong => "among",
            Self::Archive => "archive",
            _ => "mqtt",
        }
    }
}

/// All runs, by work and target.
pub type Results = BTreeMap<Work, BTreeMap<String, Vec<Report>>>;

/// Runs the suite and returns the table.
pub async fn run(options: Options) -> Result<String> {
    let text = std::fs::read_to_string(&options.config)
        .with_context(|| format!("cannot read {}", options.config.display()))?;
    let mut config: Config = toml::from_str(&text).context("suite file")?;
    if !options.targets.is_empty() {
        config
            .targets
            .retain(|target| options.targets.contains(&target.name));
    }
    let mut results = Results::new();
    for repetition in 0..config.repetitions.max(1) {
        for work in Work::RUNS {
            let wanted = options.only.is_empty() || options.only.iter().any(|name| name == work.group());
            // Memory is only comparable on a fresh server.
            if !wanted || (work == Work::Idle && repetition > 0) {
                continue;
            }
            for target in config.targets.iter().filter(|target| target.kind == work.kind()) {
                match one(&config, target, work, repetition).await {
                    Ok(reports) => {
                        for (work, report) in reports {
                            progress(&target.name, &report);
                            let by_target = results.entry(work).or_default();
                            by_target.entry(target.name.clone()).or_default().push(report);
                        }
                    }
                    Err(error) => {
                        let mut stderr = std::io::stderr();
                        writeln!(stderr, "{} {work:?}: {error:#}", target.name)?;
                    }
                }
            }
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)?)?;
    }
    let table = table::render(&config, &results);
    if let Some(path) = &options.markdown {
        std::fs::write(path, &table)?;
    }
    Ok(table)
}

fn progress(name: &str, report: &Report) {
    // Progress is for a person who watches; a closed terminal is no reason to stop.
    let _ = writeln!(
        std::io::stderr(),
        "{name:>10} {} ({}): {:.0}/s, server {} µs, client {:.1} µs ({:.0} % of a core), {} failed",
        report.bench,
        report.parameters,
        report.rate,
        report
            .server_cpu_us
            .map_or_else(|| "?".into(), |cpu| format!("{cpu:.2}")),
        report.client_cpu_us,
        report.client_cores * 100.0,
        report.errors,
    );
}

async fn one(config: &Config, target: &Target, work: Work, repetition: usize) -> Result<Vec<(Work, Report)>> {
    let sizes = &config.sizes;
    if target.kind == Kind::Mqtt {
        let (subscribers, qos) = match work {
            Work::OneQos0 => (1, 0),
            Work::OneQos1 => (1, 1),
            Work::ManyQos0 => (sizes.subscribers, 0),
            _ => (sizes.subscribers, 1),
        };
        let shape = mqtt::Shape {
            subscribers,
            qos,
            payload: 64,
            window: if work == Work::OneQos0 {
                sizes.mqtt_stream_window
            } else {
                sizes.mqtt_window
            },
            seconds: config.seconds,
            warm_up: config.warm_up,
        };
        let report = mqtt::run(mqtt::Command::Fanout {
            target: target.mqtt(),
            shape,
        })
        .await?;
        return Ok(vec![(work, report)]);
    }
    // Accounts are made once, by the first work that runs.
    let target_options = target.xmpp();
    let timing = xmpp::Timing {
        seconds: config.seconds,
        warm_up: config.warm_up,
    };
    let room = |occupants, rooms, window, talk| xmpp::Command::Room {
        target: target_options.clone(),
        timing: timing.clone(),
        occupants,
        rooms,
        window,
        talk,
        muc_host: target.muc_host.clone(),
        room: target.room.clone(),
    };
    let reports = xmpp::run(match work {
        Work::Idle => xmpp::Command::Idle {
            target: target_options,
            sessions: sizes.sessions,
        },
        Work::Login => xmpp::Command::Login {
            target: target_options,
            logins: sizes.logins,
        },
        Work::Chat => xmpp::Command::Chat {
            target: target_options,
            timing,
            conversations: sizes.conversations,
            idle: 0,
        },
        Work::ChatAmong => xmpp::Command::Chat {
            target: target_options,
            timing,
            conversations: sizes.conversations,
            idle: sizes.many_sessions,
        },
        Work::RoomOne => room(sizes.occupants, 1, 1, false),
        Work::RoomMany => room(sizes.occupants, 1, sizes.window, false),
        Work::Crowd => room(sizes.crowd, 1, sizes.window, true),
        Work::Rooms => room(10, sizes.rooms, sizes.window, false),
        _ => xmpp::Command::Archive {
            target: target_options,
            fill: if repetition == 0 { sizes.archive } else { 0 },
            // Read twice over: the clock behind CPU times ticks in hundredths of a second.
            items: sizes.archive * 2,
            page: 50,
        },
    })
    .await?;
    let named: &[Work] = match work {
        Work::Crowd => &[Work::Crowd, Work::CrowdJoin, Work::CrowdLeave, Work::CrowdTalk],
        ref one => std::slice::from_ref(one),
    };
    Ok(named.iter().copied().zip(reports).collect())
}
