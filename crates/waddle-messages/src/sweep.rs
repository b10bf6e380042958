//! Keeps channels as they are set: messages expire (`expire_seconds`, `retention_days`), files of messages that are gone
//! are deleted, the full text follows. What is due is in the databases, so that a restart forgets nothing.
//!
//! Channels whose messages disappear after seconds are looked at within `message_sweep_seconds` of the moment; all others, and
//! whatever was missed, in the rounds of `archive_sweep_seconds`. A waddle of which nothing is due is not opened for it between
//! the rounds.

use std::{convert::Infallible, sync::Arc, time::Duration};

use ahash::{AHashMap, AHashSet};
use futures::future::BoxFuture;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use waddle_archive::fulltext;
use waddle_community::{Community, Event};
use waddle_core::{Limits, MessageId, SharedClock, Timestamp, UserId, WaddleId};
use waddle_storage::{
    Db,
    repo::{
        archive::{self, ArchiveKey},
        channels, messages,
    },
};

use crate::{News, NewsKind, Result};

/// Deletes the file at an address, if it is this person's; `Err` where it must be tried again.
pub type DeleteFile = Arc<dyn Fn(String, UserId) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
/// Tells a room that messages up to this one have expired.
pub type Expired = Arc<dyn Fn(WaddleId, waddle_core::ChannelId, MessageId) + Send + Sync>;

/// Messages that one write removes at the most.
const CHUNK: usize = 500;
/// Files that are looked at at a time.
const FILES: usize = 100;
/// Files that could not be deleted before the store is taken to be away.
const FAILURES: usize = 10;
/// Steps of the full text that one waddle takes at a time.
const STEPS: usize = 8;
/// Pauses of a second between two looks for messages that are not yet in the full text.
const INDEX: u32 = 5;
const DAY: u64 = 86_400;

/// What it works with.
#[derive(Clone)]
pub struct Sweep {
    /// Waddles and their channels.
    pub community: Community,
    /// The time.
    pub clock: SharedClock,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Deletes files.
    pub delete_file: DeleteFile,
    /// Tells rooms.
    pub expired: Expired,
}

impl std::fmt::Debug for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sweep")
    }
}

/// Waddles that have something to do before the next round.
#[derive(Debug, Default)]
struct Due {
    /// Messages of theirs disappear after seconds: when the next ones do, at the earliest.
    expiring: AHashMap<WaddleId, Timestamp>,
    /// Files are to be deleted.
    files: AHashSet<WaddleId>,
    /// Messages are not yet in the full text.
    unindexed: AHashSet<WaddleId>,
}

