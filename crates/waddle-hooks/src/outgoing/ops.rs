//! Outgoing webhooks: made, changed, tried, and the events that their receivers did not take.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use waddle_community::{Actor, AuditLine, Need};
use waddle_core::{ChannelId, HookId, Secret, Timestamp, WaddleId};
use waddle_storage::repo::hooks::{self, DeadLetter, OutgoingHook};

use super::{
    event::{Filter, PING},
    render::{self, Told},
    worker::{Tell, place},
};
use crate::{Error, Hooks, Result, incoming::clean_name, sign};

/// How long the secret before a rotation still signs.
const BOTH: Duration = Duration::from_secs(86_400);

/// A hook to be made, or what is to be changed of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutgoingChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Where its events go, by https.
    pub url: Option<String>,
    /// Names of events: `message.created`, `message.*`, `*`.
    pub events: Option<Vec<String>>,
    /// Only what happens in these channels; an empty list is all.
    pub channels: Option<Vec<ChannelId>>,
    /// Whether it is at work; switching it on forgets its failures.
    pub enabled: Option<bool>,
}

/// A hook as its managers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutgoingInfo {
    /// Its identifier.
    pub id: HookId,
    /// What it is called.
    pub name: String,
    /// Where its events go.
    pub url: String,
    /// Names of events.
    pub events: Vec<String>,
    /// The channels; all where it is left out.
    pub channels: Option<Vec<ChannelId>>,
    /// Who set it up last: it is told what they may see.
    pub made_by: Option<waddle_core::UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether it is at work.
    pub enabled: bool,
    /// Why the server stopped it.
    pub disabled_why: Option<String>,
    /// Failed attempts at the event that is due.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
    /// Since when nothing was taken.
    pub failing_since: Option<Timestamp>,
    /// When something was last taken.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
}

impl From<OutgoingHook> for OutgoingInfo {
    fn from(h: OutgoingHook) -> Self {
        Self {
            id: h.id,
            name: h.name,
            url: h.url,
            events: Filter::stored(&h.events).names().to_vec(),
            channels: h.channels.and_then(|c| serde_json::from_str(&c).ok()),
            made_by: h.made_by,
            made_at: h.made_at,
            enabled: h.enabled,
            disabled_why: h.disabled_why,
            attempts: h.attempts,
            next_at: h.next_at,
            failing_since: h.failing_since,
            last_success_at: h.last_success_at,
            last_error: h.last_error,
            last_error_at: h.last_error_at,
        }
    }
}

const NEED: Need = Need::Waddle("manage_webhooks");

fn line(action: &'static str, hook: &OutgoingHook) -> AuditLine {
    let host = Url::parse(&hook.url).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
    AuditLine {
        action,
        target: format!("webhook:{}", hook.id),
        // not the whole address: it may hold a secret
        detail: format!("{} to {host}", hook.name),
    }
}

/// A change whose values are allowed.
#[derive(Debug, Default)]
struct Checked {
    name: Option<String>,
    url: Option<String>,
    events: Option<String>,
    channels: Option<Vec<ChannelId>>,
    enabled: Option<bool>,
}

impl Checked {
    fn apply(self, hook: &mut OutgoingHook) {
        hook.name = self.name.unwrap_or_else(|| std::mem::take(&mut hook.name));
        hook.url = self.url.unwrap_or_else(|| std::mem::take(&mut hook.url));
        hook.events = self.events.unwrap_or_else(|| std::mem::take(&mut hook.events));
        if let Some(channels) = self.channels {
            let some = (!channels.is_empty()).then_some(channels);
            hook.channels = some.and_then(|c| serde_json::to_string(&c).ok());
        }
        if let Some(enabled) = self.enabled {
            hook.enabled = enabled;
            hook.disabled_why = None;
        }
        (hook.attempts, hook.next_at, hook.failing_since) = (0, None, None);
    }
}

impl Hooks {
    fn checked(&self, change: OutgoingChange) -> Result<Checked> {
        let mut checked = Checked {
            enabled: change.enabled,
            ..Checked::default()
        };
        if let Some(name) = change.name {
            let name =
                clean_name(&name).ok_or_else(|| Error::invalid("name", "1 to 80 characters on one line"))?;
            checked.name = Some(name);
        }
        if let Some(url) = change.url {
            let parsed = Url::parse(&url).ok().filter(|_| url.len() <= 2_048);
            let parsed =
                parsed.ok_or_else(|| Error::invalid("url", "an https address of at most 2048 bytes"))?;
            self.0
                .fetcher
                .check(&parsed)
                .map_err(|e| Error::invalid("url", e.to_string()))?;
            checked.url = Some(parsed.into());
        }
        if let Some(events) = change.events {
            checked.events = Some(Filter::new(events)?.to_json());
        }
        if let Some(channels) = change.channels {
            if channels.len() > self.limits().channels_per_waddle {
                return Err(Error::invalid("channels", "fewer channels"));
            }
            checked.channels = Some(channels);
        }
        Ok(checked)
    }

