//! Which service is meant: the one of its own host (XEP-0060) or that of an account (XEP-0163).

use waddle_core::BareJid;

use crate::config::Config;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Service {
    /// An account's: nodes are made by publishing, the account owns all of them.
    Account(BareJid),
    /// The host's: nodes belong to who made them.
    Host(BareJid),
}

impl Service {
    /// What it is called in storage.
    pub fn key(&self) -> &str {
        match self {
            Self::Account(jid) => jid.local().unwrap_or_default(),
            Self::Host(_) => "",
        }
    }

    /// Where notifications come from.
    pub fn address(&self) -> &BareJid {
        match self {
            Self::Account(jid) | Self::Host(jid) => jid,
        }
    }

    /// The account that owns all nodes.
    pub fn account(&self) -> Option<&BareJid> {
        match self {
            Self::Account(jid) => Some(jid),
            Self::Host(_) => None,
        }
    }

    /// Whether this is the account whose service it is.
    pub fn is_of(&self, who: &BareJid) -> bool {
        self.account() == Some(who)
    }

    /// How nodes begin.
    pub fn defaults(&self) -> Config {
        match self {
            Self::Account(_) => Config::personal(),
            Self::Host(_) => Config::default(),
        }
    }

    /// What of XEP-0060 works, without the namespace in front.
    pub fn features(&self) -> impl Iterator<Item = &'static str> {
        let more: &[&str] = match self {
            Self::Account(_) => ACCOUNT,
            Self::Host(_) => &[],
        };
        BOTH.iter().chain(more).copied()
    }
}

/// Of both, `pubsub#…`.
const BOTH: &[&str] = &[
    "access-authorize",
    "access-open",
    "access-presence",
    "access-roster",
    "access-whitelist",
    "config-node",
    "config-node-max",
    "create-and-configure",
    "create-nodes",
    "delete-items",
    "delete-nodes",
    "instant-nodes",
    "item-ids",
    "last-published",
    "manage-subscriptions",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "multi-items",
    "outcast-affiliation",
    "persistent-items",
    "presence-notifications",
    "publish",
    "publish-node-full",
    "publish-only-affiliation",
    "publish-options",
    "publisher-affiliation",
    "purge-nodes",
    "retract-items",
    "retrieve-affiliations",
    "retrieve-default",
    "retrieve-default-sub",
    "retrieve-items",
    "retrieve-subscriptions",
    "rsm",
    "subscribe",
    "subscription-notifications",
    "subscription-options",
];

/// Of accounts besides.
const ACCOUNT: &[&str] = &[
    "auto-create",
    "auto-subscribe",
    "filtered-notifications",
    "presence-subscribe",
];
