//! The messages of one channel: pages, single ones, threads, pins, who reacts. Whether somebody may read them is for the
//! caller to ask.

use waddle_community::Community;
use waddle_core::{ChannelId, MessageId, Timestamp, UserId, WaddleId};
use waddle_storage::{
    Conn, Db,
    repo::{
        archive::{self, ArchiveKey, Archived},
        messages::{self, Range, Unread},
    },
};

use crate::{Error, MessageView, Result, Viewer, inbox, names, view};

/// Messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub items: Vec<MessageView>,
    /// Whether there are none beyond, in the direction of paging.
    pub complete: bool,
}

/// A pinned message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The message.
    pub message: MessageView,
    /// Who pinned it.
    pub by: Option<UserId>,
    /// When.
    pub at: Timestamp,
}

/// Somebody who reacts to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reactor {
    /// With what.
    pub emoji: String,
    /// Who.
    pub user: String,
}

/// The messages of one channel.
#[derive(Debug, Clone)]
pub struct ChannelMessages {
    db: Db,
    /// Where the names of the authors are.
    accounts: Option<Db>,
    key: ArchiveKey,
    channel: ChannelId,
}

impl ChannelMessages {
    /// Of a channel of a waddle.
    pub async fn open(community: &Community, waddle: WaddleId, channel: ChannelId) -> Result<Self> {
        let storage = community.storage();
        Ok(Self {
            accounts: Some(storage.server()),
            ..Self::of(storage.waddle(waddle).await?, channel)
        })
    }

    /// Of a channel in the database of its waddle; what names its authors show is not known.
    pub fn of(db: Db, channel: ChannelId) -> Self {
        Self {
            db,
            accounts: None,
            key: ArchiveKey::channel(channel),
            channel,
        }
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn, &ArchiveKey) -> Result<T> + Send + 'static,
    {
        let key = self.key.clone();
        self.db.read(move |c| Ok(work(c, &key))).await?
    }

