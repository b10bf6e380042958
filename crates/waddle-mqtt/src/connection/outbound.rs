//! What a client receives: the window of unacknowledged messages, the stored queue, retained messages
//! (MQTT 5.0 §3.3.4, §4.3, §4.4, §4.9).

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use ahash::AHashMap;
use bytes::BytesMut;
use waddle_core::{Timestamp, TopicFilter};
use waddle_storage::repo::mqtt as rows;

use super::{Conn, End, HIGH};
use crate::{
    codec::{Fault, Reason, Version, control::put_ack, kind, publish::Outgoing},
    core::run_of,
    link::{Item, Opts, Row, Stored},
    message::{Left, Run},
    policy::Action,
    space::Space,
    ticket::Ticket,
};

/// Retained messages taken at a time, and topics looked at for them.
const RETAINED_PAGE: usize = 32;
const RETAINED_LOOK: usize = 1_024;
/// Pages of retained messages before other work has its turn.
const RETAINED_TURNS: usize = 8;
/// Payloads from this size on are not copied.
const LARGE: usize = 4_096;
/// The next page of the stored queue is read when fewer wait.
const FEW: usize = 16;

/// Messages of QoS 1 or 2 on their way through the window.
#[derive(Debug)]
struct Pending {
    run: Arc<Run>,
    opts: Arc<Opts>,
    next: usize,
    rows: Option<Arc<[Row]>>,
    /// Sent before under this identifier; whether only the release is left.
    resend: Option<(u16, bool)>,
}

impl Pending {
    fn messages(&self) -> usize {
        self.rows.as_ref().map_or(self.run.msgs.len(), |r| r.len()) - self.next
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// QoS 1: PUBACK is awaited.
    Ack,
    /// QoS 2: PUBREC is awaited.
    Rec,
    /// QoS 2: PUBCOMP is awaited.
    Comp,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    stage: Stage,
    row: i64,
    bytes: usize,
}

/// How the stored queue reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    /// Through the outbox, straight after the commit.
    Live,
    /// From the database, when there is room.
    Wanted,
    /// A page is on its way.
    Loading,
}

/// Retained messages that a new subscription is still to get.
#[derive(Debug)]
struct Cursor {
    space: Arc<Space>,
    filter: TopicFilter,
    opts: Arc<Opts>,
    after: Option<Arc<str>>,
}

/// The sending side of a connection.
#[derive(Debug)]
pub struct Outbound {
    window: usize,
    inflight: AHashMap<u16, Flight>,
    next_id: u16,
    local: VecDeque<Item>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    aliases: AHashMap<(bool, Arc<str>), u16>,
    alias_maximum: u16,
    count: u64,
    cursors: VecDeque<Cursor>,
    backlog: Backlog,
    last_row: i64,
    done: Vec<i64>,
    sent: Vec<(i64, u16)>,
    held: BytesMut,
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

