//! From an accepted run to its receivers: sinks, subscribers, retained messages, stored queues (ADR 0008).

use std::sync::{Arc, atomic::Ordering};

use parking_lot::Mutex;
use waddle_storage::{
    StorageError,
    repo::mqtt::{self as rows, Delivery, MessageRow},
};

use crate::{
    codec::connect::Will,
    core::{Core, Deny, row_of},
    link::{Opts, Row, Stored},
    message::{Envelope, Gather, Run},
    policy::Action,
    session::{Owner, Session},
    sink::Published,
    space::{Space, Targets},
    ticket::Ticket,
    trie,
};

/// Stored messages read at a time when a session comes back.
pub const BACKLOG_PAGE: usize = 64;

/// What must be stored with a run besides the queues: the publisher's own QoS 2 packet identifiers.
#[derive(Debug)]
pub struct Receiving {
    /// The publisher's session.
    pub session: i64,
    /// Packet identifiers.
    pub packets: Vec<u16>,
}

/// The space has too many retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyRetained;

type Bound = (Arc<Session>, Arc<Opts>);

impl Core {
    /// Gives a run to everybody. The ticket is what an acknowledgement must wait for, if anything.
    ///
    /// A run with the retain flag has one message.
    pub async fn route(
        self: &Arc<Self>,
        space: &Arc<Space>,
        targets: &Targets,
        run: Arc<Run>,
        receiving: Option<Receiving>,
        ticket: impl FnOnce() -> Arc<Ticket>,
    ) -> Result<Option<Arc<Ticket>>, TooManyRetained> {
        if run.retain {
            self.keep(space, &run)?;
        }
        self.tell_sinks(&run);
        let mut durable: Vec<Bound> = Vec::new();
        for t in &targets.direct {
            if t.no_local && t.session.serial == run.from {
                continue;
            }
            if t.session.durable() && run.qos.min(t.opts.qos) > 0 {
                durable.push((t.session.clone(), t.opts.clone()));
            } else {
                t.session.with_link(|l| l.deliver(&run, &t.opts, &self.metrics));
            }
        }
        let wait = run.qos > 0 && (!durable.is_empty() || run.retain || receiving.is_some());
        let mut made = None;
        let stored = run.retain && space.waddle.is_some();
        if wait || stored || !durable.is_empty() {
            made = Some(ticket());
        }
        if let Some(t) = &made {
            if stored {
                self.store_retained(space, &run, t).await;
            }
            if !durable.is_empty() || receiving.is_some() {
                self.store(&run, durable, receiving, t).await;
            }
        }
        for share in &targets.shares {
            self.share(&run, share, made.as_ref()).await;
        }
        if let Some(t) = &made {
            t.commit(true);
        }
        Ok(if wait || shares_wait(&run, targets) {
            made
        } else {
            None
        })
    }

    fn tell_sinks(&self, run: &Run) {
        let Some(waddle) = run.waddle else { return };
        let sinks = self.sinks.load();
        for sink in sinks.iter() {
            if !sink.wants(waddle, &run.topic) {
                continue;
            }
            for i in 0..run.msgs.len() {
                sink.published(&Published {
                    waddle,
                    topic: &run.topic,
                    payload: &run.payload_bytes(i),
                    qos: run.qos,
                    retain: run.retain,
                    publisher: run.publisher.as_ref(),
                });
            }
        }
    }

    /// One member gets each message: in turn, those who are connected first.
    async fn share(
        self: &Arc<Self>,
        run: &Arc<Run>,
        share: &crate::space::Share,
        ticket: Option<&Arc<Ticket>>,
    ) {
        let n = share.members.len();
        let single: Vec<Arc<Run>> = if run.msgs.len() == 1 || n == 1 {
            vec![run.clone()]
        } else {
            (0..run.msgs.len()).map(|i| alone(run, i)).collect()
        };
        for run in single {
            let first = trie::turn(&share.next, n);
            let at = |k: usize| &share.members[(first + k) % n];
            let online = (0..n).map(at).find(|t| {
                t.session
                    .with_link(|l| !l.outbox.overflowed() && l.closing().is_none())
                    .unwrap_or(false)
            });
            let absent = || (0..n).map(at).find(|t| t.session.durable());
            let Some(t) = online.or_else(absent) else {
                self.metrics.dropped("no-share-member", run.msgs.len() as u64);
                continue;
            };
            if t.session.durable() && run.qos.min(t.opts.qos) > 0 {
                let ticket = ticket.cloned().unwrap_or_else(|| Ticket::new(None));
                self.store(&run, vec![(t.session.clone(), t.opts.clone())], None, &ticket)
                    .await;
            } else {
                t.session.with_link(|l| l.deliver(&run, &t.opts, &self.metrics));
            }
        }
    }

