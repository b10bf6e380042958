//! How lively a room is: messages per hour ([XEP-0502]), by a register of hourly counters.
//!
//! [XEP-0502]: https://xmpp.org/extensions/xep-0502.html

use std::collections::VecDeque;

use waddle_core::Timestamp;
use waddle_stanza::Element;

/// Hours that the average is taken over, besides the present one.
pub(crate) const HOURS: usize = 24;
/// Rows of the archive that are looked at to begin with, at the most.
pub(crate) const ROWS: usize = 5_000;
/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// Messages of each hour, the present one first.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    hour: i64,
    counts: VecDeque<u32>,
}

impl Activity {
    /// Begins with what the archive holds, the present hour first.
    pub fn of_archive(counts: Vec<u32>, now: Timestamp) -> Self {
        Self {
            hour: now.0 / HOUR,
            counts: counts.into(),
        }
    }

    fn shift(&mut self, now: Timestamp) {
        let hour = now.0 / HOUR;
        if self.counts.is_empty() {
            self.hour = hour;
            self.counts.push_front(0);
            return;
        }
        let passed = usize::try_from(hour - self.hour).unwrap_or(0).min(HOURS + 1);
        for _ in 0..passed {
            self.counts.push_front(0);
        }
        self.counts.truncate(HOURS + 1);
        self.hour = self.hour.max(hour);
    }

    /// Counts a message that everybody reads: one with a text that corrects no other.
    pub fn count(&mut self, message: Element<'_>, now: Timestamp) {
        let corrects = |c: Element<'_>| c.is("replace", "urn:xmpp:message-correct:0");
        if message.has("body", waddle_stanza::ns::CLIENT) && !message.children().any(corrects) {
            self.shift(now);
            if let Some(n) = self.counts.front_mut() {
                *n = n.saturating_add(1);
            }
        }
    }

    /// Messages per hour, once a whole hour is known.
    pub fn per_hour(&mut self, now: Timestamp) -> Option<f64> {
        self.shift(now);
        let known = self.counts.len() - 1;
        let sum: u64 = self.counts.iter().skip(1).map(|n| u64::from(*n)).sum();
        (known > 0).then(|| sum as f64 / known as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::Stanza;

    #[test]
    fn hours_pass() {
        let message = |xml: &str| Stanza::parse(xml.to_owned().into()).unwrap();
        let said = message("<message xmlns='jabber:client'><body>x</body></message>");
        let typing = message("<message xmlns='jabber:client'/>");
        let fixed = message(
            "<message xmlns='jabber:client'><body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/></message>",
        );
        let at = |hours: i64| Timestamp(hours * HOUR + 1);
        let mut a = Activity::default();
        a.shift(at(0));
        assert_eq!(a.per_hour(at(0)), None, "nothing is known yet");
        for _ in 0..6 {
            a.count(said.root(), at(0));
        }
        a.count(typing.root(), at(0));
        a.count(fixed.root(), at(0));
        assert_eq!(a.per_hour(at(1)), Some(6.0));
        assert_eq!(a.per_hour(at(3)), Some(2.0));
        assert_eq!(a.per_hour(at(24)), Some(0.25));
        assert_eq!(a.per_hour(at(1_000)), Some(0.0));
        let mut b = Activity::of_archive(vec![5, 2, 4], at(7));
        assert_eq!(b.per_hour(at(7)), Some(3.0));
    }
}
