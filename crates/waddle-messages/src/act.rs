//! What a person does with messages of a channel, other than by a stanza: through HTTP, as a bot.

use waddle_core::MessageId;

use crate::Attachment;

/// A message to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewMessage {
    /// The text; may be empty where something is attached.
    pub body: String,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The message whose thread it belongs to, where it answers none.
    pub thread_root: Option<MessageId>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What its author calls it (XEP-0359 `origin-id`); made up where it is left out.
    pub id: Option<String>,
}

impl NewMessage {
    /// A text.
    pub fn text(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }
}

/// Something that a person does. The room asks whether they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Says something.
    Say(NewMessage),
    /// Gives a message of their own another text.
    Edit {
        /// Which.
        id: MessageId,
        /// The text.
        body: String,
    },
    /// Takes a message of their own back.
    Retract {
        /// Which.
        id: MessageId,
    },
    /// Takes somebody's message back, as a moderator.
    Moderate {
        /// Which.
        id: MessageId,
        /// Why.
        reason: Option<String>,
    },
    /// Reacts to a message with these, instead of what they reacted with before.
    React {
        /// Which.
        id: MessageId,
        /// With what; nothing takes it back.
        emojis: Vec<String>,
    },
    /// Reacts to a message with one more, or one less.
    ReactWith {
        /// Which.
        id: MessageId,
        /// With what.
        emoji: String,
        /// Whether it is added.
        add: bool,
    },
    /// Pins a message, or takes the pin off.
    Pin {
        /// Which.
        id: MessageId,
        /// Whether it is pinned.
        pinned: bool,
    },
}
