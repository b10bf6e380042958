//! [XEP-0377](https://xmpp.org/extensions/xep-0377.html) Blocking Command Reports: a block that says why. They are stored
//! with the block, for those who administer the server.

use waddle_core::Jid;
use waddle_stanza::{Condition, Element, StanzaError, ns};
use waddle_storage::repo::reports::Report;

use super::{Extension, IqRequest, Scope, Xep};

/// Reports of spam and abuse.
pub struct Reports;

impl Extension for Reports {
    fn xep(&self) -> Xep {
        Xep {
            number: 377,
            title: "Blocking Command Reports",
            version: "0.4.1",
            notes: "with text and stanza ids, kept for the administrators; the same again renews the older one",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Server {
            &[ns::REPORTING]
        } else {
            &[]
        }
    }
}

/// The report in an item of a block, if there is one.
pub(super) fn of_item(
    r: &IqRequest<'_>,
    item: Element<'_>,
    jid: &Jid,
) -> Result<Option<Report>, StanzaError> {
    let limits = &r.server.limits;
    let report = item.child("report", ns::REPORTING);
    let Some(report) = report.filter(|_| r.server.registry.has(377)) else {
        return Ok(None);
    };
    let bad = |text: &str| StanzaError::new(Condition::BadRequest).text(text);
    let reason = report.attr("reason").filter(|r| !r.is_empty());
    let reason = reason.ok_or_else(|| bad("a report has a reason"))?;
    let text = report.child_text("text", ns::REPORTING);
    let ids: Vec<(String, String)> = report
        .children()
        .filter(|c| c.is("stanza-id", ns::SID))
        .filter_map(|c| Some((c.attr("by")?.into_owned(), c.attr("id")?.into_owned())))
        .collect();
    let size = reason.len() + text.as_ref().map_or(0, |t| t.len());
    let size = size + ids.iter().map(|(by, id)| by.len() + id.len()).sum::<usize>();
    if size > limits.xmpp_report_bytes {
        return Err(StanzaError::new(Condition::PolicyViolation).text("the report is too long"));
    }
    Ok(Some(Report {
        at: r.server.now(),
        reporter: r.session.user.clone(),
        reported: jid.clone(),
        reason: reason.into_owned(),
        text: text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()),
        ids,
    }))
}
