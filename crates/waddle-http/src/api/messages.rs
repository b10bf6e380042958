//! `/channels/{c}/messages`: what was said in a channel, and saying something (`specs/messages.md`).
//!
//! `{c}` is the identifier of a channel, or `<waddle>.<channel>`.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Channel, Waddle, WaddleAccess};
use waddle_core::{MessageId, RoomName, UserId};
use waddle_messages::{
    Act, Attachment, ChannelMessages, MessageView, NewMessage, Range, Viewer, channel::Reactor,
};
use waddle_muc::{ActError, Rooms};
use waddle_stanza::{Condition, ErrorType};

use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, Scope, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, say))
        .routes(routes!(show, edit, remove))
        .routes(routes!(context))
        .routes(routes!(thread))
        .routes(routes!(reactions))
        .routes(routes!(react, unreact))
}

/// A channel whose messages somebody may read.
pub(super) struct Place {
    pub waddle: Arc<Waddle>,
    pub channel: Arc<Channel>,
    pub viewer: Viewer,
    pub messages: ChannelMessages,
}

/// The channel that a path names, where the user may read it: 403 for whoever may not see its waddle, whether it exists or
/// not, 404 for everybody else.
pub(super) async fn place(app: &App, user: &UserId, name: &str) -> Result<Place, Problem> {
    let (waddle, access, channel) = find(app, name).await?;
    if !access.visible_to(user) {
        return Err(Problem::forbidden());
    }
    let channel = channel.filter(|c| access.channel_allows(c.id, "join", user));
    let channel = channel.ok_or_else(|| Problem::not_found("channel"))?;
    let messages = ChannelMessages::open(&app.deps.community, waddle.id, channel.id).await?;
    Ok(Place {
        viewer: Viewer::of(&access, user),
        waddle,
        channel,
        messages,
    })
}

type Found = (Arc<Waddle>, Arc<WaddleAccess>, Option<Arc<Channel>>);

async fn find(app: &App, name: &str) -> Result<Found, Problem> {
    let community = &app.deps.community;
    if let RoomName::Channel { waddle, channel } = RoomName::parse(name) {
        let waddle = community.waddle_by_slug(&waddle).ok_or_else(Problem::forbidden)?;
        let access = community.access(waddle.id).await?;
        let channel = access.channel_by_slug(&channel);
        return Ok((waddle, access, channel));
    }
    let id = name.parse().map_err(|_| Problem::forbidden())?;
    let found = community.waddle_of_channel(id).await?;
    let waddle = found.ok_or_else(Problem::forbidden)?;
    let access = community.access(waddle.id).await?;
    let channel = access.channel(id).ok_or_else(Problem::forbidden)?;
    Ok((waddle, access, Some(channel)))
}

fn rooms(app: &App) -> Result<&Rooms, Problem> {
    app.deps
        .rooms
        .as_ref()
        .ok_or_else(|| Problem::not_found("service"))
}

/// Does something as the person who asks, by every rule of the room.
pub(super) async fn act(app: &App, user: &UserId, at: &Place, act: Act) -> Result<MessageId, Problem> {
    let done = rooms(app)?.act(user, at.waddle.id, at.channel.id, act).await;
    done.map_err(refused)
}

/// How long a refusal says to wait, in the words that every client gets.
fn seconds(text: &str) -> Option<u64> {
    text.split("wait ").nth(1)?.split(' ').next()?.parse().ok()
}

fn refused(e: ActError) -> Problem {
    match e {
        ActError::Refused(why) => {
            let status = match (why.condition, why.kind) {
                (Condition::Forbidden | Condition::NotAllowed, _) => StatusCode::FORBIDDEN,
                (Condition::ItemNotFound, _) => StatusCode::NOT_FOUND,
                (Condition::Conflict, _) => StatusCode::CONFLICT,
                (Condition::PolicyViolation, ErrorType::Wait) => StatusCode::TOO_MANY_REQUESTS,
                (Condition::ResourceConstraint | Condition::ServiceUnavailable, _) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                (Condition::InternalServerError, _) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let kind = match status {
                StatusCode::FORBIDDEN => "forbidden",
                StatusCode::NOT_FOUND => "not-found",
                StatusCode::CONFLICT => "conflict",
                StatusCode::TOO_MANY_REQUESTS => "rate-limited",
                StatusCode::UNPROCESSABLE_ENTITY => "refused",
                _ => "unavailable",
            };
            Problem {
                retry_after: seconds(&why.text),
                ..Problem::new(status, kind, why.text.into_owned())
            }
        }
        ActError::NoMessage => Problem::not_found("message"),
        ActError::Invalid(why) => Problem::invalid(why),
        ActError::TooMany(seconds) => Problem::too_many(seconds.into()),
        ActError::Storage => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the message could not be stored; try again",
        ),
    }
}

