//! The queue of reports of a waddle (`specs/moderation.md`, "Reports"): filed by whoever can see the message, by rules
//! and with a block (XEP-0377); read and closed by those who have `waddle#review_reports`.

use std::sync::Arc;

use waddle_core::{ChannelId, MessageId, UserId, WaddleId};
use waddle_storage::repo::{
    archive::{self, ArchiveKey, Seen},
    report_queue::{self, Handled, NewReport, QueuedReport, ReportSource, ReportState},
};

use super::{bounded, text};
use crate::{Actor, Community, Error, Event, On, Page, Result, Role, WaddleAccess, change::Draft};

/// Characters of the reported message that are kept with the report.
const EXCERPT: usize = 2_000;
/// Messages before and behind a reported one that are shown with it.
const CONTEXT: usize = 10;

/// What somebody reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// How it came in.
    pub source: ReportSource,
    /// Where the message is.
    pub channel: ChannelId,
    /// Which one.
    pub message: MessageId,
    /// Why: `spam`, `abuse` or a URI such as `urn:xmpp:reporting:spam`; up to 200 characters.
    pub reason: String,
    /// More, up to 2,000 characters.
    pub text: Option<String>,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: i64,
    /// Its name.
    pub name: Arc<str>,
    /// Where.
    pub channel: ChannelId,
    /// Who wrote it, where it is a person.
    pub author: Option<UserId>,
    /// The message, where it passed.
    pub message: Option<MessageId>,
    /// What was written.
    pub excerpt: String,
}

/// What somebody does with a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handling {
    /// Where it stands then.
    pub state: ReportState,
    /// What was done, e.g. `retracted`; up to 100 characters.
    pub action: Option<String>,
    /// A note, up to 1,000 characters.
    pub note: Option<String>,
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

/// Whether somebody may read what was said in a channel; of one that is gone, whoever moderates the waddle.
fn sees(access: &WaddleAccess, actor: &Actor, channel: ChannelId) -> bool {
    actor.user().is_none_or(|u| match access.channel(channel) {
        Some(_) => access.allows(On::Channel(channel), "view", u),
        None => access.waddle_allows("moderate", u),
    })
}

/// A report as a reviewer gets it: without words from a channel that they may not see.
fn shown(mut report: QueuedReport, access: &WaddleAccess, actor: &Actor) -> QueuedReport {
    let channel = report.channel.as_deref().and_then(|c| c.parse().ok());
    if channel.is_some_and(|c| !sees(access, actor, c)) {
        report.excerpt = None;
        report.text = None;
    }
    report
}

fn put(d: &mut Draft<'_>, new: &NewReport) -> Result<i64> {
    let (number, fresh) = report_queue::put(d.tx, new, d.now, d.limits.reports_per_waddle)?;
    d.event(Event::ReportFiled {
        waddle: d.waddle(),
        slug: d.slug(),
        report: number,
        fresh,
    });
    Ok(number)
}

impl Community {
    /// Files a report on a message; the reporter must be able to see the channel. The same again renews the older one.
    pub async fn report_message(&self, reporter: &UserId, id: WaddleId, c: Complaint) -> Result<i64> {
        let length =
            |field, s: &str, max| text(field, "too long, or with control characters", s, (0, max), true);
        length("reason", &c.reason, 200)?;
        length("text", c.text.as_deref().unwrap_or_default(), 2_000)?;
        if c.reason.trim().is_empty() {
            return Err(Error::Invalid {
                field: "reason",
                why: "say why",
            });
        }
        let who = reporter.clone();
        self.change(id, Actor::User(reporter.clone()), move |d| {
            d.require(On::Channel(c.channel), "view")?;
            let message = archive::see(d.tx, &ArchiveKey::channel(c.channel), c.message)?;
            let message = message.ok_or(Error::NotFound("message"))?;
            bounded(
                "open reports of one person",
                report_queue::open_of(d.tx, &who)?,
                d.limits.reports_per_person,
            )?;
            let number = put(
                d,
                &NewReport {
                    source: c.source,
                    reporter: Some(who.clone()),
                    rule: None,
                    reported: message.author.as_deref().and_then(|a| a.parse().ok()),
                    channel: Some(c.channel.to_string()),
                    message: Some(c.message),
                    reason: c.reason.clone(),
                    text: c.text.filter(|t| !t.trim().is_empty()),
                    excerpt: message.body.as_deref().map(excerpt),
                },
            )?;
            d.audit("report.file", &format!("report:{number}"), &c.reason, None)?;
            Ok(number)
        })
        .await
    }