    /// Makes an outgoing hook; answers its secret, the only time that it is known. Needs `waddle#manage_webhooks`. It is
    /// told what happens from now on.
    pub async fn create_outgoing(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        new: OutgoingChange,
    ) -> Result<(OutgoingInfo, Secret)> {
        let (actor, secret, id) = (actor.into(), sign::new_secret()?, HookId::new());
        let mut hook = OutgoingHook {
            id,
            name: String::new(),
            url: String::new(),
            secret: self
                .0
                .deps
                .identity
                .seal(&place(id), secret.expose().as_bytes())?,
            old_secret: None,
            events: String::new(),
            channels: None,
            made_by: actor.user().cloned(),
            made_at: self.now(),
            enabled: true,
            disabled_why: None,
            cursor: hooks::Cursor::default(),
            attempts: 0,
            next_at: None,
            failing_since: None,
            last_success_at: None,
            last_error: None,
            last_error_at: None,
        };
        if new.url.is_none() {
            return Err(Error::invalid("url", "an https address"));
        }
        let new = OutgoingChange {
            name: Some(new.name.unwrap_or_else(|| "Webhook".into())),
            events: Some(new.events.unwrap_or_else(|| vec!["message.created".into()])),
            ..new
        };
        self.checked(new)?.apply(&mut hook);
        // before the hook: a start after a crash then looks for it
        let server = self.server_db();
        server
            .write(move |tx| hooks::set_waddle(tx, waddle, true))
            .await?;
        let max = self.limits().hooks_per_waddle;
        let made = self
            .community()
            .change_beside(actor, waddle, NEED, move |b| {
                if hooks::count_outgoing(b.tx)? >= max {
                    return Err(waddle_community::Error::Limit {
                        what: "outgoing webhooks of a waddle",
                        max,
                    });
                }
                hook.cursor = hooks::now(b.tx)?;
                hooks::insert_outgoing(b.tx, &hook)?;
                let line = line("webhook.create", &hook);
                Ok((hook, Some(line)))
            })
            .await?;
        if made.enabled {
            self.begin(waddle, id);
        }
        Ok((made.into(), secret))
    }

    async fn managed(&self, actor: &Actor, waddle: WaddleId) -> Result<waddle_storage::Db> {
        if let Some(user) = actor.user() {
            let access = self.community().access(waddle).await?;
            if !access.waddle_allows("manage_webhooks", user) {
                return Err(Error::Forbidden);
            }
        }
        self.waddle_db(waddle).await
    }

    async fn find(&self, actor: &Actor, waddle: WaddleId, id: HookId) -> Result<OutgoingHook> {
        let db = self.managed(actor, waddle).await?;
        let found = db.read(move |conn| hooks::get_outgoing(conn, id)).await?;
        found.ok_or(Error::NotFound("webhook"))
    }

    /// The outgoing hooks.
    pub async fn list_outgoing(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
    ) -> Result<Vec<OutgoingInfo>> {
        let db = self.managed(&actor.into(), waddle).await?;
        let all = db.read(hooks::list_outgoing).await?;
        Ok(all.into_iter().map(OutgoingInfo::from).collect())
    }

    /// One of them.
    pub async fn outgoing(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
    ) -> Result<OutgoingInfo> {
        Ok(self.find(&actor.into(), waddle, id).await?.into())
    }

    /// Changes one.
    pub async fn update_outgoing(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
        change: OutgoingChange,
    ) -> Result<OutgoingInfo> {
        let (actor, change) = (actor.into(), self.checked(change)?);
        self.find(&actor, waddle, id).await?;
        // it sees what they see from now on: nobody sends others' channels to an address of their own
        let maker = actor.user().cloned();
        let alter = move |hook: &mut OutgoingHook| {
            change.apply(hook);
            hook.made_by = maker;
        };
        self.alter(actor, waddle, id, "webhook.update", alter).await
    }

