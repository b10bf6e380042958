//! Messages that the server itself puts into a channel: readings of a feed, lines of a bot. They go the way of
//! every message: stored, given an archive identifier, then sent to everybody.

use std::sync::Arc;

use tokio::sync::oneshot;
use waddle_core::{Timestamp, UserId};
use waddle_messages::{Facts, text};
use waddle_stanza::{Class, Stanza, XmlWriter};

use crate::{
    api::{FEED, Post, PostError, Posted},
    fan::Fan,
    nick,
    room::{Kind, Room},
    show::write_occupant_id,
    stamp,
    state::{Effect, Effects, Message, Write},
};

/// Who says it, for the archive and for `occupant-id`.
fn author(post: &Post) -> String {
    match &post.poster {
        Some(poster) => poster.author.clone(),
        None => ["feed:", &post.nick].concat(),
    }
}

/// The bot that says it, if one does.
fn bot(post: &Post) -> Option<UserId> {
    let author = post.poster.as_ref()?.author.parse::<UserId>().ok();
    author.filter(UserId::is_bot)
}

/// What a post says beside its text; a feed's line says nothing.
fn facts(post: &Post, fan: &Fan) -> Option<Box<Facts>> {
    post.poster.as_ref()?;
    let stanza = Stanza::parse(fan.whole()).ok()?;
    Facts::of(stanza.root())
}

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
        let bot = bot(post);
        let made = made.and_then(|(nick, fan)| {
            self.may_post_again(bot.as_ref(), &fan, now)?;
            self.screened(post, nick, fan, fx)
        });
        let (nick, body, fan) = match made {
            Ok(made) => made,
            Err(why) => return fx.rest.push(Effect::Posted(reply, Err(why))),
        };
        if let (Some(user), Ok(stanza)) = (&bot, Stanza::parse(fan.whole())) {
            self.has_spoken(user, stanza.root(), now);
        }
        let message = Message {
            at: now,
            nick,
            author: author(post),
            sender: None,
            retracts: None,
            origin_id: None,
            facts: self.mentioning(facts(post, &fan), Some(&body), author(post).parse().ok().as_ref()),
            said: None,
            body: Some(body),
            stanza: fan.whole(),
        };
        let link = message.body.as_deref().and_then(|b| text::links(b, 1).pop());
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            let answer = match result {
                Ok(Some(id)) => {
                    let fan = fan.with(&stamp::stanza_id(id, &room.at));
                    room.broadcast(&fan, fx);
                    room.remember(id, fan, now);
                    if let Some(link) = link {
                        fx.rest.push(Effect::Links(id, link));
                    }
                    Ok(id)
                }
                Ok(None) | Err(_) => Err(PostError::Storage),
            };
            fx.rest.push(Effect::Posted(reply, answer));
        };
        self.write(Write::Message(message), false, Box::new(then), fx);
    }

    /// Slow mode holds for bots as for people; feeds and webhooks have rates of their own.
    fn may_post_again(&self, bot: Option<&UserId>, fan: &Fan, now: Timestamp) -> Result<(), PostError> {
        let (Some(user), Ok(stanza)) = (bot, Stanza::parse(fan.whole())) else {
            return Ok(());
        };
        let may = self.may_speak_again(user, stanza.root(), now);
        may.map(drop).map_err(|_| PostError::Slow)
    }

    /// What programs and devices post is held against the rules of the waddle, as what people say.
    fn screened(
        &self,
        post: &Post,
        nick: Arc<str>,
        fan: Fan,
        fx: &mut Effects,
    ) -> Result<(Arc<str>, String, Fan), PostError> {
        let unruled = self.policy().is_none_or(|p| p.screen().is_none());
        let (false, Ok(stanza)) = (unruled, Stanza::parse(fan.whole())) else {
            return Ok((nick, post.body.clone(), fan));
        };
        match self.screen_post(&author(post), &post.nick, &stanza, fx)? {
            None => Ok((nick, post.body.clone(), fan)),
            Some(body) => {
                let covered = Post {
                    body: body.clone(),
                    ..post.clone()
                };
                let (nick, fan) = self.make_post(&covered)?;
                Ok((nick, body, fan))
            }
        }
    }

    fn make_post(&self, post: &Post) -> Result<(Arc<str>, Fan), PostError> {
        nick::key(&post.nick, self.limits.muc_nick_bytes).map_err(|_| PostError::Nick)?;
        let mark = post.poster.as_ref().map_or(FEED, |poster| poster.mark);
        let nick = [post.nick.as_str(), mark].concat();
        let from = self.jid.with_resource(&nick).map_err(|_| PostError::Nick)?;
        let mut w = XmlWriter::message();
        w.attr("from", from.as_str())
            .attr("type", "groupchat")
            .attr("id", &waddle_core::SessionId::new().to_string())
            .leaf("body", &post.body);
        if let Some(poster) = &post.poster {
            w.trusted(&poster.payload);
        }
        write_occupant_id(&mut w, &self.secret.occupant_id(&author(post)));
        Ok((nick.into(), Fan::new(w.outgoing(Class::Message))))
    }
}
