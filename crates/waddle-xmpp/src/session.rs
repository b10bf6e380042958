//! A bound resource: what routing must know of it (RFC 6121 §8.5) and where its stanzas go.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI8, AtomicI64, AtomicU8, AtomicU32, Ordering},
    },
};

use kameo::actor::ActorRef;
use parking_lot::Mutex;
use tokio::sync::Notify;
use waddle_community::Via;
use waddle_core::{BareJid, Jid, Timestamp, UserId};
use waddle_identity::CredentialId;
use waddle_muc::Sender;
use waddle_outbox::{Outbox, PushError};
use waddle_stanza::{HeadTemplate, Outgoing, StreamError};

use crate::connection::{ConnectionActor, End};

/// Copied messages whose errors are copied too.
const COPIED: usize = 64;

/// Something that is switched on or off for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Flag {
    /// Available presence was sent (RFC 6121 §4.2).
    Available = 1,
    /// The roster was asked for: it gets roster pushes (RFC 6121 §2.1.6).
    Interested = 2,
    /// Message carbons are on (XEP-0280).
    Carbons = 4,
    /// The block list was asked for: it gets pushes (XEP-0191).
    BlockList = 8,
    /// The offline messages were handed over.
    GotOffline = 16,
    /// The connection is lost; the session waits for its resumption (XEP-0198).
    Hibernating = 32,
    /// More offline messages wait until the first ones are written.
    MoreOffline = 128,
    /// The session is over; nothing is delivered to it any more.
    Ended = 64,
}

/// The presence that a session announced last.
#[derive(Debug, Clone, Default)]
pub struct Announced {
    /// The last available presence, without `to`; none while unavailable.
    pub presence: Option<HeadTemplate>,
    /// Who got directed presence without being subscribed (RFC 6121 §4.6), bounded.
    pub directed: Vec<Jid>,
}

/// A bound resource.
#[derive(Debug)]
pub struct Session {
    /// Unique while the server runs.
    pub id: u64,
    /// The full JID.
    pub jid: Jid,
    /// The bare JID.
    pub bare: BareJid,
    /// The subject of permissions.
    pub user: UserId,
    /// Where everything for this client goes.
    pub outbox: Arc<Outbox<Outgoing>>,
    /// What it announced.
    pub announced: Mutex<Announced>,
    /// The hash of the account's avatar.
    pub(crate) avatar: Mutex<Option<Box<str>>>,
    /// What its client wants to hear of.
    pub(crate) heard: Mutex<crate::interests::Heard>,
    /// Messages of this session whose commit is awaited: later stanzas queue behind them.
    pub(crate) flow: Arc<Flow>,
    /// Fingerprints of the ids of messages that the other devices got copies of, for the errors that answer them.
    copied: Mutex<VecDeque<u64>>,
    flags: AtomicU8,
    priority: AtomicI8,
    available_since: AtomicI64,
    control: Mutex<Control>,
}

/// What changes when the session changes its connection.
#[derive(Debug)]
struct Control {
    actor: Option<ActorRef<ConnectionActor>>,
    credential: CredentialId,
    resumption: Option<Box<str>>,
    client: Option<Box<str>>,
    address: Option<IpAddr>,
}

