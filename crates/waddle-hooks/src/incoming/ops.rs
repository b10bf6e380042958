//! Incoming webhooks: made, changed and used.

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use waddle_community::{Actor, AuditLine, Need};
use waddle_core::{ChannelId, HookId, MessageId, Secret, WaddleId};
use waddle_muc::{Post, PostError, Poster, WEBHOOK};
use waddle_stanza::XmlWriter;
use waddle_storage::repo::hooks;

pub use waddle_storage::repo::hooks::IncomingHook;

use super::{Format, Head, NAME_CHARS, Said, clean_name, read, web_url};
use crate::{Error, Hooks, Result, metrics, sign};

/// The element that marks a webhook's message, beside its nickname.
pub const NS: &str = "urn:waddle:webhook:0";

/// A hook to be made, or what is to be changed of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncomingChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Its picture, an address of the web; empty for none.
    pub avatar_url: Option<String>,
    /// Where its messages appear.
    pub channel: Option<ChannelId>,
}

impl IncomingChange {
    fn apply(self, hook: &mut IncomingHook) -> Result<()> {
        if let Some(name) = self.name {
            let clean = clean_name(&name).filter(|n| *n == name.trim() && n.chars().count() <= NAME_CHARS);
            hook.name = clean.ok_or_else(|| Error::invalid("name", "1 to 80 characters on one line"))?;
        }
        if let Some(url) = self.avatar_url {
            hook.avatar_url = match url.as_str() {
                "" => None,
                url => {
                    Some(web_url(url).ok_or_else(|| Error::invalid("avatar_url", "an address of the web"))?)
                }
            };
        }
        if let Some(channel) = self.channel {
            hook.channel = channel;
        }
        Ok(())
    }
}

/// A hook that was just made or given a new secret: the only time that its address is known.
#[derive(Debug, Clone)]
pub struct IncomingAddress {
    /// The hook.
    pub hook: IncomingHook,
    /// The path that messages are posted to.
    pub path: Secret,
}

fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    out
}

fn new_secret() -> Result<Secret> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    Ok(Secret::new(B64.encode(sign::random::<32>()?)))
}

fn address(waddle: WaddleId, hook: &IncomingHook, secret: &Secret) -> IncomingAddress {
    IncomingAddress {
        hook: hook.clone(),
        path: Secret::new(format!("/hooks/{waddle}/{}/{}", hook.id, secret.expose())),
    }
}

fn line(action: &'static str, hook: &IncomingHook) -> AuditLine {
    AuditLine {
        action,
        target: format!("webhook:{}", hook.id),
        detail: format!("{} in channel:{}", hook.name, hook.channel),
    }
}

impl Hooks {
    /// Makes an incoming hook. Needs `channel#webhook`.
    pub async fn create_incoming(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        channel: ChannelId,
        new: IncomingChange,
    ) -> Result<IncomingAddress> {
        let (secret, actor) = (new_secret()?, actor.into());
        let mut hook = IncomingHook {
            id: HookId::new(),
            channel,
            name: String::new(),
            avatar_url: None,
            made_by: actor.user().cloned(),
            made_at: self.now(),
            last_used_at: None,
            last_error: None,
            last_error_at: None,
        };
        IncomingChange {
            name: Some(new.name.unwrap_or_else(|| "Webhook".into())),
            avatar_url: new.avatar_url,
            channel: None,
        }
        .apply(&mut hook)?;
        let made = address(waddle, &hook, &secret);
        let max = self.limits().hooks_per_channel;
        self.community()
            .change_beside(actor, waddle, Need::Channel(channel, "webhook"), move |b| {
                if hooks::count_incoming(b.tx, channel)? >= max {
                    return Err(waddle_community::Error::Limit {
                        what: "webhooks of a channel",
                        max,
                    });
                }
                hooks::insert_incoming(b.tx, &hook, &hash(secret.expose()))?;
                Ok(((), Some(line("webhook.create", &hook))))
            })
            .await?;
        Ok(made)
    }

    /// One hook, for whoever has `channel#webhook` where it is.
    pub async fn incoming(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
    ) -> Result<IncomingHook> {
        let db = self.waddle_db(waddle).await?;
        let found = db.read(move |conn| hooks::get_incoming(conn, id)).await?;
        let (hook, _) = found.ok_or(Error::NotFound("webhook"))?;
        if !self.allows_channel(waddle, hook.channel, &actor.into()).await? {
            return Err(Error::NotFound("webhook"));
        }
        Ok(hook)
    }

    async fn allows_channel(&self, waddle: WaddleId, channel: ChannelId, actor: &Actor) -> Result<bool> {
        let access = self.community().access(waddle).await?;
        Ok(match actor.user() {
            None => true,
            Some(user) => access.channel_allows(channel, "webhook", user),
        })
    }

    /// The incoming hooks of one channel or of all, those that the actor may manage.
    pub async fn list_incoming(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        channel: Option<ChannelId>,
    ) -> Result<Vec<IncomingHook>> {
        let actor = actor.into();
        let access = self.community().access(waddle).await?;
        let db = self.waddle_db(waddle).await?;
        let mut all = db.read(move |conn| hooks::list_incoming(conn, channel)).await?;
        if let Some(user) = actor.user() {
            all.retain(|h| access.channel_allows(h.channel, "webhook", user));
            let some = channel.is_some_and(|c| access.channel_allows(c, "webhook", user));
            if all.is_empty() && !some && !access.waddle_allows("manage_webhooks", user) {
                return Err(Error::Forbidden);
            }
        }
        Ok(all)
    }

