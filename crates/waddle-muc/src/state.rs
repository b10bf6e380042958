//! The room as a plain reducer: `handle(Input, now)` decides, effects are what the actor then does
//! (`adrs/0001-actors-and-outboxes.md`).
//!
//! There is no clock, mailbox, database or socket here. What must be stored first waits in a queue: nothing
//! that came later becomes visible before it, except that messages do not wait for messages. So the order of
//! commits, the order of broadcasts and the order of the archive are one.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;
use waddle_community::{Finding, RemovalKind, Via};
use waddle_core::{BareJid, Jid, MessageId, Timestamp, UserId};
use waddle_messages::{Facts, News, NewsKind};
use waddle_outbox::Outbox;
use waddle_stanza::{Kind, Outgoing, Stanza, retract::Moderated};
use waddle_storage::repo::{
    messages,
    room_hats::StoredHats,
    rooms::{Affiliate, RoomSettings, Subject},
};

use crate::{
    api::{Arrived, Post, PostError, Posted, Sender},
    channel_config::Wanted,
    direct::{GroupChange, Grouped},
    error,
    hats::{HatAnswer, HatInput},
    manage::Manage,
    purge::{Announced, Batch, Purged},
    room::Room,
    standing::Affiliation,
};

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// Somebody sent a stanza to it.
    Stanza(Arrived),
    /// A session is over.
    Ended(Jid),
    /// The server posts a message.
    Post(Post, oneshot::Sender<Posted>),
    /// A part of what somebody said is to be retracted.
    Purge(Box<Batch>, oneshot::Sender<Purged>),
    /// A change of a small private group.
    Group(GroupChange, oneshot::Sender<Grouped>),
    /// The channel's slow mode: seconds between two messages of one person.
    Slow(u32),
    /// Somebody asks about hats, or for other ones.
    Hats(HatInput),
    /// A write is committed, or failed.
    Written(u64, Written),
    /// Somebody does something from elsewhere than a client, under this nickname if they are not in the room.
    Act(Arrived, String),
    /// Messages before this one have expired.
    Expired(MessageId),
    /// What a message links to was looked at.
    Previewed(MessageId, Box<messages::Preview>),
    /// The permissions of these people changed; of everybody, without a list.
    Recheck(Option<Vec<UserId>>),
    /// Somebody left the waddle, or was made to.
    Removed(UserId, RemovalKind, Option<Arc<str>>),
    /// Somebody has other custom roles; without a person, all of them may look other than before.
    Roles(Option<UserId>),
    /// The community has changed the topic as somebody asked, or says why not.
    Topic(Box<(Arrived, String, error::Outcome)>),
    /// The channel's name, description, kind or visibility changed.
    Renewed(Box<RoomSettings>),
    /// The channel or its waddle is gone.
    Deleted,
    /// A waddle has taken the slug that the room's name begins with.
    Claimed,
    /// Somebody took back their registrations with all rooms.
    Unregistered(BareJid),
    /// A fault of the program, for tests of what follows.
    #[cfg(test)]
    Fault,
}

/// What was stored, where it was a message.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The identifier that it was given.
    pub id: MessageId,
    /// What it did.
    pub news: NewsKind,
    /// Messages of which nothing is left.
    pub gone: Vec<MessageId>,
    /// Who has read up to where, where that is further than before.
    pub read: Option<(UserId, MessageId)>,
}

/// The result of a write.
pub type Written = Result<Option<Stored>, WriteFailed>;

/// The same for what goes on then; messages bring the identifier they were given.
pub type WriteResult = Result<Option<MessageId>, WriteFailed>;

/// A write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteFailed {
    /// Whether the same may work later.
    pub temporary: bool,
    /// Why a retraction was not made, where it was one.
    pub unretracted: Option<Unretracted>,
}

/// Why a message cannot be retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unretracted {
    /// It is not there (any more).
    NotFound,
    /// It is somebody else's.
    Forbidden,
    /// It was to be pinned, and as many are as may be.
    TooMany,
}

/// One stanza for one outbox.
#[derive(Debug)]
pub struct Delivery {
    /// Whose.
    pub outbox: Arc<Outbox<Outgoing>>,
    /// What.
    pub item: Outgoing,
    /// Whether a busy outbox may go without it.
    pub droppable: bool,
}

