//! Pages of an archive (XEP-0313 §4, XEP-0059): filters, paging, counts.

use waddle_core::{Jid, MessageId, Timestamp};

use super::{ArchiveKey, Archived, With, archived};
use crate::{Conn, IntoValue, Result, StorageError, Value, params};

/// Rows of one page at the most, whatever is asked for.
const PAGE: usize = 1_000;
/// Matches that are counted at the most.
const COUNT: u64 = 10_000;
/// A message's identifier is given at its commit, so it may be later than its stamp. By as much as this a search
/// for a time looks further.
const COMMIT: i64 = 10_000_000;

/// Which messages (XEP-0313 §4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only those with this side or of this nickname.
    pub with: Option<With>,
    /// Rooms: only those that came from this address; a bare JID stands for all its resources.
    pub sender: Option<Jid>,
    /// Only those stamped at or after.
    pub start: Option<Timestamp>,
    /// Only those stamped at or before.
    pub end: Option<Timestamp>,
    /// Only those before this one.
    pub before_id: Option<MessageId>,
    /// Only those after this one.
    pub after_id: Option<MessageId>,
    /// Only these; [`StorageError::NotFound`] where one of them is missing.
    pub ids: Vec<MessageId>,
}

/// Which part of the matches (XEP-0059).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first ones.
    First,
    /// Those that follow this message.
    After(MessageId),
    /// Those that precede this message, the nearest of them.
    Before(MessageId),
    /// The last ones.
    Last,
}

/// A part of an archive, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub items: Vec<Archived>,
    /// Whether nothing matches beyond this page, in the direction of paging.
    pub complete: bool,
    /// How many match in all, where it was asked for and is not too many to count.
    pub count: Option<u64>,
}

impl Page {
    /// The identifiers of the first and the last message.
    pub fn ends(&self) -> Option<(MessageId, MessageId)> {
        Some((self.items.first()?.id, self.items.last()?.id))
    }
}

/// First and last message of an archive (XEP-0313 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The oldest.
    pub first: (MessageId, Timestamp),
    /// The newest.
    pub last: (MessageId, Timestamp),
}

/// A page of an archive.
///
/// # Errors
/// [`StorageError::NotFound`] where a message that the filter or the page names is not in the archive.
pub fn page(
    conn: &Conn,
    archive: &ArchiveKey,
    filter: &Filter,
    start: Start,
    max: usize,
    count: bool,
) -> Result<Page> {
    let select = Select::new(archive, filter);
    let anchor = match start {
        Start::After(id) | Start::Before(id) => Some(id),
        Start::First | Start::Last => None,
    };
    for id in [anchor, filter.before_id, filter.after_id].into_iter().flatten() {
        must_have(conn, archive, id)?;
    }
    if !filter.ids.is_empty() {
        return named(conn, archive, filter, &select);
    }
    let max = max.min(PAGE);
    let (low, high) = Select::bounds(filter);
    let (low, high, forward) = match start {
        Start::First => (low, high, true),
        Start::After(MessageId(id)) => (low.max(id.saturating_add(1)), high, true),
        Start::Before(MessageId(id)) => (low, high.min(id.saturating_sub(1)), false),
        Start::Last => (low, high, false),
    };
    let mut items = conn.query(select.rows(forward), select.params(low, high, max + 1), archived)?;
    let complete = items.len() <= max;
    items.truncate(max);
    if !forward {
        items.reverse();
    }
    let count = if count { select.count(conn, filter)? } else { None };
    Ok(Page {
        items,
        complete,
        count,
    })
}

/// The last `n` messages, oldest first, none stamped before `since`: a room's history for who joins.
pub fn last(conn: &Conn, archive: &ArchiveKey, n: usize, since: Option<Timestamp>) -> Result<Vec<Archived>> {
    let filter = Filter {
        start: since,
        ..Filter::default()
    };
    Ok(page(conn, archive, &filter, Start::Last, n, false)?.items)
}

/// The first and the last message, unless the archive is empty.
pub fn ends(conn: &Conn, archive: &ArchiveKey) -> Result<Option<Ends>> {
    let end = |sql| conn.query_opt(sql, (archive,), |r| Ok((r.get(0)?, r.get(1)?)));
    let first =
        end("SELECT id, at FROM archive INDEXED BY archive_page WHERE archive = ?1 ORDER BY id LIMIT 1")?;
    let last = end(
        "SELECT id, at FROM archive INDEXED BY archive_page WHERE archive = ?1 ORDER BY id DESC LIMIT 1",
    )?;
    Ok(first.zip(last).map(|(first, last)| Ends { first, last }))
}

fn must_have(conn: &Conn, archive: &ArchiveKey, id: MessageId) -> Result<()> {
    conn.query_one(
        "SELECT 1 FROM archive WHERE id = ?1 AND archive = ?2",
        (id, archive),
        |_| Ok(()),
    )
}

/// The messages of `filter.ids`, in the archive's order.
fn named(conn: &Conn, archive: &ArchiveKey, filter: &Filter, select: &Select) -> Result<Page> {
    let mut ids = filter.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > PAGE {
        return Err(StorageError::Constraint(
            "too many identifiers in one filter".into(),
        ));
    }
    let (low, high) = Select::bounds(filter);
    let mut items = Vec::with_capacity(ids.len());
    for MessageId(id) in &ids {
        must_have(conn, archive, MessageId(*id))?;
        if (low..=high).contains(id) {
            items.extend(conn.query_opt(select.rows(true), select.params(*id, *id, 1), archived)?);
        }
    }
    let count = Some(items.len() as u64);
    Ok(Page {
        items,
        complete: true,
        count,
    })
}

