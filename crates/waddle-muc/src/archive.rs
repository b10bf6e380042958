//! The archive of a room ([XEP-0313]): who may read it, and the answer, which is made off the room's actor.
//!
//! [XEP-0313]: https://xmpp.org/extensions/xep-0313.html

use waddle_core::{Jid, MessageId};
use waddle_stanza::{
    Class, Condition, Outgoing, StanzaError,
    mam::{self, MamFin, MamQuery},
    ns,
    rsm::{PageResult, Place},
};
use waddle_storage::{
    Db, StorageError,
    repo::archive::{self, ArchiveKey, Filter, Start, With},
};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    room::{Kind, Room},
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
}

/// Answers a query, its results first.
pub(crate) async fn answer(
    db: &Db,
    key: &ArchiveKey,
    room: &str,
    most: usize,
    inbound: &Arrived,
) -> Vec<Outgoing> {
    match try_answer(db, key, room, most, inbound).await {
        Ok(items) => items,
        Err(e) => e
            .reply(&inbound.stanza, None, Some(inbound.sender.jid.as_str()))
            .into_iter()
            .collect(),
    }
}

async fn try_answer(
    db: &Db,
    key: &ArchiveKey,
    room: &str,
    most: usize,
    inbound: &Arrived,
) -> Result<Vec<Outgoing>, StanzaError> {
    let stanza = &inbound.stanza;
    let Some(payload) = stanza.payload() else {
        return Ok(Vec::new());
    };
    let mut w = stanza.result(None);
    if payload.is("metadata", ns::MAM) {
        let key = key.clone();
        let ends = db
            .read(move |c| archive::ends(c, &key))
            .await
            .map_err(|e| failed(&e))?;
        w.open_ns("metadata", ns::MAM);
        if let Some(ends) = ends {
            for (name, (id, at)) in [("start", ends.first), ("end", ends.last)] {
                w.open(name)
                    .attr_display("id", id)
                    .attr_display("timestamp", at)
                    .close();
            }
        }
        return Ok(vec![w.outgoing(Class::Iq)]);
    }
    if stanza.is_type("get") {
        w.open_ns("query", ns::MAM);
        MamQuery::form().write(&mut w);
        return Ok(vec![w.outgoing(Class::Iq)]);
    }
    let q = MamQuery::read(payload)?;
    let mut filter = Filter {
        with: q.with.as_ref().map(|with| of(with, room)),
        start: q.start,
        end: q.end,
        before_id: q.before_id.as_deref().map(id).transpose()?,
        after_id: q.after_id.as_deref().map(id).transpose()?,
        ids: q.ids.iter().map(|i| id(i)).collect::<Result<_, _>>()?,
    };
    if let Some(before) = &q.page.before {
        let before = id(before)?;
        filter.before_id = Some(filter.before_id.map_or(before, |b| b.min(before)));
    }
    let start = match &q.page.place {
        Place::First => Start::First,
        Place::Last => Start::Last,
        Place::After(after) => Start::After(id(after)?),
        Place::Before(before) => Start::Before(id(before)?),
        Place::Index(_) => {
            return Err(StanzaError::new(Condition::FeatureNotImplemented)
                .text("Pages are asked for by identifier, not by index."));
        }
    };
    let max = q.page.limit(most);
    let (key, count) = (key.clone(), q.page.max == Some(0));
    let page = db
        .read(move |c| archive::page(c, &key, &filter, start, max, count))
        .await
        .map_err(|e| failed(&e))?;
    let ends = page.ends();
    let fin = MamFin {
        complete: page.complete,
        unstable: false,
        page: PageResult {
            first: ends.map(|(first, _)| (first.to_string(), None)),
            last: ends.map(|(_, last)| last.to_string()),
            count: page.count.and_then(|n| u32::try_from(n).ok()),
        },
    };
    let to = inbound.sender.jid.as_str();
    let mut out: Vec<Outgoing> = page
        .items
        .iter()
        .map(|m| {
            mam::result(
                Some(room),
                to,
                q.queryid.as_deref(),
                &m.id.to_string(),
                m.at,
                &m.stanza,
            )
        })
        .collect();
    if q.flip_page {
        out.reverse();
    }
    fin.write(&mut w);
    out.push(w.outgoing(Class::Iq));
    Ok(out)
}

/// The address of an occupant stands for a nickname; any other address has said nothing here.
fn of(with: &Jid, room: &str) -> With {
    match with.resource() {
        Some(nick) if with.bare_str() == room => With::Nick(nick.to_owned()),
        _ => With::Jid(with.clone()),
    }
}

fn not_found() -> StanzaError {
    StanzaError::new(Condition::ItemNotFound).text("There is no such message in this archive.")
}

fn id(text: &str) -> Result<MessageId, StanzaError> {
    text.parse().map_err(|_| not_found())
}

fn failed(e: &StorageError) -> StanzaError {
    match e {
        StorageError::NotFound => not_found(),
        StorageError::Constraint(_) => {
            StanzaError::new(Condition::BadRequest).text("There are too many identifiers in the query.")
        }
        e if e.is_temporary() => StanzaError::new(Condition::ResourceConstraint)
            .text("The archive is busy; try again in a moment."),
        e => {
            tracing::error!(error = %e, "an archive cannot be read");
            StanzaError::new(Condition::InternalServerError).text("The archive cannot be read.")
        }
    }
}
