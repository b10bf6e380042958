//! What a client publishes: routes, runs, acknowledgements in order (MQTT 5.0 §3.3.4, §4.3, §4.6).

use std::{collections::VecDeque, sync::Arc};

use ahash::{AHashMap, AHashSet};
use bytes::BytesMut;

use super::{Conn, End};
use crate::{
    codec::{
        Fault, Reason, Version,
        control::{put_ack, put_refusal},
        kind,
        publish::{self, Publish},
    },
    core::{Deny, NOWHERE, Resolved},
    message::{Envelope, Gather},
    metrics,
    policy::Action,
    space::Targets,
    store::Receiving,
    ticket::Ticket,
};

/// Routes that a connection remembers.
const ROUTES: usize = 256;
/// Bytes and messages of one run.
const RUN_BYTES: usize = 128 * 1024;
const RUN_MESSAGES: usize = 1_024;
/// Acknowledgements that may wait for their commit before no more is read.
const GATED: usize = 2_048;
/// QoS 2 identifiers that a 3.1.1 client may leave unreleased.
const UNRELEASED: usize = 4_096;

/// Where a topic goes, as of one state of its space.
#[derive(Debug)]
pub struct Route {
    name: Box<str>,
    to: Resolved,
    targets: Arc<Targets>,
}

impl Route {
    fn is_valid(&self) -> bool {
        self.targets.state == self.to.space.state()
    }
}

#[derive(Debug)]
struct Gated {
    ticket: Option<Arc<Ticket>>,
    bytes: BytesMut,
    /// Receipts that end with this: they count against the receive maximum until it is sent.
    receipts: u32,
}

/// The receiving side of a connection.
#[derive(Debug)]
pub struct Inflow {
    routes: AHashMap<Box<str>, Arc<Route>>,
    last: Option<Arc<Route>>,
    aliases: Vec<Option<Box<str>>>,
    receive_maximum: usize,
    /// QoS 2 identifiers between PUBLISH and PUBREL.
    receiving: AHashSet<u16>,
    /// QoS 1 messages between PUBLISH and PUBACK.
    unacked: usize,
    gate: VecDeque<Gated>,
    gather: Gather,
    run: Option<(Arc<Route>, u8, bool)>,
    ids: Vec<u16>,
}

impl Inflow {
    /// The state of a session that has `receiving` half received.
    pub fn new(receive_maximum: u16, aliases: u16, receiving: Vec<u16>) -> Self {
        Self {
            routes: AHashMap::new(),
            last: None,
            aliases: vec![None; usize::from(aliases)],
            receive_maximum: usize::from(receive_maximum.max(1)),
            receiving: receiving.into_iter().collect(),
            unacked: 0,
            gate: VecDeque::new(),
            gather: Gather::default(),
            run: None,
            ids: Vec::new(),
        }
    }

    /// Whether more may be read: too many commits are not waited for otherwise.
    pub fn may_read(&self) -> bool {
        self.gate.len() < GATED
    }
}

impl Conn {
    /// One PUBLISH.
    pub(super) async fn publish(&mut self, flags: u8, body: &[u8]) -> Result<(), End> {
        let p = publish::parse(self.version, flags, body, self.core.limits.mqtt_user_properties)?;
        if p.qos == 2 && self.inflow.receiving.contains(&p.id) {
            // Sent again: it was accepted before, and its PUBREC may have been lost.
            self.flush().await?;
            let (version, id) = (self.version, p.id);
            self.reply(None, 0, |out| {
                put_ack(version, kind::PUBREC, id, Reason::SUCCESS, out);
            });
            return Ok(());
        }
        if p.qos > 0 {
            let open = self.inflow.receiving.len() + self.inflow.unacked;
            if self.version == Version::V5 && open >= self.inflow.receive_maximum {
                return Err(
                    Fault::new(Reason::RECEIVE_MAXIMUM, "more messages than the receive maximum").into(),
                );
            }
            if self.inflow.receiving.len() >= UNRELEASED {
                return Err(Fault::new(Reason::QUOTA, "too many unreleased QoS 2 messages").into());
            }
        }
        let route = match self.route(&p).await? {
            Ok(r) => r,
            Err(deny) => return self.refuse(&p, deny).await,
        };
        let same = self.inflow.run.as_ref().is_some_and(|(r, qos, retain)| {
            Arc::ptr_eq(r, &route)
                && *qos == p.qos
                && !*retain
                && !p.retain
                && self.inflow.gather.bytes() < RUN_BYTES
                && self.inflow.gather.len() < RUN_MESSAGES
        });
        if !same {
            self.flush().await?;
        }
        let response = match p.response {
            Some(r) => self.response(&route, r).await,
            None => None,
        };
        self.inflow
            .gather
            .add(&p, response.as_deref().unwrap_or_default());
        if p.qos > 0 {
            self.inflow.ids.push(p.id);
            if p.qos == 2 {
                self.inflow.receiving.insert(p.id);
            } else {
                self.inflow.unacked += 1;
            }
        }
        if !same {
            self.inflow.run = Some((route, p.qos, p.retain));
        }
        Ok(())
    }

