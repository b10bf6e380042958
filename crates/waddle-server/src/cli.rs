//! The command line of `waddle-server`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::admin::command::Strangers;

/// A chat server for communities that log in with Bluesky: XMPP, MQTT and HTTP in one program.
#[derive(Debug, Parser)]
#[command(name = "waddle-server", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Configuration file (TOML); WADDLE_… variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; without it, `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the command failed; 2 wrong usage; 3 the configuration cannot \
be used; 4 an address cannot be bound; 5 the data directory is in use, unreadable or of a newer version.";

/// `xep …`
#[derive(Debug, Subcommand)]
pub enum XepCommand {
    /// List them: number, version, title and what works.
    List,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server (the default).
    Run,
    /// Read the configuration and say whether it can be used.
    CheckConfig,
    /// XMPP extensions of this program.
    #[command(subcommand)]
    Xep(XepCommand),
    /// Show what the running server serves.
    Status,
    /// Accounts of this server.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Invitations to make an account.
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Waddles: communities.
    #[command(subcommand)]
    Waddle(WaddleCommand),
    /// Channels of a waddle.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Devices of a waddle.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Feeds: topics that appear in a channel.
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Copy the databases to a new directory, also while the server runs.
    Backup {
        /// A directory that does not exist yet.
        dir: PathBuf,
        /// Copy the encryption keys and the certificate too.
        #[arg(long)]
        with_keys: bool,
        /// Only this waddle.
        #[arg(long, value_name = "SLUG")]
        waddle: Option<String>,
    },
    /// Put a backup, or one waddle of it, in place; the server must be stopped.
    Restore {
        /// The directory that `backup` made.
        dir: PathBuf,
        /// Only this waddle.
        #[arg(long, value_name = "SLUG")]
        waddle: Option<String>,
    },
}

/// Sub-commands of `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make a local account.
    Create {
        /// Its name, the part before the @ of its address.
        name: String,
        /// Read the password from standard input (one line).
        #[arg(long, required = true)]
        password_stdin: bool,
        /// It may administer the server.
        #[arg(long)]
        admin: bool,
    },
    /// Set the password of a local account; its tokens and sessions end.
    Passwd {
        /// Its name.
        name: String,
        /// Read the password from standard input (one line).
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List accounts.
    List,
    /// Delete an account and everything of it.
    Delete {
        /// Name, address, DID or handle.
        name: String,
    },
}

/// Sub-commands of `invite`.
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make a link with which one person can make an account; registration must be open or by invitation.
    Create {
        /// Keep this name for them.
        #[arg(long)]
        name: Option<String>,
    },
}

/// Sub-commands of `waddle`.
#[derive(Debug, Subcommand)]
pub enum WaddleCommand {
    /// Make a waddle with the channels general and announcements.
    Create {
        /// Its short name in addresses: a-z, 0-9 and hyphens.
        slug: String,
        /// Name, address, DID or handle of the owner.
        #[arg(long)]
        owner: String,
        /// Its name for people; without it, the slug.
        #[arg(long)]
        name: Option<String>,
        /// private, public or restricted.
        #[arg(long, default_value = "private")]
        visibility: String,
    },
    /// Make somebody a member.
    AddMember {
        /// The waddle.
        slug: String,
        /// Name, address, DID or handle.
        name: String,
        /// member, moderator or admin.
        #[arg(long, default_value = "member")]
        role: String,
    },
    /// End a membership.
    RemoveMember {
        /// The waddle.
        slug: String,
        /// Name, address, DID or handle.
        name: String,
        /// Why; shown to the person.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write a waddle with everything in it into one file, also while it is used.
    Export {
        /// The waddle.
        slug: String,
        /// A file that does not exist yet.
        file: PathBuf,
    },
    /// Make a waddle out of an export, of this server or of another one.
    Import(WaddleImport),
    /// List waddles.
    List,
    /// Delete a waddle and everything in it.
    Delete {
        /// The waddle.
        slug: String,
    },
}

/// Arguments of `waddle import`.
#[derive(Debug, Args)]
pub struct WaddleImport {
    /// The file that `waddle export` made.
    pub file: PathBuf,
    /// The new waddle's short name.
    pub slug: String,
    /// Its name for people; without it, the old one.
    #[arg(long)]
    pub name: Option<String>,
    /// Somebody who becomes an owner, beside those of the export.
    #[arg(long)]
    pub owner: Option<String>,
    /// Who a local account of the export is here: name, address, DID or handle. Repeatable.
    #[arg(long = "map", value_name = "OLD=NEW")]
    pub people: Vec<String>,
    /// What becomes of its local accounts that nobody here is.
    #[arg(long, value_enum, default_value_t)]
    pub strangers: Strangers,
}

/// Sub-commands of `channel`.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Make a channel.
    Create {
        /// The waddle.
        slug: String,
        /// The channel's short name.
        channel: String,
        /// text or announcement.
        #[arg(long = "type", default_value = "text")]
        kind: String,
    },
    /// List channels.
    List {
        /// The waddle.
        slug: String,
    },
    /// Delete a channel and its messages.
    Delete {
        /// The waddle.
        slug: String,
        /// The channel.
        channel: String,
    },
}

/// Sub-commands of `device`.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Make a device; its user name and password are shown once.
    Create(DeviceCreate),
    /// List devices with their last use.
    List {
        /// The waddle.
        slug: String,
    },
    /// Revoke a device's credential; its connection ends.
    Revoke {
        /// The waddle.
        slug: String,
        /// The device's name.
        name: String,
    },
}

/// Arguments of `device create`.
#[derive(Debug, Args)]
pub struct DeviceCreate {
    /// The waddle.
    pub slug: String,
    /// The device's name.
    pub name: String,
    /// A topic that the device may use, with all below it; `read:` or `write:` before it narrows. Repeatable.
    #[arg(long = "topic", required = true, value_name = "PREFIX")]
    pub topics: Vec<String>,
}

/// Sub-commands of `feed`.
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// Show a topic in a channel.
    Bind {
        /// The waddle.
        slug: String,
        /// The channel, which must exist.
        channel: String,
        /// A topic filter such as 'home/sensors/#'.
        filter: String,
        /// message, card or digest.
        #[arg(long, default_value = "message")]
        mode: String,
        /// The feed's name; without it, the filter's last plain level.
        #[arg(long)]
        name: Option<String>,
    },
    /// List feeds.
    List {
        /// The waddle.
        slug: String,
    },
    /// End a feed.
    Unbind {
        /// The waddle.
        slug: String,
        /// The feed's id, as `feed list` shows it.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn consistent() {
        Cli::command().debug_assert();
    }
}
