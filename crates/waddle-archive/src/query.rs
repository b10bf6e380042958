//! Answers to archive queries ([XEP-0313 §4, §5]), for accounts and rooms alike.
//!
//! [XEP-0313 §4, §5]: https://xmpp.org/extensions/xep-0313.html#query

use bytes::Bytes;
use waddle_core::{Jid, MessageId, Timestamp};
use waddle_stanza::{
    Condition, Element, Outgoing, StanzaError, XmlWriter,
    mam::{self, MamFin, MamQuery},
    ns,
    rsm::{PageResult, Place},
};
use waddle_storage::{
    Db, StorageError,
    repo::{
        archive::{self, ArchiveKey, Archived, Filter, Page, Start, With},
        messages::{
            self,
            search::{self, Search},
        },
    },
};

use crate::fulltext;

/// Bytes of stanzas in one page; the rest is the next page.
const PAGE_BYTES: usize = 1 << 20;

/// Steps of the full text that one search waits for.
const STEPS: usize = 64;
/// Matches that one page of a search looks at.
const REACH: usize = 20_000;

/// What an archive is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account.
    Account,
    /// A room, asked by somebody who sees the real addresses of its occupants, or not.
    Room {
        /// Whether they are shown (§5.1.3).
        addresses: bool,
    },
}

/// An archive that somebody may read.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// Where it is.
    pub db: &'a Db,
    /// Which of those that are there.
    pub key: &'a ArchiveKey,
    /// The bare JID that it has on the wire.
    pub address: &'a str,
    /// What it is of.
    pub kind: Kind,
    /// Messages of one page at the most.
    pub most: usize,
}

/// What the asker gets: messages first, then the result of the request.
#[derive(Debug)]
pub struct Answer {
    /// In the order in which they are sent.
    pub results: Vec<Outgoing>,
    /// The payload of the result.
    pub payload: Bytes,
}

impl Source<'_> {
    /// Answers a request with the payload `<query/>` or `<metadata/>`, `set` or `get`; results go to `to`.
    ///
    /// # Errors
    /// `item-not-found` for identifiers and nodes that are not there, `bad-request` and `feature-not-implemented` for
    /// what cannot be read.
    pub async fn answer(&self, payload: Element<'_>, set: bool, to: &str) -> Result<Answer, StanzaError> {
        match (payload.name(), set) {
            ("query", true) => self.page(payload, to).await,
            ("query", false) => {
                let mut w = XmlWriter::new();
                w.open_ns("query", ns::MAM);
                MamQuery::write_form(&mut w, self.kind == Kind::Account);
                Ok(only(w))
            }
            ("metadata", false) => self.metadata().await,
            _ => Err(StanzaError::new(Condition::BadRequest).text("An archive does not answer this.")),
        }
    }

    async fn metadata(&self) -> Result<Answer, StanzaError> {
        let key = self.key.clone();
        let read = self.db.read(move |c| archive::ends(c, &key));
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
        Ok(only(w))
    }

    async fn page(&self, payload: Element<'_>, to: &str) -> Result<Answer, StanzaError> {
        let q = MamQuery::read(payload)?;
        if q.node.is_some() {
            return Err(StanzaError::new(Condition::ItemNotFound).text("This archive has no such node."));
        }
        if q.include_groupchat.is_some() && self.kind != Kind::Account {
            return Err(StanzaError::new(Condition::FeatureNotImplemented)
                .text("The archive of a room does not know include-groupchat."));
        }
        let filter = self.filter(&q)?;
        if let Some(text) = &q.fulltext {
            return self.search(&q, &filter, text, to).await;
        }
        let start = match &q.page.place {
            Place::First => Start::First,
            Place::Last => Start::Last,
            Place::After(i) => Start::After(id(i)?),
            Place::Before(i) => Start::Before(id(i)?),
            Place::Index(_) => {
                return Err(StanzaError::new(Condition::FeatureNotImplemented)
                    .text("Pages are asked for by identifier, not by index."));
            }
        };
        let max = q.page.limit(self.most);
        // The count costs what matches, not what the page holds: who asks for a further page has it already.
        let count = max == 0 || matches!(start, Start::First | Start::Last);
        let key = self.key.clone();
        let read = self
            .db
            .read(move |c| archive::page(c, &key, &filter, start, max, count));
        let mut page = read.await.map_err(|e| failed(&e))?;
        shorten(&mut page, matches!(start, Start::Last | Start::Before(_)));
        let index = (start == Start::First).then_some(0);
        let ends = page.ends();
        let fin = MamFin {
            complete: page.complete,
            unstable: false,
            page: PageResult {
                first: ends.map(|(first, _)| (first.to_string(), index)),
                last: ends.map(|(_, last)| last.to_string()),
                count: page.count.and_then(|c| u32::try_from(c).ok()),
            },
        };
        let mut results: Vec<Outgoing> = page
            .items
            .iter()
            .map(|m| self.result(m, q.queryid.as_deref(), to))
            .collect();
        if q.flip_page {
            results.reverse();
        }
        let mut w = XmlWriter::new();
        fin.write(&mut w);
        Ok(Answer {
            results,
            payload: w.finish(),
        })
    }

    /// A page of the messages with some words (XEP-0431), in the archive's order.
    async fn search(
        &self,
        q: &MamQuery,
        filter: &Filter,
        text: &str,
        to: &str,
    ) -> Result<Answer, StanzaError> {
        let bad = |text: &'static str| StanzaError::new(Condition::BadRequest).text(text);
        if !filter.ids.is_empty() {
            return Err(bad(
                "A search by words and one by identifiers do not go together.",
            ));
        }
        let (cursor, forward) = match &q.page.place {
            Place::First => (None, true),
            Place::Last => (None, false),
            Place::After(i) => (Some(id(i)?), true),
            Place::Before(i) => (Some(id(i)?), false),
            Place::Index(_) => {
                return Err(StanzaError::new(Condition::FeatureNotImplemented)
                    .text("Pages are asked for by identifier, not by index."));
            }
        };
        let peer = match (&filter.with, &filter.sender) {
            (Some(With::Nick(nick)), None) => Some(nick.clone()),
            (Some(With::Jid(jid)), None) => Some(jid.bare().to_string()),
            (None, None) => None,
            _ => {
                return Err(bad(
                    "A search by words and one by real address do not go together.",
                ));
            }
        };
        // Identifiers are times.
        let after = filter
            .after_id
            .map(|i| Timestamp(i.0.saturating_add(1)))
            .max(filter.start);
        let before_id = filter.before_id.map(|i| Timestamp(i.0));
        let end = filter.end.map(|t| Timestamp(t.0.saturating_add(1)));
        let wanted = Search {
            terms: fulltext::terms(text).map_err(bad)?,
            archives: vec![self.key.clone()],
            before: [before_id, end].into_iter().flatten().min(),
            after,
            peer,
            ..Search::default()
        };
        let complete = fulltext::catch_up(self.db, STEPS).await.map_err(|e| failed(&e))?;
        let (key, max) = (self.key.clone(), q.page.limit(self.most));
        let read = self.db.read(move |c| {
            let found = search::find(c, &wanted, cursor, forward, max, REACH)?;
            let rows = messages::these(c, &key, &found.ids)?;
            Ok((rows, found.next))
        });
        let (rows, next) = read.await.map_err(|e| failed(&e))?;
        let fin = MamFin {
            complete: next.is_none(),
            unstable: !complete,
            page: PageResult {
                first: rows.first().map(|m| (m.id.to_string(), None)),
                last: rows.last().map(|m| m.id.to_string()),
                count: None,
            },
        };
        let mut results: Vec<Outgoing> = rows
            .iter()
            .map(|m| self.result(m, q.queryid.as_deref(), to))
            .collect();
        if q.flip_page {
            results.reverse();
        }
        let mut w = XmlWriter::new();
        fin.write(&mut w);
        Ok(Answer {
            results,
            payload: w.finish(),
        })
    }

    fn filter(&self, q: &MamQuery) -> Result<Filter, StanzaError> {
        let mut filter = Filter {
            start: q.start,
            end: q.end,
            before_id: q.before_id.as_deref().map(id).transpose()?,
            after_id: q.after_id.as_deref().map(id).transpose()?,
            ids: q.ids.iter().map(|i| id(i)).collect::<Result<_, _>>()?,
            ..Filter::default()
        };
        if let Some(before) = &q.page.before {
            let before = id(before)?;
            filter.before_id = Some(filter.before_id.map_or(before, |b| b.min(before)));
        }
        let Some(with) = q.with.clone() else {
            return Ok(filter);
        };
        match self.kind {
            Kind::Account => filter.with = Some(With::Jid(with)),
            // The address of an occupant stands for a nickname, any other for whoever stood behind one.
            Kind::Room { addresses } => match nick(&with, self.address) {
                Some(nick) => filter.with = Some(With::Nick(nick)),
                None if addresses => filter.sender = Some(with),
                // They may not learn who said what: as if nobody of that address had spoken.
                None => filter.with = Some(With::Jid(with)),
            },
        }
        Ok(filter)
    }

    fn result(&self, m: &Archived, queryid: Option<&str>, to: &str) -> Outgoing {
        let shown = match (self.kind, &m.sender) {
            (Kind::Room { addresses: true }, Some(sender)) => with_sender(&m.stanza, sender),
            _ => m.stanza.clone(),
        };
        mam::result(Some(self.address), to, queryid, &m.id.to_string(), m.at, &shown)
    }
}