    /// Files what a rule found.
    pub async fn report_finding(&self, id: WaddleId, f: Finding) -> Result<i64> {
        self.change(id, Actor::System, move |d| {
            put(
                d,
                &NewReport {
                    source: ReportSource::Rule,
                    reporter: None,
                    rule: Some(f.rule),
                    reported: f.author,
                    channel: Some(f.channel.to_string()),
                    message: f.message,
                    reason: f.name.to_string(),
                    text: None,
                    excerpt: Some(excerpt(&f.excerpt)),
                },
            )
        })
        .await
    }

    /// A page of the reports, the newest first, before the one of number `before`. Needs `waddle#review_reports`.
    pub async fn reports(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        state: Option<ReportState>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<QueuedReport>> {
        let actor = actor.into();
        self.require_now(&actor, id, "review_reports").await?;
        let limit = limit.min(Page::MAX);
        let (access, db) = (self.access(id).await?, self.db(id).await?);
        let found = db
            .read(move |conn| report_queue::list(conn, state, before, limit))
            .await?;
        Ok(found.into_iter().map(|r| shown(r, &access, &actor)).collect())
    }

    /// One report with the messages around the one that it is about, as far as the asker may see the channel. Needs
    /// `waddle#review_reports`.
    pub async fn report(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        number: i64,
    ) -> Result<(QueuedReport, Vec<Seen>)> {
        let actor = actor.into();
        self.require_now(&actor, id, "review_reports").await?;
        let access = self.access(id).await?;
        let db = self.db(id).await?;
        let found = db
            .read(move |conn| {
                let Some(report) = report_queue::get(conn, number)? else {
                    return Ok(None);
                };
                let channel = report
                    .channel
                    .as_deref()
                    .and_then(|c| c.parse::<ChannelId>().ok());
                let message = report
                    .message
                    .as_deref()
                    .and_then(|m| m.parse::<MessageId>().ok());
                let report = shown(report, &access, &actor);
                let context = match (channel, message) {
                    (Some(c), Some(m)) if sees(&access, &actor, c) => {
                        archive::around(conn, &ArchiveKey::channel(c), m, CONTEXT)?
                    }
                    _ => Vec::new(),
                };
                Ok(Some((report, context)))
            })
            .await?;
        found.ok_or(Error::NotFound("report"))
    }

    /// How many reports wait. Needs `waddle#review_reports`.
    pub async fn reports_waiting(&self, actor: impl Into<Actor>, id: WaddleId) -> Result<usize> {
        self.require_now(&actor.into(), id, "review_reports").await?;
        Ok(self.db(id).await?.read(report_queue::waiting).await?)
    }

    /// Claims, resolves, dismisses or opens a report again. Needs `waddle#review_reports`; nobody handles a report on
    /// themselves but owners.
    pub async fn handle_report(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        number: i64,
        h: Handling,
    ) -> Result<QueuedReport> {
        let length = |field, s: Option<&str>, max| {
            text(
                field,
                "too long, or with control characters",
                s.unwrap_or_default(),
                (0, max),
                true,
            )
        };
        length("action", h.action.as_deref(), 100)?;
        length("note", h.note.as_deref(), 1_000)?;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "review_reports")?;
            let report = report_queue::get(d.tx, number)?.ok_or(Error::NotFound("report"))?;
            let own = report.reported.is_some() && report.reported.as_ref() == d.actor.user();
            if own && d.actor_role() != Some(Role::Owner) {
                return Err(Error::Conflict("a report on you is for somebody else to decide"));
            }
            let taken = report.state == ReportState::Claimed && report.handler.as_ref() != d.actor.user();
            if taken && h.state == ReportState::Claimed {
                return Err(Error::Conflict("somebody else has claimed this report"));
            }
            let note = h.note.clone().filter(|n| !n.trim().is_empty());
            report_queue::handle(
                d.tx,
                number,
                &Handled {
                    state: h.state,
                    by: d.actor.user().cloned(),
                    at: d.now,
                    action: h.action.clone().filter(|a| !a.trim().is_empty()),
                    note: note.clone(),
                },
            )?;
            let action = match h.state {
                ReportState::Open => "report.open",
                ReportState::Claimed => "report.claim",
                ReportState::Resolved => "report.resolve",
                ReportState::Dismissed => "report.dismiss",
            };
            let done = h.action.as_deref().unwrap_or_default();
            d.audit(action, &format!("report:{number}"), done, note.as_deref())?;
            d.event(Event::ReportHandled {
                waddle: id,
                slug: d.slug(),
                report: number,
                state: h.state,
            });
            let handled = report_queue::get(d.tx, number)?.ok_or(Error::NotFound("report"))?;
            Ok(shown(handled, d.access, d.actor))
        })
        .await
    }
}
