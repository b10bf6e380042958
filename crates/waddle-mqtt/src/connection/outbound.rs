//! What a client receives: the window of unacknowledged messages, the stored queue, retained messages
//! (MQTT 5.0 §3.3.4, §4.3, §4.4, §4.9).

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use ahash::AHashMap;
use bytes::BytesMut;
use waddle_core::Timestamp;

use super::{Conn, End, HIGH, kept::Cursor};
use crate::{
    codec::{Reason, Version, control::put_ack, kind, publish::Outgoing},
    link::{Item, Opts, Row},
    message::{Left, Run},
};

/// Pages of retained messages before other work has its turn.
const RETAINED_TURNS: usize = 8;
/// Payloads from this size on are not copied.
const LARGE: usize = 4_096;

/// Messages of QoS 1 or 2 on their way through the window.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) run: Arc<Run>,
    pub(super) opts: Arc<Opts>,
    pub(super) next: usize,
    pub(super) rows: Option<Arc<[Row]>>,
    /// Sent before under this identifier; whether only the release is left.
    pub(super) resend: Option<(u16, bool)>,
}

impl Pending {
    fn messages(&self) -> usize {
        self.rows.as_ref().map_or(self.run.msgs.len(), |r| r.len()) - self.next
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// QoS 1: PUBACK is awaited.
    Ack,
    /// QoS 2: PUBREC is awaited.
    Rec,
    /// QoS 2: PUBCOMP is awaited.
    Comp,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) stage: Stage,
    pub(super) row: i64,
    pub(super) bytes: usize,
}

/// How the stored queue reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backlog {
    /// Through the outbox, straight after the commit.
    Live,
    /// From the database, when there is room.
    Wanted,
    /// A page is on its way.
    Loading,
}

/// The sending side of a connection.
#[derive(Debug)]
pub struct Outbound {
    pub(super) window: usize,
    pub(super) inflight: AHashMap<u16, Flight>,
    pub(super) next_id: u16,
    pub(super) local: VecDeque<Item>,
    pub(super) pending: VecDeque<Pending>,
    pub(super) pending_bytes: usize,
    pub(super) aliases: AHashMap<(bool, Arc<str>), u16>,
    pub(super) alias_maximum: u16,
    pub(super) count: u64,
    pub(super) cursors: VecDeque<Cursor>,
    pub(super) backlog: Backlog,
    pub(super) last_row: i64,
    pub(super) done: Vec<i64>,
    pub(super) sent: Vec<(i64, u16)>,
    pub(super) held: BytesMut,
}

enum Sent {
    Yes,
    WindowFull,
}

impl Outbound {
    /// A client that takes `window` unacknowledged messages and `aliases` topic aliases.
    pub fn new(window: u16, aliases: u16) -> Self {
        Self {
            window: usize::from(window.max(1)),
            inflight: AHashMap::new(),
            next_id: 1,
            local: VecDeque::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            aliases: AHashMap::new(),
            alias_maximum: aliases,
            count: 0,
            cursors: VecDeque::new(),
            backlog: Backlog::Live,
            last_row: 0,
            done: Vec::new(),
            sent: Vec::new(),
            held: BytesMut::new(),
        }
    }

    /// The stored queue is to be read after row `after`.
    pub fn wants_backlog(&mut self, after: i64) {
        self.backlog = Backlog::Wanted;
        self.last_row = after;
    }

    /// Whether the outbox may be drained: what was drained before is on its way.
    pub fn takes(&self) -> bool {
        self.local.is_empty()
    }

    /// Messages written since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }

    fn new_id(&mut self) -> u16 {
        loop {
            let id = self.next_id;
            self.next_id = if id == u16::MAX { 1 } else { id + 1 };
            if !self.inflight.contains_key(&id) {
                return id;
            }
        }
    }
}

impl Conn {
    /// Moves what waits towards the socket, as far as socket and window take it.
    pub(super) async fn pump(&mut self) -> Result<(), End> {
        self.check_closing()?;
        self.open_gate()?;
        let mut turns = 0;
        // The outbox before the backlog: what is pushed after a page must not be taken before it.
        if self.outbound.takes() && self.out.len() < HIGH {
            self.link.outbox.drain_into(&mut self.outbound.local);
            if self.link.outbox.overflowed() {
                self.link.outbox.clear_overflow();
            }
        }
        for (page, complete) in self.link.take_backlog() {
            self.take_page(page, complete).await;
        }
        let now = self.core.clock.now();
        loop {
            if self.out.len() >= HIGH {
                break;
            }
            let blocked = !self.send_pending(now);
            if let Some(item) = self.outbound.local.pop_front() {
                self.take_item(item, now, blocked);
            } else if !blocked && !self.outbound.cursors.is_empty() && turns < RETAINED_TURNS {
                turns += 1;
                if !self.retained_page(now).await {
                    break;
                }
            } else {
                break;
            }
        }
        if turns == RETAINED_TURNS {
            self.link.bell.notify_one();
        }
        self.settle().await;
        self.read_backlog().await
    }

