//! Purges ([XEP-0425] in bulk, `specs/moderation.md`, "Purges"): a worker looks through the archives of a waddle for what
//! somebody said and hands it to the rooms, a part at a time; a room retracts each part in one transaction and tells
//! everybody. How far it has come stands in the same transaction, so nothing is done twice after a restart.
//!
//! [XEP-0425]: https://xmpp.org/extensions/xep-0425.html

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ahash::AHashSet;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use waddle_community::{Error, Purge};
use waddle_core::{ChannelId, MessageId, RoomName, SessionId, Timestamp, UserId, WaddleId};
use waddle_messages::{Facts, facts};
use waddle_stanza::{
    Element, Stanza, ns,
    retract::{self, Moderated},
};
use waddle_storage::repo::{
    archive::{self, ArchiveKey, Archived},
    messages, moderation,
};

use crate::{
    error,
    fan::Fan,
    room::{Kind, Room},
    rooms::{Inner, WeakRooms},
    stamp,
    state::{BUSY, Effect, Effects, Input, Message, Retracts, Stored, Write, WriteResult},
};

/// How often a part that a busy room refused is tried again before the purge rests until the next start.
const TRIES: u32 = 20;

/// A part of a purge for one room.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The purge.
    pub purge: i64,
    /// The channel.
    pub channel: ChannelId,
    /// What is to be retracted.
    pub ids: Vec<MessageId>,
    /// Who wants it.
    pub by: Option<UserId>,
    /// Why.
    pub reason: Option<String>,
}

/// How many messages of a part were there and are gone.
pub type Purged = Result<usize, error::Refusal>;

/// The archive's identifiers of the announcements, in the order of the messages; none for one that was gone.
pub type Announced = Arc<Mutex<Vec<Option<Stored>>>>;

impl Room {
    /// Retracts a part of what somebody said.
    pub(crate) fn purge(
        &mut self,
        batch: &Batch,
        reply: oneshot::Sender<Purged>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        let here = matches!(&self.kind, Kind::Channel(c) if c.id == batch.channel);
        if !here || !self.has_place() {
            let why = if here {
                error::busy(BUSY)
            } else {
                error::item_not_found("there is no such channel")
            };
            return fx.rest.push(Effect::Purged(reply, Err(why)));
        }
        let moderated = Moderated {
            by: None,
            occupant_id: batch.by.as_ref().map(|by| self.occupant_id(by)),
            reason: batch.reason.clone(),
        };
        let author = batch.by.as_ref().map_or("system", UserId::as_str);
        let (mut messages, mut fans) = (Vec::new(), Vec::new());
        for gone in &batch.ids {
            let id = SessionId::new().to_string();
            let fan = Fan::new(retract::announcement(
                &self.at,
                &id,
                &gone.to_string(),
                &moderated,
            ));
            messages.push(Message {
                at: now,
                nick: "".into(),
                author: author.to_owned(),
                sender: None,
                retracts: Some(Retracts {
                    id: *gone,
                    by_message: Some(id),
                    moderated: Some(moderated.clone()),
                    asker: None,
                }),
                origin_id: None,
                facts: None,
                said: None,
                body: None,
                stanza: fan.whole(),
            });
            fans.push(fan);
        }
        let announced = Announced::default();
        let write = Write::Purge(batch.purge, messages, announced.clone());
        let then = move |room: &mut Room, result: WriteResult, _, fx: &mut Effects| {
            let answer = match result {
                Ok(_) => {
                    let all = std::mem::take(&mut *announced.lock());
                    let mut count = 0;
                    for (fan, stored) in fans.into_iter().zip(all) {
                        let Some(stored) = stored else { continue };
                        let fan = fan.with(&stamp::stanza_id(stored.id, &room.at));
                        room.broadcast(&fan, fx);
                        for gone in &stored.gone {
                            room.unremember(Some(*gone));
                        }
                        room.remember(stored.id, fan, now);
                        room.tell_news(stored.id, stored.news, fx);
                        count += 1;
                    }
                    Ok(count)
                }
                Err(failed) => Err(crate::message::not_stored(failed)),
            };
            fx.rest.push(Effect::Purged(reply, answer));
        };
        self.write(write, false, Box::new(then), fx);
    }
}

