//! What a stream missed, read from the databases: the archive behind its last message, the audit log behind its last
//! line.

use waddle_community::AuditEntry;
use waddle_core::{MessageId, Timestamp, WaddleId};
use waddle_messages::{News, news};
use waddle_storage::repo::audit::{self, AuditFilter};

use super::cursor::Cursor;
use crate::{App, problem::Problem};

/// Rows read at a time.
const PAGE: usize = 500;

/// What was missed in one waddle.
#[derive(Debug)]
pub struct Past {
    /// Messages, in their order.
    pub news: Vec<News>,
    /// Lines of the audit log, in their order.
    pub lines: Vec<AuditEntry>,
    /// The last of both; what the hub hands over up to there is known.
    pub upto: (MessageId, i64),
}

/// What was missed, or that it was too much.
#[derive(Debug)]
pub enum Missed {
    /// This.
    Some(Past),
    /// More than is told; up to where.
    TooMuch((MessageId, i64)),
}

impl Past {
    /// How much of what a stream is told at the most.
    pub fn size(&self) -> usize {
        self.news.len().max(self.lines.len())
    }
}

/// Reads what a waddle had behind the cursor: at most so many messages, so many lines.
pub async fn missed(app: &App, waddle: WaddleId, cursor: &Cursor, most: usize) -> Result<Missed, Problem> {
    let (place, since) = (cursor.place(waddle), cursor.since());
    let db = app.deps.community.storage().waddle(waddle).await?;
    let part = PAGE.min(most + 1);
    let read = db.read(move |conn| {
        let mut all = Vec::new();
        let mut upto = place.message;
        loop {
            let page = news::since(conn, waddle, upto, part).map_err(storage)?;
            let Some(last) = page.last().map(|n| n.id) else {
                break;
            };
            upto = last;
            let full = page.len() == part;
            all.extend(page);
            if !full || all.len() > most {
                break;
            }
        }
        let lines = if place.line >= 0 {
            audit::after(conn, place.line, most + 1)?
        } else {
            let filter = AuditFilter {
                // what was at that time is known
                since: Some(Timestamp(since.micros().saturating_add(1))),
                ..AuditFilter::default()
            };
            let mut lines = audit::find(conn, &filter, None, most + 1)?;
            lines.reverse();
            lines
        };
        let newest = audit::list(conn, None, 1)?.first().map_or(0, |l| l.id);
        Ok((all, lines, (upto, newest)))
    });
    let (news, lines, upto) = read.await?;
    if news.len() > most || lines.len() > most {
        // all that is there now is read anew by the client
        let newest = MessageId(app.deps.identity.now().micros()).max(upto.0);
        return Ok(Missed::TooMuch((newest, upto.1)));
    }
    Ok(Missed::Some(Past { news, lines, upto }))
}

fn storage(e: waddle_messages::Error) -> waddle_storage::StorageError {
    match e {
        waddle_messages::Error::Storage(e) => e,
        _ => waddle_storage::StorageError::NotFound,
    }
}
