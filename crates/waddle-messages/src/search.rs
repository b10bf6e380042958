//! Searching the messages of a waddle (`specs/messages.md`): the channels that somebody may read are part of the query.

use waddle_archive::fulltext;
use waddle_community::WaddleAccess;
use waddle_core::{ChannelId, MessageId, Timestamp, UserId};
use waddle_storage::{
    Db,
    repo::{
        archive::{self, ArchiveKey},
        messages::{
            self, Range,
            search::{self as repo, Term},
        },
    },
};

use crate::{Error, MessageView, Result, Viewer, view};

/// Steps of the index that one search waits for; behind that it says that it is not complete.
const STEPS: usize = 64;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Words, phrases and so on.
    pub terms: Vec<Term>,
    /// Only in these channels.
    pub channels: Vec<ChannelId>,
    /// Only what this one said.
    pub author: Option<UserId>,
    /// Only what was said before.
    pub before: Option<Timestamp>,
    /// Only what was said then or later.
    pub after: Option<Timestamp>,
    /// Only what names a file.
    pub has_file: bool,
}

impl Query {
    /// A search for a text in these channels; [`Error::Query`] says what is wrong with it.
    pub fn new(text: &str, channels: Vec<ChannelId>) -> Result<Self> {
        Ok(Self {
            terms: fulltext::terms(text).map_err(Error::Query)?,
            channels,
            author: None,
            before: None,
            after: None,
            has_file: false,
        })
    }
}

/// How much is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where the last page ended.
    pub cursor: Option<MessageId>,
    /// Messages of one page.
    pub max: usize,
    /// Messages before and behind each.
    pub context: usize,
    /// Matches that are looked at for one page, whether they may be read or not.
    pub reach: usize,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// It.
    pub message: MessageView,
    /// What was said before, oldest first.
    pub before: Vec<MessageView>,
    /// What was said behind, oldest first.
    pub after: Vec<MessageView>,
}

/// Messages that were found, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    /// They.
    pub items: Vec<Hit>,
    /// Where to go on; nothing where all was looked at.
    pub next: Option<MessageId>,
    /// Whether the newest messages are still missing from the index: ask again in a moment.
    pub behind: bool,
}

/// The channels of a waddle that somebody may read.
pub fn readable(access: &WaddleAccess, user: &UserId) -> Vec<ChannelId> {
    let all = access.channels();
    let may = |id: &ChannelId| access.channel_allows(*id, "join", user);
    all.iter().map(|c| c.id).filter(may).collect()
}

/// Searches the database of a waddle.
pub async fn search(db: &Db, viewer: &Viewer, query: Query, wanted: Wanted) -> Result<Hits> {
    if query.channels.is_empty() {
        return Ok(Hits {
            items: Vec::new(),
            next: None,
            behind: false,
        });
    }
    let behind = !fulltext::catch_up(db, STEPS).await?;
    let viewer = viewer.clone();
    db.read(move |c| {
        let find = repo::Search {
            terms: query.terms,
            archives: query.channels.iter().map(|id| ArchiveKey::channel(*id)).collect(),
            author: query.author.map(|u| u.as_str().to_owned()),
            before: query.before,
            after: query.after,
            has_file: query.has_file,
            peer: None,
        };
        let found = repo::find(c, &find, wanted.cursor, false, wanted.max, wanted.reach)?;
        let mut items = Vec::new();
        for id in found.ids {
            let Some((key, row)) = archive::anywhere(c, id)? else {
                continue;
            };
            let Some(channel) = key.as_channel() else { continue };
            let around = |range| {
                Ok::<_, waddle_storage::StorageError>(messages::list(c, &key, range, wanted.context)?.0)
            };
            let (mut before, mut after) = (Vec::new(), Vec::new());
            if wanted.context > 0 {
                before = around(Range::Before(Some(id)))?;
                after = around(Range::After(Some(id)))?;
            }
            let all = (|| {
                let message = view::views(c, &key, channel, &viewer, vec![row])?;
                let before = view::views(c, &key, channel, &viewer, before)?;
                let after = view::views(c, &key, channel, &viewer, after)?;
                Ok::<_, Error>((message, before, after))
            })();
            let (message, before, after) = match all {
                Ok(all) => all,
                Err(e) => return Ok(Err(e)),
            };
            items.extend(message.into_iter().next().map(|message| Hit {
                message,
                before,
                after,
            }));
        }
        Ok(Ok(Hits {
            items,
            next: found.next,
            behind,
        }))
    })
    .await?
}
