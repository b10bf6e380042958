//! `/waddles/{w}/commands`, running one, and what bots hear and answer (`specs/integrations.md`).

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{BotId, InteractionId};
use waddle_hooks::slash::{
    Answer, CommandChoice, CommandInfo, CommandOption, Invocation, NewCommand, OptionKind,
};

use super::{
    bots, channels, visible,
    webhooks::{self, hooks},
};
use crate::{
    App,
    auth::Auth,
    events::Watch,
    problem::Problem,
    rest::{Json, Scope},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, remove))
        .routes(routes!(run))
        .routes(routes!(answer))
        .routes(routes!(listen))
}

/// What an option takes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandOptionKind {
    /// Any text; the last one takes the rest of the line.
    #[default]
    Text,
    /// A number.
    Number,
    /// true or false, also yes, no, on, off.
    Boolean,
}

/// One of the values that an option allows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandChoiceView {
    value: String,
    #[serde(default)]
    label: String,
}

/// What a command takes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandOptionView {
    /// 1 to 32 of a-z, 0-9, - and _.
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "type")]
    kind: CommandOptionKind,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    choices: Vec<CommandChoiceView>,
}

impl From<CommandOption> for CommandOptionView {
    fn from(o: CommandOption) -> Self {
        Self {
            name: o.name,
            description: o.description,
            kind: match o.kind {
                OptionKind::Text => CommandOptionKind::Text,
                OptionKind::Number => CommandOptionKind::Number,
                OptionKind::Boolean => CommandOptionKind::Boolean,
            },
            required: o.required,
            choices: o
                .choices
                .into_iter()
                .map(|c| CommandChoiceView {
                    value: c.value,
                    label: c.label,
                })
                .collect(),
        }
    }
}

impl From<CommandOptionView> for CommandOption {
    fn from(o: CommandOptionView) -> Self {
        Self {
            name: o.name,
            description: o.description,
            kind: match o.kind {
                CommandOptionKind::Text => OptionKind::Text,
                CommandOptionKind::Number => OptionKind::Number,
                CommandOptionKind::Boolean => OptionKind::Boolean,
            },
            required: o.required,
            choices: o
                .choices
                .into_iter()
                .map(|c| CommandChoice {
                    value: c.value,
                    label: c.label,
                })
                .collect(),
        }
    }
}

/// A command.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandView {
    /// What is typed after the slash.
    name: String,
    description: String,
    options: Vec<CommandOptionView>,
    /// The bot that answers; null for the server's own.
    bot: Option<BotId>,
}

fn view(c: CommandInfo) -> CommandView {
    CommandView {
        name: c.name,
        description: c.description,
        options: c.options.into_iter().map(CommandOptionView::from).collect(),
        bot: c.bot,
    }
}

/// Commands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandList {
    commands: Vec<CommandView>,
}

/// The slash commands of a waddle, for its members.
#[utoipa::path(get, path = "/waddles/{w}/commands", tag = "commands", security(("token" = ["read"])),
    responses((status = 200, description = "Commands.", body = CommandList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<CommandList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.waddle_allows("view", auth.user()) {
        return Err(Problem::forbidden());
    }
    let all = hooks(&app)?.commands(waddle.id);
    Ok(Json(CommandList {
        commands: all.into_iter().map(view).collect(),
    }))
}

/// One of them.
#[utoipa::path(get, path = "/waddles/{w}/commands/{name}", tag = "commands", security(("token" = ["read"])),
    params(("name" = String, Path, description = "What is typed after the slash.")),
    responses((status = 200, description = "The command.", body = CommandView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, name)): Path<(String, String)>,
) -> Result<Json<CommandView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.waddle_allows("view", auth.user()) {
        return Err(Problem::forbidden());
    }
    let found = hooks(&app)?.command(waddle.id, &name);
    found
        .map(|c| Json(view(c)))
        .ok_or_else(|| Problem::not_found("command"))
}

/// A command as it is registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandBody {
    /// 1 to 100 characters.
    description: String,
    /// What it takes, those first that must be there.
    #[serde(default)]
    options: Vec<CommandOptionView>,
    /// Whose it is; the asker's, if it is a bot.
    bot: Option<BotId>,
}

/// Register a command of a bot that is a member, or change it: the bot itself, or who has `manage_bots`.
#[utoipa::path(put, path = "/waddles/{w}/commands/{name}", tag = "commands",
    security(("token" = ["messages:write"]), ("token" = ["manage"])),
    params(("name" = String, Path, description = "1 to 32 of a-z, 0-9, - and _.")),
    responses((status = 200, description = "Registered.", body = CommandView)))]
pub async fn put(
    State(app): State<App>,
    auth: Auth,
    Path((w, name)): Path<(String, String)>,
    Json(body): Json<CommandBody>,
) -> Result<Json<CommandView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let own = auth.user().as_bot();
    if own.is_none() {
        auth.require(Scope::Manage)?;
    }
    let bot = own.or(body.bot);
    let bot = bot.ok_or_else(|| Problem::bad_request("bot: whose command it is"))?;
    let new = NewCommand {
        description: body.description,
        options: body.options.into_iter().map(CommandOption::from).collect(),
    };
    let made = hooks(&app)?
        .put_command(auth.user(), waddle.id, bot, &name, new)
        .await?;
    Ok(Json(view(made)))
}