    /// The response topic within the space of the message; one elsewhere means nothing to its receivers.
    async fn response(&self, route: &Route, name: &str) -> Option<Arc<str>> {
        let to = self
            .core
            .resolve(&self.owner, name, Action::Subscribe)
            .await
            .ok()?;
        Arc::ptr_eq(&to.space, &route.to.space).then_some(to.topic)
    }

    async fn route(&mut self, p: &Publish<'_>) -> Result<Result<Arc<Route>, Deny>, Fault> {
        let resolved;
        let name = match p.alias {
            None => p.topic,
            Some(alias) => {
                let place = usize::from(alias)
                    .checked_sub(1)
                    .and_then(|i| self.inflow.aliases.get_mut(i))
                    .ok_or(Fault::new(Reason::ALIAS_INVALID, "a topic alias out of range"))?;
                if p.topic.is_empty() {
                    resolved = place
                        .clone()
                        .ok_or(Fault::new(Reason::PROTOCOL, "a topic alias that was not set"))?;
                    &*resolved
                } else {
                    *place = Some(p.topic.into());
                    p.topic
                }
            }
        };
        if let Some(r) = &self.inflow.last
            && *r.name == *name
            && r.is_valid()
        {
            return Ok(Ok(r.clone()));
        }
        if let Some(r) = self.inflow.routes.get(name)
            && r.is_valid()
        {
            self.inflow.last = Some(r.clone());
            return Ok(Ok(r.clone()));
        }
        let to = match self.core.resolve(&self.owner, name, Action::Publish).await {
            Ok(to) => to,
            Err(deny) => {
                self.inflow.routes.remove(name);
                return Ok(Err(deny));
            }
        };
        let targets = to.space.targets(&to.topic);
        let route = Arc::new(Route {
            name: name.into(),
            to,
            targets,
        });
        if self.inflow.routes.len() >= ROUTES {
            self.inflow.routes.clear();
        }
        self.inflow.routes.insert(name.into(), route.clone());
        self.inflow.last = Some(route.clone());
        Ok(Ok(route))
    }

    /// A message that may not be published: 5.0 says so, 3.1.1 and QoS 0 cannot (§3.3.5).
    async fn refuse(&mut self, p: &Publish<'_>, deny: Deny) -> Result<(), End> {
        metrics::refused("publish");
        self.core.metrics.dropped("not-authorized", 1);
        self.flush().await?;
        let (version, id) = (self.version, p.id);
        let packet = match p.qos {
            0 => return Ok(()),
            1 => kind::PUBACK,
            _ => kind::PUBREC,
        };
        if version == Version::V5 {
            // The code says it all, except where there is another way.
            let text = if self.problems && deny == NOWHERE {
                deny.text
            } else {
                ""
            };
            self.reply(None, 0, |out| {
                if text.is_empty() {
                    put_ack(version, packet, id, deny.reason, out);
                } else {
                    put_refusal(packet, id, deny.reason, text, out);
                }
            });
        } else {
            if p.qos == 2 {
                self.inflow.receiving.insert(id);
            }
            self.reply(None, 0, |out| put_ack(version, packet, id, Reason::SUCCESS, out));
        }
        Ok(())
    }

