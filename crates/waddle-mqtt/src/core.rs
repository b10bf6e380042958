//! What all connections share: spaces, sessions, limits (ADR 0008).

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use waddle_core::{Limits, SharedClock, Slug, TopicFilter, UserId, WaddleId};
use waddle_storage::{
    Db, Storage, StorageError,
    repo::mqtt::{self as rows, MessageRow},
};

use crate::{
    Mount,
    codec::Reason,
    link::Link,
    message::{Envelope, Gather, Run},
    metrics::Metrics,
    mount::{self, Place},
    policy::{Access, Action, Policy},
    session::{Owner, Placed, Session, SessionKey},
    sink::PublishSink,
    space::Space,
    timers::Timers,
};

/// Retained messages read from a database at a time.
const PAGE: usize = 256;

/// Why something is not done, for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deny {
    /// The reason code.
    pub reason: Reason,
    /// A sentence.
    pub text: &'static str,
}

/// Not allowed, whether it exists or not.
pub const FORBIDDEN: Deny = Deny {
    reason: Reason::NOT_AUTHORIZED,
    text: "not allowed in this waddle's topics",
};

/// Nothing resolves: the two ways that do.
pub const NOWHERE: Deny = Deny {
    reason: Reason::NOT_AUTHORIZED,
    text: "this topic lies in no waddle: use waddle/<slug>/<topic>, or log in as <name>@<domain>/<slug>",
};

const UNAVAILABLE: Deny = Deny {
    reason: Reason::IMPLEMENTATION,
    text: "the waddle cannot be reached; try again later",
};

/// A live connection, its session and the credential it logged in with.
pub type LiveLink = (Arc<Link>, Arc<Session>, Option<String>);

/// The shared state of a broker.
pub struct Core {
    /// Bounds.
    pub limits: Limits,
    /// Whether rates are limited.
    pub rate_limits: bool,
    /// The time.
    pub clock: SharedClock,
    /// Databases.
    pub storage: Storage,
    /// The server database.
    pub db: Db,
    /// Who may do what.
    pub policy: Arc<dyn Policy>,
    /// Counters.
    pub metrics: Metrics,
    /// Wills and expiries to come.
    pub timers: Timers,
    /// Who sees what is published.
    pub sinks: ArcSwap<Vec<Arc<dyn PublishSink>>>,
    /// The space outside all waddles.
    pub server_space: Arc<Space>,
    /// Live connections.
    pub links: DashMap<u64, LiveLink, ahash::RandomState>,
    /// All sessions.
    pub sessions: DashMap<SessionKey, Arc<Session>, ahash::RandomState>,
    /// Sessions by their user.
    pub by_user: DashMap<UserId, Vec<Arc<Session>>, ahash::RandomState>,
    /// Connections that are saying goodbye.
    pub leaving: AtomicUsize,
    /// The broker is ending.
    pub stopping: AtomicBool,
    spaces: DashMap<WaddleId, Arc<Space>, ahash::RandomState>,
    opening: tokio::sync::Mutex<()>,
    creating: [tokio::sync::Mutex<()>; 16],
    connections: AtomicUsize,
    addresses: DashMap<IpAddr, usize, ahash::RandomState>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core({} sessions)", self.sessions.len())
    }
}

/// A place among the connections; dropping it gives it back.
#[derive(Debug)]
pub struct Admission {
    core: Arc<Core>,
    addr: IpAddr,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.core.connections.fetch_sub(1, Ordering::AcqRel);
        if let dashmap::Entry::Occupied(mut e) = self.core.addresses.entry(self.addr) {
            *e.get_mut() -= 1;
            if *e.get() == 0 {
                e.remove();
            }
        }
    }
}

/// A topic as a connection resolved it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The space.
    pub space: Arc<Space>,
    /// Its name there.
    pub topic: Arc<str>,
}

impl Core {
    /// The state of a broker that has no session yet.
    pub fn new(
        limits: Limits,
        rate_limits: bool,
        storage: Storage,
        clock: SharedClock,
        policy: Arc<dyn Policy>,
    ) -> Arc<Self> {
        let server_space = Space::new(None, policy.server_access());
        Arc::new(Self {
            limits,
            rate_limits,
            clock,
            db: storage.server(),
            storage,
            policy,
            metrics: Metrics::default(),
            timers: Timers::default(),
            sinks: ArcSwap::default(),
            server_space,
            links: DashMap::default(),
            sessions: DashMap::default(),
            by_user: DashMap::default(),
            leaving: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            spaces: DashMap::default(),
            opening: tokio::sync::Mutex::new(()),
            creating: Default::default(),
            connections: AtomicUsize::new(0),
            addresses: DashMap::default(),
        })
    }

