//! Moderation by command (`specs/moderation.md`): in each channel for its waddle, and at `spaces.<domain>` for every
//! waddle that somebody moderates, so that stock clients can do all of it.

mod people;
mod reports;

use std::sync::Arc;

use waddle_community::{Error, On, Waddle, WaddleAccess};
use waddle_core::{ChannelId, Jid, RoomName, Timestamp, UserId};
use waddle_stanza::{
    Condition, ErrorType, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};
use waddle_storage::repo::accounts;

use super::{Access, Asker, Command, Done, Place, Step, StepResult};
use crate::xep::BoxFuture;

const TYPE: &str = "urn:waddle:moderation";
const WADDLE: &str = "waddle";
const JID: &str = "jid";
const REASON: &str = "reason";
/// Waddles that a form offers at the most.
const MOST: usize = 100;

/// One of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModCommand {
    /// Somebody may read and not write for a while.
    Timeout,
    /// They may write again.
    EndTimeout,
    /// Somebody is taken out of the waddle.
    Kick,
    /// Somebody may not come back.
    Ban,
    /// They may.
    Unban,
    /// What somebody said is retracted.
    Purge,
    /// What was reported.
    Reports,
    /// A report is claimed, resolved or dismissed.
    Handle,
}

/// The waddle that a command is about, and where it was asked.
struct Scene {
    waddle: Arc<Waddle>,
    access: Arc<WaddleAccess>,
    /// The channel whose room was asked.
    channel: Option<ChannelId>,
}

impl ModCommand {
    /// What the engine is asked.
    fn relation(self) -> &'static str {
        match self {
            Self::Timeout | Self::EndTimeout => "timeout",
            Self::Kick => "manage_members",
            Self::Ban | Self::Unban => "ban",
            Self::Purge => "moderate",
            Self::Reports | Self::Handle => "review_reports",
        }
    }
}

impl Command for ModCommand {
    fn node(&self) -> &'static str {
        match self {
            Self::Timeout => "urn:waddle:moderation#timeout",
            Self::EndTimeout => "urn:waddle:moderation#end-timeout",
            Self::Kick => "urn:waddle:moderation#kick",
            Self::Ban => "urn:waddle:moderation#ban",
            Self::Unban => "urn:waddle:moderation#unban",
            Self::Purge => "urn:waddle:moderation#purge",
            Self::Reports => "urn:waddle:moderation#reports",
            Self::Handle => "urn:waddle:moderation#handle-report",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Timeout => "Time somebody out",
            Self::EndTimeout => "End a timeout",
            Self::Kick => "Kick somebody from the waddle",
            Self::Ban => "Ban somebody from the waddle",
            Self::Unban => "Lift a ban",
            Self::Purge => "Purge somebody's messages",
            Self::Reports => "List reports",
            Self::Handle => "Claim, resolve or dismiss a report",
        }
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Rooms, Place::Spaces]
    }

    fn access(&self) -> Access {
        Access::Accounts
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move { !scenes(asker, self.relation()).await.is_empty() })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(asker.session.via().scope(self.run(asker, answers)))
    }
}

impl ModCommand {
    async fn run(self, asker: &Asker<'_>, answers: &[Form]) -> StepResult {
        let scenes = scenes(asker, self.relation()).await;
        let Some(answer) = answers.first() else {
            if let (Self::Reports, [scene]) = (self, &*scenes) {
                return reports::list(asker, scene).await;
            }
            let mut form = Form::of_type(FormKind::Form, TYPE).title(self.name());
            if asker.place == Place::Spaces {
                let one = scenes
                    .first()
                    .map(|s| s.waddle.slug.to_string())
                    .unwrap_or_default();
                let field = Field::new(WADDLE, FieldKind::ListSingle)
                    .label("Waddle")
                    .required();
                let field = scenes.iter().fold(field.value(one), |f, s| {
                    f.option(Some(&s.waddle.name), s.waddle.slug.as_str())
                });
                form = form.field(field);
            }
            let here = scenes.first().filter(|_| asker.place == Place::Rooms);
            return Ok(Step::ask(match self {
                Self::Reports => form,
                Self::Handle => reports::form(asker, here, form).await?,
                _ => people::form(self, form, here.is_some()),
            }));
        };
        let slug = answer.value(WADDLE);
        let scene = scenes
            .iter()
            .find(|s| asker.place == Place::Rooms || slug == Some(s.waddle.slug.as_str()))
            .ok_or(Condition::Forbidden)?;
        match self {
            Self::Reports => reports::list(asker, scene).await,
            Self::Handle => reports::handle(asker, scene, answer).await,
            _ => people::act(self, asker, scene, answer).await,
        }
    }
}

