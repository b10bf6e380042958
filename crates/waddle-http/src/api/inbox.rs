//! `/inbox`, `/channels/{c}/read`: what one has not read, on all one's devices the same (`specs/messages.md`).

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{ChannelId, MessageId, Slug, Timestamp, WaddleId};
use waddle_messages::{
    MessageView,
    inbox::{self, Bounds, Conversation, DirectView, With},
};

use super::{channels::room_jid, messages::place};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(read, mark))
}

/// What was said last to or by a person, or in a small private group.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectMessageView {
    id: MessageId,
    sent_at: Timestamp,
    /// Whether one said it oneself.
    mine: bool,
    /// Empty where it is encrypted or was taken back.
    body: String,
    deleted: bool,
}

/// A channel, a small private group or a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationView {
    /// The address of the room or the person.
    jid: String,
    /// Of a channel.
    waddle_id: Option<WaddleId>,
    /// Of a channel.
    waddle_slug: Option<Slug>,
    /// Of a channel.
    channel_id: Option<ChannelId>,
    /// The name of the channel or group.
    name: Option<String>,
    /// What was said last in the channel.
    last_message: Option<MessageView>,
    /// What was said last to or by the person, or in the group.
    last_direct: Option<DirectMessageView>,
    /// Up to where one has read.
    read: Option<MessageId>,
    /// Messages of others behind it; counted up to a bound.
    unread: u64,
    /// Those of them that mention one.
    mentions: u64,
}

/// An inbox, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inbox {
    conversations: Vec<ConversationView>,
    /// Where counts end: this many stands for as many or more.
    counted_to: usize,
    /// The cursor of the next page.
    next: Option<String>,
}

fn view(domain: &str, c: Conversation) -> ConversationView {
    let (read, unread) = (c.read, c.unread);
    let empty = ConversationView {
        jid: String::new(),
        waddle_id: None,
        waddle_slug: None,
        channel_id: None,
        name: None,
        last_message: None,
        last_direct: None,
        read,
        unread: unread.messages,
        mentions: unread.mentions,
    };
    match c.with {
        With::Channel {
            waddle,
            channel,
            last,
            ..
        } => {
            let local = waddle_community::room_localpart(&waddle, &channel);
            ConversationView {
                jid: room_jid(&local, domain),
                waddle_id: Some(waddle.id),
                waddle_slug: Some(waddle.slug.clone()),
                channel_id: Some(channel.id),
                name: Some(channel.name.clone()),
                last_message: last.map(|m| *m),
                ..empty
            }
        }
        With::Direct { peer, last } => ConversationView {
            jid: peer.to_string(),
            last_direct: Some(last.into()),
            ..empty
        },
        With::Group { group, last } => ConversationView {
            jid: room_jid(&group.room, domain),
            name: Some(group.name.clone()),
            last_direct: last.map(Into::into),
            ..empty
        },
    }
}

impl From<DirectView> for DirectMessageView {
    fn from(last: DirectView) -> Self {
        Self {
            id: last.id,
            sent_at: last.sent_at,
            mine: last.mine,
            body: last.body,
            deleted: last.deleted,
        }
    }
}

/// One's channels, groups and conversations, with what one has not read.
#[utoipa::path(get, path = "/inbox", tag = "messages", security(("token" = ["read"])), params(Paging),
    responses((status = 200, description = "A page.", body = Inbox)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Query(paging): Query<Paging>,
) -> Result<Json<Inbox>, Problem> {
    let limits = &app.config.limits;
    let bounds = Bounds {
        counted: limits.message_unread,
        channels: limits.inbox_channels,
        direct: limits.inbox_direct,
        groups: limits.direct_groups,
        reach: limits.inbox_reach,
    };
    let (limit, after) = (paging.limit()?, paging.after::<(i64, String)>("inbox")?);
    let (community, user) = (&app.deps.community, auth.user());
    let me = app.deps.identity.jid_of(user).await?;
    let me = me.ok_or_else(Problem::unauthorized)?;
    let heads = inbox::index(community, user, &me, bounds).await?.heads;
    let begin = after.map_or(0, |(id, name)| {
        let place = (MessageId(id), name);
        heads.partition_point(|h| h.place() >= place)
    });
    let end = begin.saturating_add(limit).min(heads.len());
    let page = heads.get(begin..end).unwrap_or_default();
    let last = page
        .last()
        .filter(|_| end < heads.len())
        .map(waddle_messages::inbox::Head::place);
    let read = inbox::read(community, user, page, bounds.counted).await?;
    Ok(Json(Inbox {
        conversations: read.into_iter().map(|c| view(&app.config.domain, c)).collect(),
        counted_to: bounds.counted,
        next: last.and_then(|(id, name)| next("inbox", &(id.0, name))),
    }))
}

/// Up to where one has read a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadView {
    /// The last message that one has seen.
    id: Option<MessageId>,
    /// Messages of others behind it; counted up to a bound.
    unread: u64,
    /// Those of them that mention one.
    mentions: u64,
}

/// Up to where one has read a channel.
#[utoipa::path(get, path = "/channels/{c}/read", tag = "messages", security(("token" = ["read"])),
    responses((status = 200, description = "Up to there.", body = ReadView)))]
pub async fn read(
    State(app): State<App>,
    auth: Auth,
    Path(c): Path<String>,
) -> Result<Json<ReadView>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let (id, unread) = at
        .messages
        .unread(auth.user(), app.config.limits.message_unread)
        .await?;
    Ok(Json(ReadView {
        id,
        unread: unread.messages,
        mentions: unread.mentions,
    }))
}

/// Up to where one has read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// The last message that one has seen.
    id: MessageId,
}

/// Say up to where one has read a channel; it never goes back.
#[utoipa::path(put, path = "/channels/{c}/read", tag = "messages", security(("token" = ["messages:write"])),
    responses((status = 204, description = "Noted.")))]
pub async fn mark(
    State(app): State<App>,
    auth: Auth,
    Path(c): Path<String>,
    Json(body): Json<ReadBody>,
) -> Result<StatusCode, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    if at.messages.mark(auth.user(), body.id).await?
        && let Some(rooms) = &app.deps.rooms
    {
        rooms.has_read(auth.user(), at.waddle.id, at.channel.id, body.id);
    }
    Ok(StatusCode::NO_CONTENT)
}
