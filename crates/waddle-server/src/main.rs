//! The program: configuration, wiring, shutdown, the command line. No logic of chat is here.
//!
//! Begin with `run`, which lists what runs, in which order it starts and in which it ends; `app` opens the layers below it,
//! `config` reads the settings (`specs/configuration.md`), `cli` and `admin` are the commands, through the socket of a
//! running server or, where none runs, on the databases.

mod admin;
mod app;
mod cli;
mod config;
mod doors;
mod exit;
mod integrations;
mod listen;
mod messages;
mod offline;
mod outside;
mod ready;
mod run;
mod secrets;
mod status;
mod telemetry;
mod tls;

use std::{os::unix::process::CommandExt, process::ExitCode};

use clap::Parser;
use waddle_xmpp::office::Ending;

use cli::{Cli, Command, XepCommand};
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

/// The same program with the same arguments in this process: whoever watches it sees no end. It comes back only to say
/// why that did not work.
fn again() -> Exit {
    let exec = |program| {
        std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .exec()
    };
    let error = match std::env::current_exe() {
        Ok(program) => exec(program),
        Err(e) => e,
    };
    Exit::failed(format!("cannot start again: {error}"))
}

fn dispatch(cli: Cli) -> Result<(), Exit> {
    let config = Config::load(cli.config.as_deref(), |k| std::env::var(k).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::failed(format!("cannot start: {e}")))?;
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => {
            let ending = runtime.block_on(run::run(config))?;
            drop(runtime);
            match ending {
                Ending::Stop => Ok(()),
                Ending::Restart => Err(again()),
            }
        }
        Command::Xep(XepCommand::List) => offline::xep_list(cli.json),
        Command::CheckConfig => offline::check_config(&config, cli.json),
        Command::Restore { dir, waddle } => {
            runtime.block_on(offline::restore(&config, &dir, waddle, cli.json))
        }
        command => runtime.block_on(offline::administer(&config, command, cli.json)),
    }
}
