//! Slow mode: in some channels everybody waits between two messages, over all their clients (`specs/moderation.md`,
//! "Slow mode").

use std::time::Duration;

use ahash::AHashMap;
use waddle_core::{ChannelId, Timestamp, UserId};
use waddle_stanza::{Element, ns};
use waddle_storage::{
    Db, Result,
    repo::archive::{self, ArchiveKey},
};

use crate::{
    error::{self, Outcome},
    room::Room,
};

/// XEP-0308.
const CORRECT: &str = "urn:xmpp:message-correct:0";
/// XEP-0444.
const REACTIONS: &str = "urn:xmpp:reactions:0";
/// People that are remembered before those who need not wait any more are forgotten.
const PEOPLE: usize = 1_024;

/// Who spoke lately.
#[derive(Debug, Default)]
pub struct Slow {
    seconds: u32,
    last: AHashMap<UserId, Timestamp>,
    sweep_at: usize,
}

impl Slow {
    /// As it was before the room started: the archive knows who spoke.
    pub async fn load(db: &Db, channel: ChannelId, seconds: u32, now: Timestamp, rows: usize) -> Result<Self> {
        let mut slow = Self {
            seconds,
            ..Self::default()
        };
        if seconds > 0 {
            let (key, since) = (ArchiveKey::channel(channel), now.minus(slow.wait()));
            let spoke = db
                .read(move |c| archive::spoke_since(c, &key, since, rows))
                .await?;
            slow.last = spoke
                .into_iter()
                .filter_map(|(author, id)| Some((author.parse().ok()?, Timestamp(id.0))))
                .collect();
        }
        Ok(slow)
    }

    /// From now on everybody waits so long.
    pub fn set(&mut self, seconds: u32) {
        self.seconds = seconds;
        if seconds == 0 {
            self.last = AHashMap::new();
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How many seconds somebody still waits.
    fn left(&self, user: &UserId, now: Timestamp) -> Option<u64> {
        let free = self.last.get(user)?.plus(self.wait());
        let left = free.0.saturating_sub(now.0);
        (left > 0).then(|| u64::try_from(left).unwrap_or(0).div_ceil(1_000_000))
    }

    fn spoke(&mut self, user: &UserId, now: Timestamp) {
        if self.last.len() >= self.sweep_at.max(PEOPLE) {
            let oldest = now.minus(self.wait());
            self.last.retain(|_, at| *at > oldest);
            self.sweep_at = self.last.len() * 2;
        }
        self.last.insert(user.clone(), now);
    }
}

/// Whether a message is one that others read as new: with a text, and no correction, reaction or retraction.
fn is_new(message: Element<'_>) -> bool {
    let beside = |c: Element<'_>| {
        c.is("replace", CORRECT) || c.is("reactions", REACTIONS) || c.is("retract", ns::RETRACT)
    };
    message.has("body", ns::CLIENT) && !message.children().any(beside)
}

impl Room {
    /// Whether somebody may say something new already; says in how many seconds otherwise.
    pub(crate) fn may_speak_again(&self, user: &UserId, message: Element<'_>, now: Timestamp) -> Outcome {
        if self.slow.seconds == 0 || !is_new(message) {
            return Ok(());
        }
        match self.slow.left(user, now) {
            Some(left) if !self.policy().is_some_and(|p| p.bypasses_slow_mode(user)) => {
                let every = self.slow.seconds;
                Err(error::too_soon(format!(
                    "this channel is in slow mode, one message every {every} s; wait {left} s and send it again"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Notes that somebody said something.
    pub(crate) fn has_spoken(&mut self, user: &UserId, message: Element<'_>, now: Timestamp) {
        if self.slow.seconds > 0 && is_new(message) {
            self.slow.spoke(user, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_waits_for_themselves_and_is_forgotten_in_time() {
        let at = |s: i64| Timestamp(s * 1_000_000);
        let (a, b) = (UserId::local("a"), UserId::local("b"));
        let mut slow = Slow::default();
        slow.set(30);
        slow.spoke(&a, at(100));
        assert_eq!(slow.left(&a, at(100)), Some(30));
        assert_eq!(slow.left(&a, Timestamp(at(129).0 + 1)), Some(1));
        assert_eq!((slow.left(&a, at(130)), slow.left(&b, at(100))), (None, None));
        for n in 0..PEOPLE {
            slow.spoke(&UserId::local(&n.to_string()), at(110));
        }
        slow.spoke(&b, at(200));
        assert_eq!(slow.last.len(), 1, "nobody else waits any more");
        slow.set(0);
        assert!(slow.last.is_empty());
    }
}