/// Which part of a channel is asked for; at most one of these.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The messages before this one; the latest where nothing is given.
    before: Option<MessageId>,
    /// The messages behind this one.
    after: Option<MessageId>,
    /// How many at the most; 50 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

impl Part {
    fn range(&self, app: &App) -> Result<(Range, usize), Problem> {
        let most = app.config.limits.message_page.max(1);
        let limit = self.limit.unwrap_or(50.min(most));
        if limit == 0 || limit > most {
            return Err(Problem::bad_request(
                ["limit: expected 1 to ", &most.to_string()].concat(),
            ));
        }
        match (self.before, self.after) {
            (Some(_), Some(_)) => Err(Problem::bad_request("before, after: give one of them")),
            (None, Some(after)) => Ok((Range::After(Some(after)), limit)),
            (before, None) => Ok((Range::Before(before), limit)),
        }
    }
}

/// Messages, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageList {
    messages: Vec<MessageView>,
    /// Whether there are more in the direction of paging.
    more: bool,
}

/// What was said in a channel.
#[utoipa::path(get, path = "/channels/{c}/messages", tag = "messages", params(Part), security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = MessageList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(c): Path<String>,
    Query(part): Query<Part>,
) -> Result<Json<MessageList>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let (range, limit) = part.range(&app)?;
    let page = at.messages.page(&at.viewer, range, limit).await?;
    Ok(Json(MessageList {
        messages: page.items,
        more: !page.complete,
    }))
}

/// A message to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessageBody {
    /// The text; may be left out where something is attached.
    #[serde(default)]
    body: String,
    /// The message that it answers.
    reply_to: Option<MessageId>,
    /// A message of the thread that it belongs to, where it answers none.
    thread_root: Option<MessageId>,
    /// Files, uploaded before.
    #[serde(default)]
    attachments: Vec<Attachment>,
}

/// Say something in a channel, by every rule of its room.
#[utoipa::path(post, path = "/channels/{c}/messages", tag = "messages", security(("token" = ["messages:write"])),
    responses((status = 201, description = "Said.", body = MessageView)))]
pub async fn say(
    State(app): State<App>,
    auth: Auth,
    Path(c): Path<String>,
    Json(new): Json<NewMessageBody>,
) -> Result<Created<MessageView>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let message = NewMessage {
        body: new.body,
        reply_to: new.reply_to,
        thread_root: new.thread_root,
        attachments: new.attachments,
        id: None,
    };
    let id = act(&app, auth.user(), &at, Act::Say(message)).await?;
    let said = at.messages.get(&at.viewer, id).await?;
    let path = format!("/api/v1/channels/{}/messages/{id}", at.channel.id);
    Ok(Created(app.config.at(&path), said))
}

/// One message; a correction's identifier stands for the message that it corrects.
#[utoipa::path(get, path = "/channels/{c}/messages/{id}", tag = "messages", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = MessageView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
) -> Result<Json<MessageView>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    Ok(Json(at.messages.get(&at.viewer, message(&id)?).await?))
}

/// The identifier of a message in a path.
pub(super) fn message(id: &str) -> Result<MessageId, Problem> {
    id.parse().map_err(|_| Problem::not_found("message"))
}

/// Another text for a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageChangeBody {
    /// The text.
    body: String,
}

/// Give a message of one's own another text.
#[utoipa::path(patch, path = "/channels/{c}/messages/{id}", tag = "messages", security(("token" = ["messages:write"])),
    responses((status = 200, description = "As it is now.", body = MessageView)))]
pub async fn edit(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
    Json(change): Json<MessageChangeBody>,
) -> Result<Json<MessageView>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let id = message(&id)?;
    let body = change.body;
    act(&app, auth.user(), &at, Act::Edit { id, body }).await?;
    Ok(Json(at.messages.get(&at.viewer, id).await?))
}

/// Why a message is taken back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Why, where it is somebody else's.
    reason: Option<String>,
}