    /// Held by whoever makes a session: of two with one key, one waits.
    pub fn creating(&self, key: &SessionKey) -> &tokio::sync::Mutex<()> {
        let hash = self.sessions.hasher().hash_one(key);
        &self.creating[hash as usize % self.creating.len()]
    }

    /// A place for a connection from `addr`, unless there are too many.
    pub fn admit(self: &Arc<Self>, addr: IpAddr) -> Option<Admission> {
        let before = self.connections.fetch_add(1, Ordering::AcqRel);
        let mut here = self.addresses.entry(addr).or_insert(0);
        *here += 1;
        let too_many = self.rate_limits && *here > self.limits.connections_per_address;
        drop(here);
        let admission = Admission {
            core: self.clone(),
            addr,
        };
        (before < self.limits.connections && !too_many).then_some(admission)
    }

    /// The space of a waddle, with its retained messages; `None` where there is no such waddle.
    pub async fn space(&self, waddle: WaddleId) -> Result<Option<Arc<Space>>, StorageError> {
        let Some(space) = self.bare_space(waddle).await else {
            return Ok(None);
        };
        space
            .loaded
            .get_or_try_init(|| self.load_retained(&space))
            .await?;
        Ok(Some(space))
    }

    /// The space of a waddle if it is in memory.
    pub fn space_now(&self, waddle: WaddleId) -> Option<Arc<Space>> {
        self.spaces.get(&waddle).map(|s| s.clone())
    }

    /// The space of a waddle; its retained messages are read when they are first needed.
    pub async fn bare_space(&self, waddle: WaddleId) -> Option<Arc<Space>> {
        if let Some(s) = self.space_now(waddle) {
            return Some(s);
        }
        let _one = self.opening.lock().await;
        if let Some(s) = self.space_now(waddle) {
            return Some(s);
        }
        let space = Space::new(Some(waddle), self.policy.access(waddle).await?);
        self.spaces.insert(waddle, space.clone());
        Some(space)
    }

    /// Forgets a waddle that is gone.
    pub fn drop_space(&self, waddle: WaddleId) -> Option<Arc<Space>> {
        self.spaces.remove(&waddle).map(|(_, s)| s)
    }

    /// Spaces in memory.
    pub fn spaces(&self) -> Vec<Arc<Space>> {
        self.spaces.iter().map(|s| s.clone()).collect()
    }

    /// Frees the spaces that nobody uses.
    pub fn sweep(&self) {
        self.spaces
            .retain(|_, s| Arc::strong_count(s) > 1 || s.subscriptions() > 0);
    }

    async fn load_retained(&self, space: &Space) -> Result<(), StorageError> {
        let Some(waddle) = space.waddle else {
            return Ok(());
        };
        let db = self.storage.waddle(waddle).await?;
        let mut after = String::new();
        loop {
            let page = db.read(move |c| rows::retained(c, &after, PAGE)).await?;
            let last = page.last().map(|m| m.topic.clone());
            let full = page.len() == PAGE;
            let mut kept = space.retained.write();
            for m in page {
                let run = run_of(
                    &MessageRow {
                        waddle: Some(waddle),
                        ..m
                    },
                    true,
                    &space.view,
                );
                // What is stored was within the limits when it came; lowered limits cut it here.
                let _ = kept.set(run, self.limits.mqtt_retained, self.limits.mqtt_retained_bytes);
            }
            drop(kept);
            match last {
                Some(l) if full => after = l,
                _ => return Ok(()),
            }
        }
    }

    /// Whether a topic may be published to at all.
    pub fn check_topic(&self, topic: &str) -> Result<(), Deny> {
        if topic.split('/').count() > self.limits.mqtt_topic_levels {
            return Err(Deny {
                reason: Reason::TOPIC_INVALID,
                text: "the topic has too many levels",
            });
        }
        Ok(())
    }

    /// Where a topic name lies for its user, and whether they may do that with it.
    pub async fn resolve(&self, owner: &Owner, name: &str, action: Action) -> Result<Resolved, Deny> {
        self.check_topic(name)?;
        let (place, inner) = mount::topic(owner.mount, name);
        let space = self.place(owner, place, name.starts_with('$')).await?;
        if !space.access.may(&owner.who, action, inner) {
            return Err(
                if space.waddle.is_none() && action == Action::Publish && !name.starts_with('$') {
                    NOWHERE
                } else {
                    FORBIDDEN
                },
            );
        }
        Ok(Resolved {
            space,
            topic: inner.into(),
        })
    }

