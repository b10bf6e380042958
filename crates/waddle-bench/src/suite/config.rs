//! The suite's file: what runs, and on whom.

use serde::Deserialize;

use crate::{mqtt, xmpp};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often everything runs.
    #[serde(default = "three")]
    pub repetitions: usize,
    /// Measured seconds of each run that has a duration.
    #[serde(default = "five")]
    pub seconds: f64,
    /// Seconds before that, not measured.
    #[serde(default = "one")]
    pub warm_up: f64,
    /// Sizes of the work.
    #[serde(default)]
    pub sizes: Sizes,
    /// The servers and brokers.
    #[serde(rename = "target", default)]
    pub targets: Vec<Target>,
}

/// How much of everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sizes {
    /// Idle sessions.
    pub sessions: usize,
    /// Logins.
    pub logins: usize,
    /// Conversations.
    pub conversations: usize,
    /// Occupants of the room.
    pub occupants: usize,
    /// Broadcasts in flight in the busy room.
    pub window: usize,
    /// Occupants of the large room.
    pub crowd: usize,
    /// Rooms of ten.
    pub rooms: usize,
    /// Very many idle sessions.
    pub many_sessions: usize,
    /// Items in the archive.
    pub archive: usize,
    /// MQTT subscribers of the wide fan-out.
    pub subscribers: usize,
    /// MQTT publishes in flight.
    pub mqtt_window: usize,
    /// The same for one subscriber with QoS 0. It answers nothing, so that a broker that leaves Nagle's
    /// algorithm on waits for delayed acknowledgements unless more than two segments are under way.
    pub mqtt_stream_window: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            sessions: 1000,
            logins: 500,
            conversations: 64,
            occupants: 100,
            window: 32,
            crowd: 1000,
            rooms: 1000,
            many_sessions: 10_000,
            archive: 2000,
            subscribers: 100,
            mqtt_window: 256,
            mqtt_stream_window: 2000,
        }
    }
}

/// What a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An XMPP server.
    Xmpp,
    /// An MQTT broker.
    Mqtt,
}

/// A server or broker that runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in the table.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Whether it is the one that has goals to reach.
    #[serde(default)]
    pub ours: bool,
    /// Address.
    #[serde(default = "loopback")]
    pub host: String,
    /// Port: STARTTLS for XMPP.
    pub port: u16,
    /// Process whose tree is measured.
    pub pid: Option<u32>,
    /// XMPP domain.
    #[serde(default = "localhost")]
    pub domain: String,
    /// Service that makes rooms.
    pub muc_host: Option<String>,
    /// An existing room.
    pub room: Option<String>,
    /// Accounts, made beforehand.
    #[serde(default = "accounts")]
    pub accounts: usize,
    /// Prefix of their names.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Their password, or that of the MQTT user.
    pub password: Option<String>,
    /// SASL mechanism.
    #[serde(default = "mechanism")]
    pub mechanism: String,
    /// MQTT user.
    pub username: Option<String>,
    /// MQTT topic.
    #[serde(default = "topic")]
    pub topic: String,
}

impl Target {
    /// As options of the XMPP commands.
    pub fn xmpp(&self) -> xmpp::Target {
        xmpp::Target {
            host: self.host.clone(),
            port: self.port,
            domain: self.domain.clone(),
            tls: xmpp::Tls::Starttls,
            pid: self.pid,
            accounts: self.accounts,
            prefix: self.prefix.clone(),
            password: self.password.clone().unwrap_or_default(),
            register: false,
            mechanism: self.mechanism.clone(),
            concurrency: 8,
        }
    }

    /// As options of the MQTT commands.
    pub fn mqtt(&self) -> mqtt::Target {
        mqtt::Target {
            host: self.host.clone(),
            port: self.port,
            tls: false,
            pid: self.pid,
            username: self.username.clone(),
            password: self.password.clone(),
            protocol: 4,
            topic: self.topic.clone(),
        }
    }
}

fn three() -> usize {
    3
}
fn five() -> f64 {
    5.0
}
fn one() -> f64 {
    1.0
}
fn loopback() -> String {
    "127.0.0.1".into()
}
fn localhost() -> String {
    "localhost".into()
}
fn accounts() -> usize {
    200
}
fn prefix() -> String {
    "bench".into()
}
fn mechanism() -> String {
    "scram-sha-1".into()
}
fn topic() -> String {
    "bench/fanout".into()
}