    /// Sends the gathered run on its way and answers for it.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let Some((route, qos, retain)) = self.inflow.run.take() else {
            return Ok(());
        };
        let n = self.inflow.gather.len();
        let space = &route.to.space;
        let run = self.inflow.gather.finish(Envelope {
            waddle: space.waddle,
            view: space.view.clone(),
            topic: route.to.topic.clone(),
            qos,
            retain,
            received: self.core.clock.now(),
            from: self.session.serial,
            publisher: Some(self.owner.who.user.clone()),
        });
        let ids = std::mem::take(&mut self.inflow.ids);
        let receiving = (qos == 2 && self.session.durable()).then(|| Receiving {
            session: self.session.row,
            packets: ids.clone(),
        });
        let link = self.link.clone();
        let routing = self
            .core
            .route(space, &route.targets, run, receiving, || Ticket::new(Some(link)));
        let outcome = if waddle_core::sample::STANZA_SPANS.sample() {
            use tracing::Instrument;
            let span = tracing::info_span!("mqtt.publish", topic = %route.to.topic, qos = i64::from(qos), messages = n as i64);
            routing.instrument(span).await
        } else {
            routing.await
        };
        if qos == 0 {
            if outcome.is_err() {
                self.core.metrics.dropped("retained-full", n as u64);
            }
            return Ok(());
        }
        let (version, packet) = (self.version, if qos == 1 { kind::PUBACK } else { kind::PUBREC });
        let (ticket, reason) = match outcome {
            Ok(ticket) => (ticket, Reason::SUCCESS),
            Err(_) => {
                self.core.metrics.dropped("retained-full", n as u64);
                (None, Reason::QUOTA)
            }
        };
        let reason = if version == Version::V3 {
            Reason::SUCCESS
        } else {
            reason
        };
        if qos == 2 && reason != Reason::SUCCESS {
            for id in &ids {
                self.inflow.receiving.remove(id);
            }
        }
        let receipts = if qos == 1 { ids.len() as u32 } else { 0 };
        self.reply(ticket, receipts, |out| {
            for id in &ids {
                put_ack(version, packet, *id, reason, out);
            }
        });
        let mut ids = ids;
        ids.clear();
        if ids.capacity() <= RUN_MESSAGES {
            self.inflow.ids = ids;
        }
        Ok(())
    }

    /// Writes an answer after all that wait before it, and after its own commit.
    pub(super) fn reply(
        &mut self,
        ticket: Option<Arc<Ticket>>,
        receipts: u32,
        write: impl FnOnce(&mut BytesMut),
    ) {
        if ticket.is_none() && self.inflow.gate.is_empty() {
            write(self.out.tail());
            self.inflow.unacked -= receipts as usize;
            return;
        }
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        self.inflow.gate.push_back(Gated {
            ticket,
            bytes,
            receipts,
        });
    }

    /// Writes the answers whose commits are done.
    pub(super) fn open_gate(&mut self) -> Result<(), End> {
        while let Some(g) = self.inflow.gate.front() {
            match g.ticket.as_ref().map_or(Some(true), |t| t.outcome()) {
                None => return Ok(()),
                Some(false) => {
                    // Without an acknowledgement the client sends it again to whoever can store it.
                    return Err(Fault::new(Reason::IMPLEMENTATION, "a message could not be stored").into());
                }
                Some(true) => {
                    if let Some(g) = self.inflow.gate.pop_front() {
                        self.out.tail().extend_from_slice(&g.bytes);
                        self.inflow.unacked -= g.receipts as usize;
                    }
                }
            }
        }
        if self.inflow.gate.capacity() > 64 && self.inflow.gate.is_empty() {
            self.inflow.gate = VecDeque::new();
        }
        Ok(())
    }

    /// PUBREL: the identifier is free again, which is stored before PUBCOMP says so.
    pub(super) async fn release(&mut self, id: u16) -> Result<(), End> {
        let known = self.inflow.receiving.remove(&id);
        let version = self.version;
        let reason = if known {
            Reason::SUCCESS
        } else {
            Reason::ID_NOT_FOUND
        };
        let mut ticket = None;
        if known && self.session.durable() {
            let t = Ticket::new(Some(self.link.clone()));
            let (row, done) = (self.session.row, t.clone());
            let sent = self.core.db.write_soon(
                move |tx| waddle_storage::repo::mqtt::completed(tx, row, id),
                move |r| done.commit(r.is_ok()),
            );
            if sent.await.is_err() {
                t.commit(false);
            }
            ticket = Some(t);
        }
        self.reply(ticket, 0, |out| put_ack(version, kind::PUBCOMP, id, reason, out));
        Ok(())
    }
}