    async fn place(&self, owner: &Owner, place: Place<'_>, dollar: bool) -> Result<Arc<Space>, Deny> {
        let waddle = match place {
            Place::Server if matches!(owner.mount, Mount::Waddle(_)) && owner.who.device.is_some() => {
                return Err(FORBIDDEN);
            }
            Place::Server => return Ok(self.server_space.clone()),
            Place::Nowhere if dollar => return Err(FORBIDDEN),
            Place::Nowhere | Place::Each => return Err(NOWHERE),
            Place::Root(w) => Some(w),
            Place::Slug(s) => match s.parse::<Slug>() {
                Ok(slug) => self.policy.waddle_by_slug(&slug).await,
                Err(_) => None,
            },
        };
        let Some(waddle) = waddle else {
            return Err(FORBIDDEN);
        };
        match self.space(waddle).await {
            Ok(Some(s)) => Ok(s),
            Ok(None) => Err(FORBIDDEN),
            Err(error) => {
                tracing::warn!(%waddle, %error, "retained messages cannot be read");
                Err(UNAVAILABLE)
            }
        }
    }

    /// The places where a filter is entered for its user: those that they may see something of.
    pub async fn places(&self, owner: &Owner, filter: &TopicFilter) -> Result<Vec<Placed>, Deny> {
        let (place, inner) = mount::filter(owner.mount, filter.as_str());
        let Ok(inner_filter) = inner.parse::<TopicFilter>() else {
            return Err(FORBIDDEN);
        };
        let prefixed = matches!(place, Place::Slug(_) | Place::Each);
        let spaces = match place {
            Place::Each => {
                let mut all = Vec::new();
                for w in self.policy.waddles_of(&owner.who.user).await {
                    if let Ok(Some(s)) = self.space(w).await {
                        all.push(s);
                    }
                }
                all
            }
            one => vec![self.place(owner, one, filter.as_str().starts_with('$')).await?],
        };
        let placed: Vec<Placed> = spaces
            .into_iter()
            .filter(|s| s.access.may_filter(&owner.who, &inner_filter))
            .map(|space| Placed {
                space,
                filter: inner.into(),
                prefixed,
            })
            .collect();
        if placed.is_empty() {
            let nowhere = place == Place::Server && !filter.as_str().starts_with('$');
            return Err(if nowhere { NOWHERE } else { FORBIDDEN });
        }
        Ok(placed)
    }
}

/// A stored message as a run of one.
pub fn run_of(m: &MessageRow, retain: bool, view: &Arc<str>) -> Arc<Run> {
    let mut g = Gather::default();
    g.add_parts(&m.response, &m.props, &m.payload, m.expiry);
    g.finish(Envelope {
        waddle: m.waddle,
        view: view.clone(),
        topic: m.topic.as_str().into(),
        qos: m.qos,
        retain,
        received: m.received_at,
        from: 0,
        publisher: m.publisher.clone(),
    })
}

/// Message `i` of a run as it is stored.
pub fn row_of(run: &Run, i: usize) -> MessageRow {
    let expiry = run.msgs[i].expiry;
    MessageRow {
        waddle: run.waddle,
        topic: run.topic.to_string(),
        qos: run.qos,
        response: run.response(i).to_owned(),
        props: bytes::Bytes::copy_from_slice(run.props(i)),
        payload: run.payload_bytes(i),
        publisher: run.publisher.clone(),
        received_at: run.received,
        expiry: (expiry != crate::message::FOREVER).then_some(expiry),
    }
}

/// The access to a space where everything is allowed to operators and nothing to others.
pub struct OperatorsOnly;

impl Access for OperatorsOnly {
    fn slug(&self) -> &'static str {
        ""
    }
    fn revision(&self) -> u64 {
        0
    }
    fn may(&self, who: &crate::policy::Principal, action: Action, topic: &str) -> bool {
        who.operator && action == Action::Subscribe && topic.starts_with("$SYS")
    }
    fn may_filter(&self, who: &crate::policy::Principal, filter: &TopicFilter) -> bool {
        who.operator && filter.as_str().starts_with("$SYS")
    }
    fn present(&self, who: &crate::policy::Principal) -> bool {
        who.operator
    }
    fn trusts(&self, _: &UserId, _: &str) -> bool {
        true
    }
}