    /// Changes a hook. Needs `channel#webhook` where it is and where it goes.
    pub async fn update_incoming(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
        change: IncomingChange,
    ) -> Result<IncomingHook> {
        let actor = actor.into();
        let mut hook = self.incoming(&actor, waddle, id).await?;
        let from = hook.channel;
        change.apply(&mut hook)?;
        // it posts by their right from now on
        hook.made_by = actor.user().cloned();
        if hook.channel != from && !self.allows_channel(waddle, from, &actor).await? {
            return Err(Error::Forbidden);
        }
        let changed = hook.clone();
        self.community()
            .change_beside(actor, waddle, Need::Channel(hook.channel, "webhook"), move |b| {
                hooks::update_incoming(b.tx, &hook)?;
                Ok(((), Some(line("webhook.update", &hook))))
            })
            .await?;
        Ok(changed)
    }

    /// Gives a hook a new secret; the old address is void at once.
    pub async fn rotate_incoming(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        id: HookId,
    ) -> Result<IncomingAddress> {
        let (secret, actor) = (new_secret()?, actor.into());
        let mut hook = self.incoming(&actor, waddle, id).await?;
        hook.made_by = actor.user().cloned();
        let made = address(waddle, &hook, &secret);
        self.community()
            .change_beside(actor, waddle, Need::Channel(hook.channel, "webhook"), move |b| {
                hooks::set_incoming_secret(b.tx, hook.id, &hash(secret.expose()), hook.made_by.as_ref())?;
                Ok(((), Some(line("webhook.rotate", &hook))))
            })
            .await?;
        Ok(made)
    }

    /// Deletes a hook; its address is void at once.
    pub async fn delete_incoming(&self, actor: impl Into<Actor>, waddle: WaddleId, id: HookId) -> Result<()> {
        let actor = actor.into();
        let hook = self.incoming(&actor, waddle, id).await?;
        self.community()
            .change_beside(actor, waddle, Need::Channel(hook.channel, "webhook"), move |b| {
                hooks::delete_incoming(b.tx, hook.id)?;
                Ok(((), Some(line("webhook.delete", &hook))))
            })
            .await?;
        Ok(())
    }

    /// Takes a message for a hook whose address was called; answers its identifier in the archive.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a wrong address, whatever is wrong with it; [`Error::TooMany`]; [`Error::Stopped`] where its
    /// maker lost `channel#webhook`; [`Error::Invalid`] for a body that cannot be read; [`Error::Refused`] and
    /// [`Error::Busy`] of the channel.
    pub async fn accept(
        &self,
        waddle: WaddleId,
        id: HookId,
        secret: &Secret,
        format: Format,
        head: Head<'_>,
        body: &[u8],
    ) -> Result<MessageId> {
        let nobody = || Error::NotFound("webhook");
        let db = self.waddle_db(waddle).await.map_err(|_| nobody())?;
        let found = db.read(move |conn| hooks::get_incoming(conn, id)).await?;
        let digest = hash(secret.expose());
        let (hook, stored) = match found {
            Some((hook, stored)) if bool::from(stored.as_slice().ct_eq(&digest)) => (hook, stored),
            _ => return Err(nobody()),
        };
        drop(stored);
        if let Err(wait) = self.0.hook_rates.take(id, self.now()) {
            metrics::incoming("limited");
            return Err(Error::TooMany(wait));
        }
        let access = self.community().access(waddle).await?;
        let maker = hook.made_by.as_ref();
        let result = if maker.is_none_or(|u| access.channel_allows(hook.channel, "webhook", u)) {
            match read(format, head, body, self.limits().hook_text_chars) {
                Ok(said) => self.say(waddle, &hook, said).await,
                Err(e) => Err(Error::invalid("body", e.to_string())),
            }
        } else {
            Err(Error::Stopped)
        };
        metrics::incoming(match &result {
            Ok(_) => "ok",
            Err(Error::Invalid { .. }) => "unreadable",
            Err(_) => "refused",
        });
        let why = result.as_ref().err().map(ToString::to_string);
        if let Err(error) = db
            .write(move |tx| hooks::used_incoming(tx, id, why.as_deref()))
            .await
        {
            tracing::debug!(%error, "a webhook's use was not noted");
        }
        result
    }

    async fn say(&self, waddle: WaddleId, hook: &IncomingHook, said: Said) -> Result<MessageId> {
        let post = |nick: &str| Post {
            waddle,
            channel: hook.channel,
            nick: nick.to_owned(),
            body: said.text.clone(),
            poster: Some(Poster {
                author: format!("webhook:{}", hook.id),
                mark: WEBHOOK,
                payload: payload(hook, &said),
            }),
        };
        let nick = said.name.as_deref().unwrap_or(&hook.name);
        let mut posted = self.0.deps.rooms.post(post(nick)).await;
        if posted == Err(PostError::Nick) {
            // a name that cannot be a nickname
            posted = self.0.deps.rooms.post(post("Webhook")).await;
        }
        posted.map_err(|e| match e {
            PostError::NoChannel => Error::NotFound("webhook"),
            e => e.into(),
        })
    }
}

/// What a webhook's message holds beside its text.
fn payload(hook: &IncomingHook, said: &Said) -> bytes::Bytes {
    let mut w = XmlWriter::new();
    if let Some(thread) = &said.thread {
        w.leaf("thread", thread);
    }
    w.open_ns("webhook", NS)
        .attr_display("id", hook.id)
        .attr("name", &hook.name)
        .attr_opt("avatar", said.avatar.as_deref().or(hook.avatar_url.as_deref()))
        .close();
    // one file and nothing else: clients show it (XEP-0066)
    if let [(url, _)] = said.links.as_slice()
        && said.text == *url
    {
        w.open_ns("x", "jabber:x:oob").leaf("url", url).close();
    }
    w.finish()
}
