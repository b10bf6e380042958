//! A load generator that puts the same work on Waddle and on a peer and prints figures as JSON.
//!
//! What it compares is the server's CPU time per item, read from `/proc` for the whole process tree,
//! because client and server usually share a machine; rates and latencies are printed beside it.

mod histogram;
mod mqtt;
mod process;
mod report;
mod suite;
mod tls;
mod xmpp;

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// The command line.
#[derive(Parser)]
#[command(name = "waddle-bench", version, about)]
struct Cli {
    /// Worker threads of the load generator.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load an XMPP server.
    #[command(subcommand)]
    Xmpp(xmpp::Command),
    /// Load an MQTT broker.
    #[command(subcommand)]
    Mqtt(mqtt::Command),
    /// Run everything on several targets and compare them.
    Suite(suite::Options),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = if cli.threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cli.threads)
            .enable_all()
            .build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    }
    .context("runtime")?;
    let output = runtime.block_on(async {
        Ok::<_, anyhow::Error>(match cli.command {
            Command::Xmpp(command) => serde_json::to_string_pretty(&xmpp::run(command).await?)?,
            Command::Mqtt(command) => serde_json::to_string_pretty(&mqtt::run(command).await?)?,
            Command::Suite(options) => suite::run(options).await?,
        })
    })?;
    writeln!(std::io::stdout(), "{output}")?;
    Ok(())
}
