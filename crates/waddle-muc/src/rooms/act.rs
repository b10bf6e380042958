//! What people do with messages by other means than a client, and what everybody else hears of it: [`Rooms::say`],
//! [`Rooms::act`], [`Rooms::news`].

use std::{
    hash::{Hash as _, Hasher as _},
    sync::Arc,
};

use tokio::sync::{Mutex, broadcast, oneshot};
use waddle_core::{BareJid, ChannelId, MessageId, RoomName, SessionId, UserId, WaddleId};
use waddle_messages::{Act, Attachment, NewMessage, News, facts};
use waddle_outbox::Outbox;
use waddle_stanza::{Stanza, XmlWriter, ns};
use waddle_storage::{
    Db, StorageError,
    repo::{
        accounts::Accounts,
        archive::{self, ArchiveKey, Archived},
        messages::{self, Preview},
    },
};

use super::Rooms;
use crate::{
    api::{ActError, Arrived, Sender},
    direct::GroupNews,
    error, nick,
    room::members_only,
    state::Input,
};

/// XEP-0461.
const REPLY: &str = "urn:xmpp:reply:0";
/// How the resource begins that stanzas of people come from who use no client.
const RESOURCE: &str = "http-";

/// Looks at what messages link to, aside.
pub trait Previewer: Send + Sync + 'static {
    /// A message links to this. What is found is told by [`Rooms::previewed`]; nothing must be.
    fn look(&self, waddle: WaddleId, channel: ChannelId, message: MessageId, url: String);
}

/// Hears up to where somebody has read a room. Must be quick.
pub type Reading = Arc<dyn Fn(UserId, BareJid, MessageId) + Send + Sync>;

/// A person who is no client.
struct Person {
    user: UserId,
    bare: BareJid,
    nick: String,
}

/// A channel, and what is kept of it.
struct Place {
    name: String,
    jid: BareJid,
    db: Db,
    key: ArchiveKey,
}