/// The waddles that the asker may do this in, as far as the place that was asked is about them.
async fn scenes(asker: &Asker<'_>, relation: &str) -> Vec<Scene> {
    let server = asker.server;
    let user = asker.user();
    if asker.place == Place::Spaces {
        let mut all = Vec::new();
        for (waddle, _) in server.community.waddles_of(user).await.unwrap_or_default() {
            let Ok(access) = server.community.access(waddle.id).await else {
                continue;
            };
            if access.allows(On::Waddle, relation, user) && all.len() < MOST {
                all.push(Scene {
                    waddle,
                    access,
                    channel: None,
                });
            }
        }
        return all;
    }
    let room: Option<Jid> = asker.address.parse().ok();
    let name = room.as_ref().and_then(|r| r.local()).map(RoomName::parse);
    let Some(RoomName::Channel { waddle, channel }) = name else {
        return Vec::new();
    };
    let Some(waddle) = server.community.waddle_by_slug(&waddle) else {
        return Vec::new();
    };
    let Ok(access) = server.community.access(waddle.id).await else {
        return Vec::new();
    };
    match access.channel_by_slug(&channel) {
        Some(channel)
            if access.allows(On::Waddle, relation, user)
                && access.channel_allows(channel.id, "view", user) =>
        {
            vec![Scene {
                waddle,
                access,
                channel: Some(channel.id),
            }]
        }
        _ => Vec::new(),
    }
}

/// What somebody filled into a field, without what is around it.
fn text<'a>(form: &'a Form, var: &str) -> Option<&'a str> {
    form.value(var).map(str::trim).filter(|t| !t.is_empty())
}

/// A number that was filled in; nothing where the field was left empty.
fn number(form: &Form, var: &str, most: u64) -> Result<Option<u64>, StanzaError> {
    let Some(text) = text(form, var) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.map(Some).ok_or_else(|| {
        StanzaError::new(Condition::NotAcceptable)
            .of_type(ErrorType::Modify)
            .text(format!("{var}: a whole number from 1 to {most}"))
    })
}

/// The person of an address: an account of this server, or somebody of another host.
async fn person(asker: &Asker<'_>, form: &Form) -> Result<UserId, StanzaError> {
    let jid: Jid = text(form, JID)
        .and_then(|t| t.parse().ok())
        .filter(|j: &Jid| j.local().is_some())
        .ok_or(Condition::JidMalformed)?;
    if !asker.server.is_local(&jid) {
        return Ok(UserId::remote(&jid.bare()));
    }
    let local = jid.local().unwrap_or_default().to_owned();
    let found = asker.server.db.read(move |c| accounts::user_of(c, &local)).await;
    found.ok().flatten().ok_or_else(|| {
        StanzaError::new(Condition::ItemNotFound).text("there is no such person on this server")
    })
}

fn now(asker: &Asker<'_>) -> Timestamp {
    asker.server.now()
}

/// How an operation that failed is told.
fn refused(e: Error) -> StanzaError {
    let text = e.to_string();
    match e {
        Error::Forbidden => StanzaError::new(Condition::Forbidden)
            .of_type(ErrorType::Cancel)
            .text("your role in the waddle does not give you this right"),
        Error::NotFound(_) => StanzaError::new(Condition::ItemNotFound).text(text),
        Error::Conflict(_) => StanzaError::new(Condition::Conflict).text(text),
        Error::Limit { .. } => StanzaError::new(Condition::ResourceConstraint)
            .of_type(ErrorType::Wait)
            .text(text),
        Error::Invalid { .. } => StanzaError::new(Condition::NotAcceptable)
            .of_type(ErrorType::Modify)
            .text(text),
        e => {
            tracing::error!(error = %e, "a command of a moderator failed");
            StanzaError::new(Condition::InternalServerError)
        }
    }
}

fn done(text: impl Into<String>) -> StepResult {
    Ok(Done::info(text).into())
}