    /// The same with the names that the authors show now.
    async fn named<'a>(&self, views: impl IntoIterator<Item = &'a mut MessageView>) -> Result<()> {
        match &self.accounts {
            Some(accounts) => names::put(accounts, views).await,
            None => Ok(()),
        }
    }

    /// A page of what was said.
    pub async fn page(&self, viewer: &Viewer, range: Range, max: usize) -> Result<Page> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let read = self.read(move |c, key| {
            let (rows, complete) = messages::list(c, key, range, max)?;
            let items = view::views(c, key, channel, &viewer, rows)?;
            Ok(Page { items, complete })
        });
        let mut page = read.await?;
        self.named(&mut page.items).await?;
        Ok(page)
    }

    /// A page of the thread that `root` began, without it. Any message of the thread may be named, also when its root is gone.
    pub async fn thread(&self, viewer: &Viewer, root: MessageId, range: Range, max: usize) -> Result<Page> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let read = self.read(move |c, key| {
            let named = messages::first_of(c, root)?;
            archive::get(c, key, named)?;
            let root = messages::root_of(c, named)?.unwrap_or(named);
            let (rows, complete) = messages::of_thread(c, root, range, max)?;
            let items = view::views(c, key, channel, &viewer, rows)?;
            Ok(Page { items, complete })
        });
        let mut page = read.await?;
        self.named(&mut page.items).await?;
        Ok(page)
    }

    /// One message; a correction stands for the message that it corrects. [`Error::NotFound`] where there is none.
    pub async fn get(&self, viewer: &Viewer, id: MessageId) -> Result<MessageView> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let mut found = self.read(move |c, key| one(c, key, channel, &viewer, id)).await?;
        self.named([&mut found]).await?;
        Ok(found)
    }

    /// These messages, in the order of their identifiers; what is not there is left out.
    pub async fn these(&self, viewer: &Viewer, ids: Vec<MessageId>) -> Result<Vec<MessageView>> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let read = self.read(move |c, key| {
            let rows = messages::these(c, key, &ids)?;
            view::views(c, key, channel, &viewer, rows)
        });
        let mut found = read.await?;
        self.named(&mut found).await?;
        Ok(found)
    }

    /// A message with up to `around` before it and as many behind it.
    pub async fn context(&self, viewer: &Viewer, id: MessageId, around: usize) -> Result<Vec<MessageView>> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let read = self.read(move |c, key| {
            let id = messages::first_of(c, id)?;
            let own = archive::get(c, key, id)?;
            let (mut rows, _) = messages::list(c, key, Range::Before(Some(id)), around)?;
            rows.push(own);
            rows.extend(messages::list(c, key, Range::After(Some(id)), around)?.0);
            view::views(c, key, channel, &viewer, rows)
        });
        let mut found = read.await?;
        self.named(&mut found).await?;
        Ok(found)
    }

    /// The pinned messages, the last pinned first.
    pub async fn pins(&self, viewer: &Viewer, max: usize) -> Result<Vec<Pinned>> {
        let (viewer, channel) = (viewer.clone(), self.channel);
        let read = self.read(move |c, key| {
            let mut all = Vec::new();
            let pins = messages::pins(c, key, max)?;
            let ids: Vec<MessageId> = pins.iter().map(|p| p.id).collect();
            let rows = messages::these(c, key, &ids)?;
            let mut views = view::views(c, key, channel, &viewer, rows)?;
            for p in pins {
                if let Some(i) = views.iter().position(|v| v.id == p.id) {
                    let by = p.by.parse().ok();
                    all.push(Pinned {
                        message: views.swap_remove(i),
                        by: by.filter(|_| viewer.addresses),
                        at: p.at,
                    });
                }
            }
            Ok(all)
        });
        let mut pins = read.await?;
        self.named(pins.iter_mut().map(|p| &mut p.message)).await?;
        Ok(pins)
    }

    /// Who reacts to a message, with one emoji or any, behind `after` (emoji and user).
    pub async fn reactors(
        &self,
        id: MessageId,
        emoji: Option<String>,
        after: Option<Reactor>,
        max: usize,
    ) -> Result<Vec<Reactor>> {
        self.read(move |c, key| {
            let id = messages::first_of(c, id)?;
            archive::get(c, key, id)?;
            let after = after.as_ref().map_or(("", ""), |a| (&*a.user, &*a.emoji));
            let found = messages::reactors(c, id, emoji.as_deref(), after, max)?;
            Ok(found
                .into_iter()
                .map(|(emoji, user)| Reactor { emoji, user })
                .collect())
        })
        .await
    }

    /// Up to where somebody has read, and how much they have not; counts end at `most`. Who has never read it has read what
    /// was said before they joined.
    pub async fn unread(&self, reader: &UserId, most: usize) -> Result<(Option<MessageId>, Unread)> {
        let reader = reader.clone();
        self.read(move |c, key| {
            let marker = messages::marker(c, reader.as_str(), key.as_str())?;
            let after = match marker {
                Some(marker) => marker,
                None => inbox::joined(c, &reader)?,
            };
            Ok((marker, messages::unread(c, key, reader.as_str(), after, most)?))
        })
        .await
    }

    /// Moves somebody's marker forward to a message of the channel; `false` where it was there already, or further.
    pub async fn mark(&self, reader: &UserId, id: MessageId) -> Result<bool> {
        let (reader, key) = (reader.clone(), self.key.clone());
        let moved = self.db.write(move |tx| {
            archive::get(tx, &key, id)?;
            messages::mark(tx, reader.as_str(), key.as_str(), id)
        });
        Ok(moved.await?)
    }
}

/// One message of a channel, within a reading of its database.
pub fn one(
    conn: &Conn,
    key: &ArchiveKey,
    channel: ChannelId,
    viewer: &Viewer,
    id: MessageId,
) -> Result<MessageView> {
    let row: Archived = archive::get(conn, key, messages::first_of(conn, id)?)?;
    let found = view::views(conn, key, channel, viewer, vec![row])?;
    found.into_iter().next().ok_or(Error::NotFound)
}
