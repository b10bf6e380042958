//! The end of the service, and its beginning anew (XEP-0133 §4.30, §4.31).

use std::time::Duration;

use waddle_stanza::{
    forms::{Field, FieldKind, Form},
    validate::Validate,
};

use super::form;
use crate::{
    command::{Asker, Done, Step, StepResult},
    office::Ending,
    xep::xep0133,
};

const DELAYS: [(&str, &str); 8] = [
    ("at once", "0"),
    ("30 seconds", "30"),
    ("60 seconds", "60"),
    ("90 seconds", "90"),
    ("2 minutes", "120"),
    ("3 minutes", "180"),
    ("4 minutes", "240"),
    ("5 minutes", "300"),
];

/// The answer to the command still reaches its asker.
const AT_ONCE: Duration = Duration::from_millis(500);

pub(super) async fn restart(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    end(a, answers, Ending::Restart, "Restarting the Service", "restart")
}

pub(super) async fn shutdown(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    end(a, answers, Ending::Stop, "Shutting Down the Service", "shut down")
}

fn end(a: &Asker<'_>, answers: &[Form], ending: Ending, title: &str, verb: &str) -> StepResult {
    let Some(f) = answers.first() else {
        let mut delay = Field::new("delay", FieldKind::ListSingle)
            .label("Time delay in seconds")
            .validate(Validate::between(0, 86_400))
            .value("30");
        for (label, value) in DELAYS {
            delay = delay.option(Some(label), value);
        }
        let how = ["Fill out this form to ", verb, " the service."].concat();
        return Ok(Step::ask(form(title, &how).field(delay).field(
            Field::new("announcement", FieldKind::TextMulti).label("Announcement"),
        )));
    };
    let announcement = f.values("announcement").join("\n");
    if !announcement.is_empty() {
        xep0133::announce(a.server, &announcement);
    }
    let seconds = f.value("delay").and_then(|d| d.parse().ok()).unwrap_or(30);
    tracing::warn!(by = %a.user(), ?ending, seconds, "an administrator ends the service");
    let wait = Duration::from_secs(seconds).max(AT_ONCE);
    a.server.office.end(ending, tokio::time::sleep(wait));
    Ok(Done::default().into())
}
