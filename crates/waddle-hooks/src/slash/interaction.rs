//! Commands under way: what a bot is told, and where its answer goes.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};
use waddle_core::{BotId, ChannelId, InteractionId, Timestamp, UserId, WaddleId};

use super::Invocation;

/// What a bot is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interaction {
    /// Its identifier, for the answer.
    pub id: InteractionId,
    /// The command.
    pub command: String,
    /// Its options by name.
    pub options: std::collections::BTreeMap<String, Value>,
    /// What was typed behind the name.
    pub text: String,
    /// Where.
    pub waddle_id: WaddleId,
    /// Where.
    pub channel_id: ChannelId,
    /// Who.
    pub user: UserId,
    /// Their nickname.
    pub nick: String,
    /// When.
    pub at: Timestamp,
    /// Until when it can be answered.
    pub answer_until: Timestamp,
}

/// What a bot answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The text.
    pub body: String,
    /// Whether only whoever ran the command sees it, and nothing is kept.
    #[serde(default)]
    pub ephemeral: bool,
}

/// One under way.
pub(crate) struct Open {
    pub bot: BotId,
    pub interaction: Arc<Interaction>,
    pub invocation: Invocation,
    /// Whoever waits for the first answer.
    pub first: Option<oneshot::Sender<Answer>>,
    /// Answers that it may still get.
    pub left: usize,
}