impl Rooms {
    /// What is done to messages of channels from now on, each after its commit. A receiver that lags reads the archive
    /// (`waddle_messages::news::since`).
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.0.news.subscribe()
    }

    /// What is done in small groups from now on, each after its commit.
    pub fn group_news(&self) -> broadcast::Receiver<GroupNews> {
        self.0.group_news.subscribe()
    }

    /// Who looks at links. Set once; without one there are no previews.
    pub fn set_previewer(&self, previewer: Arc<dyn Previewer>) {
        let _ = self.0.previewer.set(previewer);
    }

    /// Who tells a person's devices up to where they have read. Set once.
    pub fn set_reading(&self, reading: Reading) {
        let _ = self.0.reading.set(reading);
    }

    /// Somebody has read a channel by other means than a client of theirs: their devices are told.
    pub fn has_read(&self, user: &UserId, waddle: WaddleId, channel: ChannelId, id: MessageId) {
        let (this, user) = (self.clone(), user.clone());
        tokio::spawn(async move {
            let Some(reading) = this.0.reading.get() else {
                return;
            };
            let Some(name) = this.name_of(waddle, channel).await else {
                return;
            };
            if let Ok(room) = BareJid::new(Some(&name), this.0.service.domain()) {
                reading(user, room, id);
            }
        });
    }

    /// What a message links to is known; the room is told.
    pub async fn previewed(
        &self,
        waddle: WaddleId,
        channel: ChannelId,
        message: MessageId,
        preview: Preview,
    ) {
        if let Some(name) = self.name_of(waddle, channel).await {
            self.0.send(&name, Input::Previewed(message, Box::new(preview)));
        }
    }

    /// Messages of a channel before this one have expired.
    pub async fn expired(&self, waddle: WaddleId, channel: ChannelId, below: MessageId) {
        if let Some(name) = self.name_of(waddle, channel).await {
            self.0.tell(&name, Input::Expired(below));
        }
    }

    /// Says something in a channel as a person, by every rule of the room; resolves when it is stored and on its way.
    pub async fn say(
        &self,
        user: &UserId,
        waddle: WaddleId,
        channel: ChannelId,
        message: NewMessage,
    ) -> Result<MessageId, ActError> {
        self.act(user, waddle, channel, Act::Say(message)).await
    }

    /// Does something with messages of a channel as a person, by every rule of the room. Answers what the archive calls it: a
    /// new message, a correction, a retraction and so on.
    pub async fn act(
        &self,
        user: &UserId,
        waddle: WaddleId,
        channel: ChannelId,
        act: Act,
    ) -> Result<MessageId, ActError> {
        let name = self.name_of(waddle, channel).await.ok_or_else(members_only)?;
        let place = Place {
            jid: BareJid::new(Some(&name), self.0.service.domain()).map_err(|_| ActError::NoMessage)?,
            name,
            db: self.0.deps.storage.waddle(waddle).await.map_err(|e| stored(&e))?,
            key: ArchiveKey::channel(channel),
        };
        let access = self.0.deps.community.access(waddle).await;
        let access = access.map_err(|_| ActError::Storage)?;
        // Nobody learns from an answer what is in a channel that they may not read.
        if !access.channel_allows(channel, "join", user) {
            return Err(members_only().into());
        }
        let person = self.person(user).await?;
        let _one_at_a_time = match &act {
            Act::ReactWith { .. } => Some(self.reacting(user).lock().await),
            _ => None,
        };
        let stanza = self.stanza(&place, &person, act).await?;
        let (send, receive) = oneshot::channel();
        let limits = &self.0.deps.limits;
        let sender = Sender {
            jid: person
                .bare
                // One that no client of theirs has: it is in the room for this moment only.
                .with_resource(&[RESOURCE, &SessionId::new().to_string()].concat())
                .map_err(|_| ActError::Storage)?,
            user: person.user,
            outbox: Arc::new(Outbox::new(limits.xmpp_outbox_stanzas, limits.xmpp_outbox_bytes)),
        };
        let stanza = stanza
            .head()
            .from(sender.jid.as_str())
            .build()
            .to_stanza()
            .map_err(|_| ActError::Invalid("the text has characters that are not allowed"))?;
        let inbound = Arrived::acting(stanza, sender, send);
        self.0.send(&place.name, Input::Act(inbound, person.nick));
        match receive.await {
            Ok(acted) => Ok(acted?),
            Err(_) => Err(ActError::Storage),
        }
    }

    /// The turn of a person who adds or takes one reaction.
    fn reacting(&self, user: &UserId) -> &Mutex<()> {
        let lanes = &self.0.reacting;
        let mut hasher = std::hash::DefaultHasher::new();
        user.hash(&mut hasher);
        &lanes[hasher.finish() as usize % lanes.len()]
    }

    async fn name_of(&self, waddle: WaddleId, channel: ChannelId) -> Option<String> {
        let community = &self.0.deps.community;
        let slug = community.waddle_by_id(waddle)?.slug.clone();
        let channel = community.channel(waddle, channel).await.ok()??;
        Some(RoomName::localpart(&slug, &channel.slug))
    }

    async fn person(&self, user: &UserId) -> Result<Person, ActError> {
        let server = self.0.deps.storage.server();
        let account = Accounts(&server).by_user(user).await.map_err(|e| stored(&e))?;
        let account =
            account.ok_or_else(|| error::forbidden("only people with an account here may do this"))?;
        let bare =
            BareJid::new(Some(&account.localpart), &self.0.deps.domain).map_err(|_| ActError::Storage)?;
        let most = self.0.deps.limits.muc_nick_bytes;
        let names = [account.display_name, account.handle, Some(account.localpart)];
        let usable = |name: &String| nick::key(name, most).is_ok_and(|k| !nick::is_marked(&k));
        Ok(Person {
            user: user.clone(),
            nick: names.into_iter().flatten().find(usable).unwrap_or_default(),
            bare,
        })
    }

    /// The stanza that a client would send.
    async fn stanza(&self, place: &Place, person: &Person, act: Act) -> Result<Stanza, ActError> {
        let limits = &self.0.deps.limits;
        let id = SessionId::new().to_string();
        let mut w = XmlWriter::message();
        let to = place.jid.as_str();
        match act {
            Act::Say(message) => {
                check(&message, limits)?;
                let id = message.id.as_deref().unwrap_or(&id);
                w.attr("to", to).attr("type", "groupchat").attr("id", id);
                if !message.body.is_empty() {
                    w.leaf("body", &message.body);
                } else if let Some(first) = message.attachments.first() {
                    w.leaf("body", &first.url);
                }
                w.open_ns("origin-id", ns::SID).attr("id", id).close();
                if let Some(target) = message.reply_to {
                    let target = row(place, target).await?;
                    write_reply(&mut w, &target);
                } else if let Some(root) = message.thread_root {
                    let root = row(place, root).await?;
                    let (db, root) = (place.db.clone(), root.id);
                    let root = db.read(move |c| messages::root_of(c, root).map(|r| r.unwrap_or(root)));
                    let root = root.await.map_err(|e| stored(&e))?;
                    w.leaf("thread", &root.to_string());
                }
                for file in &message.attachments {
                    file.write(&mut w);
                }
            }
            Act::Edit { id: target, body } => {
                if body.is_empty() || body.len() > limits.message_bytes {
                    return Err(ActError::Invalid("the text is empty or too long"));
                }
                let (said, files) = self.editable(place, person, target).await?;
                w.attr("to", to).attr("type", "groupchat").attr("id", &id);
                w.leaf("body", &body);
                w.open_ns("replace", facts::CORRECT).attr("id", &said).close();
                w.open_ns("origin-id", ns::SID).attr("id", &id).close();
                for file in files {
                    file.write(&mut w);
                }
            }
            Act::Retract { id: target } => {
                row(place, target).await?;
                w.attr("to", to).attr("type", "groupchat").attr("id", &id);
                w.open_ns("retract", ns::RETRACT)
                    .attr_display("id", target)
                    .close();
                w.empty("store", ns::HINTS);
            }
            Act::React { id: target, emojis } => {
                row(place, target).await?;
                self.write_reactions(&mut w, to, &id, target, &emojis)?;
            }
            Act::ReactWith {
                id: target,
                emoji,
                add,
            } => {
                let target = row(place, target).await?.id;
                let (db, user) = (place.db.clone(), person.user.clone());
                let now = db.read(move |c| messages::reactions_of(c, target, user.as_str()));
                let mut emojis = now.await.map_err(|e| stored(&e))?;
                emojis.retain(|e| *e != emoji);
                if add {
                    emojis.push(emoji);
                }
                self.write_reactions(&mut w, to, &id, target, &emojis)?;
            }
            Act::Moderate { id: target, reason } => {
                w = XmlWriter::iq();
                w.attr("to", to).attr("type", "set").attr("id", &id);
                w.open_ns("moderate", ns::MODERATE).attr_display("id", target);
                w.empty("retract", ns::RETRACT);
                if let Some(reason) = &reason {
                    w.leaf("reason", reason);
                }
                w.close();
            }
            Act::Pin { id: target, pinned } => {
                w = XmlWriter::iq();
                w.attr("to", to).attr("type", "set").attr("id", &id);
                w.open_ns(if pinned { "pin" } else { "unpin" }, facts::PINS)
                    .attr_display("id", target)
                    .close();
            }
        }
        Stanza::parse(w.finish())
            .map_err(|_| ActError::Invalid("the text has characters that are not allowed"))
    }

    /// What the author calls a message that they may change, and its files.
    async fn editable(
        &self,
        place: &Place,
        person: &Person,
        target: MessageId,
    ) -> Result<(String, Vec<Attachment>), ActError> {
        let row = row(place, target).await?;
        if row.author.as_deref() != Some(person.user.as_str()) {
            return Err(error::forbidden("you may change only what you said yourself").into());
        }
        let too_old = ActError::Invalid("this message is too old to be changed; say it anew");
        let said = Stanza::parse(row.stanza.clone()).ok();
        let said = said.and_then(|s| s.id().map(std::borrow::Cow::into_owned));
        let said = said.ok_or_else(|| too_old.clone())?;
        let (key, author, reach) = (
            place.key.clone(),
            person.user.clone(),
            self.0.deps.limits.message_correction_reach,
        );
        let (name, id) = (said.clone(), row.id);
        let read = place.db.read(move |c| {
            let found = messages::named(c, &key, author.as_str(), &name, reach)?;
            Ok((found, messages::edited(c, &[id])?.pop()))
        });
        let (found, edited) = read.await.map_err(|e| stored(&e))?;
        if found != Some(row.id) {
            return Err(too_old);
        }
        let last = edited.map_or(row.stanza, |(_, e)| e.stanza);
        let files = Stanza::parse(last).map_or_else(|_| Vec::new(), |s| Attachment::all(s.root()));
        Ok((said, files))
    }

    fn write_reactions(
        &self,
        w: &mut XmlWriter,
        to: &str,
        id: &str,
        target: MessageId,
        emojis: &[String],
    ) -> Result<(), ActError> {
        if emojis.len() > self.0.deps.limits.message_reactions {
            return Err(ActError::Invalid(
                "too many reactions to one message; take some back",
            ));
        }
        if !emojis.iter().all(|e| facts::is_emoji(e)) {
            return Err(ActError::Invalid("a reaction is one emoji"));
        }
        w.attr("to", to).attr("type", "groupchat").attr("id", id);
        w.open_ns("reactions", facts::REACTIONS)
            .attr_display("id", target);
        for emoji in emojis {
            w.leaf("reaction", emoji);
        }
        w.close();
        w.empty("store", ns::HINTS);
        Ok(())
    }
}

