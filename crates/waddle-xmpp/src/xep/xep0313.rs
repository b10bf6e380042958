//! [XEP-0313](https://xmpp.org/extensions/xep-0313.html) Message Archive Management of direct messages.

use waddle_core::MessageId;
use waddle_stanza::{
    Condition, StanzaError, XmlWriter,
    mam::{self, MamFin, MamQuery},
    ns,
    rsm::{PageResult, Place},
};
use waddle_storage::{
    StorageError,
    repo::archive::{self, ArchiveKey, Filter, Start, With},
};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, MessageEvent, Phase, Scope, Verdict, Xep};
use crate::router::message::Type;

/// Bytes of stanzas in one page; the rest is the next page.
const PAGE_BYTES: usize = 1 << 20;

/// The archive of an account.
pub struct Archive;

impl Extension for Archive {
    fn xep(&self) -> Xep {
        Xep {
            number: 313,
            title: "Message Archive Management",
            version: "1.1.3",
            notes: "direct messages of both sides, committed before they are delivered; all filters, flipped pages, metadata",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account {
            &[ns::MAM, ns::MAM_EXTENDED]
        } else {
            &[]
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::MAM), ("metadata", ns::MAM)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if !r.own() {
                // Another user's archive is nobody's business (§7).
                return Err(Condition::Forbidden.into());
            }
            match (r.payload.name(), r.set) {
                ("query", true) => query(&r).await,
                ("query", false) => {
                    let mut w = XmlWriter::new();
                    w.open_ns("query", ns::MAM);
                    MamQuery::form().write(&mut w);
                    w.close();
                    Ok(Answer::Payload(w))
                }
                ("metadata", false) => metadata(&r).await,
                _ => Err(Condition::BadRequest.into()),
            }
        })
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Archive]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        let root = event.stanza.root();
        let hint = |name| root.has(name, ns::HINTS);
        let worth = root.children().any(|c| {
            c.is("body", ns::CLIENT)
                || c.is("received", ns::RECEIPTS)
                || c.in_ns(ns::RETRACT)
                || c.in_ns(ns::FASTEN)
                || c.in_ns("urn:xmpp:reactions:0")
                || c.in_ns("urn:xmpp:message-correct:0")
                || (c.in_ns(ns::MARKERS) && c.name() != "markable")
                || c.is("encrypted", "eu.siacs.conversations.axolotl")
                || c.is("encrypted", "urn:xmpp:omemo:2")
        });
        event.archive = matches!(Type::of(event.stanza), Type::Chat | Type::Normal)
            && (worth || hint("store"))
            && !hint("no-store")
            && !hint("no-permanent-store")
            && !root.has("x", ns::MUC_USER);
        Verdict::Continue
    }
}

fn failed(e: &StorageError) -> StanzaError {
    match e {
        StorageError::NotFound => StanzaError::new(Condition::ItemNotFound)
            .text("a message that the query names is not in the archive"),
        StorageError::Constraint(_) => Condition::BadRequest.into(),
        e => {
            tracing::error!(error = %e, "an archive could not be read");
            StanzaError::new(Condition::InternalServerError).text("the archive could not be read; try again")
        }
    }
}

/// An identifier that is none of ours is in no archive.
fn id(text: &str) -> Result<MessageId, StanzaError> {
    text.parse().map_err(|_| failed(&StorageError::NotFound))
}

async fn query(r: &IqRequest<'_>) -> IqResult {
    let q = MamQuery::read(r.payload)?;
    if q.node.is_some() {
        return Err(StanzaError::new(Condition::ItemNotFound).text("no such node"));
    }
    let mut filter = Filter {
        with: q.with.clone().map(With::Jid),
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
        Place::After(i) => Start::After(id(i)?),
        Place::Before(i) => Start::Before(id(i)?),
        Place::Index(_) => {
            return Err(StanzaError::new(Condition::FeatureNotImplemented).text("pages have no numbers here"));
        }
    };
    let max = q.page.limit(r.server.limits.archive_page);
    // The count costs what matches, not what the page holds: who asks for a further page has it already.
    let count = matches!(start, Start::First | Start::Last);
    let key = ArchiveKey::user(&r.session.user);
    let read = r
        .server
        .db
        .read(move |conn| archive::page(conn, &key, &filter, start, max, count));
    let mut page = read.await.map_err(|e| failed(&e))?;
    // A page of very long messages ends early, at its far end: the client asks on from there.
    let backward = matches!(start, Start::Last | Start::Before(_));
    let mut bytes = 0;
    let sizes: Vec<usize> = page.items.iter().map(|m| m.stanza.len()).collect();
    let mut fits = 0;
    let order: Box<dyn Iterator<Item = &usize>> = if backward {
        Box::new(sizes.iter().rev())
    } else {
        Box::new(sizes.iter())
    };
    for size in order {
        bytes += size;
        if bytes > PAGE_BYTES && fits > 0 {
            break;
        }
        fits += 1;
    }
    if fits < page.items.len() {
        page.complete = false;
        if backward {
            page.items.drain(..page.items.len() - fits);
        } else {
            page.items.truncate(fits);
        }
    }
    let ends = page.ends();
    if q.flip_page {
        page.items.reverse();
    }
    for m in &page.items {
        let (bare, to) = (r.session.bare.as_str(), r.session.jid.as_str());
        let item = mam::result(
            Some(bare),
            to,
            q.queryid.as_deref(),
            &m.id.to_string(),
            m.at,
            &m.stanza,
        );
        let _ = r.session.send(item);
    }
    let fin = MamFin {
        complete: page.complete,
        unstable: false,
        page: PageResult {
            first: ends.map(|(first, _)| (first.to_string(), None)),
            last: ends.map(|(_, last)| last.to_string()),
            count: page.count.and_then(|c| u32::try_from(c).ok()),
        },
    };
    let mut w = XmlWriter::new();
    fin.write(&mut w);
    Ok(Answer::Payload(w))
}

/// §5: the first and the last message.
async fn metadata(r: &IqRequest<'_>) -> IqResult {
    let key = ArchiveKey::user(&r.session.user);
    let read = r.server.db.read(move |conn| archive::ends(conn, &key));
    let ends = read.await.map_err(|e| failed(&e))?;
    let mut w = XmlWriter::new();
    w.open_ns("metadata", ns::MAM);
    if let Some(e) = ends {
        for (name, (id, at)) in [("start", e.first), ("end", e.last)] {
            w.open(name)
                .attr_display("id", id)
                .attr_display("timestamp", at)
                .close();
        }
    }
    w.close();
    Ok(Answer::Payload(w))
}