/// What the actor must do besides delivering.
#[derive(Debug)]
pub enum Effect {
    /// Write, and report with `Input::Written` and this number.
    Write(u64, Box<Write>),
    /// Answer an archive query (XEP-0313), off the actor; the asker sees real addresses, or not.
    Archive(Box<Arrived>, bool),
    /// Change the waddle's members, off the actor.
    Manage(Box<Arrived>, Manage),
    /// Show or change the channel's configuration, off the actor.
    Configure(Box<Arrived>, Wanted),
    /// List the waddle's members, off the actor.
    List(Box<Arrived>, Affiliation),
    /// Invite people who may not enter yet, then tell them, off the actor.
    Invite(Box<Arrived>, Vec<(Jid, Outgoing)>),
    /// Somebody who was invited comes, off the actor.
    Welcome(Box<Arrived>),
    /// Send something to an address that may not be here.
    Outside(Jid, Outgoing),
    /// Change or list the waddle's roles as hats, off the actor.
    ChannelHats(HatInput),
    /// Answer whoever asked about hats.
    Hats(oneshot::Sender<HatAnswer>, HatAnswer),
    /// Answer whoever wanted something purged.
    Purged(oneshot::Sender<Purged>, Purged),
    /// Answer whoever wanted a group changed.
    Grouped(oneshot::Sender<Grouped>, Grouped),
    /// File what a rule found.
    Found(Box<Finding>),
    /// A rule silences somebody for so many seconds.
    Silence {
        /// Whom.
        user: UserId,
        /// For how long.
        seconds: u32,
        /// Why.
        reason: String,
    },
    /// Note what a moderator did for this visit alone.
    Note(Box<Noted>),
    /// Tell what was done.
    News(News),
    /// Tell that something was done in a small group.
    GroupNews(MessageId),
    /// List the pinned messages, off the actor.
    Pins(Box<Arrived>),
    /// Somebody has read up to this message.
    Read(UserId, MessageId),
    /// Look at what a message links to.
    Links(MessageId, String),
    /// Answer whoever posted.
    Posted(oneshot::Sender<Posted>, Posted),
}

/// What a moderator did, for the audit log.
#[derive(Debug)]
pub struct Noted {
    /// Who.
    pub actor: UserId,
    /// Their session.
    pub session: Jid,
    /// What, e.g. `occupant.kick`.
    pub action: &'static str,
    /// To whom.
    pub target: String,
    /// More.
    pub detail: String,
    /// Why.
    pub reason: Option<String>,
}

/// What is written.
#[derive(Debug)]
pub enum Write {
    /// A message of the archive.
    Message(Message),
    /// What a message links to.
    Preview(MessageId, Box<messages::Preview>),
    /// Retractions, part of a purge; what they are called in the archive.
    Purge(i64, Vec<Message>, Announced),
    /// A subject, and its message for the archive.
    Subject(Subject, Option<Message>),
    /// Settings of a plain room, and people who are entered with them.
    Settings(Box<RoomSettings>, Vec<Affiliate>),
    /// People of a plain room.
    Affiliates(Vec<Affiliate>),
    /// A plain room's hats.
    Hats(StoredHats),
    /// A plain room's vCard.
    Avatar(Option<Bytes>),
    /// The end of a plain room.
    Delete,
}

/// A message for the archive.
#[derive(Debug)]
pub struct Message {
    /// When it came in.
    pub at: Timestamp,
    /// Nickname.
    pub nick: Arc<str>,
    /// Who sent it.
    pub author: String,
    /// The full address that it came from.
    pub sender: Option<Jid>,
    /// The message that it takes back.
    pub retracts: Option<Retracts>,
    /// The sender's own identifier (XEP-0359).
    pub origin_id: Option<String>,
    /// What it says of other messages, files and people.
    pub facts: Option<Box<Facts>>,
    /// The `id` that its author gave it.
    pub said: Option<String>,
    /// Readable text.
    pub body: Option<String>,
    /// The stanza without `to` and without its archive identifier.
    pub stanza: Bytes,
}

/// A message that another one takes back (XEP-0424, XEP-0425).
#[derive(Debug)]
pub struct Retracts {
    /// Which.
    pub id: MessageId,
    /// The `id` of the other one.
    pub by_message: Option<String>,
    /// Where a moderator does it; else only its author may.
    pub moderated: Option<Moderated>,
    /// From where it came, where somebody asked for this one message.
    pub asker: Option<Asker>,
}

/// From where a moderator asked for something.
#[derive(Debug)]
pub struct Asker {
    /// Their session.
    pub session: Jid,
    /// The way it came; none yet, where it came from a client.
    pub via: Option<Arc<Via>>,
}

