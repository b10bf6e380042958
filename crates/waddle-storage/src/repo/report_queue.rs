//! The queue of reports of a waddle: what was reported, by whom, and what became of it.

use serde::Serialize;
use waddle_core::{MessageId, Timestamp, UserId};

use super::words::words;
use crate::{Conn, Result, Row, Tx, params};

words! {
    /// Where a report stands.
    ReportState {
        /// Nobody looks at it yet.
        Open = "open",
        /// Somebody does.
        Claimed = "claimed",
        /// Something was done.
        Resolved = "resolved",
        /// Nothing was to be done.
        Dismissed = "dismissed",
    }
}

words! {
    /// How a report came in.
    ReportSource {
        /// With a block (XEP-0377) or by command.
        Xmpp = "xmpp",
        /// Over the API.
        Http = "http",
        /// A rule found it.
        Rule = "rule",
    }
}

/// A report to be filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// How it came in.
    pub source: ReportSource,
    /// Who reports; nobody where a rule does.
    pub reporter: Option<UserId>,
    /// The rule that found it.
    pub rule: Option<i64>,
    /// Who wrote it.
    pub reported: Option<UserId>,
    /// Where: a channel's identifier.
    pub channel: Option<String>,
    /// Which message.
    pub message: Option<MessageId>,
    /// Why: a URI such as `urn:xmpp:reporting:spam`, or a word.
    pub reason: String,
    /// What the reporter wrote.
    pub text: Option<String>,
    /// What the message said.
    pub excerpt: Option<String>,
}

/// A report in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueuedReport {
    /// Its number.
    pub id: i64,
    /// When it was made, or made again.
    pub at: Timestamp,
    /// How it came in.
    pub source: ReportSource,
    /// Who reported; nobody where a rule did.
    pub reporter: Option<UserId>,
    /// The rule that found it.
    pub rule: Option<i64>,
    /// Who wrote it, if that is known.
    pub reported: Option<UserId>,
    /// Where.
    pub channel: Option<String>,
    /// Which message.
    pub message: Option<String>,
    /// Why.
    pub reason: String,
    /// What the reporter wrote.
    pub text: Option<String>,
    /// What the message said when it was reported.
    pub excerpt: Option<String>,
    /// How often it was reported so.
    pub times: u32,
    /// Where it stands.
    pub state: ReportState,
    /// Who claimed, resolved or dismissed it.
    pub handler: Option<UserId>,
    /// When.
    pub handled_at: Option<Timestamp>,
    /// What was done, e.g. `retracted`, `timeout`, `banned`.
    pub action: Option<String>,
    /// What the handler notes.
    pub note: Option<String>,
}

const COLUMNS: &str = "id, at, source, reporter, rule, reported, channel, message, reason, text, excerpt, times, \
                       state, handler, handled_at, action, note";

fn report(r: &Row<'_>) -> Result<QueuedReport> {
    let user = |text: String| text.parse::<UserId>().ok();
    let message: i64 = r.get(7)?;
    Ok(QueuedReport {
        id: r.get(0)?,
        at: r.get(1)?,
        source: r.get(2)?,
        reporter: user(r.get(3)?),
        rule: r.get(4)?,
        reported: user(r.get(5)?),
        channel: Some(r.get::<String>(6)?).filter(|c| !c.is_empty()),
        message: (message != 0).then(|| MessageId(message).to_string()),
        reason: r.get(8)?,
        text: r.get(9)?,
        excerpt: r.get(10)?,
        times: r.get(11)?,
        state: r.get(12)?,
        handler: r.get(13)?,
        handled_at: r.get(14)?,
        action: r.get(15)?,
        note: r.get(16)?,
    })
}

/// Files a report: its number, and whether it is new. The same from the same person renews the older one, and opens it
/// again if it was closed. Of all reports the newest `max` stay; closed ones go first.
pub fn put(tx: &mut Tx, n: &NewReport, at: Timestamp, max: usize) -> Result<(i64, bool)> {
    let text = |u: Option<&UserId>| u.map(ToString::to_string).unwrap_or_default();
    let (reporter, reported) = (text(n.reporter.as_ref()), text(n.reported.as_ref()));
    let (id, times) = tx.query_one(
        "INSERT INTO reports (at, source, reporter, rule, reported, channel, message, reason, text, excerpt, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'open') \
         ON CONFLICT (reporter, reported, channel, message, reason) DO UPDATE SET at = excluded.at, \
         times = times + 1, text = coalesce(excluded.text, text), excerpt = coalesce(excluded.excerpt, excerpt), \
         state = iif(state IN ('resolved', 'dismissed'), 'open', state) RETURNING id, times",
        params![
            at,
            n.source,
            reporter,
            n.rule,
            reported,
            n.channel.as_deref().unwrap_or_default(),
            n.message.map_or(0, |m| m.0),
            &n.reason,
            n.text.as_deref(),
            n.excerpt.as_deref(),
        ],
        |r| Ok((r.get::<i64>(0)?, r.get::<u32>(1)?)),
    )?;
    let count: usize = tx.query_one("SELECT count(*) FROM reports", (), |r| r.get(0))?;
    if count > max {
        tx.execute(
            "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE id <> ?2 \
             ORDER BY state IN ('open', 'claimed'), at, id LIMIT ?1)",
            (count - max, id),
        )?;
    }
    Ok((id, times == 1))
}

/// One report.
pub fn get(conn: &Conn, id: i64) -> Result<Option<QueuedReport>> {
    conn.query_opt(
        &["SELECT ", COLUMNS, " FROM reports WHERE id = ?1"].concat(),
        (id,),
        report,
    )
}

/// A page of the reports in a state, or of all, the newest first.
pub fn list(
    conn: &Conn,
    state: Option<ReportState>,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<QueuedReport>> {
    conn.query(
        &[
            "SELECT ",
            COLUMNS,
            " FROM reports WHERE id < ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3",
        ]
        .concat(),
        (before.unwrap_or(i64::MAX), state, limit),
        report,
    )
}

/// How many reports are open or claimed.
pub fn waiting(conn: &Conn) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM reports WHERE state IN ('open', 'claimed')",
        (),
        |r| r.get(0),
    )
}

/// How many reports of one person are open or claimed.
pub fn open_of(conn: &Conn, reporter: &UserId) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM reports WHERE reporter = ?1 AND state IN ('open', 'claimed')",
        (reporter,),
        |r| r.get(0),
    )
}

/// What becomes of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// Where it stands now.
    pub state: ReportState,
    /// By whom.
    pub by: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub action: Option<String>,
    /// A note.
    pub note: Option<String>,
}

/// Notes what became of a report.
pub fn handle(tx: &mut Tx, id: i64, h: &Handled) -> Result<()> {
    tx.execute_one(
        "UPDATE reports SET state = ?2, handler = ?3, handled_at = ?4, action = coalesce(?5, action), \
         note = coalesce(?6, note) WHERE id = ?1",
        (
            id,
            h.state,
            h.by.as_ref(),
            h.at,
            h.action.as_deref(),
            h.note.as_deref(),
        ),
    )
}
