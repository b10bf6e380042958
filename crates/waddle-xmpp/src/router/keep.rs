//! The archives of both sides of a conversation ([XEP-0313 §5.1.2]): what their owners want kept ([XEP-0441]), under
//! which identifiers, and what an author takes back ([XEP-0424]).
//!
//! [XEP-0313 §5.1.2]: https://xmpp.org/extensions/xep-0313.html#business-storeret-user-archives
//! [XEP-0424]: https://xmpp.org/extensions/xep-0424.html
//! [XEP-0441]: https://xmpp.org/extensions/xep-0441.html

use std::borrow::Cow;

use bytes::Bytes;
use dashmap::DashSet;
use waddle_archive::retraction::{self, Side};
use waddle_core::{Jid, MessageId, Timestamp, UserId};
use waddle_stanza::{
    Element, Stanza, ns,
    retract::{Retract, Tombstone},
};
use waddle_storage::{
    Db, StorageError, Tx,
    repo::{
        archive::{self, ArchiveKey, Kind, NewMessage, Trace, With},
        archive_prefs, offline,
    },
};

use super::{Origin, deliver::Post};
use crate::server::Server;

/// The accounts that have said what they want archived: nobody else's preferences are read at a message. One who took
/// everything back stays until the next start.
#[derive(Debug, Default)]
pub struct Choosers(DashSet<Box<str>, ahash::RandomState>);

impl Choosers {
    /// Reads who has said something.
    pub(crate) async fn load(&self, db: &Db) -> waddle_storage::Result<()> {
        for owner in db.read(archive_prefs::owners).await? {
            self.note(&owner);
        }
        Ok(())
    }

    /// An account is about to say something.
    pub(crate) fn note(&self, owner: &str) {
        self.0.insert(owner.into());
    }

    /// Whether an account wants archived what it exchanges with `other`.
    fn want(&self, tx: &Tx, owner: &str, other: &Jid) -> Result<bool, StorageError> {
        Ok(!self.0.contains(owner) || archive_prefs::wants(tx, owner, other)?)
    }
}

/// What a message is called in the archives of both; nothing where one does not want it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    /// In the sender's.
    pub own: Option<MessageId>,
    /// In the recipient's.
    pub recipient: Option<MessageId>,
}

/// Puts a message into the archives of both, and what it retracts out of them.
pub(super) fn archive(
    tx: &mut Tx,
    server: &Server,
    post: &Post,
    stanza: &Stanza,
    recipient: &UserId,
    at: Timestamp,
    bytes: &Bytes,
) -> Result<Kept, StorageError> {
    let root = stanza.root();
    let author = author(&post.from, server);
    if let Some(wish) = Retract::of(root) {
        take_back(tx, post, stanza, recipient, &author, &wish, at)?;
    }
    let to_self = post.from.user() == Some(recipient);
    let mut kept = Kept::default();
    let body = root.child_text("body", ns::CLIENT).map(Cow::into_owned);
    let said = is_said(root).then(|| stanza.id().map(Cow::into_owned)).flatten();
    let replaces = root
        .child("replace", CORRECT)
        .and_then(|r| r.attr("id").map(Cow::into_owned));
    let put = |tx: &mut Tx, owner: &UserId, other: &Jid| {
        let message = NewMessage {
            at,
            kind: if body.is_some() {
                Kind::Message
            } else {
                Kind::Other
            },
            with: Some(With::Jid(other.clone())),
            author: Some(author.clone()),
            origin_id: waddle_stanza::sid::origin(root),
            body: body.clone(),
            stanza: bytes.clone(),
        };
        let trace = Trace {
            said: said.clone(),
            sender: None,
        };
        let side = Side {
            archive: ArchiveKey::user(owner),
            other: other.bare(),
        };
        let id = archive::append_traced(tx, &side.archive, message, trace)?;
        if let Some(named) = &replaces {
            retraction::corrects(tx, &side, &author, named, id)?;
        }
        Ok::<_, StorageError>(Some(id))
    };
    if let (Some(user), Some(name)) = (post.from.user(), post.from.account_name())
        && server.choosers.want(tx, name, &post.to)?
    {
        kept.own = put(tx, user, &post.to)?;
    }
    if to_self {
        kept.recipient = kept.own;
    } else if server
        .choosers
        .want(tx, post.to.local().unwrap_or_default(), post.from.jid())?
    {
        kept.recipient = put(tx, recipient, post.from.jid())?;
    }
    Ok(kept)
}

/// Whose word a message is: only they may take it back. What comes through a room is of one of its occupants.
fn author(from: &Origin, server: &Server) -> String {
    match from.user() {
        Some(user) => user.to_string(),
        None if from.jid().domain() == server.config.muc_domain => from.jid().to_string(),
        None => from.subject().to_string(),
    }
}

/// XEP-0308.
const CORRECT: &str = "urn:xmpp:message-correct:0";

/// Whether a message is something that could be taken back, not a receipt or the like.
fn is_said(message: Element<'_>) -> bool {
    message
        .children()
        .any(|c| c.is("body", ns::CLIENT) || c.name() == "encrypted" || c.in_ns("urn:xmpp:sfs:0"))
}

fn take_back(
    tx: &mut Tx,
    post: &Post,
    stanza: &Stanza,
    recipient: &UserId,
    author: &str,
    wish: &Retract,
    at: Timestamp,
) -> Result<(), StorageError> {
    let theirs = Side {
        archive: ArchiveKey::user(recipient),
        other: post.from.bare().clone(),
    };
    let mut sides = vec![theirs.clone()];
    if let Some(user) = post.from.user() {
        sides.push(Side {
            archive: ArchiveKey::user(user),
            other: post.to.bare(),
        });
    }
    let id = stanza.id();
    let tombstone = Tombstone {
        at,
        by_message: id.as_deref(),
        moderated: None,
    };
    for (archive, id) in retraction::of_conversation(tx, &sides, author, &wish.id, &tombstone)? {
        if archive == theirs.archive {
            // It may still wait for them, under the time that its identifier is.
            offline::take_back(tx, post.to.local().unwrap_or_default(), Timestamp(id.0))?;
        }
    }
    Ok(())
}
