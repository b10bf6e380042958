//! The archive of a room ([XEP-0313]): who may read it, and the answer, which is made off the room's actor.
//!
//! [XEP-0313]: https://xmpp.org/extensions/xep-0313.html

use waddle_archive::query::{self, Source};
use waddle_stanza::{Class, Outgoing};
use waddle_storage::{Db, repo::archive::ArchiveKey};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    room::{Kind, Room},
    standing::Role,
};

impl Room {
    /// Whether somebody may read what was said: whoever may enter; a password is asked for at the door only.
    pub(crate) fn may_read_archive(&self, inbound: &Arrived) -> Outcome {
        let sender = &inbound.sender;
        self.may_look(sender)?;
        if !self.settings.archive {
            return Err(error::item_not_found("this room keeps no messages"));
        }
        let here = self.occupants.of_session(&sender.jid).is_some();
        let standing = self.standing(&sender.user, &sender.jid.bare());
        if !standing.join {
            return Err(error::forbidden("you may not read what was said here"));
        }
        let guarded =
            self.settings.password.is_some() && standing.affiliation <= crate::standing::Affiliation::None;
        if matches!(self.kind, Kind::Plain(_)) && guarded && !here {
            return Err(error::forbidden("enter the room with its password first"));
        }
        Ok(())
    }

    /// Whether somebody sees who stood behind the nicknames (XEP-0313 §5.1.3): as they would if they were in.
    pub(crate) fn shows_addresses(&self, inbound: &Arrived) -> bool {
        let sender = &inbound.sender;
        let role = match self.occupants.of_session(&sender.jid) {
            Some(i) => self.occupants.at(i).role,
            None => self.standing(&sender.user, &sender.jid.bare()).role,
        };
        self.settings.whois_anyone || role == Role::Moderator
    }
}

/// Answers a query, its results first; `addresses` where the asker sees who stood behind the nicknames.
pub(crate) async fn answer(
    db: &Db,
    key: &ArchiveKey,
    room: &str,
    most: usize,
    inbound: &Arrived,
    addresses: bool,
) -> Vec<Outgoing> {
    let stanza = &inbound.stanza;
    let Some(payload) = stanza.payload() else {
        return Vec::new();
    };
    let source = Source {
        db,
        key,
        address: room,
        kind: query::Kind::Room { addresses },
        most,
    };
    let to = inbound.sender.jid.as_str();
    match source.answer(payload, stanza.is_type("set"), to).await {
        Ok(answer) => {
            let mut out = answer.results;
            let mut w = stanza.result(None);
            w.trusted(&answer.payload);
            out.push(w.outgoing(Class::Iq));
            out
        }
        Err(e) => e.reply(stanza, None, Some(to)).into_iter().collect(),
    }
}
