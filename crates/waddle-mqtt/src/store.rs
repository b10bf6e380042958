//! What must be on the disk before somebody is told: retained messages, the queues of kept sessions, identifiers
//! of received QoS 2 (`specs/mqtt.md`, *Durability*).

use std::sync::{Arc, atomic::Ordering};

use parking_lot::Mutex;
use waddle_storage::{
    StorageError,
    repo::mqtt::{self as rows, Delivery, MessageRow},
};

use crate::{
    core::{Core, row_of},
    link::{Opts, Row, Stored},
    message::Run,
    metrics,
    session::Session,
    space::Space,
    ticket::Ticket,
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

/// A session and how it wants the message.
pub type Bound = (Arc<Session>, Arc<Opts>);

impl Core {
    /// Keeps or clears a retained message in its waddle's database.
    pub async fn store_retained(&self, space: &Space, run: &Arc<Run>, ticket: &Arc<Ticket>) {
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
            Ok(db) => db.write_soon(work, done).await,
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
                    metrics::committed(started.elapsed().as_secs_f64());
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
        if self.db.write_soon(work, done).await.is_err() {
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
        let db = self.db.clone();
        db.write_soon(
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