    fn keep(&self, space: &Space, run: &Arc<Run>) -> Result<(), TooManyRetained> {
        let mut kept = space.retained.write();
        if run.payload(0).is_empty() {
            kept.clear(&run.topic);
            return Ok(());
        }
        let l = &self.limits;
        kept.set(run.clone(), l.mqtt_retained, l.mqtt_retained_bytes)
            .map_err(|_| TooManyRetained)
    }

    async fn store_retained(&self, space: &Space, run: &Arc<Run>, ticket: &Arc<Ticket>) {
        let Some(waddle) = space.waddle else { return };
        ticket.add();
        let row = row_of(run, 0);
        let clear = run.payload(0).is_empty();
        let work = move |tx: &mut waddle_storage::Tx| {
            if clear {
                rows::unretain(tx, &row.topic)
            } else {
                rows::retain(tx, &row)
            }
        };
        let t = ticket.clone();
        let done = move |r: Result<(), StorageError>| {
            if let Err(error) = &r {
                tracing::warn!(%waddle, %error, "a retained message was not stored");
            }
            t.commit(r.is_ok());
        };
        let sent = match self.storage.waddle(waddle).await {
            Ok(db) => rows::write_later(&db, work, done).await,
            Err(e) => Err(e),
        };
        if sent.is_err() {
            ticket.commit(false);
        }
    }

    /// Puts a run into the queues of sessions that outlive their connection, and hands it to those that are
    /// connected when it is committed.
    pub async fn store(
        self: &Arc<Self>,
        run: &Arc<Run>,
        bound: Vec<Bound>,
        receiving: Option<Receiving>,
        ticket: &Arc<Ticket>,
    ) {
        ticket.add();
        let messages: Vec<MessageRow> = if bound.is_empty() {
            Vec::new()
        } else {
            (0..run.msgs.len()).map(|i| row_of(run, i)).collect()
        };
        let reserved: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let bound = Arc::new(bound);
        let work = {
            let (bound, reserved, core, run) = (bound.clone(), reserved.clone(), self.clone(), run.clone());
            move |tx: &mut waddle_storage::Tx| {
                let mut placed: Vec<Vec<Row>> = vec![Vec::new(); bound.len()];
                for (index, m) in messages.iter().enumerate() {
                    let bytes = m.payload.len() + m.topic.len();
                    let mut id = None;
                    for (to, (session, opts)) in bound.iter().enumerate() {
                        if session.ended.load(Ordering::Acquire) {
                            continue;
                        }
                        let l = &core.limits;
                        if !session.reserve(bytes, l.mqtt_queue_messages, l.mqtt_queue_bytes) {
                            core.metrics.dropped("queue-full", 1);
                            continue;
                        }
                        reserved.lock().push((to, bytes));
                        let message = match id {
                            Some(id) => id,
                            None => *id.insert(rows::insert_message(tx, m)?),
                        };
                        let delivery = Delivery {
                            session: session.row,
                            qos: run.qos.min(opts.qos),
                            retain: run.retain && opts.as_published,
                            prefixed: opts.prefixed,
                            identifiers: opts.ids.clone(),
                        };
                        match rows::enqueue(tx, message, &delivery) {
                            Ok(row) => placed[to].push(Row {
                                id: row,
                                index: index as u32,
                            }),
                            // The session ended meanwhile; its counters with it.
                            Err(StorageError::NotFound) => {}
                            Err(e) => return Err(e),
                        }
                    }
                }
                if let Some(r) = receiving {
                    for p in r.packets {
                        rows::received(tx, r.session, p)?;
                    }
                }
                Ok(placed)
            }
        };
        let done = {
            let (run, ticket) = (run.clone(), ticket.clone());
            let started = std::time::Instant::now();
            let core = self.clone();
            move |result: Result<Vec<Vec<Row>>, StorageError>| match result {
                Ok(placed) => {
                    for ((session, opts), rows) in bound.iter().zip(placed) {
                        if rows.is_empty() {
                            continue;
                        }
                        let live = session.live.load(Ordering::SeqCst);
                        let taken = session.with_link(|l| {
                            l.serial != live || l.deliver_stored(run.clone(), opts.clone(), rows.into())
                        });
                        if taken == Some(false) {
                            session.live.store(0, Ordering::SeqCst);
                        }
                    }
                    core.metrics.committed(started.elapsed().as_secs_f64());
                    ticket.commit(true);
                }
                Err(error) => {
                    tracing::warn!(%error, "messages were not stored");
                    for (to, bytes) in reserved.lock().drain(..) {
                        if let Some((session, _)) = bound.get(to) {
                            session.release(1, bytes);
                        }
                    }
                    ticket.commit(false);
                }
            }
        };
        if rows::write_later(&self.db, work, done).await.is_err() {
            ticket.commit(false);
        }
    }

