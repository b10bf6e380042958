//! The actor around a room: it owns the mailbox and does what the reducer decided (`adrs/0001-actors-and-outboxes.md`).
//!
//! Commits come back through a queue of their own, which holds no more than the room has asked to write.

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kameo::{
    Actor,
    actor::{ActorRef, WeakActorRef},
    error::ActorStopReason,
    mailbox::{MailboxReceiver, Signal},
    message::{Context, Message},
};
use tokio::{sync::mpsc, time::Instant};
use waddle_community::Via;
use waddle_core::BareJid;
use waddle_outbox::PushError;
use waddle_storage::{
    Result as StorageResult, StorageError,
    repo::rooms::{PlainRooms, RoomSettings},
};

use crate::{
    api::Arrived,
    channel_config::{self, Wanted},
    channel_hats,
    direct::GroupNews,
    error, invite, load,
    load::Store,
    manage, metrics,
    occupant_id::RoomSecret,
    room::{Kind, Room},
    rooms::Inner,
    show::Departure,
    state::{BUSY, Effect, Effects, Input, Unretracted, Write, WriteFailed, Written},
};

/// Commits that are handled in one go.
const BATCH: usize = 64;
/// Faults of one room that are forgiven within [`FORGIVEN`].
pub(crate) const FAULTS: usize = 5;
/// See [`FAULTS`].
const FORGIVEN: Duration = Duration::from_secs(60);

/// What a room's actor starts with, the first time and after a fault.
#[derive(Clone)]
pub(crate) struct Start {
    pub jid: BareJid,
    pub rooms: Arc<Inner>,
    /// Inputs in the mailbox or on the way to it.
    pub waiting: Arc<AtomicUsize>,
    /// Occupants, for lists of rooms.
    pub occupants: Arc<AtomicUsize>,
}

/// An input in a mailbox. One that is dropped there is refused, never silently lost.
pub(crate) struct Envelope {
    input: Option<Input>,
    waiting: Arc<AtomicUsize>,
}

impl Envelope {
    /// Counts the input as waiting until it is taken.
    pub fn new(input: Input, waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self {
            input: Some(input),
            waiting: waiting.clone(),
        }
    }

    /// The input.
    pub fn take(mut self) -> Option<Input> {
        self.input.take()
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        if let Some(input) = self.input.take() {
            crate::rooms::refuse(input, &error::busy(BUSY));
        }
    }
}

/// One active room.
pub(crate) struct RoomActor {
    room: Room,
    /// None where loading failed; then the room refuses everything and stops.
    store: Option<Store>,
    start: Start,
    commits: mpsc::UnboundedReceiver<(u64, Written)>,
    committed: mpsc::UnboundedSender<(u64, Written)>,
    batch: Vec<(u64, Written)>,
    fx: Effects,
    /// Sessions that the figures count.
    counted: usize,
    /// The last faults.
    faults: Vec<Instant>,
}

impl Actor for RoomActor {
    type Args = Start;
    type Error = std::convert::Infallible;

    async fn on_start(start: Start, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        let (committed, commits) = mpsc::unbounded_channel();
        let (room, store) = Self::load(&start).await;
        Ok(Self {
            room,
            store,
            start,
            commits,
            committed,
            batch: Vec::new(),
            fx: Effects::default(),
            counted: 0,
            faults: Vec::new(),
        })
    }

