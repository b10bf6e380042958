//! The configuration of a node: [XEP-0060 §8.2](https://xmpp.org/extensions/xep-0060.html#owner-configure), §16.4.4.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $word:literal $label:literal),* $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $vdoc])* #[serde(rename = $word)] $variant,)*
        }
        impl $name {
            /// Words and what people read.
            pub const OPTIONS: &[(&'static str, &'static str)] = &[$(($word, $label)),*];
            /// The protocol's word.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            /// The value of a word.
            pub fn from_name(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Who may subscribe and retrieve (§4.5).
    Access {
        /// Everybody.
        Open = "open" "Anyone",
        /// Who sees the owner's presence.
        Presence = "presence" "Those who see the owner's presence",
        /// Who is in one of the groups of the owner's roster.
        Roster = "roster" "Those in the given roster groups",
        /// Whom an owner approves.
        Authorize = "authorize" "Those whom an owner approves",
        /// Who is on the list.
        Whitelist = "whitelist" "Members only",
    }
}
words! {
    /// Who may publish.
    PublishModel {
        /// Publishers.
        Publishers = "publishers" "Publishers only",
        /// Publishers and subscribers.
        Subscribers = "subscribers" "Publishers and subscribers",
        /// Everybody but outcasts.
        Open = "open" "Anyone",
    }
}
words! {
    /// When the last item is sent without being asked for.
    SendLast {
        /// Never.
        Never = "never" "Never",
        /// To new subscribers.
        OnSub = "on_sub" "To new subscribers",
        /// Also to subscribers who come online.
        OnSubAndPresence = "on_sub_and_presence" "To new subscribers and to subscribers who come online",
    }
}
words! {
    /// What happens when a full node gets another item.
    WhenFull {
        /// The oldest goes, subscribers are told as the node notifies of retractions.
        RetractOldest = "retract-oldest" "Retract the oldest item",
        /// The oldest goes silently.
        DiscardOldest = "discard-oldest" "Discard the oldest item",
        /// It is refused.
        Reject = "reject" "Refuse the new item",
    }
}
words! {
    /// Whom a notification names as the one to reply to.
    ItemReply {
        /// The owner.
        Owner = "owner" "The owner",
        /// The publisher.
        Publisher = "publisher" "The publisher",
    }
}
words! {
    /// The type of notification messages.
    Notification {
        /// Messages that wait for who is away.
        Normal = "normal" "Messages of type normal",
        /// Messages that do not.
        Headline = "headline" "Messages of type headline",
    }
}

/// A number or the most that the service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrMax {
    /// `max`
    #[serde(rename = "max")]
    Max,
    /// A number.
    #[serde(untagged)]
    Is(u32),
}

impl OrMax {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Max => "max".to_owned(),
            Self::Is(n) => n.to_string(),
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "max" => Some(Self::Max),
            n => n.parse().ok().map(Self::Is),
        }
    }

    /// The number, `most` for the most.
    pub fn within(self, most: usize) -> usize {
        match self {
            Self::Max => most,
            Self::Is(n) => most.min(n as usize),
        }
    }
}

/// The configuration of a node. Stored as JSON; what is missing there has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field has the name of the protocol's")]
pub struct Config {
    pub title: String,
    pub description: String,
    pub language: String,
    pub contact: Vec<String>,
    /// The namespace of the payloads; empty for any.
    pub payload_type: String,
    pub access_model: Access,
    pub roster_groups_allowed: Vec<String>,
    pub publish_model: PublishModel,
    pub persist_items: bool,
    pub max_items: OrMax,
    /// Seconds.
    pub item_expire: OrMax,
    pub publish_node_full: WhenFull,
    pub send_last_published_item: SendLast,
    pub deliver_payloads: bool,
    pub deliver_notifications: bool,
    pub notify_retract: bool,
    pub notify_delete: bool,
    pub notify_config: bool,
    pub notify_sub: bool,
    pub itemreply: Option<ItemReply>,
    pub purge_offline: bool,
    pub presence_based_delivery: bool,
    pub subscribe: bool,
    /// Bytes; none for the service's own bound.
    pub max_payload_size: Option<u32>,
    pub notification_type: Notification,
}

impl Default for Config {
    /// What nodes of the service have.
    fn default() -> Self {
        Self {
            title: String::new(),
            description: String::new(),
            language: String::new(),
            contact: Vec::new(),
            payload_type: String::new(),
            access_model: Access::Open,
            roster_groups_allowed: Vec::new(),
            publish_model: PublishModel::Publishers,
            persist_items: true,
            max_items: OrMax::Is(20),
            item_expire: OrMax::Max,
            publish_node_full: WhenFull::RetractOldest,
            send_last_published_item: SendLast::OnSub,
            deliver_payloads: true,
            deliver_notifications: true,
            notify_retract: true,
            notify_delete: true,
            notify_config: false,
            notify_sub: false,
            itemreply: None,
            purge_offline: false,
            presence_based_delivery: false,
            subscribe: true,
            max_payload_size: None,
            notification_type: Notification::Headline,
        }
    }
}

impl Config {
    /// What nodes of an account have (XEP-0163 §3).
    pub fn personal() -> Self {
        Self {
            access_model: Access::Presence,
            max_items: OrMax::Is(1),
            publish_node_full: WhenFull::DiscardOldest,
            send_last_published_item: SendLast::OnSubAndPresence,
            ..Self::default()
        }
    }

    /// As it is stored.
    pub(crate) fn to_stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From storage; what cannot be read has its default.
    pub fn from_stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|e| {
            tracing::error!(error = %e, "a node's configuration cannot be read");
            // Nobody sees what they should not.
            Self {
                access_model: Access::Whitelist,
                ..Self::default()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read() {
        for c in [
            Config::default(),
            Config::personal(),
            Config {
                max_items: OrMax::Max,
                item_expire: OrMax::Is(5),
                itemreply: Some(ItemReply::Publisher),
                max_payload_size: Some(7),
                ..Config::default()
            },
        ] {
            assert_eq!(Config::from_stored(&c.to_stored()), c);
        }
        assert_eq!(Config::from_stored("{}"), Config::default());
        assert_eq!(Config::from_stored("?").access_model, Access::Whitelist);
    }
}
