//! History on entering ([XEP-0045 §7.2.13]): the tail of the archive, kept in memory while the room is active.
//!
//! [XEP-0045 §7.2.13]: https://xmpp.org/extensions/xep-0045.html#enter-history

use std::time::Duration;

use waddle_core::{MessageId, Timestamp};
use waddle_stanza::Element;

use crate::{fan::Fan, occupants::Session, room::Room, state::Effects};

const DAY: Duration = Duration::from_secs(86_400);

/// A message of the archive's tail, with its archive identifier.
#[derive(Debug, Clone)]
pub struct Past {
    /// As it was sent.
    pub fan: Fan,
    /// When.
    pub at: Timestamp,
    /// Its identifier in the archive.
    pub id: MessageId,
}

/// How much a newcomer asked for; what is left out is bounded by `muc_history` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Characters altogether.
    pub max_chars: Option<usize>,
    /// Messages.
    pub max_stanzas: Option<usize>,
    /// The age of the oldest one.
    pub seconds: Option<u64>,
    /// The time of the oldest one.
    pub since: Option<Timestamp>,
}

impl Wanted {
    /// Reads `<history/>`; what cannot be read counts as left out.
    pub fn parse(history: Element<'_>) -> Self {
        fn number<T: TryFrom<u128>>(e: Element<'_>, name: &str) -> Option<T> {
            let n: u128 = e.attr(name)?.trim().parse().ok()?;
            T::try_from(n).ok()
        }
        Self {
            max_chars: number(history, "maxchars"),
            max_stanzas: number(history, "maxstanzas"),
            seconds: number(history, "seconds"),
            since: history.attr("since").and_then(|s| s.parse().ok()),
        }
    }
}

impl Room {
    /// Keeps a message for newcomers.
    pub(crate) fn remember(&mut self, id: MessageId, fan: Fan, at: Timestamp) {
        if self.limits.muc_history == 0 {
            return;
        }
        while self.history.len() >= self.limits.muc_history {
            self.history.pop_front();
        }
        self.history.push_back(Past { fan, at, id });
    }

    /// What was retracted is not said again to newcomers.
    pub(crate) fn unremember(&mut self, id: Option<MessageId>) {
        if let Some(id) = id {
            self.history.retain(|past| past.id != id);
        }
    }

    /// Sends the history that a newcomer asked for, oldest first.
    pub(crate) fn send_history(&self, wanted: Wanted, to: &Session, now: Timestamp, fx: &mut Effects) {
        let mut first = self.history.len();
        let (mut chars, mut count) = (0_usize, 0_usize);
        let oldest = [
            wanted.since,
            wanted.seconds.map(|s| now.minus(Duration::from_secs(s))),
            (self.settings.retention_days > 0)
                .then(|| now.minus(DAY.saturating_mul(self.settings.retention_days))),
            (self.settings.expire_seconds > 0)
                .then(|| now.minus(Duration::from_secs(self.settings.expire_seconds))),
        ];
        for past in self.history.iter().rev() {
            chars = chars.saturating_add(past.fan.size());
            count += 1;
            if oldest.iter().flatten().any(|oldest| past.at < *oldest)
                || wanted.max_chars.is_some_and(|max| chars > max)
                || wanted.max_stanzas.is_some_and(|max| count > max)
            {
                break;
            }
            first -= 1;
        }
        for past in self.history.range(first..) {
            fx.push(&to.outbox, past.fan.delayed(&to.to, &self.at, past.at), false);
        }
    }
}