/// Take a message back: one's own, or as a moderator somebody else's. Its text and files are gone for everybody.
#[utoipa::path(delete, path = "/channels/{c}/messages/{id}", tag = "messages", params(Removal),
    security(("token" = ["messages:write"]), ("token" = ["moderate"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
    Query(removal): Query<Removal>,
) -> Result<StatusCode, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let id = message(&id)?;
    let viewer = Viewer {
        user: Some(auth.user().clone()),
        addresses: true,
    };
    let said = at.messages.get(&viewer, id).await?;
    let own = said.author.user.as_ref() == Some(auth.user());
    let wish = if own {
        auth.require(Scope::Messages)?;
        Act::Retract { id: said.id }
    } else {
        auth.require(Scope::Moderate)?;
        Act::Moderate {
            id: said.id,
            reason: removal.reason,
        }
    };
    act(&app, auth.user(), &at, wish).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How much around a message.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// Messages before it and as many behind it; 10 where it is left out.
    #[param(minimum = 0, maximum = 50)]
    around: Option<usize>,
}

/// A message among others, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageContext {
    messages: Vec<MessageView>,
}

/// A message with what was said before and behind it.
#[utoipa::path(get, path = "/channels/{c}/messages/{id}/context", tag = "messages", params(Around),
    security(("token" = ["read"])),
    responses((status = 200, description = "With what is around it.", body = MessageContext)))]
pub async fn context(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
    Query(wanted): Query<Around>,
) -> Result<Json<MessageContext>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let around = wanted.around.unwrap_or(10);
    if around > 50 {
        return Err(Problem::bad_request("around: expected 0 to 50"));
    }
    let messages = at.messages.context(&at.viewer, message(&id)?, around).await?;
    Ok(Json(MessageContext { messages }))
}

/// The thread that a message began, or is in; without the message that began it.
#[utoipa::path(get, path = "/channels/{c}/messages/{id}/thread", tag = "messages", params(Part),
    security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = MessageList)))]
pub async fn thread(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<Json<MessageList>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let (range, limit) = part.range(&app)?;
    let page = at
        .messages
        .thread(&at.viewer, message(&id)?, range, limit)
        .await?;
    Ok(Json(MessageList {
        messages: page.items,
        more: !page.complete,
    }))
}

/// Somebody who reacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReactionView {
    emoji: String,
    /// Told to members of the waddle.
    user: Option<UserId>,
}

/// Who reacts to a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReactionList {
    reactions: Vec<ReactionView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// With what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OneEmoji {
    /// Only this one.
    emoji: Option<String>,
}

/// Who reacts to a message, and with what.
#[utoipa::path(get, path = "/channels/{c}/messages/{id}/reactions", tag = "messages", params(OneEmoji, Paging),
    security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = ReactionList)))]
pub async fn reactions(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
    Query(one): Query<OneEmoji>,
    Query(paging): Query<Paging>,
) -> Result<Json<ReactionList>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let limit = paging.limit()?;
    let after: Option<(String, String)> = paging.after("reactions")?;
    let after = after.map(|(emoji, user)| Reactor { emoji, user });
    let found = at
        .messages
        .reactors(message(&id)?, one.emoji, after, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit);
    Ok(Json(ReactionList {
        next: last.and_then(|r| next("reactions", &(&r.emoji, &r.user))),
        reactions: found
            .into_iter()
            .map(|r| ReactionView {
                user: r
                    .user
                    .parse()
                    .ok()
                    .filter(|u| at.viewer.addresses || u == auth.user()),
                emoji: r.emoji,
            })
            .collect(),
    }))
}

type Reaction = Path<(String, String, String)>;

async fn set(
    app: &App,
    user: &UserId,
    (c, id, emoji): (String, String, String),
    add: bool,
) -> Result<StatusCode, Problem> {
    let at = place(app, user, &c).await?;
    let id = message(&id)?;
    act(app, user, &at, Act::ReactWith { id, emoji, add }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// React to a message with one emoji more.
#[utoipa::path(put, path = "/channels/{c}/messages/{id}/reactions/{emoji}", tag = "messages",
    security(("token" = ["messages:write"])),
    responses((status = 204, description = "Done.")))]
pub async fn react(State(app): State<App>, auth: Auth, Path(which): Reaction) -> Result<StatusCode, Problem> {
    set(&app, auth.user(), which, true).await
}

/// Take a reaction back.
#[utoipa::path(delete, path = "/channels/{c}/messages/{id}/reactions/{emoji}", tag = "messages",
    security(("token" = ["messages:write"])),
    responses((status = 204, description = "Gone.")))]
pub async fn unreact(
    State(app): State<App>,
    auth: Auth,
    Path(which): Reaction,
) -> Result<StatusCode, Problem> {
    set(&app, auth.user(), which, false).await
}

impl From<waddle_messages::Error> for Problem {
    fn from(e: waddle_messages::Error) -> Self {
        use waddle_messages::Error;
        match e {
            Error::NotFound => Self::not_found("message"),
            Error::Query(why) => Self::invalid(why),
            Error::Community(e) => e.into(),
            Error::Storage(e) => waddle_community::Error::from(e).into(),
        }
    }
}