impl Sweep {
    /// Removes from one waddle's database what has expired; when the next messages do at the earliest, where they disappear
    /// after seconds in any of its channels, and how many messages went.
    pub async fn waddle(&self, id: WaddleId) -> Result<(Option<Timestamp>, u64)> {
        let db = self.community.storage().waddle(id).await?;
        let now = self.clock.now();
        let mut gone = 0;
        let mut next: Option<Timestamp> = None;
        for c in db.read(move |c| channels::list(c, id)).await? {
            let Some(oldest) = oldest(c.expire_seconds, c.retention_days, now) else {
                continue;
            };
            // Identifiers are times: what is below this was stored before.
            let below = MessageId(oldest.0);
            let key = ArchiveKey::channel(c.id);
            let removed = empty(&db, &key, below).await?;
            if removed > 0 {
                gone += removed;
                (self.expired)(id, c.id, below);
            }
            if c.expire_seconds > 0 {
                // What is said from now on lives as long as all of these.
                let first = db.read(move |conn| archive::ends(conn, &key)).await?;
                let first = first.map_or(now, |ends| Timestamp(ends.first.0.0).min(now));
                let at = Timestamp(first.0.saturating_add(now.0 - oldest.0));
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        }
        Ok((next, gone))
    }

    /// Deletes the files of messages that are gone; how many are dealt with. One that cannot be deleted now stays, and holds
    /// up no other.
    pub async fn files(&self, db: &Db) -> Result<usize> {
        let (mut done, mut failed) = (0, 0);
        let last = db.read(messages::last_file).await?;
        loop {
            let due = db.read(move |c| messages::due_files(c, last, FILES)).await?;
            let count = due.len();
            for f in due {
                if let Ok(owner) = f.owner.parse::<UserId>() {
                    if let Err(error) = (self.delete_file)(f.url, owner).await {
                        tracing::warn!(%error, "a file of a message that is gone is deleted later");
                        db.write(move |tx| messages::file_postponed(tx, f.n)).await?;
                        failed += 1;
                        if failed == FAILURES {
                            return Ok(done);
                        }
                        continue;
                    }
                    done += 1;
                }
                db.write(move |tx| messages::file_removed(tx, f.n)).await?;
            }
            if count < FILES {
                return Ok(done);
            }
        }
    }

    /// A round through all waddles.
    async fn round(&self, due: &mut Due) {
        let mut removed = 0;
        for w in self.community.waddles() {
            match self.waddle(w.id).await {
                Ok((next, gone)) => {
                    removed += gone;
                    set(&mut due.expiring, w.id, next);
                }
                Err(error) => tracing::warn!(waddle = %w.slug, %error, "messages could not be swept"),
            }
            due.files.insert(w.id);
        }
        if removed > 0 {
            tracing::info!(removed, "messages have expired");
        }
    }

    async fn expire(&self, due: &mut Due) {
        let now = self.clock.now();
        let all = due.expiring.iter().filter(|(_, next)| **next <= now);
        let now_due: Vec<WaddleId> = all.map(|(id, _)| *id).collect();
        for id in now_due {
            match self.waddle(id).await {
                Ok((next, gone)) => {
                    set(&mut due.expiring, id, next);
                    if gone > 0 {
                        due.files.insert(id);
                    }
                }
                Err(error) => {
                    tracing::warn!(waddle = %id, %error, "messages could not be swept");
                    due.expiring.remove(&id);
                }
            }
        }
    }

    async fn delete_files(&self, due: &mut Due) {
        for id in std::mem::take(&mut due.files) {
            if self.community.waddle_by_id(id).is_none() {
                continue;
            }
            let done = match self.community.storage().waddle(id).await {
                Ok(db) => self.files(&db).await,
                Err(e) => Err(e.into()),
            };
            if let Err(error) = done {
                tracing::warn!(waddle = %id, %error, "files of messages that are gone are deleted later");
            }
        }
        if let Err(error) = self.files(&self.community.storage().server()).await {
            tracing::warn!(%error, "files of messages that are gone are deleted later");
        }
    }

    async fn index(&self, due: &mut Due) {
        for id in std::mem::take(&mut due.unindexed) {
            if self.community.waddle_by_id(id).is_none() {
                continue;
            }
            let done = match self.community.storage().waddle(id).await {
                Ok(db) => fulltext::catch_up(&db, STEPS).await,
                Err(e) => Err(e),
            };
            match done {
                Ok(true) => {}
                Ok(false) => _ = due.unindexed.insert(id),
                Err(error) => tracing::warn!(waddle = %id, %error, "the full text is behind"),
            }
        }
        if let Err(error) = fulltext::catch_up(&self.community.storage().server(), STEPS).await {
            tracing::warn!(%error, "the full text is behind");
        }
    }

    /// Goes on until it is dropped.
    pub async fn run(self, mut news: Receiver<News>, mut events: Receiver<Event>) -> Infallible {
        let mut due = Due::default();
        let often = Duration::from_secs(self.limits.message_sweep_seconds.max(1));
        let seldom = Duration::from_secs(self.limits.archive_sweep_seconds.max(60));
        let mut sweep = tokio::time::interval(often);
        // Not in the first seconds of a server, which have enough to do.
        let mut round = tokio::time::interval_at(tokio::time::Instant::now() + often, seldom);
        let mut index = tokio::time::interval(Duration::from_secs(1) * INDEX);
        for timer in [&mut sweep, &mut round, &mut index] {
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let (mut heard, mut told) = (true, true);
        loop {
            tokio::select! {
                biased;
                _ = round.tick() => self.round(&mut due).await,
                _ = sweep.tick() => {
                    self.expire(&mut due).await;
                    self.delete_files(&mut due).await;
                }
                _ = index.tick() => self.index(&mut due).await,
                item = news.recv(), if heard => match item {
                    Ok(n) => {
                        due.unindexed.insert(n.waddle);
                        if matches!(n.kind, NewsKind::Retracted(_)) {
                            due.files.insert(n.waddle);
                        }
                    }
                    // The next search or the next message of the waddle catches up; files wait for the round.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => heard = false,
                },
                event = events.recv(), if told => match event {
                    Ok(Event::ChannelCreated { channel, .. } | Event::ChannelUpdated { channel, .. }) => {
                        if channel.expire_seconds > 0 || channel.retention_days > 0 {
                            due.expiring.insert(channel.waddle, Timestamp(0));
                        }
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => told = false,
                },
            }
        }
    }
}

fn set(among: &mut AHashMap<WaddleId, Timestamp>, id: WaddleId, next: Option<Timestamp>) {
    match next {
        Some(next) => _ = among.insert(id, next),
        None => _ = among.remove(&id),
    }
}

async fn empty(db: &Db, key: &ArchiveKey, below: MessageId) -> Result<u64> {
    let mut removed = 0;
    loop {
        let of = key.clone();
        let old = db.read(move |c| archive::ends(c, &of)).await?;
        if old.is_none_or(|e| e.first.0 >= below) {
            return Ok(removed);
        }
        let of = key.clone();
        let gone = db
            .write(move |tx| archive::remove(tx, &of, Some(below), CHUNK))
            .await?;
        removed += gone;
        if gone < CHUNK as u64 {
            return Ok(removed);
        }
    }
}

/// From when on messages of a channel are there, where they expire.
pub fn oldest(expire_seconds: u32, retention_days: u32, now: Timestamp) -> Option<Timestamp> {
    let seconds = [u64::from(expire_seconds), u64::from(retention_days) * DAY];
    let seconds = seconds.into_iter().filter(|s| *s > 0).min()?;
    Some(now.minus(Duration::from_secs(seconds)))
}
