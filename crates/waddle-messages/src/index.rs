//! What a message says of others, written in the transaction that archives it.
//!
//! The root rule: what answers a message of a thread belongs to the message that the thread began with, however deep.

use waddle_core::MessageId;
use waddle_storage::{
    Result, Tx,
    repo::{
        archive::{self, ArchiveKey, Kind, NewMessage, Trace},
        messages::{self, Link},
    },
};

use crate::{Facts, NewsKind};

/// A message that was archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its identifier.
    pub id: MessageId,
    /// What was done.
    pub news: NewsKind,
    /// Up to where its author has read from now on, where that is further than before.
    pub read: Option<MessageId>,
}

/// Archives a message with what it says. `reach` is how many messages back a correction is looked for.
pub fn append(
    tx: &mut Tx,
    key: &ArchiveKey,
    mut message: NewMessage,
    trace: Trace,
    facts: Option<&Facts>,
    reach: usize,
) -> Result<Appended> {
    let Some(f) = facts else {
        return Ok(Appended {
            id: archive::append_traced(tx, key, message, trace)?,
            news: NewsKind::Posted,
            read: None,
        });
    };
    let author = message.author.clone().unwrap_or_default();
    let edits = corrected(tx, key, &author, f, reach)?;
    if f.must_correct && edits.is_none() {
        return Err(waddle_storage::StorageError::NotFound);
    }
    if message.kind == Kind::Message && (!f.is_line || edits.is_some()) {
        message.kind = Kind::Other;
    }
    let corrected_to = message.body.clone().filter(|_| edits.is_some());
    let id = archive::append_traced(tx, key, message, trace)?;
    let news = if let Some(target) = edits {
        let link = Link {
            edits,
            ..Link::default()
        };
        messages::link(tx, key, id, &link)?;
        messages::mentioned(tx, key, target, &f.mentions)?;
        messages::name_files(tx, target, &author, &f.files)?;
        messages::keep_preview_if(tx, target, corrected_to.as_deref().unwrap_or_default())?;
        NewsKind::Edited(target)
    } else if f.is_line {
        let link = place(tx, key, f)?;
        if link != Link::default() {
            messages::link(tx, key, id, &link)?;
        }
        messages::mention(tx, key, id, &f.mentions)?;
        messages::name_files(tx, id, &author, &f.files)?;
        NewsKind::Posted
    } else if let Some((target, emojis)) = &f.reacts {
        let target = messages::first_of(tx, *target)?;
        if messages::set_reactions(tx, key, target, &author, emojis, id)? {
            NewsKind::Reacted(target)
        } else {
            NewsKind::Other
        }
    } else {
        f.news()
    };
    let mut read = None;
    if let Some(displayed) = f.displayed {
        let displayed = displayed.min(id);
        if messages::mark(tx, &author, key.as_str(), displayed)? {
            read = Some(displayed);
        }
    }
    Ok(Appended { id, news, read })
}

/// The message that is corrected: only the author's own, and only one that is there and that people read. Whoever could
/// correct a reaction or a marker would say something new that is nowhere.
fn corrected(tx: &Tx, key: &ArchiveKey, author: &str, f: &Facts, reach: usize) -> Result<Option<MessageId>> {
    let found = match (f.edits, &f.replaces) {
        (Some(id), _) => Some(id),
        (None, Some(id)) => messages::named(tx, key, author, id, reach)?,
        (None, None) => None,
    };
    let Some(found) = found else { return Ok(None) };
    let target = messages::first_of(tx, found)?;
    match archive::get(tx, key, target) {
        Ok(m) if !m.retracted && m.kind == Kind::Message && m.author.as_deref() == Some(author) => {
            Ok(Some(target))
        }
        Ok(_) | Err(waddle_storage::StorageError::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Where a message stands.
fn place(tx: &Tx, key: &ArchiveKey, f: &Facts) -> Result<Link> {
    let mut link = Link::default();
    let root = |id| Ok::<_, waddle_storage::StorageError>(messages::root_of(tx, id)?.unwrap_or(id));
    if let Some(id) = f.reply_to {
        let id = messages::first_of(tx, id)?;
        if archive::has(tx, key, id)? {
            link.reply_to = Some(id);
            link.root = Some(root(id)?);
        }
    }
    if let (None, Some(id)) = (link.root, f.thread_root)
        && archive::has(tx, key, id)?
    {
        link.root = Some(root(id)?);
    }
    if let Some(thread) = &f.thread {
        match messages::began(tx, key, thread)? {
            Some(first) if link.root.is_none() => link.root = Some(root(first)?),
            Some(_) => {}
            // A thread may be called by the message that began it.
            None if link.root.is_none() => match thread.parse::<MessageId>() {
                Ok(first) if archive::has(tx, key, first)? => link.root = Some(root(first)?),
                _ => link.thread = Some(thread.clone()),
            },
            None => link.thread = Some(thread.clone()),
        }
    }
    Ok(link)
}