/// Waddles that a worker is busy with, and those that have got a purge meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    busy: Mutex<BTreeMap<WaddleId, bool>>,
}

/// Takes up the purges that a stop of the server left half done.
pub(crate) async fn resume(rooms: &Arc<Inner>) {
    match rooms.deps.storage.server().read(moderation::purging).await {
        Ok(waddles) => {
            for waddle in waddles {
                begin(rooms, waddle);
            }
        }
        Err(error) => tracing::warn!(%error, "purges are taken up later"),
    }
}

/// Starts the worker of a waddle, or tells it that there is more.
pub(crate) fn begin(rooms: &Arc<Inner>, waddle: WaddleId) {
    let mut busy = rooms.purges.busy.lock();
    if let Some(more) = busy.get_mut(&waddle) {
        *more = true;
        return;
    }
    busy.insert(waddle, false);
    drop(busy);
    tokio::spawn(work(Arc::downgrade(rooms), waddle));
}

async fn work(rooms: WeakRooms, waddle: WaddleId) {
    loop {
        let done = run(&rooms, waddle).await;
        let Some(rooms) = rooms.upgrade() else { return };
        if let Err(error) = &done {
            tracing::warn!(%waddle, %error, "a purge rests until it is asked for again or the server starts");
        }
        let mut busy = rooms.purges.busy.lock();
        if busy.remove(&waddle) == Some(true) {
            busy.insert(waddle, false);
            continue;
        }
        return;
    }
}