    async fn next(
        &mut self,
        _: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, Self::Error> {
        loop {
            if !self.room.is_idle() {
                tokio::select! {
                    biased;
                    _ = self.commits.recv_many(&mut self.batch, BATCH) => {
                        if catch_unwind(AssertUnwindSafe(|| self.committed())).is_err()
                            && self.fault().await.is_break()
                        {
                            return Ok(None);
                        }
                    }
                    signal = mailbox.recv() => return Ok(signal),
                }
                continue;
            }
            let patience = if self.room.exists() {
                Duration::from_secs(self.room.limits.muc_idle_seconds)
            } else {
                Duration::ZERO
            };
            tokio::select! {
                biased;
                signal = mailbox.recv() => return Ok(signal),
                () = tokio::time::sleep(patience) => {
                    if self.start.rooms.retire(&self.start.jid, &self.start.waiting) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn on_stop(&mut self, _: WeakActorRef<Self>, _: ActorStopReason) -> Result<(), Self::Error> {
        self.send_off();
        Ok(())
    }
}

impl Message<Envelope> for RoomActor {
    type Reply = ();

    async fn handle(&mut self, envelope: Envelope, ctx: &mut Context<Self, ()>) {
        let Some(input) = envelope.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| self.input(input))).is_err() && self.fault().await.is_break() {
            ctx.stop();
        }
    }
}

impl RoomActor {
    /// What stands behind the address; a room that cannot be read refuses everything and stops.
    async fn load(start: &Start) -> (Room, Option<Store>) {
        let deps = &start.rooms.deps;
        match load::load(deps, start.jid.clone()).await {
            Ok(mut loaded) => {
                loaded.room.slash = start.rooms.slash.get().cloned();
                (loaded.room, Some(loaded.store))
            }
            Err(e) => {
                tracing::error!(room = %start.jid, error = %e, "a room cannot be loaded");
                let kind = Kind::Absent { full: true };
                let settings = RoomSettings::default();
                let secret = RoomSecret::new(&[]);
                (
                    Room::new(start.jid.clone(), deps.limits.clone(), kind, settings, secret),
                    None,
                )
            }
        }
    }

    /// After a fault of the program: occupants are told, and the room starts again from what is stored. A room
    /// that fails again and again is given up until somebody addresses it anew.
    async fn fault(&mut self) -> ControlFlow<()> {
        tracing::error!(room = %self.start.jid, "a room failed; it starts again");
        metrics::restarted();
        self.send_off();
        let now = Instant::now();
        self.faults.retain(|at| now.duration_since(*at) < FORGIVEN);
        self.faults.push(now);
        if self.faults.len() > FAULTS {
            self.start.rooms.strike(&self.start.jid);
            return ControlFlow::Break(());
        }
        // What the old room still waits for concerns the new one no more.
        (self.committed, self.commits) = mpsc::unbounded_channel();
        (self.room, self.store) = Self::load(&self.start).await;
        ControlFlow::Continue(())
    }

    /// 332: everybody is out because of the service itself. They may join again at once.
    fn send_off(&mut self) {
        let d = Departure {
            codes: &["332"],
            reason: Some("the room was restarted; join it again"),
            ..Departure::default()
        };
        self.fx = Effects::default();
        self.room.refuse_all(&mut self.fx);
        self.room.empty(d, &mut self.fx);
        self.perform();
    }

    fn input(&mut self, input: Input) {
        let now = self.start.rooms.deps.clock.now();
        if self.store.is_none() {
            let why = error::internal("this room cannot be read at present; tell whoever runs this server");
            Room::refuse_input(input, &why, &mut self.fx);
        } else {
            self.room.handle(input, now, &mut self.fx);
        }
        self.perform();
    }

    /// Handles the commits that were heard of.
    fn committed(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        for (token, result) in batch.drain(..) {
            self.input(Input::Written(token, result));
        }
        self.batch = batch;
    }

    /// Does what was decided.
    fn perform(&mut self) {
        let mut closed = false;
        loop {
            for d in self.fx.deliveries.drain(..) {
                let pushed = if d.droppable {
                    d.outbox.push_droppable(d.item)
                } else {
                    d.outbox.push(d.item)
                };
                closed |= pushed == Err(PushError::Closed);
            }
            for effect in std::mem::take(&mut self.fx.rest) {
                self.effect(effect);
            }
            if !std::mem::take(&mut closed) {
                break;
            }
            self.room.sweep(&mut self.fx);
            if self.fx.deliveries.is_empty() {
                break;
            }
        }
        let sessions = self.room.occupants.sessions();
        if sessions != self.counted {
            self.start.rooms.count_occupants(self.counted, sessions);
            self.start
                .occupants
                .store(self.room.occupants.len(), Ordering::Relaxed);
            self.counted = sessions;
        }
    }

    fn effect(&mut self, effect: Effect) {
        let rooms = &self.start.rooms;
        match effect {
            Effect::Write(token, write) => self.write(token, *write),
            Effect::Posted(reply, result) => _ = reply.send(result),
            // Nobody needs to listen.
            Effect::News(news) => _ = rooms.news.send(news),
            Effect::GroupNews(id) if rooms.group_news.receiver_count() > 0 => {
                let room = self.room.jid.local().unwrap_or_default().into();
                let _ = rooms.group_news.send(GroupNews { room, id });
            }
            Effect::GroupNews(_) => {}
            Effect::Read(user, id) => {
                if let Some(reading) = rooms.reading.get() {
                    reading(user, self.room.jid.clone(), id);
                }
            }
            Effect::Links(id, url) => {
                if let (Kind::Channel(c), Some(previewer)) = (&self.room.kind, rooms.previewer.get()) {
                    previewer.look(c.waddle, c.id, id, url);
                }
            }
            Effect::Pins(inbound) => {
                let Some(store) = self.store.clone() else { return };
                let most = self.room.limits.message_pins;
                rooms.aside(*inbound, async move |inbound| {
                    crate::pins::answer(&store.db, &store.archive, most, &inbound).await
                });
            }
            Effect::Hats(reply, answer) => _ = reply.send(answer),
            Effect::ChannelHats(input) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (rooms, waddle) = (rooms.clone(), c.waddle);
                let Some(place) = rooms.place() else {
                    let _ = input.reply.send(Err(error::busy(BUSY)));
                    return;
                };
                tokio::spawn(async move {
                    channel_hats::serve(&rooms.deps, waddle, input).await;
                    drop(place);
                });
            }
            Effect::Purged(reply, answer) => _ = reply.send(answer),
            Effect::Grouped(reply, answer) => _ = reply.send(answer),
            Effect::Found(finding) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                rooms.found(c.waddle, *finding);
            }
            Effect::Silence {
                user,
                seconds,
                reason,
            } => {
                let Kind::Channel(c) = &self.room.kind else { return };
                rooms.silence(c.waddle, user, seconds, reason);
            }
            Effect::Note(noted) => {
                if let Some(store) = &self.store {
                    let via = rooms.via(&noted.session);
                    crate::noted::note(store, &noted, via.as_ref(), rooms.deps.clock.now());
                }
            }
            Effect::Outside(to, item) => rooms.outside(&to, item),
            Effect::Invite(inbound, told) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (rooms, waddle, channel) = (rooms.clone(), c.waddle, c.id);
                let via = rooms.via(&inbound.sender.jid).unwrap_or_else(|| Via::new("xmpp"));
                self.start.rooms.aside(*inbound, async move |inbound| {
                    let done = invite::invite(&rooms.deps, waddle, channel, &inbound, told);
                    let (tell, done) = via.scope(done).await;
                    for (to, item) in tell {
                        rooms.outside(&to, item);
                    }
                    refused(done, &inbound)
                });
            }
            Effect::Welcome(inbound) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (rooms, waddle) = (rooms.clone(), c.waddle);
                let name: Arc<str> = self.start.jid.local().unwrap_or_default().into();
                let via = rooms.via(&inbound.sender.jid).unwrap_or_else(|| Via::new("xmpp"));
                self.start.rooms.aside(*inbound, async move |inbound| {
                    let done = via.scope(invite::welcome(&rooms.deps, waddle, &inbound)).await;
                    if done.is_ok() {
                        // They knock once more, as a member.
                        rooms.send(&name, Input::Stanza(Arrived::clone(&inbound)));
                    }
                    refused(done, &inbound)
                });
            }
            Effect::Archive(inbound, addresses) => {
                let Some(store) = self.store.clone() else { return };
                let (room, most) = (self.room.at.clone(), self.room.limits.archive_page);
                rooms.aside(*inbound, async move |inbound| {
                    crate::archive::answer(&store.db, &store.archive, &room, most, &inbound, addresses).await
                });
            }
            Effect::Manage(inbound, manage) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (deps, waddle) = (rooms.deps.clone(), c.waddle);
                let via = rooms.via(&inbound.sender.jid).unwrap_or_else(|| Via::new("xmpp"));
                rooms.aside(*inbound, async move |inbound| {
                    let done = manage::change(
                        &deps.community,
                        &deps.storage,
                        &deps.domain,
                        waddle,
                        &inbound,
                        manage.changes,
                    );
                    answer(via.scope(done).await, &inbound)
                });
            }
            Effect::Configure(inbound, wanted) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (rooms, waddle, channel) = (rooms.clone(), c.waddle, c.id);
                let name: Arc<str> = self.start.jid.local().unwrap_or_default().into();
                let via = rooms.via(&inbound.sender.jid).unwrap_or_else(|| Via::new("xmpp"));
                let topic = match &wanted {
                    Wanted::Topic(text) => Some(text.clone()),
                    Wanted::Form | Wanted::Change(_) | Wanted::Join => None,
                };
                self.start.rooms.aside(*inbound, async move |inbound| {
                    let done =
                        channel_config::serve(&rooms.deps.community, waddle, channel, &inbound, wanted);
                    let done = via.scope(done).await;
                    let Some(text) = topic else {
                        return answer(done, &inbound);
                    };
                    // The room says it, in its turn.
                    let topic = (Arrived::clone(&inbound), text, done.map(drop));
                    rooms.tell(&name, Input::Topic(Box::new(topic)));
                    Vec::new()
                });
            }
            Effect::List(inbound, wanted) => {
                let Kind::Channel(c) = &self.room.kind else { return };
                let (deps, waddle) = (rooms.deps.clone(), c.waddle);
                rooms.aside(*inbound, async move |inbound| {
                    let done = manage::list(
                        &deps.community,
                        &deps.storage,
                        &deps.domain,
                        waddle,
                        &inbound,
                        wanted,
                    );
                    answer(done.await, &inbound)
                });
            }
        }
    }

    fn write(&mut self, token: u64, mut write: Write) {
        let Some(store) = self.store.clone() else { return };
        if let Write::Message(m) = &mut write
            && let Some(asker) = m.retracts.as_mut().and_then(|r| r.asker.as_mut())
            && asker.via.is_none()
        {
            asker.via = self.start.rooms.via(&asker.session).map(Arc::new);
        }
        let committed = self.committed.clone();
        if matches!(write, Write::Delete) {
            let name = self.start.jid.local().unwrap_or_default().to_owned();
            tokio::spawn(async move {
                let done = PlainRooms(&store.db).delete(name).await;
                let _ = committed.send((token, done.map(|()| None).map_err(|e| failed(&e, Asked::Nothing))));
            });
            return;
        }
        let asked = match &write {
            Write::Message(m) if m.retracts.is_some() => Asked::Retraction,
            Write::Message(m) if m.facts.as_ref().is_some_and(|f| f.pins.is_some()) => Asked::Pin,
            Write::Message(m) if m.facts.as_ref().is_some_and(|f| f.must_correct) => Asked::Correction,
            Write::Preview(..) => Asked::Preview,
            _ => Asked::Nothing,
        };
        let failed = move |e: &StorageError| failed(e, asked);
        let again = self.committed.clone();
        let work = move |tx: &mut waddle_storage::Tx| store.apply(tx, write);
        let then = move |result: StorageResult<_>| {
            let _ = committed.send((token, result.map_err(|e| failed(&e))));
        };
        let db = self.store.as_ref().map(|s| s.db.clone());
        if let Some(Err(e)) = db.map(|db| db.write_then(work, then)) {
            let _ = again.send((token, Err(failed(&e))));
        }
    }
}