/// What the actor does after an input.
#[derive(Debug, Default)]
pub struct Effects {
    /// Stanzas for clients, in order.
    pub deliveries: Vec<Delivery>,
    /// Everything else, in order.
    pub rest: Vec<Effect>,
}

impl Effects {
    /// Sends to whoever sent something.
    pub fn reply(&mut self, sender: &Sender, item: Outgoing) {
        self.push(&sender.outbox, item, false);
    }

    /// Sends a refusal, where one may be sent.
    pub fn refuse(&mut self, stanza: &Stanza, sender: &Sender, why: &error::Refusal) {
        if let Some(item) = why.reply(stanza, sender) {
            self.reply(sender, item);
        }
    }

    /// Adds what is to come behind.
    pub fn append(&mut self, mut later: Self) {
        self.deliveries.append(&mut later.deliveries);
        self.rest.append(&mut later.rest);
    }

    /// Sends to a session.
    pub fn push(&mut self, outbox: &Arc<Outbox<Outgoing>>, item: Outgoing, droppable: bool) {
        self.deliveries.push(Delivery {
            outbox: outbox.clone(),
            item,
            droppable,
        });
    }
}

/// What a sender is told while too much waits.
pub(crate) const BUSY: &str = "this room is busy; send it again in a moment";

/// What goes on once a write is committed.
pub(crate) type Then = Box<dyn FnOnce(&mut Room, WriteResult, Timestamp, &mut Effects) + Send>;

enum Slot {
    Write {
        token: u64,
        result: Option<Written>,
        barrier: bool,
        then: Then,
    },
    Later(Input),
}

