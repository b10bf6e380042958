//! Full text (`adrs/0011-search-index.md`): a table of FTS5 that follows the archive at a distance. What is behind its
//! position is put into it before somebody searches; what is removed from the archive leaves it at once.

use std::fmt::Write;

use waddle_core::{MessageId, Timestamp};

use crate::{Conn, Result, Tx, params, repo::archive::ArchiveKey};

/// Matches that the first statement looks at; each further one looks at [`MORE`] times as many, because each begins with
/// the postings of all its words.
const LOOK: usize = 1_000;
/// See [`LOOK`].
const MORE: usize = 5;
/// What the place to go on at is rounded to where it is no match that the asker may see: one second.
const BLUR: i64 = 1_000_000;
/// Archives that the index itself tells apart; where there are more, each match is asked for its archive.
const PLACES: usize = 16;

/// Something that must be in a message, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// A word, or several one after the other.
    pub text: String,
    /// Whether the last word goes on.
    pub prefix: bool,
    /// Whether messages with it are left out.
    pub not: bool,
}

/// What is searched for, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// All of these; at least one that is not left out.
    pub terms: Vec<Term>,
    /// Only in these archives.
    pub archives: Vec<ArchiveKey>,
    /// Only what this UserId said.
    pub author: Option<String>,
    /// Only what was said before.
    pub before: Option<Timestamp>,
    /// Only what was said then or later.
    pub after: Option<Timestamp>,
    /// Only what names a file.
    pub has_file: bool,
    /// Only what somebody with this bare JID said, or was told: an account's archive.
    pub peer: Option<String>,
}

/// Messages that match, in the order of looking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Which.
    pub ids: Vec<MessageId>,
    /// Where to look on; nothing where all was looked at.
    pub next: Option<MessageId>,
}

/// The word that stands for an archive in the index: FNV-1a of its key. Others may share it, so the key is compared too.
fn place(archive: &str) -> String {
    let hash = archive.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut word = String::with_capacity(17);
    let _ = write!(word, "p{hash:016x}");
    word
}

/// The expression of FTS5 for a search; nothing where no word is left to look for. Everything that came from outside is
/// within quotes, in which only a quote means anything.
fn expression(search: &Search) -> Option<String> {
    let mut out = String::new();
    let usable = |t: &&Term| t.text.chars().any(char::is_alphanumeric);
    let quoted = |out: &mut String, t: &Term| {
        out.push('"');
        // NUL would end the expression.
        out.extend(t.text.chars().filter(|c| *c != '\0').flat_map(|c| {
            let twice = (c == '"').then_some('"');
            twice.into_iter().chain([c])
        }));
        out.push_str(if t.prefix { "\" *" } else { "\"" });
    };
    for t in search.terms.iter().filter(usable).filter(|t| !t.not) {
        out.push_str(if out.is_empty() { "(body : (" } else { " AND " });
        quoted(&mut out, t);
    }
    if out.is_empty() {
        return None;
    }
    out.push_str("))");
    if search.archives.len() <= PLACES {
        for (i, a) in search.archives.iter().enumerate() {
            out.push_str(if i == 0 { " AND (place : (" } else { " OR " });
            let _ = write!(out, "\"{}\"", place(a.as_str()));
        }
        if !search.archives.is_empty() {
            out.push_str("))");
        }
    }
    let mut nots = search.terms.iter().filter(usable).filter(|t| t.not).peekable();
    if nots.peek().is_some() {
        out.insert(0, '(');
        out.push_str(") NOT (body : (");
        for (i, t) in nots.enumerate() {
            if i > 0 {
                out.push_str(" OR ");
            }
            quoted(&mut out, t);
        }
        out.push_str("))");
    }
    Some(out)
}