/// What was asked of a message that may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Retraction,
    Correction,
    Pin,
    Preview,
}

fn failed(e: &StorageError, asked: Asked) -> WriteFailed {
    let unretracted = match (e, asked) {
        (_, Asked::Nothing) => None,
        (StorageError::NotFound, _) => Some(Unretracted::NotFound),
        (StorageError::Conflict(_), Asked::Retraction) => Some(Unretracted::Forbidden),
        (StorageError::Conflict(_), Asked::Pin) => Some(Unretracted::TooMany),
        _ => None,
    };
    if unretracted.is_none() && !e.is_temporary() {
        tracing::error!(error = %e, "a room cannot store");
    }
    WriteFailed {
        temporary: e.is_temporary(),
        unretracted,
    }
}

fn refused(done: error::Outcome, inbound: &Arrived) -> Vec<waddle_stanza::Outgoing> {
    let why = done
        .err()
        .and_then(|why| why.reply(&inbound.stanza, &inbound.sender));
    why.into_iter().collect()
}

fn answer(done: error::Outcome<waddle_stanza::Outgoing>, inbound: &Arrived) -> Vec<waddle_stanza::Outgoing> {
    match done {
        Ok(item) => vec![item],
        Err(why) => why.reply(&inbound.stanza, &inbound.sender).into_iter().collect(),
    }
}

/// Stands above all rooms: one that cannot even start is taken off the list.
pub(crate) struct Supervisor(pub std::sync::Weak<Inner>);

impl Actor for Supervisor {
    type Args = Self;
    type Error = std::convert::Infallible;

    async fn on_start(this: Self, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        Ok(this)
    }

    async fn on_link_died(
        &mut self,
        _: WeakActorRef<Self>,
        id: kameo::actor::ActorId,
        reason: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, Self::Error> {
        if !matches!(reason, ActorStopReason::Normal)
            && let Some(rooms) = self.0.upgrade()
        {
            rooms.give_up(id);
        }
        Ok(ControlFlow::Continue(()))
    }
}