fn only(w: XmlWriter) -> Answer {
    Answer {
        results: Vec::new(),
        payload: w.finish(),
    }
}

/// The nickname that an address of the room stands for.
fn nick(with: &Jid, room: &str) -> Option<String> {
    let nick = with.resource().filter(|_| with.bare_str() == room)?;
    Some(nick.to_owned())
}

/// A room's message with the real address of its sender (§5.1.3).
fn with_sender(stanza: &Bytes, sender: &str) -> Bytes {
    let end = stanza
        .iter()
        .rposition(|b| *b == b'<')
        .filter(|at| stanza.get(at + 1) == Some(&b'/'));
    let Some(end) = end else { return stanza.clone() };
    let mut w = XmlWriter::with_capacity(stanza.len() + 128);
    w.trusted(&stanza[..end]);
    w.open_ns("x", ns::MUC_USER);
    w.open("item").attr("jid", sender).close().close();
    w.trusted(&stanza[end..]);
    w.finish()
}

/// A page of very long messages ends early, at its far end: the client asks on from there.
fn shorten(page: &mut Page, backward: bool) {
    let mut bytes = 0;
    let mut fits = |m: &Archived| {
        bytes += m.stanza.len();
        bytes <= PAGE_BYTES || bytes == m.stanza.len()
    };
    let n = page.items.len();
    let kept = if backward {
        page.items.iter().rev().take_while(|m| fits(m)).count()
    } else {
        page.items.iter().take_while(|m| fits(m)).count()
    };
    if kept == n {
        return;
    }
    page.complete = false;
    if backward {
        page.items.drain(..n - kept);
    } else {
        page.items.truncate(kept);
    }
}

/// An identifier that is none of ours is in no archive.
fn id(text: &str) -> Result<MessageId, StanzaError> {
    text.parse().map_err(|_| not_found())
}

fn not_found() -> StanzaError {
    StanzaError::new(Condition::ItemNotFound).text("A message that the query names is not in this archive.")
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
