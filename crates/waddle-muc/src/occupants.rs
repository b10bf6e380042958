//! Who is in the room: occupants by nickname, and the sessions behind each ([XEP-0045 §6.1.3], multi-session nicks).
//!
//! [XEP-0045 §6.1.3]: https://xmpp.org/extensions/xep-0045.html#order

use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use smallvec::SmallVec;
use waddle_core::{BareJid, Jid, UserId};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};

use crate::{
    api::Sender,
    fan::{Fan, ToAttr},
    standing::{Affiliation, Role, Standing},
};

/// One client of an occupant.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its full address.
    pub jid: Jid,
    /// The same, ready for a start tag.
    pub to: ToAttr,
    /// Its outgoing queue.
    pub outbox: Arc<Outbox<Outgoing>>,
    /// The presence that it sent last.
    pub presence: Stanza,
}

impl Session {
    /// The session that a presence came from.
    pub fn of(sender: &Sender, presence: &Stanza) -> Self {
        Self {
            jid: sender.jid.clone(),
            to: ToAttr::new(&sender.jid),
            outbox: sender.outbox.clone(),
            presence: presence.clone(),
        }
    }
}

/// A person in the room under a nickname.
#[derive(Debug)]
pub struct Occupant {
    /// The nickname as they wrote it.
    pub nick: Arc<str>,
    /// What nicknames are compared by.
    pub key: String,
    /// The room address with the nickname as resource.
    pub address: Jid,
    /// The person.
    pub user: UserId,
    /// Their bare address.
    pub bare: BareJid,
    /// Affiliation, as shown.
    pub affiliation: Affiliation,
    /// Role, as shown.
    pub role: Role,
    /// A role that a moderator set for this visit.
    pub role_set: Option<Role>,
    /// The revision of the permissions that the standing was computed at.
    pub revision: u64,
    /// Whether they may not be here any more, which they are still to be told.
    pub is_out: bool,
    /// XEP-0421.
    pub stable_id: String,
    /// Their clients, at least one.
    pub sessions: SmallVec<[Session; 1]>,
    /// The presence that one of them sent last.
    pub presence: Stanza,
    /// Their hats (XEP-0317), an element; empty for none.
    pub hats: Bytes,
    /// Whether everybody is shown them, not only moderators.
    pub public: bool,
    /// That presence as others get it: with and without the real address.
    pub(crate) shown: [Option<Fan>; 2],
}

impl Occupant {
    /// Takes over a new standing and the hats that go with it; says whether others see a difference.
    pub fn stand(&mut self, standing: Standing, hats: Bytes, revision: u64) -> bool {
        self.revision = revision;
        if standing.affiliation != self.affiliation || standing.role >= Role::Moderator {
            self.role_set = self.role_set.filter(|_| standing.role < Role::Moderator);
        }
        let role = self.role_set.unwrap_or(standing.role);
        let changed = role != self.role || standing.affiliation != self.affiliation || hats != self.hats;
        if changed {
            self.hats = hats;
            self.role = role;
            self.affiliation = standing.affiliation;
            self.shown = [None, None];
        }
        changed
    }
}

/// All occupants of a room.
#[derive(Debug, Default)]
pub struct Occupants {
    list: Vec<Occupant>,
    by_key: AHashMap<String, usize>,
    by_session: AHashMap<Jid, usize>,
}

impl Occupants {
    /// The number of nicknames.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of sessions.
    pub fn sessions(&self) -> usize {
        self.by_session.len()
    }

    /// Everybody, in no special order.
    pub fn iter(&self) -> std::slice::Iter<'_, Occupant> {
        self.list.iter()
    }

    /// Everybody, to be changed; key and sessions must be left alone.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Occupant> {
        self.list.iter_mut()
    }

    /// Where the occupant of a session stands.
    pub fn of_session(&self, jid: &Jid) -> Option<usize> {
        self.by_session.get(jid).copied()
    }

    /// Where the occupant with a nickname key stands.
    pub fn of_key(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The occupant at a place.
    pub fn at(&self, i: usize) -> &Occupant {
        &self.list[i]
    }

    /// The occupant at a place, to be changed; key and sessions must be left alone.
    pub fn at_mut(&mut self, i: usize) -> &mut Occupant {
        &mut self.list[i]
    }

    /// Adds an occupant whose key and sessions are new here.
    pub fn insert(&mut self, occupant: Occupant) -> usize {
        let i = self.list.len();
        self.by_key.insert(occupant.key.clone(), i);
        for s in &occupant.sessions {
            self.by_session.insert(s.jid.clone(), i);
        }
        self.list.push(occupant);
        i
    }

    /// Adds a session to an occupant, or renews it.
    pub fn add_session(&mut self, i: usize, session: Session) {
        self.by_session.insert(session.jid.clone(), i);
        let sessions = &mut self.list[i].sessions;
        match sessions.iter_mut().find(|s| s.jid == session.jid) {
            Some(s) => *s = session,
            None => sessions.push(session),
        }
    }

    /// Takes a session out; with the last one goes the occupant.
    pub fn remove_session(&mut self, jid: &Jid) -> Option<(Session, Option<Occupant>)> {
        let i = self.by_session.get(jid).copied()?;
        let at = self.list[i].sessions.iter().position(|s| s.jid == *jid)?;
        if self.list[i].sessions.len() == 1 {
            let session = self.list[i].sessions[at].clone();
            return Some((session, Some(self.remove(i))));
        }
        self.by_session.remove(jid);
        let occupant = &mut self.list[i];
        let session = occupant.sessions.remove(at);
        occupant.shown = [None, None];
        Some((session, None))
    }

    /// Takes an occupant out.
    pub fn remove(&mut self, i: usize) -> Occupant {
        let gone = self.list.swap_remove(i);
        self.by_key.remove(&gone.key);
        for s in &gone.sessions {
            self.by_session.remove(&s.jid);
        }
        if let Some(moved) = self.list.get(i) {
            if let Some(at) = self.by_key.get_mut(&moved.key) {
                *at = i;
            }
            for s in &moved.sessions {
                if let Some(at) = self.by_session.get_mut(&s.jid) {
                    *at = i;
                }
            }
        }
        gone
    }

    /// Gives an occupant another nickname.
    pub fn rename(&mut self, i: usize, nick: Arc<str>, key: String, address: Jid) {
        let occupant = &mut self.list[i];
        self.by_key.remove(&occupant.key);
        self.by_key.insert(key.clone(), i);
        occupant.nick = nick;
        occupant.key = key;
        occupant.address = address;
        occupant.shown = [None, None];
    }
}