impl Open {
    /// Whether nobody waits for it: it was answered, or whoever ran it waits no longer.
    fn is_idle(&self) -> bool {
        self.first.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

/// Makes a place among those that `of` says; `false` where somebody waits for each of them.
fn make_place(all: &mut HashMap<InteractionId, Open>, max: usize, of: impl Fn(&Open) -> bool) -> bool {
    if all.values().filter(|o| of(o)).count() < max {
        return true;
    }
    let idle = all.iter().filter(|(_, o)| of(o) && o.is_idle());
    let oldest = idle.min_by_key(|(_, o)| o.interaction.at).map(|(id, _)| *id);
    oldest.is_some_and(|id| all.remove(&id).is_some())
}

/// Those under way, and the bots that listen.
#[derive(Default)]
pub(crate) struct Interactions {
    open: Mutex<HashMap<InteractionId, Open>>,
    streams: Mutex<HashMap<BotId, broadcast::Sender<Arc<Interaction>>>>,
}

impl Interactions {
    /// Adds one; `false` where too many are waited for, of this bot (`each`) or of all (`max`).
    pub fn add(&self, open: Open, max: usize, each: usize, now: Timestamp) -> bool {
        let mut all = self.open.lock();
        all.retain(|_, o| o.interaction.answer_until > now);
        let bot = open.bot;
        let fits = make_place(&mut all, each, |o| o.bot == bot) && make_place(&mut all, max, |_| true);
        if fits {
            all.insert(open.interaction.id, open);
        }
        fits
    }

    pub fn remove(&self, id: InteractionId) -> Option<Open> {
        self.open.lock().remove(&id)
    }

    /// What an answer of a bot needs, if it may answer this now. It counts; [`Self::settle`] ends it.
    pub fn answered(
        &self,
        id: InteractionId,
        bot: BotId,
        now: Timestamp,
    ) -> Option<(Arc<Interaction>, Invocation, Option<oneshot::Sender<Answer>>)> {
        let mut all = self.open.lock();
        let open = all.get_mut(&id)?;
        if open.bot != bot || open.interaction.answer_until <= now || open.left == 0 {
            return None;
        }
        open.left -= 1;
        Some((
            open.interaction.clone(),
            open.invocation.clone(),
            open.first.take(),
        ))
    }

    /// An answer was taken: after the last that there may be, this is over.
    pub fn settle(&self, id: InteractionId) {
        let mut all = self.open.lock();
        if all.get(&id).is_some_and(|o| o.left == 0) {
            all.remove(&id);
        }
    }

    /// An answer was not taken: there may be another, and who waits goes on waiting.
    pub fn give_back(&self, id: InteractionId, first: Option<oneshot::Sender<Answer>>) {
        if let Some(open) = self.open.lock().get_mut(&id) {
            open.left += 1;
            open.first = open.first.take().or(first);
        }
    }

    /// Tells a bot's streams; whether anybody listens.
    pub fn tell(&self, bot: BotId, interaction: &Arc<Interaction>) -> bool {
        let streams = self.streams.lock();
        streams
            .get(&bot)
            .is_some_and(|s| s.send(interaction.clone()).is_ok_and(|n| n > 0))
    }

    /// What a bot is told from now on; a stream may be `most` behind.
    pub fn listen(&self, bot: BotId, most: usize) -> broadcast::Receiver<Arc<Interaction>> {
        let mut streams = self.streams.lock();
        streams.retain(|_, s| s.receiver_count() > 0);
        streams
            .entry(bot)
            .or_insert_with(|| broadcast::channel(most.max(1)).0)
            .subscribe()
    }

    /// A bot is gone: its streams end, what it was asked is forgotten.
    pub fn drop_bot(&self, bot: BotId) {
        self.streams.lock().remove(&bot);
        self.open.lock().retain(|_, o| o.bot != bot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bot: BotId, at: i64) -> (Open, oneshot::Receiver<Answer>) {
        let (first, wait) = oneshot::channel();
        let (waddle, channel, user) = (WaddleId::new(), ChannelId::new(), UserId::local("carol"));
        let interaction = Arc::new(Interaction {
            id: InteractionId::new(),
            command: "echo".into(),
            options: std::collections::BTreeMap::new(),
            text: String::new(),
            waddle_id: waddle,
            channel_id: channel,
            user: user.clone(),
            nick: "carol".into(),
            at: Timestamp(at),
            answer_until: Timestamp(at + 1_000),
        });
        let invocation = Invocation {
            waddle,
            channel,
            user,
            nick: "carol".into(),
            whisper: None,
        };
        let open = Open {
            bot,
            interaction,
            invocation,
            first: Some(first),
            left: 2,
        };
        (open, wait)
    }

    #[test]
    fn a_bot_fills_its_own_places_and_what_nobody_waits_for_makes_room() {
        let (all, busy, other) = (Interactions::default(), BotId::new(), BotId::new());
        let now = Timestamp(100);
        let ((a, wait), (b, _waits)) = (open(busy, 1), open(busy, 2));
        let (first, second) = (a.interaction.id, b.interaction.id);
        assert!(all.add(a, 3, 2, now) && all.add(b, 3, 2, now));
        let (c, _c) = open(busy, 3);
        assert!(!all.add(c, 3, 2, now), "somebody waits for both");
        let (d, _d) = open(other, 3);
        assert!(all.add(d, 3, 2, now), "another bot has places of its own");
        // whoever ran the first waits no longer
        drop(wait);
        let (e, _e) = open(busy, 4);
        assert!(all.add(e, 3, 2, now));
        assert!(all.answered(first, busy, now).is_none() && all.answered(second, busy, now).is_some());
        // what is over its time goes
        let (f, _f) = open(BotId::new(), 2_000);
        assert!(all.add(f, 1, 1, Timestamp(2_000)));
    }

    #[test]
    fn answers_are_counted_and_the_last_ends_it() {
        let (all, bot, now) = (Interactions::default(), BotId::new(), Timestamp(100));
        let (a, mut wait) = open(bot, 1);
        let id = a.interaction.id;
        assert!(all.add(a, 9, 9, now));
        assert!(all.answered(id, BotId::new(), now).is_none(), "another's");
        // refused: it counts not, and whoever waits still waits
        let (.., first) = all.answered(id, bot, now).unwrap();
        all.give_back(id, first);
        assert_eq!(wait.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        for n in 0..2 {
            let (.., first) = all.answered(id, bot, now).unwrap();
            assert_eq!(first.is_some(), n == 0);
            all.settle(id);
        }
        assert!(all.answered(id, bot, now).is_none() && all.remove(id).is_none());
    }
}
