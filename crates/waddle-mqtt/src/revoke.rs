//! What a changed right ends: live subscriptions, queued messages, connections (mission line 25; `specs/mqtt.md`).

use std::sync::{Arc, atomic::Ordering};

use waddle_core::{TopicFilter, UserId, WaddleId};
use waddle_storage::repo::mqtt as rows;

use crate::{
    Mount,
    codec::{Fault, Reason},
    core::Core,
    link::Close,
    mount,
    policy::Change,
    session::{Session, Subscription},
};

const NO_RIGHT: Fault = Fault::new(Reason::NOT_AUTHORIZED, "no right is left here");
const LOG_IN_AGAIN: Fault = Fault::new(Reason::BUSY, "log in again");
const REVOKED: Fault = Fault::new(Reason::NOT_AUTHORIZED, "the credential was revoked");

impl Core {
    /// Applies a change to everything that is held.
    pub async fn apply(self: &Arc<Self>, change: Change) {
        match change {
            Change::Access { waddle, users } => {
                if let Some(space) = self.space_now(waddle) {
                    space.touch();
                }
                match users {
                    Some(users) => {
                        for u in users {
                            self.recheck_user(&u).await;
                        }
                    }
                    None => self.recheck_where(|s| concerns(s, waddle)).await,
                }
            }
            Change::WaddleDeleted(w) => {
                self.drop_space(w);
                self.recheck_where(|s| concerns(s, w)).await;
            }
            Change::DeviceRevoked(device) => self.end_principal(&UserId::device(device)).await,
            Change::AccountDeleted(user) => self.end_principal(&user).await,
            Change::AccountDisabled(user) => self.close_links_of(&user),
            Change::CredentialRevoked { user, credential } => self.revoke_credential(&user, &credential),
            Change::CredentialsUnknown => {
                for l in &self.links {
                    if l.2.is_some() {
                        l.0.close(Close::Fault(LOG_IN_AGAIN));
                    }
                }
            }
            Change::Everything => {
                for s in self.spaces() {
                    s.touch();
                }
                self.recheck_where(|_| true).await;
            }
        }
    }

    async fn recheck_user(self: &Arc<Self>, user: &UserId) {
        let all = self.by_user.get(user).map(|v| v.clone()).unwrap_or_default();
        for s in all {
            self.recheck(&s).await;
        }
    }

    async fn recheck_where(self: &Arc<Self>, which: impl Fn(&Session) -> bool) {
        let all: Vec<Arc<Session>> = self
            .sessions
            .iter()
            .map(|s| s.clone())
            .filter(|s| which(s))
            .collect();
        for s in all {
            self.recheck(&s).await;
        }
    }

    /// Looks again at what a session holds: subscriptions without a right end silently, a connection without
    /// any right is closed.
    pub async fn recheck(self: &Arc<Self>, s: &Arc<Session>) {
        let owner = s.owner();
        let present = match owner.mount {
            Mount::Waddle(w) => match self.bare_space(w).await {
                Some(space) => space.access.present(&owner.who),
                None => false,
            },
            Mount::Person { .. } => {
                // An operator has $SYS, and a server policy may open topics outside all waddles.
                self.server_space.access.present(&owner.who)
                    || !self.policy.waddles_of(&owner.who.user).await.is_empty()
            }
        };
        let subs: Vec<(Arc<str>, Subscription)> = s
            .subs
            .lock()
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        for (key, sub) in subs {
            self.recheck_subscription(s, &owner, key, sub).await;
        }
        if !present {
            self.end_without_right(s, NO_RIGHT).await;
        }
    }

    async fn recheck_subscription(
        self: &Arc<Self>,
        s: &Arc<Session>,
        owner: &crate::session::Owner,
        key: Arc<str>,
        sub: Subscription,
    ) {
        let Some(filter) = mount::shared(&key, usize::MAX).and_then(|f| f.filter.parse::<TopicFilter>().ok())
        else {
            return;
        };
        let placed = self.places(owner, &filter).await.unwrap_or_default();
        let same = |a: &crate::session::Placed, b: &crate::session::Placed| {
            Arc::ptr_eq(&a.space, &b.space) && a.filter == b.filter
        };
        let part =
            |keep: &dyn Fn(&crate::session::Placed) -> bool, of: &[crate::session::Placed]| Subscription {
                placed: of.iter().filter(|p| keep(p)).cloned().collect(),
                ..sub.clone()
            };
        let lost = part(&|p| !placed.iter().any(|n| same(n, p)), &sub.placed);
        let won = part(&|p| !sub.placed.iter().any(|n| same(n, p)), &placed);
        if lost.placed.is_empty() && won.placed.is_empty() {
            return;
        }
        {
            let mut subs = s.subs.lock();
            let Some(now) = subs.get_mut(&key) else {
                return;
            };
            if placed.is_empty() {
                subs.remove(&key);
                self.metrics.subscription(-1);
            } else {
                now.placed.clone_from(&placed);
            }
        }
        lost.leave(s);
        won.enter(s);
        if placed.is_empty() {
            tracing::info!(user = %owner.who.user, client = %s.key.client, filter = %key, "an MQTT subscription ended: no right is left");
            if s.durable() {
                let (row, filter) = (s.row, key.to_string());
                let gone = self.db.write(move |tx| rows::unsubscribe(tx, row, &filter)).await;
                if let Err(error) = gone {
                    tracing::warn!(%error, "an ended subscription is still stored");
                }
            }
        }
    }

    /// Ends every session of a principal who is no more.
    async fn end_principal(self: &Arc<Self>, user: &UserId) {
        let all = self.by_user.get(user).map(|v| v.clone()).unwrap_or_default();
        for s in all {
            self.end_without_right(&s, REVOKED).await;
        }
    }

    async fn end_without_right(self: &Arc<Self>, s: &Arc<Session>, why: Fault) {
        s.doomed.store(true, Ordering::Release);
        if let Some(link) = s.link() {
            tracing::info!(user = %s.key.user, client = %link.client, why = why.text, "MQTT connection ended");
            link.close(Close::Fault(why));
        } else {
            // An absent session of somebody who is gone would only fill a queue.
            s.will.lock().take();
            self.end_session(s).await;
        }
    }

    fn revoke_credential(&self, user: &UserId, credential: &str) {
        for l in &self.links {
            let (link, session, used) = l.value();
            if session.key.user == *user && used.as_deref() == Some(credential) {
                link.close(Close::Fault(REVOKED));
            }
        }
    }

    fn close_links_of(&self, user: &UserId) {
        for l in &self.links {
            if l.1.key.user == *user {
                l.0.close(Close::Fault(REVOKED));
            }
        }
    }

    /// Ends connection `serial`; whether there was one.
    pub fn kick(&self, serial: u64, fault: Fault) -> bool {
        let link = self.links.get(&serial).map(|l| l.0.clone());
        link.map(|l| l.close(Close::Fault(fault))).is_some()
    }

    /// Ends all connections.
    pub fn kick_all(&self, fault: Fault) {
        self.stopping.store(true, Ordering::Release);
        for l in &self.links {
            l.0.close(Close::Fault(fault));
        }
    }
}

fn concerns(s: &Session, waddle: WaddleId) -> bool {
    match s.owner().mount {
        Mount::Waddle(w) => w == waddle,
        Mount::Person { .. } => true,
    }
}
