//! The engine: a request is read or written in one step of the database, answered after its commit, and what follows
//! is told in the order of the commits ([XEP-0060](https://xmpp.org/extensions/xep-0060.html)).

use std::sync::{Arc, OnceLock};

use ahash::AHashSet;
use bytes::Bytes;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::oneshot;
use waddle_core::{BareJid, Jid, Limits};
use waddle_stanza::{Outgoing, StanzaError, XmlWriter};
use waddle_storage::{Conn, Db, StorageError, Tx};

use crate::{
    error::{Error, Result},
    event::{Event, Recipient, To},
    metrics,
    ops::Desk,
    request::Request,
    service::Service,
    view::View,
};

/// Names of nodes that a client wants notifications of.
pub type Interests = AHashSet<Box<str>>;

/// An available resource of an account.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its full JID.
    pub jid: Jid,
    /// What its presence shows: `online`, `away`, …
    pub show: &'static str,
    /// What it wants.
    pub interests: Arc<Interests>,
}

/// The item that a node now has as its newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its identifier.
    pub id: String,
    /// One self-contained element, or nothing.
    pub payload: Option<Bytes>,
}

/// What a write came to beside its answer.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Notifications, in order.
    pub events: Vec<Event>,
    /// Nodes of accounts whose newest item changed.
    pub changes: Vec<(BareJid, String, Option<Changed>)>,
}

/// What the engine needs of the server around it. Nothing here may block: it is called between two writes.
pub trait Host: Send + Sync + 'static {
    /// Delivers a message of a service to a user of this server by the rules of RFC 6121 §8.5, or elsewhere; not where
    /// one of the two blocks the other.
    fn deliver(&self, from: &BareJid, to: &Jid, message: Outgoing);

    /// The available resources of an account.
    fn resources(&self, account: &BareJid) -> Vec<Resource>;

    /// The newest item of an account's node is another one now, or there is none any more.
    fn changed(&self, _account: &BareJid, _node: &str, _item: Option<&Changed>) {}
}

pub(crate) struct Shared {
    pub db: Db,
    pub limits: Arc<Limits>,
    pub host: OnceLock<Box<dyn Host>>,
    pub random: SystemRandom,
}

/// All services of a server; clones are handles to the same.
#[derive(Clone)]
pub struct PubSub {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for PubSub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PubSub")
    }
}

/// What a request came to: the answer's payload, if it has one.
pub type Answer = Option<XmlWriter>;

impl Shared {
    /// A random identifier.
    pub fn id(&self) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = [0_u8; 12];
        if self.random.fill(&mut bytes).is_err() {
            tracing::error!("no random numbers");
        }
        bytes
            .iter()
            .flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]])
            .map(char::from)
            .collect()
    }

    /// Sends what follows a commit.
    pub fn tell(&self, outcome: Outcome) {
        let Some(host) = self.host.get() else { return };
        for (account, node, item) in &outcome.changes {
            host.changed(account, node, item.as_ref());
        }
        for e in outcome.events {
            let sent = send(&**host, &e);
            metrics::notified(sent);
        }
    }
}

/// Sends a notification; how many there were.
fn send(host: &dyn Host, e: &Event) -> u64 {
    let list = match &e.to {
        To::One(jid) | To::Resource(jid) => {
            host.deliver(&e.from, jid, e.message.for_to(jid.as_str()));
            return 1;
        }
        To::Node(list) => list,
    };
    let mut sent = 0;
    let mut had: AHashSet<Jid> = AHashSet::new();
    for r in list {
        let Recipient::Contact(contact) = r else { continue };
        for resource in host.resources(contact) {
            if resource.interests.contains(&*e.node) {
                host.deliver(&e.from, &resource.jid, e.message.for_to(resource.jid.as_str()));
                had.insert(resource.jid);
                sent += 1;
            }
        }
    }
    for r in list {
        let Recipient::Subscriber(jid, options) = r else {
            continue;
        };
        let there = host.resources(&jid.bare());
        // Each gets it once, also where presence and a subscription both ask for it (XEP-0163 §4.3).
        if had.contains(jid) || jid.is_bare() && there.iter().any(|r| had.contains(&r.jid)) {
            continue;
        }
        let show = if jid.is_bare() {
            there.first().map(|r| r.show)
        } else {
            there.iter().find(|r| r.jid == *jid).map(|r| r.show)
        };
        if options.wants(show) && (show.is_some() || !e.available_only) {
            host.deliver(&e.from, jid, e.message.for_to(jid.as_str()));
            sent += 1;
        }
    }
    sent
}

impl PubSub {
    /// The services on this database. Notifications go nowhere before [`PubSub::set_host`].
    pub fn new(db: Db, limits: Arc<Limits>) -> Self {
        Self {
            shared: Arc::new(Shared {
                db,
                limits,
                host: OnceLock::new(),
                random: SystemRandom::new(),
            }),
        }
    }

    /// Says who delivers notifications; once.
    pub fn set_host(&self, host: impl Host) {
        let _ = self.shared.host.set(Box::new(host));
    }

    /// Carries out a request of `from`. The answer comes after the commit, and after the notifications were handed to
    /// the host.
    pub async fn request(
        &self,
        service: Service,
        from: Jid,
        request: Request,
    ) -> std::result::Result<Answer, StanzaError> {
        if request.reads() {
            return Ok(self
                .read(service, from, move |view| view.answer(request).map(Some))
                .await?);
        }
        let done = self.write(service, from, move |desk| desk.perform(request)).await;
        Ok(done?)
    }

    /// Carries out several requests, all of them or none.
    pub async fn all(
        &self,
        service: Service,
        from: Jid,
        requests: Vec<Request>,
    ) -> std::result::Result<(), StanzaError> {
        let done = self.write(service, from, move |desk| {
            for r in requests {
                desk.perform(r)?;
            }
            Ok(())
        });
        Ok(done.await?)
    }

    /// Looks at the database as `from`.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        service: Service,
        from: Jid,
        work: impl FnOnce(&View<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let limits = self.shared.limits.clone();
        let done = self
            .shared
            .db
            .read(move |conn: &Conn| {
                let view = View {
                    conn,
                    limits: &limits,
                    service: &service,
                    from: &from,
                };
                // The protocol's refusals are no failures of the database.
                match work(&view) {
                    Ok(t) => Ok(Ok(t)),
                    Err(Error::Storage(e)) => Err(e),
                    Err(e) => Ok(Err(e)),
                }
            })
            .await;
        done.map_err(Error::Storage)?
    }

    /// Changes the database as `from`; what follows is sent when it is committed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        service: Service,
        from: Jid,
        work: impl FnOnce(&mut Desk<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, wait) = oneshot::channel();
        let (shared, after) = (self.shared.clone(), self.shared.clone());
        let job = move |tx: &mut Tx| -> Result<(T, Outcome)> {
            let mut desk = Desk::new(tx, &shared, &service, &from);
            let t = work(&mut desk)?;
            Ok((t, desk.into_outcome()))
        };
        let on_commit = move |done_so: Result<(T, Outcome)>| {
            let answer = done_so.map(|(t, outcome)| {
                after.tell(outcome);
                t
            });
            let _ = done.send(answer);
        };
        self.shared.db.write_soon(job, on_commit).await?;
        wait.await.unwrap_or(Err(Error::Storage(StorageError::Panicked)))
    }
}
