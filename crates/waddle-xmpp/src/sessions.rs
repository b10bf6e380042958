//! The session table: localpart → bound resources.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use smallvec::SmallVec;
use waddle_core::Jid;

use crate::session::{Flag, Session};

/// The sessions of one account, usually few.
pub type Few = SmallVec<[Arc<Session>; 4]>;

/// Why a session was not added.
#[derive(Debug, Clone)]
pub enum Refused {
    /// The resource is in use by this live session (RFC 6120 §7.7.2.2).
    Conflict(Arc<Session>),
    /// The account has as many sessions as it may have (RFC 6120 §7.6.2.1).
    TooMany,
}

/// All bound resources of this server.
#[derive(Debug, Default)]
pub struct Sessions {
    accounts: DashMap<Box<str>, Few, ahash::RandomState>,
    count: AtomicUsize,
    next_id: AtomicU64,
}

impl Sessions {
    /// A number for the next session.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a session. One that hibernates under the same resource gives way and is returned.
    pub(crate) fn add(&self, session: Arc<Session>, max: usize) -> Result<Option<Arc<Session>>, Refused> {
        let mut few = self.accounts.entry(session.localpart().into()).or_default();
        if let Some(i) = few.iter().position(|s| s.jid == session.jid) {
            // The same installation again: what it had is lost to it (XEP-0386 §3.2).
            let same = session.client().is_some() && few[i].client() == session.client();
            if few[i].is(Flag::Hibernating) || few[i].is(Flag::Ended) || same {
                let old = std::mem::replace(&mut few[i], session);
                return Ok(Some(old));
            }
            return Err(Refused::Conflict(few[i].clone()));
        }
        if few.len() >= max {
            return Err(Refused::TooMany);
        }
        few.push(session);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    /// Removes this session; `false` if it was no longer in the table.
    pub(crate) fn remove(&self, session: &Session) -> bool {
        let Entry::Occupied(mut e) = self.accounts.entry(session.localpart().into()) else {
            return false;
        };
        let before = e.get().len();
        e.get_mut().retain(|s| s.id != session.id);
        let removed = e.get().len() < before;
        if e.get().is_empty() {
            e.remove();
        }
        if removed {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        removed
    }

    /// The sessions of an account.
    pub fn of(&self, localpart: &str) -> Few {
        self.accounts
            .get(localpart)
            .map(|few| few.value().clone())
            .unwrap_or_default()
    }

    /// Whether the account has any session.
    pub fn has(&self, localpart: &str) -> bool {
        self.accounts.contains_key(localpart)
    }

    /// The session of a full JID of this server.
    pub fn get(&self, jid: &Jid) -> Option<Arc<Session>> {
        let few = self.accounts.get(jid.local()?)?;
        let resource = jid.resource()?;
        few.iter().find(|s| s.jid.resource() == Some(resource)).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// All of them, for shutdown and revocation.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.accounts
            .iter()
            .flat_map(|e| e.value().iter().cloned().collect::<Few>())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_core::UserId;
    use waddle_outbox::Outbox;

    fn session(table: &Sessions, jid: &str) -> Arc<Session> {
        let jid: Jid = jid.parse().unwrap();
        let user = UserId::local(jid.local().unwrap());
        Session::new(
            table.next_id(),
            jid,
            user,
            waddle_identity::CredentialId(1),
            Arc::new(Outbox::new(10, 1000)),
            None,
        )
    }

    #[test]
    fn conflict_replacement_and_limit() {
        let t = Sessions::default();
        let a = session(&t, "a@x/1");
        assert!(t.add(a.clone(), 2).unwrap().is_none());
        assert!(matches!(
            t.add(session(&t, "a@x/1"), 2),
            Err(Refused::Conflict(_))
        ));
        a.set(Flag::Hibernating, true);
        let b = session(&t, "a@x/1");
        assert_eq!(t.add(b.clone(), 2).unwrap().unwrap().id, a.id);
        assert!(!t.remove(&a), "it has given way already");
        t.add(session(&t, "a@x/2"), 2).unwrap();
        assert!(matches!(t.add(session(&t, "a@x/3"), 2), Err(Refused::TooMany)));
        assert_eq!(t.count(), 2);
        assert_eq!(t.get(&"a@x/1".parse().unwrap()).unwrap().id, b.id);
        assert!(t.get(&"a@x/9".parse().unwrap()).is_none() && t.get(&"a@x".parse().unwrap()).is_none());
    }
}
