//! Messages that are slash commands: they go to whoever carries commands out, and nobody in the room sees them
//! (`specs/integrations.md`).

use std::sync::Arc;

use futures::future::BoxFuture;
use waddle_core::{BareJid, ChannelId, Jid, UserId, WaddleId};
use waddle_outbox::Outbox;
use waddle_stanza::{Class, Outgoing, XmlWriter, ns};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    room::{Kind, Room},
};

/// Carries commands out.
pub trait SlashCommands: std::fmt::Debug + Send + Sync + 'static {
    /// Whether a text that begins with `/` is a command of this waddle. Must not wait.
    fn is_command(&self, waddle: WaddleId, text: &str) -> bool;

    /// Somebody who may speak has typed one. Must not wait.
    fn run(&self, typed: Typed);

    /// The commands of a waddle, for menus.
    fn list(&self, waddle: WaddleId) -> Vec<SlashCommand>;

    /// Runs one for a menu: `line` is what would be typed. The answer, or what is wrong, for whoever asked.
    fn call(&self, call: SlashCall) -> BoxFuture<'static, Result<String, String>>;
}

/// A command in a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlashCommand {
    /// What is typed after the slash.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What it takes.
    pub options: Vec<SlashOption>,
}

/// What a command takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlashOption {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is true or false.
    pub boolean: bool,
    /// The only values, and what people read for each; any value where there are none.
    pub choices: Vec<(String, String)>,
}

/// Somebody runs a command from a menu.
#[derive(Debug, Clone)]
pub struct SlashCall {
    /// Where.
    pub waddle: WaddleId,
    /// Where.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub nick: String,
    /// Such as `/weather days:3`.
    pub line: String,
}

/// A command as it was typed.
#[derive(Debug, Clone)]
pub struct Typed {
    /// Where.
    pub waddle: WaddleId,
    /// Where.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// Their nickname.
    pub nick: String,
    /// The text.
    pub text: String,
    /// Where answers for them alone go.
    pub whisper: Whisper,
}

/// A way to tell one session something as the room: a private message of a nickname, which no archive keeps.
#[derive(Debug, Clone)]
pub struct Whisper {
    pub(crate) room: BareJid,
    pub(crate) to: Jid,
    pub(crate) outbox: Arc<Outbox<Outgoing>>,
}

impl Whisper {
    /// Says it under a nickname. A client that is gone hears nothing.
    pub fn say(&self, nick: &str, body: &str) {
        let Ok(from) = self.room.with_resource(nick) else {
            return;
        };
        let mut w = XmlWriter::message();
        w.attr("from", from.as_str())
            .attr("to", self.to.as_str())
            .attr("type", "chat")
            .attr("id", &waddle_core::SessionId::new().to_string())
            .leaf("body", body)
            .empty("x", ns::MUC_USER)
            .empty("no-store", ns::HINTS)
            .empty("no-copy", ns::HINTS);
        let _ = self.outbox.push(w.outgoing(Class::Message));
    }
}

impl Room {
    /// Hands a message to whoever carries commands out, if it is one: `None` where it is for the room.
    pub(crate) fn command(&self, inbound: &Arrived, i: usize) -> Option<Outcome> {
        let (slash, Kind::Channel(channel)) = (self.slash.as_ref()?, &self.kind) else {
            return None;
        };
        let body = inbound.stanza.root().child("body", ns::CLIENT)?;
        let text = body.text();
        if !text.starts_with('/') || !slash.is_command(channel.waddle, &text) {
            return None;
        }
        if inbound.is_acting() {
            let why = "this is a command; run it by POST to commands/{name} of the channel";
            return Some(Err(error::not_acceptable(why)));
        }
        let o = self.occupants.at(i);
        slash.run(Typed {
            waddle: channel.waddle,
            channel: channel.id,
            user: o.user.clone(),
            nick: o.nick.to_string(),
            text: text.into_owned(),
            whisper: Whisper {
                room: self.jid.clone(),
                to: inbound.sender.jid.clone(),
                outbox: inbound.sender.outbox.clone(),
            },
        });
        Some(Ok(()))
    }
}
