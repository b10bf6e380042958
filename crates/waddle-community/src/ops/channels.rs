//! Making, changing, moving and deleting channels.

use std::sync::Arc;

use waddle_core::{CategoryId, ChannelId, WaddleId};
use waddle_storage::repo::{
    archive::{self, Afterwards, ArchiveKey},
    bindings, channels, rooms, waddles,
};

use super::{bounded, channel_name, places, topic};
use crate::{
    Actor, Channel, ChannelChange, Community, Error, Event, NewChannel, On, Result, change::Draft, facts,
};

/// The row of a new channel and its tuples.
pub(super) fn enter(d: &mut Draft<'_>, c: &Channel) -> Result<()> {
    channels::insert(d.tx, c)?;
    keep(d, c)?;
    d.write(facts::channel_parent(c.id, c.waddle));
    open(d, c);
    Ok(())
}

/// The archive forgets what is older than the channel says.
fn keep(d: &mut Draft<'_>, c: &Channel) -> Result<()> {
    Ok(archive::keep(d.tx, &ArchiveKey::channel(c.id), c.retention_days)?)
}

fn seconds(field: &'static str, why: &'static str, value: Option<u32>, max: u32) -> Result<()> {
    if value.is_some_and(|v| v > max) {
        return Err(Error::Invalid { field, why });
    }
    Ok(())
}

/// Days of the longest retention, a hundred years.
const DAYS: u32 = 36_525;
/// Seconds after which a message disappears at the latest, a year.
const YEAR: u32 = 31_536_000;

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
        let actor = actor.into();
        self.require_now(&actor, id, "create_channel").await?;
        // The index knows it before it is there, so that it never lacks one that is.
        let (channel, server) = (ChannelId::new(), self.storage().server());
        server
            .write(move |tx| waddles::place_channel(tx, id, channel))
            .await?;
        let made = self.make_channel(actor, id, channel, new).await;
        // Once more where it is there, or may be: the index may have been made anew meanwhile, without it.
        let refused = matches!(&made, Err(e) if !matches!(e, Error::Storage(_)));
        let noted = server.write(move |tx| {
            if refused {
                waddles::displace_channel(tx, id, channel)
            } else {
                waddles::place_channel(tx, id, channel)
            }
        });
        if let Err(error) = noted.await {
            tracing::warn!(waddle = %id, %channel, %error, "the index of channels is behind");
        }
        made
    }

    async fn make_channel(
        &self,
        actor: Actor,
        id: WaddleId,
        identifier: ChannelId,
        new: NewChannel,
    ) -> Result<Arc<Channel>> {
        self.change(id, actor, move |d| {
            d.require(On::Waddle, "create_channel")?;
            let mut all = d.channels();
            bounded("channels in a waddle", all.len(), d.limits.channels_per_waddle)?;
            known_category(d, new.category)?;
            if all.iter().any(|c| c.slug == new.slug) {
                return Err(Error::Conflict("the waddle has a channel of this name"));
            }
            let channel = Arc::new(Channel {
                id: identifier,
                waddle: id,
                slug: new.slug,
                name: new.name,
                topic: new.topic,
                kind: new.kind,
                private: new.private,
                category: new.category,
                position: places::group(&all, new.category)
                    .iter()
                    .map(|c| c.position.saturating_add(1))
                    .max()
                    .unwrap_or(0),
                slow_mode_seconds: 0,
                retention_days: 0,
                expire_seconds: 0,
                public_archive: true,
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
        seconds(
            "slow_mode_seconds",
            "no longer than the longest slow mode (6 hours where nothing else is set)",
            change.slow_mode_seconds,
            self.limits().slow_mode_seconds,
        )?;
        seconds("retention_days", "up to 36525", change.retention_days, DAYS)?;
        seconds(
            "expire_seconds",
            "up to 31536000, a year",
            change.expire_seconds,
            YEAR,
        )?;
        self.change(id, actor.into(), move |d| {
            let before = find(d, channel)?;
            let to = change.category.unwrap_or(before.category);
            let moves = to != before.category || change.position.is_some_and(|p| p != before.position);
            let mut c = Channel::clone(&before);
            c.topic = change.topic.unwrap_or(c.topic);
            let topic_alone = c.clone();
            c.name = change.name.unwrap_or(c.name);
            c.kind = change.kind.unwrap_or(c.kind);
            c.private = change.private.unwrap_or(c.private);
            c.slow_mode_seconds = change.slow_mode_seconds.unwrap_or(c.slow_mode_seconds);
            c.retention_days = change.retention_days.unwrap_or(c.retention_days);
            c.expire_seconds = change.expire_seconds.unwrap_or(c.expire_seconds);
            c.public_archive = change.public_archive.unwrap_or(c.public_archive);
            let needed = if c == topic_alone && !moves {
                "moderate"
            } else {
                "manage"
            };
            d.require(On::Channel(channel), needed)?;
            let mut all = d.channels();
            if c != *before {
                channels::update(d.tx, &c)?;
                keep(d, &c)?;
                open(d, &c);
                let c = Arc::new(c);
                if let Some(slot) = all.iter_mut().find(|other| other.id == channel) {
                    *slot = c;
                }
            }
            if moves {
                known_category(d, to)?;
                places::move_channel(d, &mut all, channel, to, change.position)?;
            }
            let after = all
                .iter()
                .find(|other| other.id == channel)
                .cloned()
                .ok_or(Error::NotFound("channel"))?;
            if after == before {
                return Ok(before);
            }
            d.audit(
                "channel.update",
                &format!("channel:{channel}"),
                &changed(&before, &after),
                None,
            )?;
            d.set_channels(all);
            d.event(Event::ChannelUpdated {
                slug: d.slug(),
                channel: after.clone(),
            });
            Ok(after)
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
        let server = self.storage().server();
        let noted = server.write(move |tx| waddles::displace_channel(tx, id, channel));
        if let Err(error) = noted.await {
            tracing::warn!(waddle = %id, %channel, %error, "the index of channels is behind");
        }
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
            let left: Vec<_> = places::group(&all, gone.category).iter().map(|c| c.id).collect();
            places::store(d, &mut all, gone.category, &left)?;
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
}

pub(super) fn find(d: &Draft<'_>, channel: ChannelId) -> Result<Arc<Channel>> {
    let all = d.channels();
    all.into_iter()
        .find(|c| c.id == channel)
        .ok_or(Error::NotFound("channel"))
}

fn known_category(d: &Draft<'_>, category: Option<CategoryId>) -> Result<()> {
    match category {
        Some(id) if !d.categories().iter().any(|c| c.id == id) => Err(Error::NotFound("category")),
        _ => Ok(()),
    }
}

/// What of a channel is another than it was, for the audit log.
fn changed(before: &Channel, after: &Channel) -> String {
    let b = before;
    let a = after;
    let fields = [
        ("name", b.name != a.name),
        ("topic", b.topic != a.topic),
        ("type", b.kind != a.kind),
        ("private", b.private != a.private),
        ("category", b.category != a.category),
        ("position", b.position != a.position),
        ("slow_mode_seconds", b.slow_mode_seconds != a.slow_mode_seconds),
        ("retention_days", b.retention_days != a.retention_days),
        ("expire_seconds", b.expire_seconds != a.expire_seconds),
        ("public_archive", b.public_archive != a.public_archive),
    ];
    let names: Vec<&str> = fields
        .iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| *name)
        .collect();
    [a.slug.as_str(), ": ", &names.join(", ")].concat()
}
