//! Making, changing and deleting channels, and what single people may do in one.

use std::sync::Arc;

use waddle_core::{ChannelId, UserId, WaddleId};
use waddle_storage::repo::{
    archive::{self, Afterwards, ArchiveKey},
    bindings, channels, rooms,
};

use super::{bounded, channel_name, topic};
use crate::{
    Actor, Channel, ChannelChange, ChannelGrant, Community, Error, Event, NewChannel, On, Result,
    change::Draft, facts,
};

/// The row of a new channel and its tuples.
pub(super) fn enter(d: &mut Draft<'_>, c: &Channel) -> Result<()> {
    channels::insert(d.tx, c)?;
    d.write(facts::channel_parent(c.id, c.waddle));
    open(d, c);
    Ok(())
}

fn open(d: &mut Draft<'_>, c: &Channel) {
    for (tuple, there) in facts::openness(c.id, c.waddle, c.kind, c.private) {
        d.set(tuple, there);
    }
}

impl Community {
    /// Makes a channel. Needs `waddle#create_channel`.
    pub async fn create_channel(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        new: NewChannel,
    ) -> Result<Arc<Channel>> {
        channel_name(&new.name)?;
        topic(&new.topic)?;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "create_channel")?;
            let mut all = d.channels();
            bounded("channels in a waddle", all.len(), d.limits.channels_per_waddle)?;
            if all.iter().any(|c| c.slug == new.slug) {
                return Err(Error::Conflict("the waddle has a channel of this name"));
            }
            let channel = Arc::new(Channel {
                id: ChannelId::new(),
                waddle: id,
                slug: new.slug,
                name: new.name,
                topic: new.topic,
                kind: new.kind,
                private: new.private,
                position: all.iter().map(|c| c.position + 1).max().unwrap_or(0),
                created_at: d.now,
            });
            enter(d, &channel)?;
            d.audit(
                "channel.create",
                &format!("channel:{}", channel.id),
                channel.slug.as_str(),
                None,
            )?;
            all.push(channel.clone());
            d.set_channels(all);
            d.event(Event::ChannelCreated {
                slug: d.slug(),
                channel: channel.clone(),
            });
            Ok(channel)
        })
        .await
    }

    /// Changes a channel. Needs `channel#manage`; `channel#moderate` is enough for the topic alone.
    pub async fn update_channel(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
        change: ChannelChange,
    ) -> Result<Arc<Channel>> {
        change.name.as_deref().map_or(Ok(()), channel_name)?;
        change.topic.as_deref().map_or(Ok(()), topic)?;
        self.change(id, actor.into(), move |d| {
            let before = find(d, channel)?;
            let mut c = Channel::clone(&before);
            c.topic = change.topic.unwrap_or(c.topic);
            let topic_alone = c.clone();
            c.name = change.name.unwrap_or(c.name);
            c.kind = change.kind.unwrap_or(c.kind);
            c.private = change.private.unwrap_or(c.private);
            c.position = change.position.unwrap_or(c.position).min(1_000_000);
            let needed = if c == topic_alone { "moderate" } else { "manage" };
            d.require(On::Channel(channel), needed)?;
            if c == *before {
                return Ok(before);
            }
            channels::update(d.tx, &c)?;
            open(d, &c);
            d.audit(
                "channel.update",
                &format!("channel:{channel}"),
                c.slug.as_str(),
                None,
            )?;
            let c = Arc::new(c);
            let mut all = d.channels();
            all.retain(|other| other.id != channel);
            all.push(c.clone());
            d.set_channels(all);
            d.event(Event::ChannelUpdated {
                slug: d.slug(),
                channel: c.clone(),
            });
            Ok(c)
        })
        .await
    }

    /// Deletes a channel with its feeds and its archive. Needs `channel#manage`.
    pub async fn delete_channel(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
    ) -> Result<()> {
        self.forget_channel(id, actor.into(), channel).await?;
        // Gone for everybody; what fails now is done when the waddle is read again.
        if let Err(error) = rooms::clear_channels(&self.db(id).await?, Afterwards::Keep).await {
            tracing::warn!(waddle = %id, %channel, %error, "a deleted channel's messages are removed later");
        }
        Ok(())
    }

    async fn forget_channel(&self, id: WaddleId, actor: Actor, channel: ChannelId) -> Result<()> {
        self.change(id, actor, move |d| {
            let gone = find(d, channel)?;
            d.require(On::Channel(channel), "manage")?;
            let feeds: Vec<_> = bindings::list(d.tx, id)?
                .into_iter()
                .filter(|b| b.channel == channel)
                .collect();
            let about: Vec<_> = {
                let state = d.access.read();
                let store = &state.store;
                let mut t = store.tuples_about(facts::channel(channel).as_ref());
                t.extend(store.tuples_of(facts::channel(channel).as_ref()));
                for f in &feeds {
                    t.extend(store.tuples_about(facts::feed(f.id).as_ref()));
                }
                t
            };
            d.delete_all(about);
            channels::delete(d.tx, channel)?;
            archive::condemn(d.tx, &ArchiveKey::channel(channel), Afterwards::Keep)?;
            d.audit(
                "channel.delete",
                &format!("channel:{channel}"),
                gone.slug.as_str(),
                None,
            )?;
            let mut all = d.channels();
            all.retain(|c| c.id != channel);
            d.set_channels(all);
            d.event(Event::ChannelDeleted {
                slug: d.slug(),
                channel: gone,
            });
            if !feeds.is_empty() {
                d.event(Event::BindingsChanged { waddle: id });
            }
            Ok(())
        })
        .await
    }

    /// Gives a person a relation to one channel, or takes it back (`given` is false). Mutes and bans need
    /// `channel#moderate` and a higher rank there than the person's ([`rank_in`](crate::WaddleAccess::rank_in)),
    /// everything else `channel#manage`.
    pub async fn grant_channel(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
        user: &UserId,
        grant: ChannelGrant,
        given: bool,
    ) -> Result<()> {
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            find(d, channel)?;
            match grant {
                ChannelGrant::Muted | ChannelGrant::Banned => {
                    d.require(On::Channel(channel), "moderate")?;
                    if let Some(actor) = d.actor.user()
                        && d.access.rank_in(channel, &user) >= d.access.rank_in(channel, actor)
                    {
                        return Err(Error::Forbidden);
                    }
                }
                _ => d.require(On::Channel(channel), "manage")?,
            }
            let tuple = facts::grant(channel, &user, grant);
            if d.access.read().store.contains(&tuple) == given {
                return Ok(());
            }
            d.set(tuple, given);
            let action = if given { "channel.grant" } else { "channel.ungrant" };
            let detail = format!("{} on channel:{channel}", grant.relation());
            d.audit(action, &user.subject(), &detail, None)
        })
        .await
    }
}

fn find(d: &Draft<'_>, channel: ChannelId) -> Result<Arc<Channel>> {
    let all = d.channels();
    all.into_iter()
        .find(|c| c.id == channel)
        .ok_or(Error::NotFound("channel"))
}
