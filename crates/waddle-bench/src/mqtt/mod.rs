//! MQTT load: one publisher, many subscribers (MQTT 3.1.1 and 5.0).

mod fanout;
mod packet;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::report::Report;

/// The broker and the account.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Address of the broker.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Its port.
    #[arg(long, default_value_t = 1883)]
    pub port: u16,
    /// Speak TLS; any certificate is accepted.
    #[arg(long)]
    pub tls: bool,
    /// The broker's process, to read CPU time of it and its children.
    #[arg(long)]
    pub pid: Option<u32>,
    /// User name, where the broker wants one.
    #[arg(long)]
    pub username: Option<String>,
    /// Password.
    #[arg(long)]
    pub password: Option<String>,
    /// Protocol version: 4 (3.1.1) or 5.
    #[arg(long, default_value_t = 4)]
    pub protocol: u8,
    /// Topic to publish to.
    #[arg(long, default_value = "bench/fanout")]
    pub topic: String,
}

/// What is published.
#[derive(Args, Clone, Debug)]
pub struct Shape {
    /// Subscribers, a connection each.
    #[arg(long, default_value_t = 1)]
    pub subscribers: usize,
    /// QoS of publisher and subscribers: 0 or 1.
    #[arg(long, default_value_t = 0)]
    pub qos: u8,
    /// Payload in bytes, at least 8.
    #[arg(long, default_value_t = 64)]
    pub payload: usize,
    /// Publishes in flight: the slowest subscriber is at most this far behind.
    #[arg(long, default_value_t = 256)]
    pub window: usize,
    /// Measured seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Seconds before that, not measured.
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,
}

/// `waddle-bench mqtt …`
#[derive(Subcommand)]
pub enum Command {
    /// One publisher to a number of subscribers.
    Fanout {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        shape: Shape,
    },
}

/// Runs one command.
pub async fn run(command: Command) -> Result<Report> {
    match command {
        Command::Fanout { target, shape } => fanout::run(&target, &shape).await,
    }
}