impl Session {
    /// A new, unavailable session.
    pub(crate) fn new(
        id: u64,
        jid: Jid,
        user: UserId,
        credential: CredentialId,
        outbox: Arc<Outbox<Outgoing>>,
        control: Option<ActorRef<ConnectionActor>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            bare: jid.bare(),
            jid,
            user,
            outbox,
            announced: Mutex::default(),
            avatar: Mutex::default(),
            heard: Mutex::default(),
            flow: Arc::default(),
            copied: Mutex::default(),
            flags: AtomicU8::new(0),
            priority: AtomicI8::new(0),
            available_since: AtomicI64::new(0),
            control: Mutex::new(Control {
                actor: control,
                credential,
                resumption: None,
                client: None,
                address: None,
            }),
        })
    }

    /// The localpart of the account.
    pub fn localpart(&self) -> &str {
        self.bare.local().unwrap_or_default()
    }

    /// Whether `flag` is on.
    pub fn is(&self, flag: Flag) -> bool {
        self.flags.load(Ordering::Acquire) & flag as u8 != 0
    }

    /// Switches `flag`; the answer is what it was.
    pub fn set(&self, flag: Flag, on: bool) -> bool {
        let before = if on {
            self.flags.fetch_or(flag as u8, Ordering::AcqRel)
        } else {
            self.flags.fetch_and(!(flag as u8), Ordering::AcqRel)
        };
        before & flag as u8 != 0
    }

    /// The priority of the last available presence.
    pub fn priority(&self) -> i8 {
        self.priority.load(Ordering::Acquire)
    }

    /// Whether messages to the bare JID may go here: available with a priority that is not negative, and not over.
    pub fn takes_messages(&self) -> bool {
        self.is(Flag::Available) && self.priority() >= 0 && !self.is(Flag::Ended)
    }

    /// When it became available.
    pub fn available_since(&self) -> Timestamp {
        Timestamp(self.available_since.load(Ordering::Acquire))
    }

    /// Notes an available presence; the answer is whether the session was unavailable before.
    pub(crate) fn announce(&self, presence: HeadTemplate, priority: i8, now: Timestamp) -> bool {
        self.announced.lock().presence = Some(presence);
        self.priority.store(priority, Ordering::Release);
        let first = !self.set(Flag::Available, true);
        if first {
            self.available_since.store(now.0, Ordering::Release);
        }
        first
    }

    /// Notes that it is unavailable; the answer is what it had announced.
    pub(crate) fn withdraw(&self) -> Announced {
        self.set(Flag::Available, false);
        // What waits meanwhile is handed over when it comes back.
        self.set(Flag::GotOffline, false);
        std::mem::take(&mut *self.announced.lock())
    }

    /// A message of this id was copied to the other devices.
    pub(crate) fn remember_copied(&self, id: u64) {
        let mut copied = self.copied.lock();
        if copied.len() >= COPIED {
            copied.pop_front();
        }
        copied.push_back(id);
    }

    /// Whether a message of this id was copied to the other devices lately.
    pub(crate) fn was_copied(&self, id: u64) -> bool {
        self.copied.lock().contains(&id)
    }

    /// Sends to the client. A full outbox closes the session by itself.
    pub fn send(&self, stanza: Outgoing) -> Result<(), PushError> {
        self.outbox.push_past_gate(stanza)
    }

    /// Waits until fewer than `below` of its messages wait for their commit.
    pub(crate) async fn settled(&self, below: u32) {
        self.flow.settled(below).await;
    }

    /// Who it is to the rooms.
    pub fn sender(&self) -> Sender {
        Sender {
            jid: self.jid.clone(),
            user: self.user.clone(),
            outbox: self.outbox.clone(),
        }
    }

    /// The actor that serves it now.
    pub(crate) fn control(&self) -> Option<ActorRef<ConnectionActor>> {
        self.control.lock().actor.clone()
    }

    /// Ends its stream with an error.
    pub(crate) fn end(&self, error: StreamError) {
        if let Some(actor) = self.control() {
            let _ = actor.tell(End(error)).try_send();
        }
    }

    /// Another actor serves it from now on, or none.
    pub(crate) fn set_control(&self, actor: Option<ActorRef<ConnectionActor>>) {
        self.control.lock().actor = actor;
    }

    /// What its connection logged in with: the revocation of this credential ends the session.
    pub fn credential(&self) -> CredentialId {
        self.control.lock().credential
    }

    pub(crate) fn set_credential(&self, credential: CredentialId) {
        self.control.lock().credential = credential;
    }

    /// The installation that it is a session of, where the client said so (XEP-0388).
    pub fn client(&self) -> Option<Box<str>> {
        self.control.lock().client.clone()
    }

    pub(crate) fn set_client(&self, client: Option<&str>) {
        self.control.lock().client = client.map(Into::into);
    }

    pub(crate) fn set_address(&self, address: IpAddr) {
        self.control.lock().address = Some(address);
    }

    /// From where it acts, for audit logs.
    pub fn via(&self) -> Via {
        let control = self.control.lock();
        let via = Via::new("xmpp").from_address(control.address);
        match control.credential {
            CredentialId::NONE => via,
            credential => via.with_token(credential.to_string()),
        }
    }

    /// The name under which it can be resumed (XEP-0198).
    pub fn resumption_id(&self) -> Option<Box<str>> {
        self.control.lock().resumption.clone()
    }

    pub(crate) fn set_resumption_id(&self, id: &str) {
        self.control.lock().resumption = Some(id.into());
    }
}

/// The messages of one sender that wait for their commit.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) pending: AtomicU32,
    /// Rings when one of them is committed.
    committed: Notify,
}

impl Flow {
    /// Waits until fewer than `below` wait.
    pub(crate) async fn settled(&self, below: u32) {
        while self.pending.load(Ordering::Acquire) >= below {
            self.committed.notified().await;
        }
    }
}

/// A message that waits for its commit, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Flow>);

impl Waiting {
    pub(crate) fn begin(flow: &Arc<Flow>) -> Self {
        flow.pending.fetch_add(1, Ordering::AcqRel);
        Self(flow.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::AcqRel);
        self.0.committed.notify_one();
    }
}
