//! Who comes in and who may do what, as the broker asks it (ADR 0008).
//!
//! [`LivePolicy`](crate::LivePolicy) is the answer of Waddle.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use waddle_core::{DeviceId, Secret, Slug, TopicFilter, TopicRule, UserId, WaddleId};

use crate::{Mount, codec::Reason};

/// A future that a policy answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a client says about itself.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user name as sent; empty for a client that says nothing about itself.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Where it comes from.
    pub peer: IpAddr,
}

/// Who a client turned out to be.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The subject of all checks.
    pub who: Principal,
    /// How it sees topics.
    pub mount: Mount,
    /// The credential that was used, so that its revocation ends the connection.
    pub credential: Option<String>,
}

/// A person or device at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The subject of permissions.
    pub user: UserId,
    /// The account's localpart or the device's user name, for figures and logs.
    pub name: String,
    /// May see `$SYS`.
    pub operator: bool,
    /// Set for a device.
    pub device: Option<DeviceScope>,
}

/// What a device may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceScope {
    /// Its identifier.
    pub device: DeviceId,
    /// Its waddle.
    pub waddle: WaddleId,
    /// Its topic prefixes.
    pub prefixes: Vec<TopicRule>,
}

impl DeviceScope {
    /// Whether the device may publish to or read from `topic`.
    pub fn allows(&self, action: Action, topic: &str) -> bool {
        self.prefixes.iter().any(|p| {
            (match action {
                Action::Publish => p.write,
                Action::Subscribe => p.read,
            }) && p.covers(topic)
        })
    }

    /// Whether every topic of `filter` is one that the device may read.
    pub fn covers(&self, filter: &TopicFilter) -> bool {
        self.prefixes.iter().any(|p| {
            p.read
                && [p.prefix.clone(), format!("{}/#", p.prefix)]
                    .iter()
                    .any(|f| f.parse::<TopicFilter>().is_ok_and(|f| f.covers(filter)))
        })
    }
}

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 0x86 bad user name or password, 0x87 not authorized, 0x88 unavailable, 0x97 too many attempts.
    pub reason: Reason,
    /// A sentence for the client.
    pub text: String,
}

/// What somebody wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send to it.
    Publish,
    /// Receive from it.
    Subscribe,
}

/// The permissions in one topic space: synchronous answers from memory.
pub trait Access: Send + Sync {
    /// The slug below which plain logins see the space; empty for the server's own.
    fn slug(&self) -> &str;
    /// Grows with every change of an answer.
    fn revision(&self) -> u64;
    /// Whether `who` may do that with the topic (its name in the space).
    fn may(&self, who: &Principal, action: Action, topic: &str) -> bool;
    /// Whether `who` may subscribe to the filter; each delivery is checked by [`Access::may`] again.
    fn may_filter(&self, who: &Principal, filter: &TopicFilter) -> bool;
    /// Whether `who` has any right left in the space.
    fn present(&self, who: &Principal) -> bool;
    /// Whether what `publisher` left as retained message still stands.
    fn trusts(&self, publisher: &UserId, topic: &str) -> bool;
}

/// What changed for live connections and subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Rights in a waddle, of some users or of all.
    Access {
        /// Where.
        waddle: WaddleId,
        /// Whose; `None` for everybody's.
        users: Option<Vec<UserId>>,
    },
    /// A waddle is gone.
    WaddleDeleted(WaddleId),
    /// A device's credential is no longer valid.
    DeviceRevoked(DeviceId),
    /// An account is gone with all that is its.
    AccountDeleted(UserId),
    /// An account may not log in for now: its connections end, its sessions stay.
    AccountDisabled(UserId),
    /// A person's credential is no longer valid.
    CredentialRevoked {
        /// Whose.
        user: UserId,
        /// Which.
        credential: String,
    },
    /// Any right may have changed: events were lost.
    Everything,
    /// Any credential may have been revoked: events were lost.
    CredentialsUnknown,
}

/// Waddle as the broker sees it.
pub trait Policy: Send + Sync + 'static {
    /// Checks a login. Costly derivations run off the reactor.
    fn login(&self, login: Login) -> Answer<'_, Result<LoggedIn, Refusal>>;
    /// The waddle with a slug.
    fn waddle_by_slug<'a>(&'a self, slug: &'a Slug) -> Answer<'a, Option<WaddleId>>;
    /// The waddles that a user belongs to.
    fn waddles_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Vec<WaddleId>>;
    /// The permissions in a waddle's space; `None` where there is no such waddle.
    fn access(&self, waddle: WaddleId) -> Answer<'_, Option<Arc<dyn Access>>>;
    /// The permissions in the server's own space.
    fn server_access(&self) -> Arc<dyn Access>;
    /// Changes from now on.
    fn changes(&self) -> broadcast::Receiver<Change>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_stay_in_their_prefixes() {
        let scope = DeviceScope {
            device: DeviceId::new(),
            waddle: WaddleId::new(),
            prefixes: vec![
                TopicRule {
                    prefix: "home/sensors".into(),
                    read: false,
                    write: true,
                },
                TopicRule {
                    prefix: "cmd".into(),
                    read: true,
                    write: false,
                },
            ],
        };
        assert!(scope.allows(Action::Publish, "home/sensors"));
        assert!(scope.allows(Action::Publish, "home/sensors/t/kitchen"));
        assert!(!scope.allows(Action::Publish, "home/sensorsx"));
        assert!(!scope.allows(Action::Publish, "home"));
        assert!(!scope.allows(Action::Subscribe, "home/sensors"));
        for (filter, ok) in [
            ("cmd", true),
            ("cmd/#", true),
            ("cmd/+/x", true),
            ("cmd+", false),
            ("#", false),
            ("+", false),
            ("+/x", false),
            ("home/sensors/#", false),
        ] {
            assert_eq!(filter.parse().is_ok_and(|f| scope.covers(&f)), ok, "{filter}");
        }
    }
}
