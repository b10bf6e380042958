//! A topic space: subscriptions, retained messages, permissions, and who gets what, computed once per topic
//! (`specs/topics.md`).

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use waddle_core::WaddleId;

use crate::{
    link::Opts,
    policy::{Access, Action},
    retained::Retained,
    session::Session,
    trie::{Sub, Trie},
};

/// Topics whose subscribers are remembered, per space; when there are more, all are forgotten.
const REMEMBERED: usize = 4_096;

/// One receiver of a topic.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose.
    pub session: Arc<Session>,
    /// How.
    pub opts: Arc<Opts>,
    /// Not what it publishes itself.
    pub no_local: bool,
}

/// The members of a share, one of whom gets each message.
#[derive(Debug)]
pub struct Share {
    /// Who may get it.
    pub members: Vec<Target>,
    /// Whose turn it is.
    pub next: Arc<AtomicUsize>,
}

/// Everybody who gets a topic's messages, as of one state of subscriptions and permissions.
#[derive(Debug, Default)]
pub struct Targets {
    /// The state: [`Space::state`].
    pub state: (u64, u64),
    /// Each with every message.
    pub direct: Vec<Target>,
    /// One of each with every message.
    pub shares: Vec<Share>,
}

/// A topic space.
pub struct Space {
    /// Its waddle; none for the server's own.
    pub waddle: Option<WaddleId>,
    /// `waddle/<slug>/`.
    pub view: Arc<str>,
    /// Who may do what.
    pub access: Arc<dyn Access>,
    /// Retained messages.
    pub retained: RwLock<Retained>,
    /// Retained messages are read from the database before the first use.
    pub loaded: tokio::sync::OnceCell<()>,
    trie: RwLock<Trie>,
    generation: AtomicU64,
    remembered: Mutex<AHashMap<Arc<str>, Arc<Targets>>>,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Space({})", self.view)
    }
}

impl Space {
    /// An empty space.
    pub fn new(waddle: Option<WaddleId>, access: Arc<dyn Access>) -> Arc<Self> {
        let view = match waddle {
            Some(_) => format!("waddle/{}/", access.slug()).into(),
            None => "".into(),
        };
        Arc::new(Self {
            waddle,
            view,
            access,
            retained: RwLock::default(),
            loaded: tokio::sync::OnceCell::new(),
            trie: RwLock::default(),
            generation: AtomicU64::new(1),
            remembered: Mutex::default(),
        })
    }

    /// Changes with every subscription and every permission.
    pub fn state(&self) -> (u64, u64) {
        (self.generation.load(Ordering::Acquire), self.access.revision())
    }

    /// Forgets what was computed.
    pub fn touch(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.remembered.lock().clear();
    }

    /// Enters a subscription.
    pub fn subscribe(&self, filter: &str, group: Option<&str>, sub: Sub) {
        self.trie.write().insert(filter, group, sub);
        self.touch();
    }

    /// Removes a subscription.
    pub fn unsubscribe(&self, filter: &str, group: Option<&str>, serial: u64, prefixed: bool) -> bool {
        let gone = self.trie.write().remove(filter, group, serial, prefixed);
        if gone {
            self.touch();
        }
        gone
    }

    /// Subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.trie.read().len()
    }

    /// Who gets the messages of `topic`, permissions included.
    pub fn targets(&self, topic: &Arc<str>) -> Arc<Targets> {
        let state = self.state();
        if let Some(t) = self.remembered.lock().get(topic)
            && t.state == state
        {
            return t.clone();
        }
        let found = Arc::new(self.compute(topic, state));
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(topic.clone(), found.clone());
        found
    }

    fn compute(&self, topic: &str, state: (u64, u64)) -> Targets {
        let m = self.trie.read().matches(topic);
        let may = |s: &Sub| self.access.may(&s.session.who(), Action::Subscribe, topic);
        let target = |s: Sub| Target {
            session: s.session,
            opts: s.opts,
            no_local: s.no_local,
        };
        let mut direct: Vec<Target> = m.subs.into_iter().filter(may).map(target).collect();
        if m.nodes > 1 {
            direct = merge(direct);
        }
        let shares = m
            .groups
            .into_iter()
            .map(|(members, next)| Share {
                members: members.into_iter().filter(may).map(target).collect(),
                next,
            })
            .filter(|s| !s.members.is_empty())
            .collect();
        Targets {
            state,
            direct,
            shares,
        }
    }
}

/// A session whose filters overlap gets one copy at the highest QoS with all its identifiers (§3.3.4).
fn merge(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by_key(|t| (t.session.serial, t.opts.prefixed));
    let mut out: Vec<Target> = Vec::with_capacity(targets.len());
    for t in targets {
        match out.last_mut() {
            Some(l) if l.session.serial == t.session.serial && l.opts.prefixed == t.opts.prefixed => {
                let mut o = (*l.opts).clone();
                o.qos = o.qos.max(t.opts.qos);
                o.as_published |= t.opts.as_published;
                o.ids.extend(&t.opts.ids);
                o.ids.sort_unstable();
                o.ids.dedup();
                l.opts = Arc::new(o);
                l.no_local &= t.no_local;
            }
            _ => out.push(t),
        }
    }
    out
}
