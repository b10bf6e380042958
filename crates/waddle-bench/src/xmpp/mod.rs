//! XMPP load: logins, conversations, rooms, archives and idle sessions (RFC 6120, 6121, XEP-0045, 0313).

mod archive;
mod chat;
mod connection;
mod idle;
mod login;
mod marker;
mod pool;
mod room;
mod sasl;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use crate::report::Report;

/// How TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// STARTTLS (RFC 6120 §5).
    Starttls,
    /// TLS from the first byte (XEP-0368).
    Direct,
}

/// The server and the accounts.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Its port.
    #[arg(long, default_value_t = 5222)]
    pub port: u16,
    /// Its XMPP domain.
    #[arg(long, default_value = "localhost")]
    pub domain: String,
    /// How TLS starts.
    #[arg(long, value_enum, default_value_t = Tls::Starttls)]
    pub tls: Tls,
    /// The server's process, to read CPU time and memory of it and its children.
    #[arg(long)]
    pub pid: Option<u32>,
    /// How many accounts there are, called PREFIX0, PREFIX1, …
    #[arg(long, default_value_t = 200)]
    pub accounts: usize,
    /// Prefix of the accounts' names.
    #[arg(long, default_value = "bench")]
    pub prefix: String,
    /// Password of all accounts.
    #[arg(long, default_value = "bench-password-1")]
    pub password: String,
    /// Make the accounts by in-band registration (XEP-0077) first.
    #[arg(long)]
    pub register: bool,
    /// SASL mechanism: `scram-sha-1`, `scram-sha-256` or `plain`.
    #[arg(long, default_value = "scram-sha-1")]
    pub mechanism: String,
    /// How many logins may be under way at once.
    #[arg(long, default_value_t = 8)]
    pub concurrency: usize,
}

/// Time of a run.
#[derive(Args, Clone, Debug)]
pub struct Timing {
    /// Measured seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Seconds before that, not measured.
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,
}

/// `waddle-bench xmpp …`
#[derive(Subcommand)]
pub enum Command {
    /// TLS, SASL and resource binding; sessions stay open until the last login is measured.
    Login {
        #[command(flatten)]
        target: Target,
        /// How many logins.
        #[arg(long, default_value_t = 500)]
        logins: usize,
    },
    /// One-to-one messages, one in flight per conversation.
    Chat {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
        /// Conversations, two accounts each.
        #[arg(long, default_value_t = 64)]
        conversations: usize,
        /// Idle sessions beside them, of other accounts.
        #[arg(long, default_value_t = 0)]
        idle: usize,
    },
    /// Group chat: every message goes to every occupant.
    Room {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
        /// Occupants, an account each.
        #[arg(long, default_value_t = 100)]
        occupants: usize,
        /// Rooms with as many occupants each; with several, the session of account n is in the rooms n, n - 1, …
        #[arg(long, default_value_t = 1)]
        rooms: usize,
        /// Broadcasts in flight.
        #[arg(long, default_value_t = 1)]
        window: usize,
        /// Two others talk to each other meanwhile.
        #[arg(long)]
        talk: bool,
        /// Service that makes rooms; default `conference.DOMAIN`.
        #[arg(long)]
        muc_host: Option<String>,
        /// Bare address of an existing room, instead of a new one.
        #[arg(long)]
        room: Option<String>,
    },
    /// Pages through an account's archive.
    Archive {
        #[command(flatten)]
        target: Target,
        /// Items to put there first.
        #[arg(long, default_value_t = 2000)]
        fill: usize,
        /// Items to read, from the start again where the archive has fewer.
        #[arg(long, default_value_t = 2000)]
        items: usize,
        /// Items per page.
        #[arg(long, default_value_t = 50)]
        page: usize,
    },
    /// Opens sessions and reports what they cost in memory.
    Idle {
        #[command(flatten)]
        target: Target,
        /// How many sessions.
        #[arg(long, default_value_t = 1000)]
        sessions: usize,
    },
    /// Only makes the accounts by in-band registration.
    Register {
        #[command(flatten)]
        target: Target,
    },
}

/// Runs one command; a room has a report for the broadcasts, one for the joins, one for the leaves, and one for
/// the two who talk.
pub async fn run(command: Command) -> Result<Vec<Report>> {
    let report = match command {
        Command::Login { target, logins } => login::run(&target, logins).await,
        Command::Chat {
            target,
            timing,
            conversations,
            idle,
        } => chat::run(&target, &timing, conversations, idle).await,
        Command::Room {
            target,
            timing,
            occupants,
            rooms,
            window,
            talk,
            muc_host,
            room,
        } => {
            let outcome = room::run(
                &target,
                &timing,
                room::Shape {
                    occupants,
                    rooms,
                    window,
                    muc_host,
                    room,
                    talk,
                },
            )
            .await?;
            let room::Outcome {
                broadcast,
                joins,
                leaves,
                talk,
            } = outcome;
            return Ok([broadcast, joins, leaves].into_iter().chain(talk).collect());
        }
        Command::Archive {
            target,
            fill,
            items,
            page,
        } => archive::run(&target, fill, items, page).await,
        Command::Idle { target, sessions } => idle::run(&target, sessions).await,
        Command::Register { target } => pool::register(&target).await,
    };
    Ok(vec![report?])
}