/// What waits, oldest first.
#[derive(Default)]
pub(crate) struct Queue {
    slots: VecDeque<Slot>,
    token: u64,
    /// Slots that messages wait for too.
    barriers: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Queue({} waiting, {} barriers)",
            self.slots.len(),
            self.barriers
        )
    }
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl Room {
    /// Handles an input; what is to be done is added to `fx`.
    pub fn handle(&mut self, input: Input, now: Timestamp, fx: &mut Effects) {
        if let Input::Written(token, result) = input {
            self.written(token, result, now, fx);
        } else {
            self.admit(input, now, fx);
        }
    }

    /// Handles an input now, or later if something before it is not yet stored.
    fn admit(&mut self, input: Input, now: Timestamp, fx: &mut Effects) {
        let message = match &input {
            Input::Stanza(i) => i.stanza.kind() == Kind::Message,
            Input::Act(i, _) => i.stanza.kind() == Kind::Message,
            Input::Post(..) | Input::Purge(..) | Input::Previewed(..) => true,
            _ => false,
        };
        if self.queue.is_empty() || (message && self.queue.barriers == 0) {
            return self.act(input, now, fx);
        }
        if !self.has_place()
            && matches!(
                input,
                Input::Stanza(_)
                    | Input::Act(..)
                    | Input::Post(..)
                    | Input::Hats(_)
                    | Input::Purge(..)
                    | Input::Group(..)
                    | Input::Previewed(..)
            )
        {
            return Self::refuse_input(input, &error::busy(BUSY), fx);
        }
        self.queue.barriers += 1;
        self.queue.slots.push_back(Slot::Later(input));
    }

    /// Handles an input now.
    fn act(&mut self, input: Input, now: Timestamp, fx: &mut Effects) {
        match input {
            Input::Stanza(inbound) => self.stanza(inbound, now, fx),
            Input::Act(inbound, nick) => self.act_for(inbound, &nick, now, fx),
            Input::Expired(below) => self.expired(below),
            Input::Previewed(id, preview) => self.previewed(id, *preview, fx),
            Input::Ended(jid) => self.session_ended(&jid, fx),
            Input::Post(post, reply) => self.post(&post, reply, now, fx),
            Input::Hats(input) => self.hats(input, fx),
            Input::Purge(batch, reply) => self.purge(&batch, reply, now, fx),
            Input::Group(change, reply) => self.change_group(change, reply, now, fx),
            Input::Slow(seconds) => self.slow.set(seconds),
            Input::Recheck(users) => self.recheck(users.as_deref(), fx),
            Input::Removed(user, removal, reason) => self.removed(&user, removal, reason.as_deref(), fx),
            Input::Roles(user) => self.renew_hats_of(user.as_ref(), fx),
            Input::Topic(topic) => {
                let (inbound, text, answer) = *topic;
                self.topic_answered(inbound, text, answer, now, fx);
            }
            Input::Renewed(settings) => self.renewed(*settings, now, fx),
            Input::Deleted => self.channel_deleted(fx),
            Input::Claimed => self.claimed(fx),
            Input::Unregistered(bare) => self.unregistered(&bare, now, fx),
            Input::Written(..) => {}
            #[cfg(test)]
            Input::Fault => panic!("as asked"),
        }
    }

    /// Asks for a write. With `barrier` nothing at all passes it, without it messages do.
    pub(crate) fn write(&mut self, write: Write, barrier: bool, then: Then, fx: &mut Effects) {
        self.queue.token += 1;
        let token = self.queue.token;
        self.queue.barriers += usize::from(barrier);
        self.queue.slots.push_back(Slot::Write {
            token,
            result: None,
            barrier,
            then,
        });
        fx.rest.push(Effect::Write(token, Box::new(write)));
    }

    /// Does something when all that waits now is done; at once if nothing waits.
    pub(crate) fn in_turn(&mut self, then: Then, now: Timestamp, fx: &mut Effects) {
        if self.queue.is_empty() {
            return then(self, Ok(None), now, fx);
        }
        self.queue.slots.push_back(Slot::Write {
            token: 0,
            result: Some(Ok(None)),
            barrier: false,
            then,
        });
    }

    /// Whether one more message may wait.
    pub(crate) fn has_place(&self) -> bool {
        self.queue.slots.len() < self.limits.muc_pending
    }

    fn written(&mut self, token: u64, result: Written, now: Timestamp, fx: &mut Effects) {
        for slot in &mut self.queue.slots {
            if let Slot::Write {
                token: t, result: r, ..
            } = slot
                && *t == token
            {
                *r = Some(result);
                break;
            }
        }
        loop {
            match self.queue.slots.pop_front() {
                Some(Slot::Write {
                    result: Some(result),
                    barrier,
                    then,
                    ..
                }) => {
                    self.queue.barriers -= usize::from(barrier);
                    if let Ok(Some(stored)) = &result {
                        self.stored(stored, fx);
                    }
                    then(self, result.map(|stored| stored.map(|s| s.id)), now, fx);
                }
                Some(Slot::Later(input)) => {
                    // What it writes must stay before what came later: the rest is admitted behind it.
                    let rest = std::mem::take(&mut self.queue.slots);
                    self.queue.barriers = 0;
                    self.act(input, now, fx);
                    for slot in rest {
                        match slot {
                            Slot::Later(input) => self.admit(input, now, fx),
                            Slot::Write { barrier, .. } => {
                                self.queue.barriers += usize::from(barrier);
                                self.queue.slots.push_back(slot);
                            }
                        }
                    }
                }
                Some(waiting) => return self.queue.slots.push_front(waiting),
                None => return,
            }
        }
    }

    /// Answers what cannot wait any more with the reason, when the room must stop.
    pub fn refuse_all(&mut self, fx: &mut Effects) {
        self.queue.barriers = 0;
        for slot in std::mem::take(&mut self.queue.slots) {
            if let Slot::Later(input) = slot {
                Self::refuse_input(input, &error::busy("the room restarts; try again"), fx);
            }
        }
    }

    /// Answers an input that is not taken.
    pub fn refuse_input(input: Input, why: &error::Refusal, fx: &mut Effects) {
        match input {
            Input::Stanza(i) => fx.refuse(&i.stanza, &i.sender, why),
            Input::Act(i, _) => i.answer(Err(why.clone())),
            Input::Topic(t) => fx.refuse(&t.0.stanza, &t.0.sender, why),
            Input::Post(_, reply) => fx.rest.push(Effect::Posted(reply, Err(PostError::Busy))),
            Input::Hats(input) => fx.rest.push(Effect::Hats(input.reply, Err(why.clone()))),
            Input::Purge(_, reply) => fx.rest.push(Effect::Purged(reply, Err(why.clone()))),
            Input::Group(_, reply) => fx.rest.push(Effect::Grouped(reply, Err(why.clone()))),
            _ => {}
        }
    }

    fn stanza(&mut self, inbound: Arrived, now: Timestamp, fx: &mut Effects) {
        let (stanza, sender) = (inbound.stanza.clone(), inbound.sender.clone());
        let outcome = match stanza.kind() {
            Kind::Message => self.message(inbound, now, fx),
            Kind::Presence => self.presence(&inbound, now, fx),
            Kind::Iq => self.iq(inbound, now, fx),
            Kind::Other => Ok(()),
        };
        if let Err(why) = outcome {
            fx.refuse(&stanza, &sender, &why);
        }
    }
}