/// Why a purge rests.
#[derive(Debug, thiserror::Error)]
enum Rests {
    #[error(transparent)]
    Community(#[from] Error),
    #[error(transparent)]
    Storage(#[from] waddle_storage::StorageError),
    #[error("{0}")]
    Room(error::Refusal),
}

/// Carries out the purges of a waddle, the oldest first.
async fn run(weak: &WeakRooms, waddle: WaddleId) -> Result<(), Rests> {
    loop {
        let Some(rooms) = weak.upgrade() else {
            return Ok(());
        };
        let community = rooms.deps.community.clone();
        let next = match community.next_purge(waddle).await {
            Err(Error::NotFound(_)) => None,
            found => found?,
        };
        let Some(purge) = next else {
            let server = rooms.deps.storage.server();
            server
                .write(move |tx| moderation::set_purging(tx, waddle, false))
                .await?;
            // One that was asked for between the look and the write has marked the waddle again, or is seen here.
            return match community.next_purge(waddle).await {
                Ok(Some(_)) => {
                    server
                        .write(move |tx| moderation::set_purging(tx, waddle, true))
                        .await?;
                    continue;
                }
                _ => Ok(()),
            };
        };
        step(&rooms, waddle, &purge).await?;
    }
}

/// Looks through a part of the archives.
async fn step(rooms: &Arc<Inner>, waddle: WaddleId, purge: &Purge) -> Result<(), Rests> {
    let (deps, limits) = (&rooms.deps, &rooms.deps.limits);
    let db = deps.storage.waddle(waddle).await?;
    let (user, below, since) = (purge.user.clone(), purge.below, purge.since);
    let rows = limits.purge_rows.max(1);
    let looked = db.read(move |c| {
        let found = archive::messages_of(c, &user, below, since, rows)?;
        let ids: Vec<MessageId> = found.messages.iter().map(|(_, m)| m.id).collect();
        let mut edits = messages::links(c, &ids)?;
        edits.retain(|(_, link)| link.edits.is_some());
        Ok((
            found,
            edits.into_iter().map(|(id, _)| id).collect::<AHashSet<_>>(),
        ))
    });
    let (found, edits) = looked.await?;
    let access = deps.community.access(waddle).await?;
    let row = access.waddle();
    let channels: Vec<_> = access
        .channels()
        .into_iter()
        .filter(|c| purge.channel.is_none_or(|only| only == c.id))
        .map(|c| (ArchiveKey::channel(c.id), c))
        .collect();
    let mut parts: Vec<(ChannelId, String, Vec<MessageId>)> = Vec::new();
    let mut left = usize::try_from(purge.left).unwrap_or(usize::MAX);
    for (key, message) in &found.messages {
        if !says_something(message, edits.contains(&message.id)) {
            continue;
        }
        let Some((_, channel)) = channels.iter().find(|(k, _)| k == key) else {
            continue;
        };
        if left == 0 {
            break;
        }
        left -= 1;
        let most = limits.purge_batch.max(1);
        match parts.iter_mut().find(|p| p.0 == channel.id && p.2.len() < most) {
            Some(part) => part.2.push(message.id),
            None => parts.push((
                channel.id,
                RoomName::localpart(&row.slug, &channel.slug),
                vec![message.id],
            )),
        }
    }
    for (channel, name, ids) in parts {
        let batch = Batch {
            purge: purge.id,
            channel,
            ids,
            by: purge.by.clone(),
            reason: purge.reason.clone(),
        };
        hand_over(rooms, &name, batch).await?;
        tokio::time::sleep(Duration::from_millis(limits.purge_pause_ms)).await;
    }
    let done = left == 0 || found.next.is_none();
    let below = found.next.unwrap_or(MessageId(0));
    deps.community
        .advance_purge(waddle, purge.id, below, done)
        .await?;
    Ok(())
}

async fn hand_over(rooms: &Arc<Inner>, name: &str, batch: Batch) -> Result<usize, Rests> {
    let mut tries = 0;
    loop {
        let (reply, answer) = oneshot::channel();
        rooms.send(name, Input::Purge(Box::new(batch.clone()), reply));
        match answer.await.unwrap_or_else(|_| Err(error::busy(BUSY))) {
            Ok(count) => return Ok(count),
            // The channel was deleted meanwhile, with everything in it.
            Err(why) if why.condition == waddle_stanza::Condition::ItemNotFound => return Ok(0),
            Err(why) if tries >= TRIES => return Err(Rests::Room(why)),
            Err(_) => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

/// Whether a message is one that people read: with a text, a file, a link. Markers and retractions stay, corrections and
/// reactions go with the message that they are about. What only calls itself one of these goes.
fn says_something(m: &Archived, edits: bool) -> bool {
    if m.kind != archive::Kind::Other {
        return true;
    }
    let Ok(stanza) = Stanza::parse(m.stanza.clone()) else {
        return true;
    };
    let root = stanza.root();
    let says = |c: Element<'_>| {
        matches!(
            c.name(),
            "body" | "subject" | "x" | "html" | "file-sharing" | "sticker"
        ) && !c.in_ns(ns::MUC_USER)
    };
    if edits || !root.children().any(says) {
        return false;
    }
    // Clients that know no reactions and retractions are told of them by a text.
    let only_body = || {
        root.children()
            .filter(|c| says(*c))
            .all(|c| c.is("body", ns::CLIENT))
    };
    let about = Facts::kept(root);
    let reacts = || {
        let body = root.child_text("body", ns::CLIENT).unwrap_or_default();
        about.as_ref().is_some_and(|f| f.reacts.is_some()) && body.split_whitespace().all(facts::is_emoji)
    };
    let retracts = || {
        let of = |c: Element<'_>| c.name() == "fallback" && c.attr("for").is_some_and(|f| f == ns::RETRACT);
        about.as_ref().is_some_and(|f| f.retracts.is_some()) && root.children().any(of)
    };
    !(only_body() && (reacts() || retracts()))
}