/// Take a command out: the bot its own, or who has `manage_bots`.
#[utoipa::path(delete, path = "/waddles/{w}/commands/{name}", tag = "commands",
    security(("token" = ["messages:write"]), ("token" = ["manage"])),
    params(("name" = String, Path, description = "What is typed after the slash.")),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    if auth.user().as_bot().is_none() {
        auth.require(Scope::Manage)?;
    }
    hooks(&app)?.delete_command(auth.user(), waddle.id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A command to be run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunCommandBody {
    /// What would be typed behind its name.
    text: String,
}

/// What a command was answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandAnswer {
    /// The text.
    body: String,
    /// Whether only whoever ran it sees it; otherwise it is in the channel.
    #[serde(default)]
    ephemeral: bool,
}

/// Run a command in a channel and wait for its answer; 502 where its bot is silent.
#[utoipa::path(post, path = "/waddles/{w}/channels/{c}/commands/{name}", tag = "commands",
    security(("token" = ["messages:write"])), request_body = Option<RunCommandBody>,
    params(("name" = String, Path, description = "What is typed after the slash.")),
    responses((status = 200, description = "Its answer.", body = CommandAnswer)))]
pub async fn run(
    State(app): State<App>,
    auth: Auth,
    Path((w, c, name)): Path<(String, String, String)>,
    body: Option<Json<RunCommandBody>>,
) -> Result<Json<CommandAnswer>, Problem> {
    let (waddle, channel) = channels::find(&app, auth.user(), &w, &c).await?;
    let nick = app
        .deps
        .identity
        .by_user(auth.user())
        .await?
        .map(|a| a.display_name.unwrap_or(a.localpart));
    let invocation = Invocation {
        waddle: waddle.id,
        channel: channel.id,
        user: auth.user().clone(),
        nick: nick.unwrap_or_default(),
        whisper: None,
    };
    let text = body.map(|b| b.0.text).unwrap_or_default();
    let line = ["/", &name, " ", &text].concat();
    let answer = hooks(&app)?.run(invocation, &line).await?;
    Ok(Json(CommandAnswer {
        body: answer.body,
        ephemeral: answer.ephemeral,
    }))
}

/// Answer a command that the asking bot was told: so many times (`command_answers`), for a while (`command_minutes`).
///
/// What is refused does not count.
#[utoipa::path(post, path = "/interactions/{id}/answers", tag = "commands", security(("token" = ["messages:write"])),
    responses((status = 204, description = "Said.")))]
pub async fn answer(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
    Json(a): Json<CommandAnswer>,
) -> Result<StatusCode, Problem> {
    let id: InteractionId = id.parse().map_err(|_| Problem::not_found("command"))?;
    let bot = auth.user().as_bot().ok_or_else(Problem::forbidden)?;
    let answer = Answer {
        body: a.body,
        ephemeral: a.ephemeral,
    };
    hooks(&app)?
        .answer(bot, id, answer)
        .await
        .map_err(webhooks::refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a bot is told where it has missed some.
#[derive(Debug, Serialize, ToSchema)]
pub struct InteractionsMissed {
    /// How many; whoever ran them hears that nobody answers.
    missed: u64,
}

fn reset(missed: u64) -> Event {
    Event::default()
        .event("reset")
        .json_data(InteractionsMissed { missed })
        .unwrap_or_default()
}

/// What a bot is asked, as server-sent events, for as long as its token stands; `@me` is the bot itself.
///
/// Who reads too slowly misses the oldest (`command_stream`): the event `reset` says how many, `{"missed": 3}`.
#[utoipa::path(get, path = "/bots/{bot}/interactions", tag = "bots", security(("token" = ["read"])),
    responses((status = 200, description = "A stream that does not end.", body = String,
        content_type = "text/event-stream")))]
pub async fn listen(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
) -> Result<Response, Problem> {
    let bot = bots::id_of(&auth, &bot)?;
    if auth.user().as_bot() != Some(bot) {
        return Err(Problem::forbidden());
    }
    let place = app.listeners.enter(bot).ok_or_else(Problem::too_many_streams)?;
    let told = hooks(&app)?.interactions(bot);
    let mut watch = Watch::new(&app, auth.0);
    let events = futures::stream::unfold((told, place), |(mut told, place)| async move {
        let event = match told.recv().await {
            Ok(i) => {
                let event = Event::default().event("interaction").id(i.id.to_string());
                event.json_data(&*i).unwrap_or_default()
            }
            Err(RecvError::Lagged(missed)) => reset(missed),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(event), (told, place)))
    });
    let events = events.take_until(async move { watch.ended().await });
    let alive = KeepAlive::new().interval(Duration::from_secs(20));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}
