//! Configuration, supervision, wiring, shutdown; no logic.

mod admin;
mod app;
mod cli;
mod config;
mod doors;
mod exit;
mod listen;
mod offline;
mod ready;
mod run;
mod secrets;
mod status;
mod telemetry;
mod tls;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::Config;
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

fn dispatch(cli: Cli) -> Result<(), Exit> {
    let config = Config::load(cli.config.as_deref(), |k| std::env::var(k).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::failed(format!("cannot start: {e}")))?;
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => runtime.block_on(run::run(config)),
        Command::CheckConfig => offline::check_config(&config, cli.json),
        Command::Restore { dir, waddle } => {
            runtime.block_on(offline::restore(&config, &dir, waddle, cli.json))
        }
        command => runtime.block_on(offline::administer(&config, command, cli.json)),
    }
}
