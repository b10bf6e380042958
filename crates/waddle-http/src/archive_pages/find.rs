//! What is public: a waddle that everybody sees and that did not opt out, a channel in it that strangers may read and
//! whose archive was not switched off.

use std::{
    hash::{Hash as _, Hasher as _},
    sync::{Arc, LazyLock, atomic::Ordering},
};

use waddle_community::{Channel, Visibility, Waddle, WaddleAccess};
use waddle_core::{BareJid, Slug, UserId};
use waddle_messages::ChannelMessages;
use waddle_storage::Db;

use crate::{App, problem::Problem};

/// Somebody whom nobody knows: what is open to them is open to all.
static NOBODY: LazyLock<Option<UserId>> = LazyLock::new(|| {
    let jid = BareJid::new(Some("nobody"), "anonymous.invalid").ok()?;
    Some(UserId::remote(&jid))
});

/// A public waddle.
#[derive(Clone)]
pub(super) struct Place {
    pub waddle: Arc<Waddle>,
    pub access: Arc<WaddleAccess>,
    pub db: Db,
}

/// A channel of it that anybody may read.
pub(super) struct Room {
    pub place: Place,
    pub channel: Arc<Channel>,
    pub messages: ChannelMessages,
}

/// Whether a waddle has a public archive at all.
pub(super) fn is_public(waddle: &Waddle) -> bool {
    waddle.visibility == Visibility::Public && waddle.settings.public_archive
}

/// The public waddle of this slug.
pub(super) async fn place(app: &App, slug: &str) -> Result<Option<Place>, Problem> {
    let community = &app.deps.community;
    let found = slug
        .parse::<Slug>()
        .ok()
        .and_then(|s| community.waddle_by_slug(&s));
    let Some(waddle) = found.filter(|w| is_public(w)) else {
        return Ok(None);
    };
    let access = match community.access(waddle.id).await {
        Ok(access) => access,
        Err(waddle_community::Error::NotFound(_)) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let db = community
        .storage()
        .waddle(waddle.id)
        .await
        .map_err(waddle_community::Error::from)?;
    // as it is now: the list may be a moment behind
    let waddle = access.waddle();
    Ok(is_public(&waddle).then_some(Place { waddle, access, db }))
}

impl Place {
    /// The channels that anybody may read, in their order.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        let Some(nobody) = NOBODY.as_ref() else {
            return Vec::new();
        };
        let mut all = self.access.visible_channels(nobody);
        all.retain(|c| c.public_archive && !c.private);
        all
    }

    /// The channel of this slug.
    pub fn channel(&self, slug: &str) -> Option<Room> {
        let channel = self.channels().into_iter().find(|c| c.slug.as_str() == slug)?;
        Some(self.room(channel))
    }

    /// One of its channels.
    pub fn room(&self, channel: Arc<Channel>) -> Room {
        Room {
            messages: ChannelMessages::of(self.db.clone(), channel.id),
            place: self.clone(),
            channel,
        }
    }

    /// What a page made now is good for: until a commit in the waddle, or a person's wish.
    pub fn token(&self, app: &App) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.waddle.id.hash(&mut hasher);
        self.db.changes().hash(&mut hasher);
        self.access.revision().hash(&mut hasher);
        app.archive.people.load(Ordering::Acquire).hash(&mut hasher);
        hasher.finish()
    }
}

/// Seconds for which the list of a waddle's days is good.
const LIST: i64 = 900;

impl Place {
    /// What a list of days made now is good for: for a while, as long as the same channels are public. It takes many
    /// looks into the archive, and each message is a commit.
    pub fn slow_token(&self, app: &App) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.waddle.id.hash(&mut hasher);
        self.waddle.slug.as_str().hash(&mut hasher);
        self.access.revision().hash(&mut hasher);
        for c in self.channels() {
            c.id.hash(&mut hasher);
            c.slug.as_str().hash(&mut hasher);
        }
        app.deps.identity.now().secs().div_euclid(LIST).hash(&mut hasher);
        hasher.finish()
    }
}

impl Room {
    /// The path of the channel's pages.
    pub fn path(&self) -> String {
        format!("/archive/{}/{}", self.place.waddle.slug, self.channel.slug)
    }
}

/// The public channel of these slugs.
pub(super) async fn room(app: &App, w: &str, c: &str) -> Result<Option<Room>, Problem> {
    Ok(place(app, w).await?.and_then(|p| p.channel(c)))
}
