//! Who may do what with a node: access models, publish models and affiliations
//! ([XEP-0060 §4.1](https://xmpp.org/extensions/xep-0060.html#affiliations), §4.5). Pure.

use crate::{
    affiliation::Affiliation,
    config::{Access, Config, PublishModel},
    error::{self, Result},
};

/// What somebody is to a node and to those who own it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What the node says.
    pub affiliation: Affiliation,
    /// Whether one of their subscriptions is approved.
    pub subscribed: bool,
    /// Whether they see an owner's presence.
    pub presence: bool,
    /// Whether they are in an allowed group of an owner's roster.
    pub in_group: bool,
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// At once.
    Now,
    /// When an owner says so.
    Pending,
}

/// Whether they may subscribe.
pub fn subscribe(config: &Config, who: Standing) -> Result<Approval> {
    match who.affiliation {
        Affiliation::Outcast | Affiliation::PublishOnly => return Err(error::forbidden()),
        Affiliation::Owner => return Ok(Approval::Now),
        _ if !config.subscribe => return Err(error::unsupported("subscribe")),
        a if a.is_listed() => return Ok(Approval::Now),
        _ => {}
    }
    match config.access_model {
        Access::Open => Ok(Approval::Now),
        Access::Presence if who.presence => Ok(Approval::Now),
        Access::Presence => Err(error::presence_required()),
        Access::Roster if who.in_group => Ok(Approval::Now),
        Access::Roster => Err(error::not_in_group()),
        Access::Authorize => Ok(Approval::Pending),
        Access::Whitelist => Err(error::closed_node()),
    }
}

/// Whether they may retrieve items and get notifications.
pub fn retrieve(config: &Config, who: Standing) -> Result<()> {
    match who.affiliation {
        Affiliation::Outcast | Affiliation::PublishOnly => return Err(error::forbidden()),
        a if a.is_listed() => return Ok(()),
        _ => {}
    }
    match config.access_model {
        Access::Open => Ok(()),
        Access::Presence if who.presence => Ok(()),
        Access::Presence => Err(error::presence_required()),
        Access::Roster if who.in_group => Ok(()),
        Access::Roster => Err(error::not_in_group()),
        Access::Authorize if who.subscribed => Ok(()),
        Access::Authorize => Err(error::items_for_subscribers()),
        Access::Whitelist => Err(error::closed_node()),
    }
}

/// Whether they may publish.
pub fn publish(config: &Config, who: Standing) -> Result<()> {
    let may = match who.affiliation {
        Affiliation::Outcast => false,
        a if a.publishes() => true,
        _ => match config.publish_model {
            PublishModel::Open => true,
            PublishModel::Subscribers => who.subscribed && retrieve(config, who).is_ok(),
            PublishModel::Publishers => false,
        },
    };
    may.then_some(()).ok_or_else(error::forbidden)
}

/// Whether they may see that the node is there.
pub fn discover(config: &Config, who: Standing) -> bool {
    who.affiliation == Affiliation::PublishOnly || subscribe(config, who).is_ok()
}