    /// Reads what waits for a session after row `after` and gives it to its connection; with the last page the
    /// session goes live: what is committed later reaches the connection directly, in order.
    pub async fn load_backlog(
        self: &Arc<Self>,
        session: &Arc<Session>,
        after: i64,
    ) -> Result<(), StorageError> {
        let Some(link) = session.link() else {
            return Ok(());
        };
        let row = session.row;
        let session = session.clone();
        rows::write_later(
            &self.db.clone(),
            move |tx| rows::queue(tx, row, after, BACKLOG_PAGE),
            move |result| match result {
                Ok(page) => {
                    let complete = page.len() < BACKLOG_PAGE;
                    if complete {
                        session.live.store(link.serial, Ordering::SeqCst);
                    }
                    let page = page.into_iter().map(stored).collect();
                    link.give_backlog(page, complete);
                }
                Err(error) => {
                    tracing::warn!(%error, "a session's queue cannot be read");
                    link.close(crate::link::Close::Fault(crate::codec::Fault::new(
                        crate::codec::Reason::IMPLEMENTATION,
                        "the session's queue cannot be read",
                    )));
                }
            },
        )
        .await
    }

    /// Publishes a will, if its owner may.
    pub async fn publish_will(self: &Arc<Self>, owner: &Owner, from: u64, will: &Will) {
        let r = match self.resolve(owner, &will.topic, Action::Publish).await {
            Ok(r) => r,
            Err(Deny { text, .. }) => {
                self.metrics.refused("will");
                tracing::info!(user = %owner.who.user, text, "a will was not published");
                return;
            }
        };
        let response = match &will.response {
            Some(t) => match self.resolve(owner, t, Action::Publish).await {
                Ok(to) if Arc::ptr_eq(&to.space, &r.space) => to.topic,
                _ => "".into(),
            },
            None => "".into(),
        };
        let mut g = Gather::default();
        g.add_parts(&response, &will.props, &will.payload, will.expiry);
        let run = g.finish(Envelope {
            waddle: r.space.waddle,
            view: r.space.view.clone(),
            topic: r.topic.clone(),
            qos: will.qos,
            retain: will.retain,
            received: self.clock.now(),
            from,
            publisher: Some(owner.who.user.clone()),
        });
        let targets = r.space.targets(&r.topic);
        if self
            .route(&r.space, &targets, run, None, || Ticket::new(None))
            .await
            .is_err()
        {
            self.metrics.dropped("retained-full", 1);
        }
    }
}

fn shares_wait(run: &Run, targets: &Targets) -> bool {
    run.qos > 0
        && targets
            .shares
            .iter()
            .any(|s| s.members.iter().any(|m| m.session.durable() && m.opts.qos > 0))
}

fn stored(q: rows::QueueRow) -> Stored {
    Stored {
        row: q.id,
        opts: Arc::new(Opts {
            qos: q.delivery.qos,
            as_published: q.delivery.retain,
            prefixed: q.delivery.prefixed,
            ids: q.delivery.identifiers,
        }),
        message: q.message,
        packet: q.packet,
        released: q.released,
    }
}

/// Message `i` of a run as a run of its own.
pub fn alone(run: &Run, i: usize) -> Arc<Run> {
    let mut g = Gather::default();
    let expiry = run.msgs[i].expiry;
    g.add_parts(
        run.response(i),
        run.props(i),
        run.payload(i),
        (expiry != crate::message::FOREVER).then_some(expiry),
    );
    g.finish(Envelope {
        waddle: run.waddle,
        view: run.view.clone(),
        topic: run.topic.clone(),
        qos: run.qos,
        retain: run.retain,
        received: run.received,
        from: run.from,
        publisher: run.publisher.clone(),
    })
}
