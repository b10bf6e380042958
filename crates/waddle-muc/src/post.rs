//! Messages that the server itself puts into a channel: readings of a feed, lines of a bot. They go the way of
//! every message: stored, given an archive identifier, then sent to everybody.

use std::sync::Arc;

use tokio::sync::oneshot;
use waddle_core::Timestamp;
use waddle_stanza::{Class, XmlWriter};

use crate::{
    api::{Post, PostError, Posted},
    fan::Fan,
    nick,
    room::{Kind, Room},
    show::write_occupant_id,
    stamp,
    state::{Effect, Effects, Message, Write},
};

/// What is put behind a nickname that somebody in the room has.
const FEED: &str = " (feed)";

impl Room {
    /// The server posts a message.
    pub(crate) fn post(
        &mut self,
        post: &Post,
        reply: oneshot::Sender<Posted>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        let refusal = match &self.kind {
            Kind::Channel(c) if c.id != post.channel || c.waddle != post.waddle => Some(PostError::NoChannel),
            Kind::Channel(_) if !self.has_place() => Some(PostError::Busy),
            Kind::Channel(_) => None,
            _ => Some(PostError::NoChannel),
        };
        let made = match refusal {
            Some(why) => Err(why),
            None => self.make_post(post),
        };
        let (nick, fan) = match made {
            Ok(made) => made,
            Err(why) => return fx.rest.push(Effect::Posted(reply, Err(why))),
        };
        let message = Message {
            at: now,
            nick,
            author: ["feed:", &post.nick].concat(),
            sender: None,
            retracts: None,
            origin_id: None,
            body: Some(post.body.clone()),
            stanza: fan.whole(),
        };
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            let answer = match result {
                Ok(Some(id)) => {
                    let fan = fan.with(&stamp::stanza_id(id, &room.at));
                    room.broadcast(&fan, fx);
                    room.remember(id, fan, now);
                    Ok(id)
                }
                Ok(None) | Err(_) => Err(PostError::Storage),
            };
            fx.rest.push(Effect::Posted(reply, answer));
        };
        self.write(Write::Message(message), false, Box::new(then), fx);
    }

    fn make_post(&self, post: &Post) -> Result<(Arc<str>, Fan), PostError> {
        let key = nick::key(&post.nick, self.limits.muc_nick_bytes).map_err(|_| PostError::Nick)?;
        let nick = if self.occupants.of_key(&key).is_some() {
            [post.nick.as_str(), FEED].concat()
        } else {
            post.nick.clone()
        };
        let from = self.jid.with_resource(&nick).map_err(|_| PostError::Nick)?;
        let mut w = XmlWriter::message();
        w.attr("from", from.as_str())
            .attr("type", "groupchat")
            .attr("id", &waddle_core::SessionId::new().to_string())
            .leaf("body", &post.body);
        write_occupant_id(&mut w, &self.secret.occupant_id(&["feed:", &post.nick].concat()));
        Ok((nick.into(), Fan::new(w.outgoing(Class::Message))))
    }
}