    async fn alter(
        &self,
        actor: Actor,
        waddle: WaddleId,
        id: HookId,
        action: &'static str,
        alter: impl FnOnce(&mut OutgoingHook) + Send + 'static,
    ) -> Result<OutgoingInfo> {
        let hook = self
            .community()
            .change_beside(actor, waddle, NEED, move |b| {
                // the row of now: another change may have come between
                let found = hooks::get_outgoing(b.tx, id)?;
                let mut hook = found.ok_or(waddle_community::Error::NotFound("webhook"))?;
                alter(&mut hook);
                hooks::update_outgoing(b.tx, &hook)?;
                let line = line(action, &hook);
                Ok((hook, Some(line)))
            })
            .await?;
        if hook.enabled {
            self.begin(waddle, id);
        } else {
            self.0.lines.end(waddle, id);
        }
        Ok(hook.into())
    }

    /// Gives one a new secret; the old one signs beside it for a day.
    pub async fn rotate_outgoing(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
    ) -> Result<(OutgoingInfo, Secret)> {
        let (actor, secret) = (actor.into(), sign::new_secret()?);
        self.find(&actor, waddle, id).await?;
        let sealed = self
            .0
            .deps
            .identity
            .seal(&place(id), secret.expose().as_bytes())?;
        let until = self.now().plus(BOTH);
        let alter = move |hook: &mut OutgoingHook| {
            let old = std::mem::replace(&mut hook.secret, sealed);
            hook.old_secret = Some((old, until));
        };
        let info = self.alter(actor, waddle, id, "webhook.rotate", alter).await?;
        Ok((info, secret))
    }

    /// Deletes one with its dead letters.
    pub async fn delete_outgoing(&self, actor: impl Into<Actor>, waddle: WaddleId, id: HookId) -> Result<()> {
        let actor = actor.into();
        let hook = self.find(&actor, waddle, id).await?;
        self.community()
            .change_beside(actor, waddle, NEED, move |b| {
                hooks::delete_outgoing(b.tx, id)?;
                Ok(((), Some(line("webhook.delete", &hook))))
            })
            .await?;
        self.0.lines.end(waddle, id);
        Ok(())
    }

    /// Sends a `webhook.ping` now; what went wrong, if it did.
    pub async fn ping(&self, actor: impl Into<Actor>, waddle: WaddleId, id: HookId) -> Result<()> {
        let hook = self.find(&actor.into(), waddle, id).await?;
        let now = self.now();
        let tell = Tell {
            audit: false,
            position: now.0,
            kind: PING.into(),
            at: now,
            data: None,
        };
        let data = serde_json::json!({ "webhook": { "id": hook.id, "name": hook.name } });
        let sent = self.send(waddle, &hook, &tell, &data).await;
        sent.map_err(|e| Error::Refused(e.why))
    }

    /// Events that a receiver did not take, the newest first, before one.
    pub async fn dead_letters(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let actor = actor.into();
        self.find(&actor, waddle, id).await?;
        let db = self.waddle_db(waddle).await?;
        Ok(db
            .read(move |conn| hooks::dead_letters(conn, id, before, limit))
            .await?)
    }

    /// Tries to deliver a dead letter now; it is gone from the list where it was taken, or where nothing is left to tell.
    ///
    /// # Errors
    /// [`Error::Gone`] where nothing is left to tell; the letter stays with [`Error::Conflict`], where the hook is not told
    /// this, with [`Error::Refused`], where its receiver does not take it, and where it cannot be read.
    pub async fn redeliver(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
        letter: i64,
    ) -> Result<()> {
        let actor = actor.into();
        let hook = self.find(&actor, waddle, id).await?;
        let db = self.waddle_db(waddle).await?;
        let found = db
            .read(move |conn| hooks::dead_letters(conn, id, letter.checked_add(1), 1))
            .await?;
        let found = found.into_iter().find(|l| l.id == letter);
        let found = found.ok_or(Error::NotFound("dead letter"))?;
        let tell = render::one(self, waddle, &found).await?;
        let told = match &tell {
            Some(tell) => render::permitted(self, waddle, &hook, tell).await?,
            None => Told::Gone,
        };
        let done = match (tell, told) {
            (Some(tell), Told::Data(data)) => {
                let sent = self.send(waddle, &hook, &tell, &data).await;
                sent.map_err(|e| Error::Refused(e.why))?;
                Ok(())
            }
            (Some(_), Told::Hidden) => {
                return Err(Error::Conflict(
                    "whoever set the webhook up may not see this event, or its channel is not among the webhook's",
                ));
            }
            _ => Err(Error::Gone(
                "what happened was taken back or has expired; the letter was removed",
            )),
        };
        db.write(move |tx| hooks::unbury(tx, id, letter)).await?;
        done
    }
}
