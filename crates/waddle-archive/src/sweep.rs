//! Retention: what is too old or too much goes, the oldest first ([XEP-0313 §3.2]).
//!
//! A broom goes through all databases, one after the other and a part at a time, so that it holds nobody up. Between
//! two rounds an archive may hold somewhat more than it should.
//!
//! [XEP-0313 §3.2]: https://xmpp.org/extensions/xep-0313.html#archives_deletion

use std::{convert::Infallible, time::Duration};

use waddle_core::{Limits, MessageId, SharedClock, Timestamp, WaddleId};
use waddle_storage::{
    Db, Result, Storage,
    repo::archive::{self, ArchiveKey},
};

/// Archives that one read looks at.
const LOOK: usize = 100;
/// Messages that one write removes at the most.
const CHUNK: usize = 500;
/// Between two rounds at the least, whatever is configured.
const PAUSE: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// How long the messages of accounts and rooms are kept, and how many; 0 is without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Days, for accounts.
    pub account_days: u64,
    /// Messages of one account.
    pub account_messages: usize,
    /// Days, for rooms; a room may be set to fewer.
    pub room_days: u64,
    /// Messages of one room.
    pub room_messages: usize,
}

impl Rules {
    /// The configured ones.
    pub fn of(limits: &Limits) -> Self {
        Self {
            account_days: limits.archive_account_days,
            account_messages: limits.archive_account_messages,
            room_days: limits.archive_room_days,
            room_messages: limits.archive_room_messages,
        }
    }

    /// Before which time an archive's messages go that is set to keep them for `own` days.
    fn oldest(&self, archive: &ArchiveKey, own: u32, now: Timestamp) -> Option<Timestamp> {
        let servers = if archive.is_account() {
            self.account_days
        } else {
            self.room_days
        };
        let days = [servers, u64::from(own)].into_iter().filter(|d| *d > 0).min()?;
        let days = u32::try_from(days).unwrap_or(u32::MAX);
        Some(now.minus(DAY.saturating_mul(days)))
    }

    fn most(&self, archive: &ArchiveKey) -> Option<usize> {
        let most = if archive.is_account() {
            self.account_messages
        } else {
            self.room_messages
        };
        (most > 0).then_some(most)
    }
}

/// Removes what is too old or too much from all archives of one database; says how many messages.
pub async fn database(db: &Db, rules: Rules, now: Timestamp) -> Result<u64> {
    let mut removed = 0;
    let mut after: Option<ArchiveKey> = None;
    loop {
        let from = after.take();
        let look = move |c: &waddle_storage::Conn| {
            let found = archive::archives(c, from.as_ref(), LOOK)?;
            let last = found.last().filter(|_| found.len() == LOOK).cloned();
            let mut full = Vec::new();
            for key in found {
                let oldest = rules.oldest(&key, archive::kept(c, &key)?, now);
                // Identifiers are times: what is below this was stored before.
                let mut below = oldest.map(|t| MessageId(t.0));
                if let Some(most) = rules.most(&key)
                    && let Some(MessageId(id)) = archive::newest_beyond(c, &key, most)?
                {
                    below = below.max(Some(MessageId(id.saturating_add(1))));
                }
                if let (Some(below), Some(ends)) = (below, archive::ends(c, &key)?)
                    && ends.first.0 < below
                {
                    full.push((key, below));
                }
            }
            Ok((full, last))
        };
        let (full, last) = db.read(look).await?;
        for (key, below) in full {
            removed += empty(db, &key, below).await?;
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(removed),
        }
    }
}

async fn empty(db: &Db, key: &ArchiveKey, below: MessageId) -> Result<u64> {
    let mut removed = 0;
    loop {
        let key = key.clone();
        let gone = db
            .write(move |tx| archive::remove(tx, &key, Some(below), CHUNK))
            .await?;
        removed += gone;
        if gone < CHUNK as u64 {
            return Ok(removed);
        }
    }
}

/// One round through the server's database and those of `waddles`. One that cannot be read is passed over.
pub async fn round(storage: &Storage, waddles: &[WaddleId], rules: Rules, now: Timestamp) -> u64 {
    let mut removed = 0;
    let mut note = |what: Result<u64>| match what {
        Ok(n) => removed += n,
        Err(e) => tracing::warn!(error = %e, "an archive could not be swept"),
    };
    note(database(&storage.server(), rules, now).await);
    for id in waddles {
        note(match storage.waddle(*id).await {
            Ok(db) => database(&db, rules, now).await,
            Err(e) => Err(e),
        });
    }
    if removed > 0 {
        tracing::info!(removed, "messages were kept long enough");
    }
    removed
}

/// Goes round and round, `archive_sweep_seconds` apart, until it is dropped.
pub async fn run(
    storage: Storage,
    clock: SharedClock,
    limits: &Limits,
    waddles: impl Fn() -> Vec<WaddleId>,
) -> Infallible {
    let pause = Duration::from_secs(limits.archive_sweep_seconds).max(PAUSE);
    let rules = Rules::of(limits);
    loop {
        tokio::time::sleep(pause).await;
        round(&storage, &waddles(), rules, clock.now()).await;
    }
}
