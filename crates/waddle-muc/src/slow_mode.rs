//! Slow mode: in some channels everybody waits between two messages, over all their clients (`specs/moderation.md`,
//! "Slow mode").

use std::time::Duration;

use ahash::AHashMap;
use waddle_core::{ChannelId, MessageId, Timestamp, UserId};
use waddle_stanza::{Element, ns, retract::Retract};
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
/// What nobody reads: states, markers, receipts, hints, identifiers, reactions without a text.
const QUIET: [&str; 11] = [
    "http://jabber.org/protocol/chatstates",
    "urn:xmpp:reactions:0",
    "urn:xmpp:fallback:0",
    "urn:xmpp:eme:0",
    "urn:xmpp:reply:0",
    ns::MARKERS,
    ns::RECEIPTS,
    ns::HINTS,
    ns::SID,
    ns::DELAY,
    ns::RETRACT,
];
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
    pub async fn load(
        db: &Db,
        channel: ChannelId,
        seconds: u32,
        now: Timestamp,
        rows: usize,
    ) -> Result<Self> {
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

    /// What somebody said then could not be stored.
    fn did_not(&mut self, user: &UserId, then: Timestamp) {
        if self.last.get(user) == Some(&then) {
            self.last.remove(user);
        }
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

/// What a message is to slow mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// Nothing that people read as new.
    Nothing,
    /// It says that it corrects another one; nobody knows yet whether it does.
    Correction,
    /// Whatever is not known to be anything else.
    New,
}

impl Speech {
    fn of(message: Element<'_>) -> Self {
        let quiet = |c: Element<'_>| c.is("thread", ns::CLIENT) || QUIET.contains(&c.ns());
        // What takes back an own message is held to that by the archive.
        let retracts = || Retract::of(message).is_some_and(|r| r.id.parse::<MessageId>().is_ok());
        if message.children().all(quiet) || retracts() {
            Self::Nothing
        } else if message
            .child("replace", CORRECT)
            .is_some_and(|r| r.attr("id").is_some())
        {
            Self::Correction
        } else {
            Self::New
        }
    }
}

impl Room {
    /// Whether somebody may say something new already; says in how many seconds otherwise. Answers whether the message
    /// may only be a correction of one that is there.
    pub(crate) fn may_speak_again(
        &self,
        user: &UserId,
        message: Element<'_>,
        now: Timestamp,
    ) -> Outcome<bool> {
        if self.slow.seconds == 0 {
            return Ok(false);
        }
        let bypasses = || self.policy().is_some_and(|p| p.bypasses_slow_mode(user));
        let speech = Speech::of(message);
        if speech == Speech::Correction {
            return Ok(!bypasses());
        }
        match self.slow.left(user, now) {
            Some(left) if speech == Speech::New && !bypasses() => {
                let every = self.slow.seconds;
                Err(error::too_soon(format!(
                    "this channel is in slow mode, one message every {every} s; wait {left} s and send it again"
                )))
            }
            _ => Ok(false),
        }
    }

    /// What somebody said then is nowhere: they may say it again at once.
    pub(crate) fn has_not_spoken(&mut self, user: &UserId, then: Timestamp) {
        self.slow.did_not(user, then);
    }

    /// Notes that somebody said something.
    pub(crate) fn has_spoken(&mut self, user: &UserId, message: Element<'_>, now: Timestamp) {
        if self.slow.seconds > 0 && Speech::of(message) == Speech::New {
            self.slow.spoke(user, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_what_only_says_it_is_not() {
        use waddle_stanza::Stanza;
        let of = |inner: &str| {
            let xml = ["<message xmlns='jabber:client'>", inner, "</message>"].concat();
            Speech::of(Stanza::parse(xml.into()).unwrap().root())
        };
        let id = "00123456789abcde";
        let body = "<body>x</body>";
        let reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='00123456789abcde'><reaction>👍</reaction></reactions>";
        for (inner, speech) in [
            (body.to_owned(), Speech::New),
            (
                "<x xmlns='jabber:x:oob'><url>https://x</url></x>".to_owned(),
                Speech::New,
            ),
            (
                "<html xmlns='http://jabber.org/protocol/xhtml-im'/>".to_owned(),
                Speech::New,
            ),
            ([reactions, body].concat(), Speech::New),
            (
                ["<reactions xmlns='urn:xmpp:reactions:0'/>", body].concat(),
                Speech::New,
            ),
            (
                ["<replace xmlns='urn:xmpp:message-correct:0'/>", body].concat(),
                Speech::New,
            ),
            (
                ["<replace xmlns='urn:xmpp:message-correct:0' id='a'/>", body].concat(),
                Speech::Correction,
            ),
            (
                [
                    "<retract xmlns='urn:xmpp:message-retract:1' id='nonsense'/>",
                    body,
                ]
                .concat(),
                Speech::New,
            ),
            (
                format!("<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>{body}"),
                Speech::Nothing,
            ),
            (
                [reactions, "<store xmlns='urn:xmpp:hints'/>"].concat(),
                Speech::Nothing,
            ),
            (
                "<active xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>".to_owned(),
                Speech::Nothing,
            ),
        ] {
            assert_eq!(of(&inner), speech, "{inner}");
        }
    }

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
        for n in 1..PEOPLE {
            slow.spoke(&UserId::local(&n.to_string()), at(110));
        }
        slow.spoke(&b, at(200));
        assert_eq!(slow.last.len(), 1, "nobody else waits any more");
        slow.did_not(&b, at(199));
        assert!(slow.left(&b, at(200)).is_some(), "that was another one");
        slow.did_not(&b, at(200));
        assert_eq!(slow.left(&b, at(200)), None);
        slow.spoke(&b, at(200));
        slow.set(0);
        assert!(slow.last.is_empty());
    }
}
