//! A session: what outlives a connection (MQTT 5.0 §4.1).
//!
//! A session that ends with its connection lives in memory. One that outlives it has its subscriptions, queue,
//! packet identifiers and will in the server database; while its client is away, memory holds its subscriptions
//! and two counters.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::Notify, time::Instant};
use waddle_core::{Timestamp, UserId, WaddleId};

use crate::{
    Mount,
    codec::connect::Will,
    link::{Link, Opts},
    policy::Principal,
    space::Space,
    trie::Sub,
};

/// What makes a session: two principals with the same client identifier have two sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Whose.
    pub user: UserId,
    /// The mounted waddle; none for a person's plain login.
    pub waddle: Option<WaddleId>,
    /// The client identifier.
    pub client: Arc<str>,
}

/// Where a subscription is entered.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The space.
    pub space: Arc<Space>,
    /// The filter there.
    pub filter: Arc<str>,
    /// Seen below `waddle/<slug>/`.
    pub prefixed: bool,
}

/// A subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// QoS, no-local, retain-as-published.
    pub qos: u8,
    /// See [`crate::trie::Sub::no_local`].
    pub no_local: bool,
    /// See [`crate::link::Opts::as_published`].
    pub as_published: bool,
    /// The subscription identifier.
    pub id: Option<u32>,
    /// The share, if it is shared.
    pub group: Option<Arc<str>>,
    /// Where it is entered: one place, or one in each waddle.
    pub placed: Vec<Placed>,
}

impl Subscription {
    /// Enters it at its places.
    pub fn enter(&self, session: &Arc<Session>) {
        for p in &self.placed {
            let opts = Opts {
                qos: self.qos,
                as_published: self.as_published,
                prefixed: p.prefixed,
                ids: self.id.into_iter().collect(),
            };
            let sub = Sub {
                session: session.clone(),
                opts: Arc::new(opts),
                no_local: self.no_local,
            };
            p.space.subscribe(&p.filter, self.group.as_deref(), sub);
        }
    }

    /// Removes it from its places.
    pub fn leave(&self, session: &Session) {
        for p in &self.placed {
            p.space
                .unsubscribe(&p.filter, self.group.as_deref(), session.serial, p.prefixed);
        }
    }
}

/// Who a session belongs to and how it sees topics, as of its last connection.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The subject of checks.
    pub who: Arc<Principal>,
    /// The view.
    pub mount: Mount,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// Unique while the process lives.
    pub serial: u64,
    /// Its key.
    pub key: SessionKey,
    /// Its row in the server database; 0 where it has none.
    pub row: i64,
    owner: RwLock<Owner>,
    link: RwLock<Option<Arc<Link>>>,
    /// The serial of the link that gets stored messages straight after their commit; 0 while they are read from
    /// the database.
    pub live: AtomicU64,
    /// Messages in the stored queue.
    pub queued: AtomicUsize,
    /// Their bytes.
    pub queued_bytes: AtomicUsize,
    /// By the filter as the client wrote it.
    pub subs: Mutex<AHashMap<Arc<str>, Subscription>>,
    /// Held by whoever connects to the session.
    pub gate: Arc<tokio::sync::Mutex<()>>,
    /// Rings when a connection has let go.
    pub parked: Notify,
    /// The session is over; a new one may have its key.
    pub ended: AtomicBool,
    /// It ends with its connection, whatever was agreed: its principal has no right left.
    pub doomed: AtomicBool,
    /// Seconds that it outlives its connection; `u32::MAX` for ever.
    pub expiry: AtomicU32,
    /// When its client went away, in microseconds; 0 while it is there.
    pub gone: AtomicI64,
    /// A will that waits for its delay.
    pub will: Mutex<Option<Will>>,
    /// Its place among the timers.
    pub timer: Mutex<Option<(Instant, u64)>>,
}

static SERIALS: AtomicU64 = AtomicU64::new(1);

/// A number that was not given before.
pub fn serial() -> u64 {
    SERIALS.fetch_add(1, Ordering::Relaxed)
}

impl Session {
    /// A session; `row` is its place in the database or 0.
    pub fn new(key: SessionKey, owner: Owner, row: i64, expiry: u32) -> Arc<Self> {
        Arc::new(Self {
            serial: serial(),
            key,
            row,
            owner: RwLock::new(owner),
            link: RwLock::new(None),
            live: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            subs: Mutex::default(),
            gate: Arc::default(),
            parked: Notify::new(),
            ended: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            expiry: AtomicU32::new(expiry),
            gone: AtomicI64::new(0),
            will: Mutex::new(None),
            timer: Mutex::new(None),
        })
    }

    /// Whether it outlives its connection.
    pub fn durable(&self) -> bool {
        self.row != 0
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.owner.read().clone()
    }

    /// The subject of checks.
    pub fn who(&self) -> Arc<Principal> {
        self.owner.read().who.clone()
    }

    /// A new connection's login.
    pub fn set_owner(&self, owner: Owner) {
        *self.owner.write() = owner;
    }

    /// The connection, if there is one.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.link.read().clone()
    }

    /// Calls `f` with the connection, without counting a reference.
    pub fn with_link<T>(&self, f: impl FnOnce(&Arc<Link>) -> T) -> Option<T> {
        self.link.read().as_ref().map(f)
    }

    /// Sets the connection.
    pub fn attach(&self, link: Arc<Link>) {
        self.gone.store(0, Ordering::Relaxed);
        *self.link.write() = Some(link);
    }

    /// Lets go of connection `serial`; answers whether it was the session's.
    pub fn detach(&self, serial: u64, now: Timestamp) -> bool {
        let mut link = self.link.write();
        if link.as_ref().is_none_or(|l| l.serial != serial) {
            return false;
        }
        if self.durable() {
            self.live.store(0, Ordering::SeqCst);
        }
        *link = None;
        self.gone.store(now.0.max(1), Ordering::Relaxed);
        true
    }

    /// Whether a stored message of `bytes` has room, and counts it if so.
    pub fn reserve(&self, bytes: usize, max: usize, max_bytes: usize) -> bool {
        if self.queued.load(Ordering::Relaxed) >= max
            || self.queued_bytes.load(Ordering::Relaxed).saturating_add(bytes) > max_bytes
        {
            return false;
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Gives back what [`Session::reserve`] took.
    pub fn release(&self, messages: usize, bytes: usize) {
        let sub = |a: &AtomicUsize, n: usize| {
            let _ = a.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |v| {
                Some(v.saturating_sub(n))
            });
        };
        sub(&self.queued, messages);
        sub(&self.queued_bytes, bytes);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn session() -> Arc<Session> {
        let user = UserId::local("alice");
        let who = Arc::new(Principal {
            user: user.clone(),
            name: "alice".into(),
            operator: false,
            device: None,
        });
        let key = SessionKey {
            user,
            waddle: None,
            client: "c".into(),
        };
        let mount = Mount::Person { home: None };
        Session::new(key, Owner { who, mount }, 0, 0)
    }

    #[test]
    fn room_in_the_queue() {
        let s = session();
        assert!(s.reserve(10, 2, 15) && !s.reserve(6, 2, 15) && s.reserve(5, 2, 15));
        assert!(!s.reserve(0, 2, 15));
        s.release(5, 100);
        assert!(s.reserve(15, 2, 15));
    }
}