    fn take_item(&mut self, item: Item, now: Timestamp, blocked: bool) {
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

    /// A stored message is done with.
    fn gone(&mut self, row: Option<i64>, bytes: usize) {
        if let Some(row) = row.filter(|r| *r != 0) {
            self.outbound.done.push(row);
            self.session.release(1, bytes);
        }
    }

    /// PUBACK, PUBREC or PUBCOMP from the client. One for an identifier that is not in use is nothing to us.
    pub(super) async fn acknowledged(&mut self, packet: u8, id: u16, reason: Reason) -> Result<(), End> {
        let version = self.version;
        let flight = self.outbound.inflight.get(&id).copied();
        match (packet, flight) {
            (kind::PUBACK, Some(f)) if f.stage == Stage::Ack => self.finish_flight(id, f),
            (kind::PUBREC, Some(f)) if f.stage == Stage::Rec && reason.0 >= 0x80 => self.finish_flight(id, f),
            (kind::PUBREC, Some(f)) if f.stage != Stage::Ack => {
                let mut ticket = None;
                if f.row != 0 && f.stage == Stage::Rec {
                    // The release must be stored first, or a restart would publish it again.
                    let t = Ticket::new(Some(self.link.clone()));
                    let (done, row) = (t.clone(), f.row);
                    let sent = rows::write_later(
                        &self.core.db,
                        move |tx| rows::released(tx, row),
                        move |r| done.commit(r.is_ok()),
                    );
                    if sent.await.is_err() {
                        t.commit(false);
                    }
                    ticket = Some(t);
                }
                let stage = Stage::Comp;
                self.outbound.inflight.insert(id, Flight { stage, ..f });
                self.reply(ticket, 0, |out| {
                    put_ack(version, kind::PUBREL, id, Reason::SUCCESS, out);
                });
            }
            (kind::PUBREC, None) if reason.0 < 0x80 => self.reply(None, 0, |out| {
                put_ack(version, kind::PUBREL, id, Reason::ID_NOT_FOUND, out);
            }),
            (kind::PUBCOMP, Some(f)) if f.stage == Stage::Comp => self.finish_flight(id, f),
            (_, Some(_)) => {
                return Err(Fault::protocol("an acknowledgement that does not fit its message").into());
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn finish_flight(&mut self, id: u16, f: Flight) {
        self.outbound.inflight.remove(&id);
        self.gone(Some(f.row), f.bytes);
    }

    /// Stores what was sent and what is done with.
    pub(super) async fn settle(&mut self) {
        if self.outbound.done.is_empty() && self.outbound.sent.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.outbound.done);
        let sent = std::mem::take(&mut self.outbound.sent);
        let held = std::mem::take(&mut self.outbound.held);
        let ticket = (!held.is_empty()).then(|| Ticket::new(Some(self.link.clone())));
        let t = ticket.clone();
        let written = rows::write_later(
            &self.core.db,
            move |tx| {
                for (row, id) in sent {
                    rows::sent(tx, row, id)?;
                }
                for row in done {
                    rows::dequeue(tx, row)?;
                }
                Ok(())
            },
            move |r| {
                if let Err(error) = &r {
                    tracing::warn!(%error, "a session's progress is not stored");
                }
                if let Some(t) = t {
                    t.commit(r.is_ok());
                }
            },
        )
        .await;
        if let Some(t) = ticket {
            if written.is_err() {
                t.commit(false);
            }
            self.reply(Some(t), 0, |out| out.extend_from_slice(&held));
        }
    }

    async fn read_backlog(&mut self) -> Result<(), End> {
        if self.link.reload.swap(false, Ordering::AcqRel) && self.outbound.backlog == Backlog::Live {
            self.outbound.backlog = Backlog::Wanted;
        }
        if self.outbound.backlog == Backlog::Wanted && self.outbound.pending.len() < FEW {
            self.outbound.backlog = Backlog::Loading;
            let after = self.outbound.last_row;
            if let Err(error) = self.core.load_backlog(&self.session, after).await {
                tracing::warn!(%error, "a session's queue cannot be read");
                return Err(Fault::new(Reason::IMPLEMENTATION, "the session's queue cannot be read").into());
            }
        }
        Ok(())
    }

    /// A page of the stored queue: what the client may no longer see is taken out.
    async fn take_page(&mut self, page: Vec<Stored>, complete: bool) {
        for s in page {
            self.outbound.last_row = s.row;
            let bytes = s.message.payload.len() + s.message.topic.len();
            let space = match s.message.waddle {
                Some(w) => self.core.bare_space(w).await,
                None => Some(self.core.server_space.clone()),
            };
            let seen = space.filter(|sp| {
                s.released
                    || sp
                        .access
                        .may(&self.owner.who, Action::Subscribe, &s.message.topic)
            });
            let Some(space) = seen else {
                self.core.metrics.refused("delivery");
                self.gone(Some(s.row), bytes);
                continue;
            };
            let run = run_of(&s.message, s.opts.as_published, &space.view);
            self.outbound.pending_bytes += run.weight();
            self.outbound.pending.push_back(Pending {
                run,
                opts: s.opts,
                next: 0,
                rows: Some(Arc::new([Row { id: s.row, index: 0 }])),
                resend: s.packet.map(|id| (id, s.released)),
            });
        }
        self.outbound.backlog = if complete { Backlog::Live } else { Backlog::Wanted };
    }

    /// The retained messages of a filter are to be sent.
    pub(super) fn send_retained(&mut self, space: Arc<Space>, filter: TopicFilter, opts: Opts) {
        self.outbound.cursors.push_back(Cursor {
            space,
            filter,
            opts: Arc::new(opts),
            after: None,
        });
    }

    /// Goes on with the oldest cursor; whether it could.
    async fn retained_page(&mut self, now: Timestamp) -> bool {
        let Some(c) = self.outbound.cursors.front_mut() else {
            return false;
        };
        let durable = self.session.durable() && c.opts.qos > 0;
        // Stored for the session like any message: then half its queue stays free for others.
        if durable && self.session.queued.load(Ordering::Relaxed) > self.core.limits.mqtt_queue_messages / 2 {
            return false;
        }
        let (space, opts) = (c.space.clone(), c.opts.clone());
        let (page, next) =
            space
                .retained
                .read()
                .page(&c.filter, c.after.as_deref(), RETAINED_PAGE, RETAINED_LOOK);
        match next {
            Some(t) => c.after = Some(t),
            None => {
                self.outbound.cursors.pop_front();
            }
        }
        for run in page {
            let standing = run
                .publisher
                .as_ref()
                .is_none_or(|p| space.access.trusts(p, &run.topic));
            if !standing
                || !space.access.may(&self.owner.who, Action::Subscribe, &run.topic)
                || run.left(0, now) == Left::Expired
            {
                continue;
            }
            if durable && run.qos > 0 {
                let ticket = Ticket::new(None);
                let to = vec![(self.session.clone(), opts.clone())];
                self.core.store(&run, to, None, &ticket).await;
            } else {
                self.take_item(Item::Run(run, opts.clone()), now, false);
            }
        }
        true
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