    pub(super) fn take_item(&mut self, item: Item, now: Timestamp, blocked: bool) {
        let (run, opts, rows) = match item {
            Item::Wire(bytes, n) => {
                self.outbound.count += u64::from(n);
                self.out.push(bytes);
                return;
            }
            Item::Run(run, opts) => (run, opts, None),
            Item::Stored(run, opts, rows) => (run, opts, Some(rows)),
        };
        let qos = run.qos.min(opts.qos);
        if qos == 0 {
            let p = Pending {
                run,
                opts,
                next: 0,
                rows: None,
                resend: None,
            };
            for i in 0..p.run.msgs.len() {
                self.send_one(&p, i, None, now);
            }
            return;
        }
        let limits = &self.core.limits;
        let over = blocked
            && (self.outbound.pending_bytes > limits.mqtt_queue_bytes / 4
                || self.outbound.pending.len() > limits.mqtt_queue_messages / 4);
        let rows = match rows {
            Some(rows) => {
                let fresh: Arc<[Row]> = match rows.iter().position(|r| r.id > self.outbound.last_row) {
                    Some(0) => rows,
                    Some(n) => rows[n..].into(),
                    None => return,
                };
                if self.outbound.backlog != Backlog::Live {
                    return; // It is in the database and comes from there.
                }
                if over {
                    self.session.live.store(0, Ordering::SeqCst);
                    self.outbound.backlog = Backlog::Wanted;
                    return;
                }
                self.outbound.last_row = fresh.last().map_or(0, |r| r.id);
                Some(fresh)
            }
            None if over => {
                self.link
                    .dropped
                    .fetch_add(run.msgs.len() as u32, Ordering::Relaxed);
                self.core.metrics.dropped("queue-full", run.msgs.len() as u64);
                return;
            }
            None => None,
        };
        self.outbound.pending_bytes += run.weight();
        self.outbound.pending.push_back(Pending {
            run,
            opts,
            next: 0,
            rows,
            resend: None,
        });
        self.send_pending(now);
    }

    /// Sends what the window lets through; whether nothing is left.
    fn send_pending(&mut self, now: Timestamp) -> bool {
        while let Some(mut p) = self.outbound.pending.pop_front() {
            while p.messages() > 0 {
                let (index, row) = match &p.rows {
                    Some(rows) => (rows[p.next].index as usize, Some(rows[p.next].id)),
                    None => (p.next, None),
                };
                if self.out.len() >= 2 * HIGH {
                    self.outbound.pending.push_front(p);
                    return false;
                }
                match self.send_one(&p, index, row, now) {
                    Sent::Yes => p.next += 1,
                    Sent::WindowFull => {
                        self.outbound.pending.push_front(p);
                        return false;
                    }
                }
            }
            self.outbound.pending_bytes = self.outbound.pending_bytes.saturating_sub(p.run.weight());
        }
        true
    }

    fn send_one(&mut self, p: &Pending, i: usize, row: Option<i64>, now: Timestamp) -> Sent {
        let (run, opts, version) = (&p.run, &p.opts, self.version);
        let qos = run.qos.min(opts.qos);
        let bytes = run.payload(i).len() + run.topic.len();
        if qos > 0 && self.outbound.inflight.len() >= self.outbound.window {
            return Sent::WindowFull;
        }
        if let Some((id, true)) = p.resend {
            let stage = Stage::Comp;
            let row = row.unwrap_or(0);
            self.outbound.inflight.insert(id, Flight { stage, row, bytes });
            put_ack(version, kind::PUBREL, id, Reason::SUCCESS, self.out.tail());
            return Sent::Yes;
        }
        let mut o = run.outgoing(i, opts.prefixed);
        match run.left(i, now) {
            Left::Forever => {}
            Left::Seconds(s) => o.expiry = Some(s),
            // What was begun is finished (§3.3.2.3.3).
            Left::Expired if p.resend.is_some() => o.expiry = Some(0),
            Left::Expired => {
                self.core.metrics.dropped("expired", 1);
                self.gone(row, bytes);
                return Sent::Yes;
            }
        }
        o.qos = qos;
        o.retain = run.retain && opts.as_published;
        o.subscriptions = &opts.ids;
        let held = qos == 2 && row.is_some() && p.resend.is_none();
        if o.len(version) > self.link.max_packet {
            self.core.metrics.dropped("packet-too-large", 1);
            self.gone(row, bytes);
            return Sent::Yes;
        }
        if !held && version == Version::V5 {
            o.alias = self.outbound.alias(opts.prefixed, &run.topic);
        }
        if qos > 0 {
            o.id = match p.resend {
                Some((id, _)) => {
                    o.dup = true;
                    id
                }
                None => self.outbound.new_id(),
            };
            let stage = if qos == 1 { Stage::Ack } else { Stage::Rec };
            let row = row.unwrap_or(0);
            self.outbound.inflight.insert(o.id, Flight { stage, row, bytes });
            if row != 0 && p.resend.is_none() {
                self.outbound.sent.push((row, o.id));
            }
        }
        self.outbound.count += 1;
        if held {
            // Its identifier must be stored first, or a restart would send it twice under two of them.
            o.write(version, &mut self.outbound.held);
        } else {
            write(&o, version, run, i, &mut self.out);
        }
        Sent::Yes
    }
}

impl Outbound {
    fn alias(&mut self, prefixed: bool, topic: &Arc<str>) -> Option<(u16, bool)> {
        if self.alias_maximum == 0 {
            return None;
        }
        let key = (prefixed, topic.clone());
        if let Some(a) = self.aliases.get(&key) {
            return Some((*a, true));
        }
        let next = self.aliases.len() as u16 + 1;
        if next > self.alias_maximum {
            return None;
        }
        self.aliases.insert(key, next);
        Some((next, false))
    }
}

fn write(o: &Outgoing<'_>, version: Version, run: &Run, i: usize, out: &mut super::OutBuf) {
    if o.payload.len() < LARGE {
        o.write(version, out.tail());
    } else {
        o.write_head(version, out.tail());
        out.push(run.payload_bytes(i));
    }
}