macro_rules! matches_in {
    ($order:literal) => {
        concat!(
            "SELECT s.rowid, coalesce(a.archive IN (SELECT value FROM json_each(?5)) AND a.retracted = 0 \
             AND (?6 IS NULL OR a.author = ?6) AND (?7 IS NULL OR a.peer = ?7) \
             AND (?8 = 0 OR EXISTS (SELECT 1 FROM message_files f WHERE f.id = a.id)), 0) \
             FROM (SELECT rowid FROM message_search WHERE message_search MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
             ORDER BY rowid ",
            $order,
            " LIMIT ?4) s LEFT JOIN archive a ON a.id = s.rowid ORDER BY s.rowid ",
            $order
        )
    };
}

/// Looks for messages behind `cursor`: `forward` to newer ones, else to older ones. It looks at `reach` matches at the
/// most, and says where to go on where there are more: at the last match that was given, or about where it stopped looking,
/// so that nobody learns when something was said that they may not read.
pub fn find(
    conn: &Conn,
    search: &Search,
    cursor: Option<MessageId>,
    forward: bool,
    max: usize,
    reach: usize,
) -> Result<Found> {
    let Some(expression) = expression(search) else {
        return Ok(Found::default());
    };
    let mut keys = String::from("[");
    for (i, a) in search.archives.iter().enumerate() {
        if i > 0 {
            keys.push(',');
        }
        // Keys have no character that JSON would want escaped but these.
        keys.push('"');
        for c in a.as_str().chars() {
            if matches!(c, '"' | '\\') {
                keys.push('\\');
            }
            if !c.is_control() {
                keys.push(c);
            }
        }
        keys.push('"');
    }
    keys.push(']');
    let mut low = search.after.map_or(i64::MIN, |t| t.0);
    let mut high = search.before.map_or(i64::MAX, |t| t.0.saturating_sub(1));
    match cursor {
        Some(c) if forward => low = low.max(c.0.saturating_add(1)),
        Some(c) => high = high.min(c.0.saturating_sub(1)),
        None => {}
    }
    let sql = if forward {
        matches_in!("ASC")
    } else {
        matches_in!("DESC")
    };
    let mut found = Found::default();
    let (mut looked, mut look) = (0, LOOK);
    while looked < reach {
        let step = look.min(reach - looked);
        look = look.saturating_mul(MORE);
        let rows: Vec<(MessageId, bool)> = conn.query(
            sql,
            params![
                expression.as_str(),
                low,
                high,
                step,
                keys.as_str(),
                search.author.as_deref(),
                search.peer.as_deref(),
                search.has_file,
            ],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        looked += rows.len();
        let all = rows.len() < step;
        for (id, fits) in rows {
            if fits && found.ids.len() == max {
                found.next = found.ids.last().copied().or(cursor);
                return Ok(found);
            }
            if fits {
                found.ids.push(id);
            }
            if forward {
                low = id.0.saturating_add(1);
            } else {
                high = id.0.saturating_sub(1);
            }
        }
        if all {
            return Ok(found);
        }
    }
    let next = beyond(low, high, forward, found.ids.last().copied().or(cursor));
    // After very many matches within a second nothing else goes on.
    let exact = MessageId(if forward {
        low.saturating_sub(1)
    } else {
        high.saturating_add(1)
    });
    found.next = Some(if Some(next) == cursor { exact } else { next });
    Ok(found)
}

/// Where to go on after looking as far as may be: not behind what was looked at, and not before what was given.
fn beyond(low: i64, high: i64, forward: bool, given: Option<MessageId>) -> MessageId {
    if forward {
        let second = low.saturating_sub(1).div_euclid(BLUR).saturating_mul(BLUR);
        MessageId(second.max(given.map_or(i64::MIN, |g| g.0)))
    } else {
        let second = high.div_euclid(BLUR).saturating_add(1).saturating_mul(BLUR);
        MessageId(second.min(given.map_or(i64::MAX, |g| g.0)))
    }
}

/// Up to which message the full text is complete.
pub fn position(conn: &Conn) -> Result<MessageId> {
    conn.query_one("SELECT upto FROM message_search_state WHERE one = 1", (), |r| {
        r.get(0)
    })
}

/// Whether there are messages behind the position.
pub fn is_behind(conn: &Conn) -> Result<bool> {
    let upto = position(conn)?;
    let more = conn.query_opt("SELECT 1 FROM archive WHERE id > ?1 LIMIT 1", (upto,), |_| Ok(()))?;
    Ok(more.is_some())
}

/// Puts the next `max` messages into the full text; how many it looked at. Fewer than `max`: it is complete.
pub fn advance(tx: &mut Tx, max: usize) -> Result<usize> {
    let upto = position(tx)?;
    let rows = tx.query(
        "SELECT a.id, a.archive, a.body, a.kind, a.retracted, l.edits FROM archive a \
         LEFT JOIN message_links l ON l.id = a.id WHERE a.id > ?1 ORDER BY a.id LIMIT ?2",
        (upto, max),
        |r| {
            Ok((
                r.get::<MessageId>(0)?,
                r.get::<String>(1)?,
                r.get::<Option<String>>(2)?,
                r.get::<i64>(3)?,
                r.get::<bool>(4)?,
                r.get::<Option<MessageId>>(5)?,
            ))
        },
    )?;
    let Some(last) = rows.last().map(|r| r.0) else {
        return Ok(0);
    };
    let count = rows.len();
    for (id, archive, body, kind, retracted, edits) in rows {
        let Some(body) = body.filter(|b| !retracted && !b.is_empty()) else {
            continue;
        };
        if let Some(target) = edits {
            let there = tx.query_opt(
                "SELECT 1 FROM archive WHERE id = ?1 AND archive = ?2 AND retracted = 0",
                (target, &archive),
                |_| Ok(()),
            )?;
            if there.is_some() {
                tx.execute("DELETE FROM message_search WHERE rowid = ?1", (target,))?;
                put(tx, target, &archive, &body)?;
            }
        } else if kind == 0 {
            put(tx, id, &archive, &body)?;
        }
    }
    tx.execute("UPDATE message_search_state SET upto = ?1 WHERE one = 1", (last,))?;
    Ok(count)
}

fn put(tx: &mut Tx, id: MessageId, archive: &str, body: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO message_search (rowid, place, body) VALUES (?1, ?2, ?3)",
        params![id, place(archive), body],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(text: &str, prefix: bool, not: bool) -> Term {
        Term {
            text: text.into(),
            prefix,
            not,
        }
    }

    #[test]
    fn where_to_go_on_says_only_about_when() {
        let second = 1_000_000;
        let at = |n: i64| Some(MessageId(n));
        // Looked down to 5.3 s; what was given last is 9 s, or nothing.
        assert_eq!(beyond(0, 5_299_999, false, at(9 * second)), MessageId(6 * second));
        assert_eq!(beyond(0, 5_299_999, false, None), MessageId(6 * second));
        assert_eq!(beyond(0, 5_299_999, false, at(5_400_000)), MessageId(5_400_000));
        assert_eq!(beyond(5_300_001, 0, true, at(second)), MessageId(5 * second));
        assert_eq!(beyond(5_300_001, 0, true, at(5_200_000)), MessageId(5_200_000));
    }

    #[test]
    fn expressions_are_quoted() {
        let search = |terms| Search {
            terms,
            archives: vec![ArchiveKey::room("r")],
            ..Search::default()
        };
        let p = place("room:r");
        for (terms, want) in [
            (
                vec![term("hello", false, false)],
                format!("(body : (\"hello\")) AND (place : (\"{p}\"))"),
            ),
            (
                vec![
                    term("a\" OR place:x", true, false),
                    term("b c", false, false),
                    term("d", false, true),
                ],
                format!(
                    "((body : (\"a\"\" OR place:x\" * AND \"b c\")) AND (place : (\"{p}\"))) NOT (body : (\"d\"))"
                ),
            ),
        ] {
            assert_eq!(expression(&search(terms)), Some(want));
        }
        for none in [
            vec![],
            vec![term("!?*", false, false)],
            vec![term("x", false, true)],
        ] {
            assert_eq!(expression(&search(none)), None);
        }
    }
}