/// The statements of one filter. There are four shapes of it, so that prepared statements are found again.
struct Select {
    shape: usize,
    fixed: Vec<Value>,
}

macro_rules! shapes {
    ($head:literal, $time:literal, $tail:literal) => {
        [
            shapes!(@ $head, $time, "", $tail),
            shapes!(@ $head, $time, " AND peer = ?7", $tail),
            shapes!(@ $head, $time, " AND peer = ?7 AND resource = ?8", $tail),
            shapes!(@ $head, $time, " AND sender >= ?7 AND sender <= ?8", $tail),
        ]
    };
    (@ $head:literal, $time:literal, $with:literal, $tail:literal) => {
        concat!(
            $head, " FROM archive INDEXED BY archive_page WHERE archive = ?1 AND id BETWEEN ?2 AND ?3 AND ",
            $time, $with, $tail
        )
    };
}
const FORWARD: [&str; 4] = shapes!(
    "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza",
    "at BETWEEN ?5 AND ?6",
    " ORDER BY id LIMIT ?4"
);
const BACKWARD: [&str; 4] = shapes!(
    "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza",
    "at BETWEEN ?5 AND ?6",
    " ORDER BY id DESC LIMIT ?4"
);
const MATCHES: [&str; 4] = shapes!(
    "SELECT count(*) FROM (SELECT 1",
    "at BETWEEN ?5 AND ?6",
    " LIMIT ?4)"
);
/// Without a time the index alone is counted.
const MATCHES_OF_ALL_TIMES: [&str; 4] = shapes!("SELECT count(*) FROM (SELECT 1", "?5 < ?6", " LIMIT ?4)");

impl Select {
    fn new(archive: &ArchiveKey, filter: &Filter) -> Self {
        let start = filter.start.map_or(i64::MIN, |t| t.0);
        let end = filter.end.map_or(i64::MAX, |t| t.0);
        let mut fixed = params![archive, start, end];
        let with = filter.with.clone().map(With::into_columns);
        if let Some(sender) = &filter.sender {
            let (from, to) = match sender.resource() {
                Some(_) => (sender.to_string(), sender.to_string()),
                // `0` is the character behind the slash.
                None => ([sender.as_str(), "/"].concat(), [sender.as_str(), "0"].concat()),
            };
            fixed.extend([from.into_value(), to.into_value()]);
            return Self { shape: 3, fixed };
        }
        let shape = match with {
            None => 0,
            Some((peer, None)) => {
                fixed.push(peer.into_value());
                1
            }
            Some((peer, Some(resource))) => {
                fixed.extend([peer.into_value(), resource.into_value()]);
                2
            }
        };
        Self { shape, fixed }
    }

    /// The identifiers between which matches can be. An identifier is never before its message's stamp.
    fn bounds(filter: &Filter) -> (i64, i64) {
        let after = filter.after_id.map_or(i64::MIN, |m| m.0.saturating_add(1));
        let before = filter.before_id.map_or(i64::MAX, |m| m.0.saturating_sub(1));
        let start = filter.start.map_or(i64::MIN, |t| t.0);
        let end = filter.end.map_or(i64::MAX, |t| t.0.saturating_add(COMMIT));
        (after.max(start), before.min(end))
    }

    fn rows(&self, forward: bool) -> &'static str {
        if forward {
            FORWARD[self.shape]
        } else {
            BACKWARD[self.shape]
        }
    }

    fn params(&self, low: i64, high: i64, limit: usize) -> Vec<Value> {
        let mut all = params![low, high, limit];
        all.splice(0..0, self.fixed[..1].iter().cloned());
        all.extend_from_slice(&self.fixed[1..]);
        all
    }

    fn count(&self, conn: &Conn, filter: &Filter) -> Result<Option<u64>> {
        let (low, high) = Self::bounds(filter);
        let all_times = filter.start.is_none() && filter.end.is_none();
        let sql = if all_times { MATCHES_OF_ALL_TIMES } else { MATCHES }[self.shape];
        let params = self.params(low, high, COUNT as usize + 1);
        let count: u64 = conn.query_one(sql, params, |r| r.get(0))?;
        Ok((count <= COUNT).then_some(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page costs what it holds, not what the archive holds.
    #[tokio::test]
    async fn pages_come_from_an_index_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let storage = crate::Storage::open(crate::StorageConfig::new(dir.path()))
            .await
            .unwrap();
        let db = storage.server();
        let plans = db.read(|conn| {
            let mut plans = Vec::new();
            for (shape, sql) in FORWARD
                .iter()
                .chain(&BACKWARD)
                .chain(&MATCHES_OF_ALL_TIMES)
                .enumerate()
            {
                let params = vec![Value::Null; [6, 7, 8, 8][shape % 4]];
                plans.push(
                    conn.query(&format!("EXPLAIN QUERY PLAN {sql}"), params, |r| {
                        r.get::<String>(3)
                    })?
                    .concat(),
                );
            }
            Ok(plans)
        });
        for (shape, plan) in plans.await.unwrap().into_iter().enumerate() {
            let covering = if matches!(shape, 8 | 9) { "COVERING " } else { "" };
            let expected =
                format!("SEARCH archive USING {covering}INDEX archive_page (archive=? AND id>? AND id<?)");
            assert!(
                plan.contains(&expected) && !plan.contains("B-TREE"),
                "shape {shape}: {plan}"
            );
        }
        storage.close().await;
    }
}
