//! Commands that are under way: bounded per account, forgotten after a while (XEP-0050 §3.5).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dashmap::{DashMap, Entry};
use ring::{hmac, rand::SystemRandom};
use waddle_core::{Jid, Timestamp};
use waddle_stanza::{Condition, StanzaError, ns};

use super::{Place, bad, progress::Progress};

/// Bytes of the proof in a session id.
const PROOF: usize = 9;

/// A command under way.
#[derive(Debug)]
pub(super) struct Running {
    pub id: String,
    pub owner: Jid,
    pub node: &'static str,
    pub place: Place,
    pub address: String,
    pub at: Timestamp,
    pub progress: Progress,
}

/// The commands under way, by account.
///
/// A session id proves by itself that it was given to its owner by this server since its start: so one that is over can
/// be told from one that never was, without remembering any.
pub struct CommandSessions {
    accounts: DashMap<Box<str>, Vec<Running>, ahash::RandomState>,
    key: hmac::Key,
}

impl Default for CommandSessions {
    fn default() -> Self {
        // Without randomness the proof is merely not one: sessions are still looked up.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self {
            accounts: DashMap::default(),
            key: key.unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, b"commands")),
        }
    }
}

impl CommandSessions {
    fn proof(&self, owner: &Jid, random: &str) -> hmac::Tag {
        let mut c = hmac::Context::with_key(&self.key);
        c.update(owner.as_str().as_bytes());
        c.update(&[0]);
        c.update(random.as_bytes());
        c.sign()
    }

    /// An id for a new session of `owner`.
    pub(super) fn new_id(&self, owner: &Jid, random: &str) -> String {
        let proof = URL_SAFE_NO_PAD.encode(&self.proof(owner, random).as_ref()[..PROOF]);
        [random, ".", &proof].concat()
    }

    fn is_ours(&self, owner: &Jid, id: &str) -> bool {
        id.split_once('.')
            .is_some_and(|(random, _)| self.new_id(owner, random) == id)
    }

    /// Takes a session out, to go on with it.
    pub(super) fn take(
        &self,
        owner: &Jid,
        id: &str,
        now: Timestamp,
        age: Duration,
    ) -> Result<Running, StanzaError> {
        let mut found = None;
        if let Entry::Occupied(mut e) = self.accounts.entry(owner.bare_str().into()) {
            let list = e.get_mut();
            list.retain(|r| now.since(r.at) < age);
            if let Some(i) = list.iter().position(|r| r.id == id && r.owner == *owner) {
                found = Some(list.remove(i));
            }
            if e.get().is_empty() {
                e.remove();
            }
        }
        found.ok_or_else(|| {
            if self.is_ours(owner, id) {
                StanzaError::new(Condition::NotAllowed)
                    .app("session-expired", ns::COMMANDS)
                    .text("this command is over; start it again")
            } else {
                bad("bad-sessionid")
            }
        })
    }

    /// Puts a session where [`CommandSessions::take`] finds it; the oldest of the account give way.
    pub(super) fn put(&self, running: Running, max: usize) {
        let mut list = self.accounts.entry(running.owner.bare_str().into()).or_default();
        while list.len() >= max.max(1) {
            list.remove(0);
        }
        list.push(running);
    }

    /// Forgets what a session of the account had begun.
    pub(crate) fn forget(&self, owner: &Jid) {
        if let Entry::Occupied(mut e) = self.accounts.entry(owner.bare_str().into()) {
            e.get_mut().retain(|r| r.owner != *owner);
            if e.get().is_empty() {
                e.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::forms::{Form, FormKind};

    const AGE: Duration = Duration::from_secs(600);

    fn running(s: &CommandSessions, owner: &str, n: &str, at: i64) -> Running {
        let owner: Jid = owner.parse().unwrap();
        Running {
            id: s.new_id(&owner, n),
            owner,
            node: "n",
            place: Place::Server,
            address: "x".into(),
            at: Timestamp(at),
            progress: Progress {
                answers: Vec::new(),
                shown: Form::new(FormKind::Form),
                more: false,
            },
        }
    }

    fn name(e: &StanzaError) -> &'static str {
        e.app.unwrap().0
    }

    #[test]
    fn found_once_by_the_owner_alone() {
        let s = CommandSessions::default();
        let r = running(&s, "a@x/1", "one", 0);
        let (id, owner) = (r.id.clone(), r.owner.clone());
        s.put(r, 2);
        let other: Jid = "a@x/2".parse().unwrap();
        let e = s.take(&other, &id, Timestamp(1), AGE).unwrap_err();
        assert_eq!(name(&e), "bad-sessionid");
        assert!(s.take(&owner, &id, Timestamp(1), AGE).is_ok());
        let e = s.take(&owner, &id, Timestamp(1), AGE).unwrap_err();
        assert_eq!((name(&e), e.kind), ("session-expired", Condition::NotAllowed));
        assert_eq!(
            name(&s.take(&owner, "guess.ed", Timestamp(1), AGE).unwrap_err()),
            "bad-sessionid"
        );
        assert!(s.accounts.is_empty());
    }

    #[test]
    fn bounded_and_forgotten() {
        let s = CommandSessions::default();
        let owner: Jid = "a@x/1".parse().unwrap();
        let ids: Vec<String> = ["1", "2", "3"]
            .map(|n| {
                let r = running(&s, "a@x/1", n, 0);
                let id = r.id.clone();
                s.put(r, 2);
                id
            })
            .to_vec();
        let expired = |r: Result<Running, StanzaError>| name(&r.unwrap_err()) == "session-expired";
        assert!(expired(s.take(&owner, &ids[0], Timestamp(1), AGE)));
        assert!(s.take(&owner, &ids[1], Timestamp(1), AGE).is_ok());
        let late = Timestamp(0).plus(AGE);
        assert!(expired(s.take(&owner, &ids[2], late, AGE)));
        s.put(running(&s, "a@x/1", "4", 0), 2);
        s.forget(&owner);
        assert!(s.accounts.is_empty());
    }
}
