//! Configuration, supervision, wiring, shutdown; no logic.

mod admin;
mod cli;
mod config;
mod listen;
mod ready;
mod telemetry;
mod tls;

fn main() {}
