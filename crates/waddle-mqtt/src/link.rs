//! A live connection as the rest of the broker sees it: an outbox, a bell and a reason to end (ADR 0008).

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use waddle_core::Timestamp;
use waddle_outbox::{Outbox, PushError, Weight};
use waddle_storage::repo::mqtt::MessageRow;

use crate::{
    codec::{Fault, Version},
    message::Run,
    metrics::Metrics,
};

/// How a subscription wants its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opts {
    /// The highest QoS.
    pub qos: u8,
    /// With the retain flag as published.
    pub as_published: bool,
    /// With `waddle/<slug>/` before the topic.
    pub prefixed: bool,
    /// Subscription identifiers.
    pub ids: Vec<u32>,
}

/// What waits for a connection.
#[derive(Debug)]
pub enum Item {
    /// QoS 0 packets, ready to be written, and their number.
    Wire(bytes::Bytes, u32),
    /// Messages to be written one by one.
    Run(Arc<Run>, Arc<Opts>),
    /// Messages that are stored for the session: the rows of its queue, in the order of the run.
    Stored(Arc<Run>, Arc<Opts>, Arc<[Row]>),
}

/// A message's place in the stored queue of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The row.
    pub id: i64,
    /// Its message in the run.
    pub index: u32,
}

impl Weight for Item {
    fn weight(&self) -> usize {
        match self {
            Self::Wire(b, _) => b.len(),
            Self::Run(r, _) | Self::Stored(r, ..) => r.weight(),
        }
    }
}

impl Item {
    /// Messages in it.
    pub fn messages(&self) -> u64 {
        match self {
            Self::Wire(_, n) => u64::from(*n),
            Self::Run(r, _) => r.msgs.len() as u64,
            Self::Stored(_, _, rows) => rows.len() as u64,
        }
    }
}

/// A message from the stored queue, when a session comes back.
#[derive(Debug)]
pub struct Stored {
    /// The row.
    pub row: i64,
    /// The message.
    pub message: MessageRow,
    /// How it is delivered; `qos` is final, `as_published` is the retain flag.
    pub opts: Arc<Opts>,
    /// The packet identifier under which it was sent before.
    pub packet: Option<u16>,
    /// Its receipt was acknowledged (QoS 2): only the release is sent again.
    pub released: bool,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// A DISCONNECT with this reason, where the protocol has one.
    Fault(Fault),
    /// Another connection took the session over; it continues it (or does not).
    TakenOver {
        /// The new connection resumes the session.
        resumed: bool,
    },
}

#[derive(Debug, Default)]
struct Inbox {
    close: Option<Close>,
    backlog: Vec<(Vec<Stored>, bool)>,
}

/// A connection after CONNACK.
#[derive(Debug)]
pub struct Link {
    info: LinkInfo,
    /// What is on its way to the client.
    pub outbox: Outbox<Item>,
    /// Rings for everything but the outbox.
    pub bell: Notify,
    /// When it last sent something, in microseconds.
    pub seen: AtomicI64,
    /// Messages that found no room.
    pub dropped: AtomicU32,
    /// Stored messages wait that were not pushed: they are to be read from the database.
    pub reload: AtomicBool,
    inbox: Mutex<Inbox>,
}

/// What of a link stays as it is.
#[derive(Debug)]
pub struct LinkInfo {
    /// Unique while the process lives.
    pub serial: u64,
    /// How packets are written.
    pub version: Version,
    /// Bytes of the largest packet that the client takes.
    pub max_packet: usize,
    /// No alias is made for this client: QoS 0 goes out as shared bytes.
    pub plain: bool,
    /// Where the client comes from.
    pub peer: SocketAddr,
    /// `tcp`, `tls` or `websocket`.
    pub transport: &'static str,
    /// The client identifier.
    pub client: Arc<str>,
    /// When it came.
    pub since: Timestamp,
}

impl Deref for Link {
    type Target = LinkInfo;

    fn deref(&self) -> &LinkInfo {
        &self.info
    }
}

impl Link {
    /// A link whose outbox takes `items` and `bytes`.
    pub fn new(info: LinkInfo, items: usize, bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            outbox: Outbox::new(items, bytes),
            bell: Notify::new(),
            seen: AtomicI64::new(info.since.0),
            info,
            dropped: AtomicU32::new(0),
            reload: AtomicBool::new(false),
            inbox: Mutex::default(),
        })
    }

    /// Hands a run over; a full outbox loses it, which is counted.
    pub fn deliver(&self, run: &Arc<Run>, opts: &Arc<Opts>, metrics: &Metrics) {
        let qos = run.qos.min(opts.qos);
        let shared = qos == 0
            && self.plain
            && opts.ids.is_empty()
            && !(run.retain && opts.as_published)
            && !run.expires()
            && run.longest_packet() <= self.max_packet;
        let item = if shared {
            Item::Wire(
                run.wire(self.version, opts.prefixed).clone(),
                run.msgs.len() as u32,
            )
        } else {
            Item::Run(run.clone(), opts.clone())
        };
        if self.outbox.push(item) == Err(PushError::Full) {
            let n = run.msgs.len() as u32;
            self.dropped.fetch_add(n, Ordering::Relaxed);
            metrics.dropped("queue-full", u64::from(n));
        }
    }

    /// Hands stored messages over; a full outbox leaves them in the database. Answers whether it took them.
    pub fn deliver_stored(&self, run: Arc<Run>, opts: Arc<Opts>, rows: Arc<[Row]>) -> bool {
        let taken = self.outbox.push(Item::Stored(run, opts, rows)).is_ok();
        if !taken {
            self.reload.store(true, Ordering::Release);
            self.bell.notify_one();
        }
        taken
    }

    /// Hands over a page read from the database; `complete` says that nothing is left there.
    pub fn give_backlog(&self, page: Vec<Stored>, complete: bool) {
        self.inbox.lock().backlog.push((page, complete));
        self.bell.notify_one();
    }

    /// The pages that came.
    pub fn take_backlog(&self) -> Vec<(Vec<Stored>, bool)> {
        std::mem::take(&mut self.inbox.lock().backlog)
    }

    /// Ends the connection; the first reason counts.
    pub fn close(&self, why: Close) {
        self.inbox.lock().close.get_or_insert(why);
        self.bell.notify_one();
    }

    /// Why the connection shall end.
    pub fn closing(&self) -> Option<Close> {
        self.inbox.lock().close
    }
}
