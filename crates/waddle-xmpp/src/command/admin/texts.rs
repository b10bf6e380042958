//! What everybody is told: announcements, the message of the day, the welcome (XEP-0133 §4.23 to §4.28).

use waddle_stanza::forms::{Field, FieldKind, Form};
use waddle_storage::repo::service::{self, ServiceText};

use super::{failed, form, refused};
use crate::{
    command::{Asker, Done, Step, StepResult},
    office::Texts,
    xep::xep0133,
};

/// Bytes of a text for everybody.
const TEXT: usize = 16_384;

fn lines(var: &str, label: &str) -> Field {
    Field::new(var, FieldKind::TextMulti).label(label)
}

/// The lines of a field as one text, or what is wrong with it.
fn text(f: &Form, var: &str) -> Result<String, &'static str> {
    let text = f.values(var).join("\n");
    if text.len() > TEXT {
        return Err("the text is too long");
    }
    Ok(text)
}

pub(super) async fn announce(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let Some(f) = answers.first() else {
        return Ok(Step::ask(
            form(
                "Making an Announcement",
                "Fill out this form to make an announcement to all active users of this service.",
            )
            .field(lines("announcement", "Announcement").required()),
        ));
    };
    match text(f, "announcement") {
        Ok(text) => xep0133::announce(a.server, &text),
        Err(why) => return refused(why),
    }
    Ok(Done::default().into())
}

/// Stores a text, or none, and shows it from now on.
async fn set(
    a: &Asker<'_>,
    name: &'static str,
    body: Option<String>,
    again: bool,
) -> Result<Option<ServiceText>, waddle_stanza::StanzaError> {
    let stored = a
        .server
        .db
        .write(move |tx| match body {
            Some(body) => service::set_text(tx, name, &body, again).map(Some),
            None => service::delete_text(tx, name).map(|_| None),
        })
        .await
        .map_err(|e| failed(&e))?;
    let mut texts = Texts::clone(&a.server.office.texts());
    let place = if name == service::MOTD {
        &mut texts.motd
    } else {
        &mut texts.welcome
    };
    place.clone_from(&stored);
    a.server.office.show(texts);
    Ok(stored)
}

pub(super) async fn set_motd(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let Some(f) = answers.first() else {
        return Ok(Step::ask(
            form(
                "Setting the Message of the Day",
                "Fill out this form to set the message of the day.",
            )
            .field(lines("motd", "Message of the Day").required()),
        ));
    };
    motd(a, f, true).await
}

pub(super) async fn edit_motd(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let Some(f) = answers.first() else {
        let now = a.server.office.texts();
        let now = now.motd.iter().flat_map(|t| t.body.lines());
        return Ok(Step::ask(
            form(
                "Editing the Message of the Day",
                "Fill out this form to edit the message of the day.",
            )
            .field(lines("motd", "Message of the Day").required().values(now)),
        ));
    };
    motd(a, f, false).await
}

async fn motd(a: &Asker<'_>, f: &Form, again: bool) -> StepResult {
    let body = match text(f, "motd") {
        Ok(body) => body,
        Err(why) => return refused(why),
    };
    if let Some(set) = set(a, service::MOTD, Some(body), again).await?
        && again
    {
        xep0133::show_motd_to_all(a.server, &set).await;
    }
    Ok(Done::default().into())
}

pub(super) async fn delete_motd(a: &Asker<'_>, _: &[Form]) -> StepResult {
    set(a, service::MOTD, None, false).await?;
    Ok(Done::default().into())
}

pub(super) async fn set_welcome(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let Some(f) = answers.first() else {
        let now = a.server.office.texts();
        let now = now.welcome.iter().flat_map(|t| t.body.lines());
        return Ok(Step::ask(
            form(
                "Setting Welcome Message",
                "Fill out this form to set the welcome message for this service.",
            )
            .field(lines("welcome", "Welcome Message").required().values(now)),
        ));
    };
    let body = match text(f, "welcome") {
        Ok(body) => body,
        Err(why) => return refused(why),
    };
    set(a, service::WELCOME, Some(body), false).await?;
    Ok(Done::default().into())
}

pub(super) async fn delete_welcome(a: &Asker<'_>, _: &[Form]) -> StepResult {
    set(a, service::WELCOME, None, false).await?;
    Ok(Done::default().into())
}
