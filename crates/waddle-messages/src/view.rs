//! A message as people see it: the last text that its author gave it, with all that others added.

use ahash::AHashMap;
use serde::Serialize;
use utoipa::ToSchema;
use waddle_core::{BareJid, ChannelId, Jid, MessageId, Timestamp, UserId};
use waddle_stanza::Stanza;
use waddle_storage::{
    Conn,
    repo::{
        archive::{ArchiveKey, Archived},
        messages,
    },
};

use crate::{Attachment, Facts, Result, text};

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewer {
    /// The person; nobody for the public archive.
    pub user: Option<UserId>,
    /// Whether they see who stood behind the nicknames: members of the waddle do.
    pub addresses: bool,
}

impl Viewer {
    /// Nobody in particular.
    pub fn public() -> Self {
        Self::default()
    }

    /// A person, as far as the waddle knows them.
    pub fn of(access: &waddle_community::WaddleAccess, user: &UserId) -> Self {
        Self {
            user: Some(user.clone()),
            addresses: access.is_member(user),
        }
    }
}

/// What said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthorKind {
    /// Somebody.
    Person,
    /// A feed of devices.
    Feed,
    /// An incoming webhook.
    Webhook,
    /// A bot.
    Bot,
}

/// Who said a message. `user` and `jid` are told to members of the waddle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Author {
    /// What it is.
    pub kind: AuthorKind,
    /// The person.
    pub user: Option<UserId>,
    /// Their address.
    pub jid: Option<BareJid>,
    /// The nickname that they had then.
    pub nick: String,
    /// The name that they have now.
    pub display_name: Option<String>,
}

/// How many people react with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reaction {
    /// With what.
    pub emoji: String,
    /// How many.
    pub count: u64,
    /// Whether the one who asks does.
    pub me: bool,
}

/// Whom a mention is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MentionKind {
    /// One person.
    User,
    /// Everybody who may read the channel.
    Everyone,
    /// Everybody who was in the room.
    Here,
}

/// Somebody who is mentioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mention {
    /// One person, or all.
    pub kind: MentionKind,
    /// The person; told to members of the waddle and to themselves.
    pub user: Option<UserId>,
}

/// What the first link of a message leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// The link.
    pub url: String,
    /// The title.
    pub title: Option<String>,
    /// A sentence or two.
    pub description: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// Whose page it is.
    pub site: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// Its identifier (XEP-0359): identifiers are in the order of the messages.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Who said it.
    pub author: Author,
    /// When it was said.
    pub sent_at: Timestamp,
    /// When it got its present text, where that is not its first.
    pub edited_at: Option<Timestamp>,
    /// The text; empty for what was taken back.
    pub body: String,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The message that its thread began with.
    pub thread_root: Option<MessageId>,
    /// How many messages are in the thread that it began.
    pub replies: u64,
    /// Reactions, those first that were made first.
    pub reactions: Vec<Reaction>,
    /// Who is mentioned.
    pub mentions: Vec<Mention>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What its first link leads to.
    pub preview: Option<Preview>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it was taken back: then only its place is left.
    pub deleted: bool,
}

/// The views of rows of a channel's archive, in their order. What is no line of its own is left out.
pub fn views(
    conn: &Conn,
    key: &ArchiveKey,
    channel: ChannelId,
    viewer: &Viewer,
    rows: Vec<Archived>,
) -> Result<Vec<MessageView>> {
    let ids: Vec<MessageId> = rows.iter().map(|r| r.id).collect();
    let me = viewer.user.as_ref().map(UserId::as_str);
    let links: AHashMap<_, _> = messages::links(conn, &ids)?.into_iter().collect();
    let edited: AHashMap<_, _> = messages::edited(conn, &ids)?.into_iter().collect();
    let replies: AHashMap<_, _> = messages::replies(conn, &ids)?
        .into_iter()
        .map(|(id, n, _)| (id, n))
        .collect();
    let mut previews: AHashMap<_, _> = messages::previews(conn, &ids)?.into_iter().collect();
    let pinned = messages::pinned(conn, key, &ids)?;
    let mut reactions: AHashMap<MessageId, Vec<Reaction>> = AHashMap::new();
    for r in messages::reactions(conn, &ids, me)? {
        reactions.entry(r.target).or_default().push(Reaction {
            emoji: r.emoji,
            count: r.count,
            me: r.me,
        });
    }
    let mut mentions: AHashMap<MessageId, Vec<Mention>> = AHashMap::new();
    for (id, subject) in messages::mentions(conn, &ids)? {
        mentions.entry(id).or_default().push(mention(&subject, viewer));
    }
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let edit = edited.get(&row.id).filter(|_| !row.retracted);
        let said = edit.map_or(&row.stanza, |e| &e.stanza);
        let Ok(stanza) = Stanza::parse(said.clone()) else {
            continue;
        };
        let root = stanza.root();
        let link = links.get(&row.id);
        if !row.retracted && edit.is_none() && Facts::kept(root).is_some_and(|f| !f.is_line) {
            continue;
        }
        all.push(MessageView {
            id: row.id,
            channel_id: channel,
            sent_at: row.at,
            edited_at: edit.map(|e| e.at),
            body: if row.retracted {
                String::new()
            } else {
                text::shown(root)
            },
            reply_to: link.and_then(|l| l.reply_to),
            thread_root: link.and_then(|l| l.root),
            replies: replies.get(&row.id).copied().unwrap_or(0),
            reactions: reactions.remove(&row.id).unwrap_or_default(),
            mentions: mentions.remove(&row.id).unwrap_or_default(),
            attachments: if row.retracted {
                Vec::new()
            } else {
                Attachment::all(root)
            },
            preview: previews.remove(&row.id).map(Preview::from),
            pinned: pinned.contains(&row.id),
            deleted: row.retracted,
            author: author(&row, viewer),
        });
    }
    Ok(all)
}

impl From<messages::Preview> for Preview {
    fn from(p: messages::Preview) -> Self {
        Self {
            url: p.url,
            title: p.title,
            description: p.description,
            image: p.image,
            site: p.site,
        }
    }
}

fn mention(subject: &str, viewer: &Viewer) -> Mention {
    let kind = match subject {
        messages::EVERYONE => MentionKind::Everyone,
        messages::HERE => MentionKind::Here,
        _ => MentionKind::User,
    };
    let user: Option<UserId> = subject.parse().ok();
    Mention {
        kind,
        user: user.filter(|u| viewer.addresses || viewer.user.as_ref() == Some(u)),
    }
}

fn author(row: &Archived, viewer: &Viewer) -> Author {
    let said_by = row.author.as_deref().unwrap_or_default();
    let kind = match said_by.split_once(':') {
        Some(("feed", _)) => AuthorKind::Feed,
        Some(("webhook", _)) => AuthorKind::Webhook,
        Some(("bot", _)) => AuthorKind::Bot,
        _ => AuthorKind::Person,
    };
    let user: Option<UserId> = said_by.parse().ok();
    let shown = viewer.addresses || (user.is_some() && user == viewer.user);
    let jid = row.sender.as_deref().and_then(|j| j.parse::<Jid>().ok());
    Author {
        kind,
        user: user.filter(|_| shown),
        jid: jid.filter(|_| shown).map(|j| j.bare()),
        nick: row.peer.clone().unwrap_or_default(),
        display_name: None,
    }
}
