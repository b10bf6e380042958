//! Feed bindings: topics that appear in a channel.

use waddle_core::{BindingId, WaddleId};
use waddle_storage::repo::bindings;

use super::{bounded, text};
use crate::{Actor, Binding, Community, Error, Event, FeedMode, NewBinding, On, Result, facts};

impl Community {
    /// Binds topics to a channel. Needs `waddle#manage_feeds`, and `channel#speak`: the feed speaks there. A mode other than `message` is refused today.
    pub async fn bind_feed(&self, actor: impl Into<Actor>, id: WaddleId, new: NewBinding) -> Result<Binding> {
        if let Some(name) = &new.name {
            text(
                "name",
                "1 to 100 characters, no control characters",
                name,
                (1, 100),
                false,
            )?;
        }
        if new.filter.as_str().len() > 1024 || new.filter.as_str().starts_with('$') {
            return Err(Error::Invalid {
                field: "filter",
                why: "up to 1024 bytes, not below $",
            });
        }
        if new.mode != FeedMode::Message {
            return Err(Error::Invalid {
                field: "mode",
                why: "message is the one that works today; card and digest do not yet",
            });
        }
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "manage_feeds")?;
            if !d.channels().iter().any(|c| c.id == new.channel) {
                return Err(Error::NotFound("channel"));
            }
            d.require(On::Channel(new.channel), "speak")?;
            let there = bindings::list(d.tx, id)?;
            bounded(
                "feed bindings in a waddle",
                there.len(),
                d.limits.bindings_per_waddle,
            )?;
            if there
                .iter()
                .any(|b| b.channel == new.channel && b.filter == new.filter)
            {
                return Err(Error::Conflict("the channel has this feed already"));
            }
            let binding = Binding {
                id: BindingId::new(),
                waddle: id,
                name: new.name.unwrap_or_else(|| new.filter.to_string()),
                filter: new.filter,
                channel: new.channel,
                mode: new.mode,
                made_by: d.actor.user().cloned(),
                made_at: d.now,
            };
            bindings::insert(d.tx, &binding)?;
            d.write(facts::feed_parent(binding.id, binding.channel));
            d.audit(
                "feed.bind",
                &format!("feed:{}", binding.id),
                binding.filter.as_str(),
                None,
            )?;
            d.event(Event::BindingsChanged { waddle: id });
            Ok(binding)
        })
        .await
    }

    /// Takes a binding away. Needs `waddle#manage_feeds` or `feed#configure`.
    pub async fn unbind_feed(&self, actor: impl Into<Actor>, id: WaddleId, binding: BindingId) -> Result<()> {
        self.change(id, actor.into(), move |d| {
            d.require(On::Feed(binding), "configure")
                .or_else(|_| d.require(On::Waddle, "manage_feeds"))?;
            let there = bindings::list(d.tx, id)?;
            let Some(gone) = there.into_iter().find(|b| b.id == binding) else {
                return Err(Error::NotFound("feed"));
            };
            bindings::delete(d.tx, binding)?;
            let about = d.access.read().store.tuples_about(facts::feed(binding).as_ref());
            d.delete_all(about);
            d.audit(
                "feed.unbind",
                &format!("feed:{binding}"),
                gone.filter.as_str(),
                None,
            )?;
            d.event(Event::BindingsChanged { waddle: id });
            Ok(())
        })
        .await
    }

    /// All bindings of a waddle, the oldest first.
    pub async fn bindings(&self, id: WaddleId) -> Result<Vec<Binding>> {
        let db = self.db(id).await?;
        Ok(db.read(move |conn| bindings::list(conn, id)).await?)
    }
}
