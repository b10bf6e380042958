//! The queue of reports by command.

use waddle_community::{Handling, QueuedReport, ReportState};
use waddle_core::ChannelId;
use waddle_stanza::{
    Condition, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};

use super::{Scene, TYPE, done, refused, text};
use crate::command::{Asker, Done, StepResult};

const REPORT: &str = "report";
const STATE: &str = "state";
const ACTION: &str = "action";
const NOTE: &str = "note";
/// Reports of one list.
const MOST: usize = 50;

async fn waiting(asker: &Asker<'_>, scene: &Scene) -> Result<Vec<QueuedReport>, StanzaError> {
    let community = &asker.server.community;
    let mut all = Vec::new();
    for state in [ReportState::Open, ReportState::Claimed] {
        let some = community.reports(asker.user(), scene.waddle.id, Some(state), None, MOST);
        all.extend(some.await.map_err(refused)?);
    }
    all.sort_by_key(|r| std::cmp::Reverse(r.id));
    Ok(all)
}

fn place(scene: &Scene, report: &QueuedReport) -> String {
    let id = report
        .channel
        .as_deref()
        .and_then(|c| c.parse::<ChannelId>().ok());
    let channel = id.and_then(|id| scene.access.channel(id));
    channel.map(|c| c.name.clone()).unwrap_or_default()
}

/// Those that wait.
pub(super) async fn list(asker: &Asker<'_>, scene: &Scene) -> StepResult {
    let mut form = Form::of_type(FormKind::Result, TYPE).title("Reports");
    let column = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
    form.reported = vec![
        column(REPORT, "Number"),
        column(STATE, "State"),
        column("at", "When"),
        column("reporter", "Reported by"),
        column("reported", "Written by"),
        column("channel", "Channel"),
        column("message", "Message"),
        column("reason", "Reason"),
        column("text", "Text"),
        column("excerpt", "What it said"),
    ];
    let user = |u: Option<&waddle_core::UserId>| u.map(ToString::to_string).unwrap_or_default();
    for r in waiting(asker, scene).await? {
        let value = |var: &str, v: String| Field::new(var, FieldKind::TextSingle).value(v);
        form.items.push(vec![
            value(REPORT, r.id.to_string()),
            value(STATE, r.state.to_string()),
            value("at", r.at.to_string()),
            value("reporter", user(r.reporter.as_ref())),
            value("reported", user(r.reported.as_ref())),
            value("channel", place(scene, &r)),
            value("message", r.message.clone().unwrap_or_default()),
            value("reason", r.reason.clone()),
            value("text", r.text.clone().unwrap_or_default()),
            value("excerpt", r.excerpt.clone().unwrap_or_default()),
        ]);
    }
    let none = form.items.is_empty();
    let listed = Done::form(form);
    Ok(if none {
        Done::info("nothing is reported").into()
    } else {
        listed.into()
    })
}

/// Which report, and what becomes of it.
pub(super) async fn form(asker: &Asker<'_>, here: Option<&Scene>, form: Form) -> Result<Form, StanzaError> {
    let form = match here {
        Some(scene) => {
            let field = Field::new(REPORT, FieldKind::ListSingle)
                .label("Report")
                .required();
            let field = waiting(asker, scene).await?.iter().fold(field, |f, r| {
                let excerpt: String = r
                    .excerpt
                    .as_deref()
                    .unwrap_or_default()
                    .chars()
                    .take(60)
                    .collect();
                let label = format!("{}: {} in {}: {excerpt}", r.id, r.reason, place(scene, r));
                f.option(Some(&label), &r.id.to_string())
            });
            form.field(field)
        }
        None => form.field(
            Field::new(REPORT, FieldKind::TextSingle)
                .label("Number of the report")
                .required(),
        ),
    };
    let state = Field::new(STATE, FieldKind::ListSingle)
        .label("What becomes of it")
        .required()
        .option(Some("I look after it"), ReportState::Claimed.as_str())
        .option(
            Some("Resolved: something was done"),
            ReportState::Resolved.as_str(),
        )
        .option(
            Some("Dismissed: nothing was to be done"),
            ReportState::Dismissed.as_str(),
        )
        .option(Some("Open again"), ReportState::Open.as_str());
    let single = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
    Ok(form
        .field(state)
        .field(single(
            ACTION,
            "What was done, such as retracted, timeout, banned",
        ))
        .field(single(NOTE, "Note")))
}

/// Notes what becomes of one.
pub(super) async fn handle(asker: &Asker<'_>, scene: &Scene, form: &Form) -> StepResult {
    let number: i64 = text(form, REPORT)
        .and_then(|n| n.parse().ok())
        .ok_or(Condition::ItemNotFound)?;
    let state: ReportState = text(form, STATE)
        .and_then(|s| s.parse().ok())
        .ok_or(Condition::NotAcceptable)?;
    let handling = Handling {
        state,
        action: text(form, ACTION).map(str::to_owned),
        note: text(form, NOTE).map(str::to_owned),
    };
    let community = &asker.server.community;
    community
        .handle_report(asker.user(), scene.waddle.id, number, handling)
        .await
        .map_err(refused)?;
    done(format!("report {number} is {state}"))
}
