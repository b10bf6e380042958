//! Administrative commands as values: what travels through the admin socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use waddle_core::Secret;

/// One operation. Names of people are taken as typed: localpart, bare JID, DID or handle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AdminCommand {
    Status,
    AccountCreate {
        name: String,
        password: Password,
        admin: bool,
    },
    AccountPasswd {
        name: String,
        password: Password,
    },
    AccountList,
    AccountDelete {
        name: String,
    },
    InviteCreate {
        name: Option<String>,
    },
    WaddleCreate {
        slug: String,
        owner: String,
        name: Option<String>,
        visibility: String,
    },
    WaddleAddMember {
        slug: String,
        name: String,
        role: String,
    },
    WaddleRemoveMember {
        slug: String,
        name: String,
        reason: Option<String>,
    },
    WaddleList,
    WaddleDelete {
        slug: String,
    },
    WaddleExport {
        slug: String,
        file: PathBuf,
    },
    WaddleImport {
        file: PathBuf,
        slug: String,
        name: Option<String>,
        owner: Option<String>,
        people: Vec<String>,
        strangers: Strangers,
    },
    ChannelCreate {
        slug: String,
        channel: String,
        kind: String,
    },
    ChannelList {
        slug: String,
    },
    ChannelDelete {
        slug: String,
        channel: String,
    },
    DeviceCreate {
        slug: String,
        name: String,
        topics: Vec<String>,
    },
    DeviceList {
        slug: String,
    },
    DeviceRevoke {
        slug: String,
        name: String,
    },
    FeedBind {
        slug: String,
        channel: String,
        filter: String,
        mode: String,
        name: Option<String>,
    },
    FeedList {
        slug: String,
    },
    FeedUnbind {
        slug: String,
        id: String,
    },
    Backup {
        dir: PathBuf,
        with_keys: bool,
        /// Only this waddle.
        waddle: Option<String>,
    },
}

/// What becomes of people of an export who mean nothing here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Strangers {
    /// Nothing is imported, and they are named.
    #[default]
    Refuse,
    /// They take part from the server where they have their account.
    Remote,
    /// They are left out; what they said stays.
    Drop,
}

/// A password on its way through the socket, which only the server's user can open. Logs never show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(pub Secret);

impl Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_travel_but_do_not_show() {
        let c = AdminCommand::AccountPasswd {
            name: "a".into(),
            password: Password(Secret::new("hunt\"er2")),
        };
        assert!(!format!("{c:?}").contains("hunt"), "{c:?}");
        let text = serde_json::to_string(&c).unwrap();
        let back: AdminCommand = serde_json::from_str(&text).unwrap();
        assert!(
            matches!(back, AdminCommand::AccountPasswd { password, .. } if password.0.expose() == "hunt\"er2")
        );
    }
}