fn check(message: &NewMessage, limits: &waddle_core::Limits) -> Result<(), ActError> {
    if message.body.is_empty() && message.attachments.is_empty() {
        return Err(ActError::Invalid("a message has a text or a file"));
    }
    if message.body.len() > limits.message_bytes {
        return Err(ActError::Invalid("the text is too long"));
    }
    if message.attachments.len() > limits.message_files {
        return Err(ActError::Invalid("too many files in one message"));
    }
    let web = |a: &Attachment| url_is_web(&a.url);
    if !message.attachments.iter().all(web) {
        return Err(ActError::Invalid("a file is named by an http or https address"));
    }
    Ok(())
}

fn url_is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn write_reply(w: &mut XmlWriter, target: &Archived) {
    let from = Stanza::parse(target.stanza.clone()).ok();
    let from = from.and_then(|s| s.from().ok().flatten());
    w.open_ns("reply", REPLY)
        .attr_opt("to", from.as_ref().map(waddle_core::Jid::as_str))
        .attr_display("id", target.id)
        .close();
}

/// A message that is there; a correction stands for the message that it corrects.
async fn row(place: &Place, id: MessageId) -> Result<Archived, ActError> {
    let key = place.key.clone();
    let read = place.db.read(move |c| {
        let id = messages::first_of(c, id)?;
        archive::get(c, &key, id)
    });
    match read.await {
        Ok(row) if !row.retracted => Ok(row),
        Ok(_) | Err(StorageError::NotFound) => Err(ActError::NoMessage),
        Err(e) => Err(stored(&e)),
    }
}

fn stored(e: &StorageError) -> ActError {
    tracing::warn!(error = %e, "messages cannot be read");
    ActError::Storage
}
