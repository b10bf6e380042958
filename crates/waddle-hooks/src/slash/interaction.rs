//! Commands under way: what a bot is told, and where its answer goes.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};
use waddle_core::{BotId, ChannelId, InteractionId, Timestamp, UserId, WaddleId};

use super::Invocation;

/// Interactions that wait for a slow bot's stream.
const STREAM: usize = 256;

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
}

/// Those under way, and the bots that listen.
#[derive(Default)]
pub(crate) struct Interactions {
    open: Mutex<HashMap<InteractionId, Open>>,
    streams: Mutex<HashMap<BotId, broadcast::Sender<Arc<Interaction>>>>,
}

impl Interactions {
    /// Adds one; `false` where too many are under way.
    pub fn add(&self, open: Open, max: usize, now: Timestamp) -> bool {
        let mut all = self.open.lock();
        if all.len() >= max {
            all.retain(|_, o| o.interaction.answer_until > now);
            if all.len() >= max {
                return false;
            }
        }
        all.insert(open.interaction.id, open);
        true
    }

    pub fn remove(&self, id: InteractionId) -> Option<Open> {
        self.open.lock().remove(&id)
    }

    /// What an answer of a bot needs, if it may answer this now.
    pub fn answered(
        &self,
        id: InteractionId,
        bot: BotId,
        now: Timestamp,
    ) -> Option<(Arc<Interaction>, Invocation, Option<oneshot::Sender<Answer>>)> {
        let mut all = self.open.lock();
        let open = all.get_mut(&id)?;
        if open.bot != bot || open.interaction.answer_until <= now {
            return None;
        }
        Some((open.interaction.clone(), open.invocation.clone(), open.first.take()))
    }

    /// Tells a bot's streams; whether anybody listens.
    pub fn tell(&self, bot: BotId, interaction: &Arc<Interaction>) -> bool {
        let streams = self.streams.lock();
        streams
            .get(&bot)
            .is_some_and(|s| s.send(interaction.clone()).is_ok_and(|n| n > 0))
    }

    /// What a bot is told from now on.
    pub fn listen(&self, bot: BotId) -> broadcast::Receiver<Arc<Interaction>> {
        let mut streams = self.streams.lock();
        streams.retain(|_, s| s.receiver_count() > 0);
        streams
            .entry(bot)
            .or_insert_with(|| broadcast::channel(STREAM).0)
            .subscribe()
    }

    /// A bot is gone: its streams end, what it was asked is forgotten.
    pub fn drop_bot(&self, bot: BotId) {
        self.streams.lock().remove(&bot);
        self.open.lock().retain(|_, o| o.bot != bot);
    }
}
