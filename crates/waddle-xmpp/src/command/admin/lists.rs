//! The black list, the white list and the administrators (XEP-0133 §4.11, §4.12, §4.29).

use waddle_stanza::forms::{Field, FieldKind, Form};
use waddle_storage::repo::service;

use super::{accounts_of, address, failed, form, jids, refused};
use crate::{
    command::{Asker, Done, Step, StepResult},
    office::List,
};

pub(super) async fn black(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = form(
        "Editing the Blacklist",
        "Fill out this form to edit the list of entities with whom communications are disallowed.",
    );
    edit(a, answers, List::Black, f, "blacklistjids", "The blacklist").await
}

pub(super) async fn white(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = form(
        "Editing the Whitelist",
        "Fill out this form to edit the list of foreign entities with whom alone communications are allowed. \
         An empty list allows all.",
    );
    edit(a, answers, List::White, f, "whitelistjids", "The whitelist").await
}

async fn edit(
    a: &Asker<'_>,
    answers: &[Form],
    list: List,
    shown: Form,
    var: &'static str,
    label: &str,
) -> StepResult {
    let Some(f) = answers.first() else {
        let now = a
            .server
            .db
            .read(move |conn| service::list(conn, list.name()))
            .await;
        let now = now.map_err(|e| failed(&e))?;
        let field = Field::new(var, FieldKind::JidMulti).label(label);
        return Ok(Step::ask(
            shown.field(field.values(now.iter().map(ToString::to_string))),
        ));
    };
    let wanted = match jids(f, var) {
        Ok(wanted) => wanted,
        Err(why) => return refused(why),
    };
    let max = a.server.limits.xmpp_service_list;
    if wanted.len() > max {
        return refused(["the list has room for ".to_owned(), max.to_string()].concat());
    }
    if list == List::Black
        && wanted
            .iter()
            .any(|j| *j == a.server.domain || *j == *a.session.bare.as_jid())
    {
        return refused("this server and your own account cannot be on the blacklist");
    }
    let stored = wanted.clone();
    let written = a
        .server
        .db
        .write(move |tx| service::set_list(tx, list.name(), &stored))
        .await;
    written.map_err(|e| failed(&e))?;
    tracing::info!(by = %a.user(), list = list.name(), entries = wanted.len(), "an administrator changed a list");
    a.server.office.set_list(list, wanted);
    Ok(Done::default().into())
}

/// Administrators that one form shows.
const ADMINS: usize = 1_000;

pub(super) async fn admins(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let Some(f) = answers.first() else {
        let (now, count) = a.server.identity.admins(ADMINS).await.map_err(|e| failed(&e))?;
        if count > now.len() {
            return refused("there are too many administrators for a form");
        }
        let field = Field::new("adminjids", FieldKind::JidMulti)
            .label("The admin list")
            .values(now.iter().map(|w| address(a.server, &w.localpart)));
        return Ok(Step::ask(
            form(
                "Editing the Admin List",
                "Fill out this form to edit the list of entities who have administrative privileges.",
            )
            .field(field),
        ));
    };
    let wanted = match accounts_of(a.server, f, "adminjids").await? {
        Ok(wanted) => wanted,
        Err(why) => return refused(why),
    };
    if wanted.iter().all(|w| w.disabled) {
        return refused("at least one administrator who can log in must stay");
    }
    let users = wanted.iter().map(|w| w.user.clone()).collect();
    a.server
        .identity
        .set_admins(users)
        .await
        .map_err(|e| failed(&e))?;
    tracing::info!(by = %a.user(), admins = wanted.len(), "an administrator changed the list of administrators");
    Ok(Done::default().into())
}
