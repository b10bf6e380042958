//! Commands about single accounts (XEP-0133 §4.1 to §4.10).

use waddle_core::Secret;
use waddle_identity::Error;
use waddle_stanza::{
    Condition, StanzaError, StreamError, XmlWriter,
    forms::{Field, FieldKind, Form},
    ns,
};
use waddle_storage::repo::roster;

use super::{account, accounts_of, address, failed, form, jids, many, one, refused, result};
use crate::{
    command::{Asker, Done, Step, StepResult, run::themselves},
    session::Flag,
    xep::rfc6121_roster,
};

/// The answer to the one form of a command.
macro_rules! answer_or_ask {
    ($answers:expr, $form:expr) => {
        match $answers {
            [answer, ..] => answer,
            [] => return Ok(Step::ask($form)),
        }
    };
}

pub(super) async fn add(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let password = |var, label| Field::new(var, FieldKind::TextPrivate).label(label).required();
    let f = answer_or_ask!(
        answers,
        form("Adding a User", "Fill out this form to add a user.")
            .field(one("The Jabber ID for the account to be added"))
            .field(password("password", "The password for this account"))
            .field(password("password-verify", "Retype password"))
    );
    let jid = match jids(f, "accountjid") {
        Ok(jids) => jids.into_iter().next(),
        Err(why) => return refused(why),
    };
    let local = jid
        .as_ref()
        .filter(|j| a.server.is_local(j))
        .and_then(|j| j.local());
    let Some(local) = local else {
        return refused("the address is not one of this server");
    };
    let secret = f.value("password").unwrap_or_default();
    if f.value("password-verify") != Some(secret) {
        return refused("the two passwords are not the same");
    }
    let made = a
        .server
        .identity
        .create_local(local, &Secret::new(secret), false)
        .await;
    match made {
        Ok(account) => {
            tracing::info!(by = %a.user(), account = account.localpart, "an administrator added an account");
            Ok(Done::default().into())
        }
        // §5
        Err(Error::NameTaken) => Err(StanzaError::new(Condition::Conflict).text("the name is taken")),
        Err(e @ (Error::Name(_) | Error::Password)) => refused(e.to_string()),
        Err(e) => Err(failed(&e)),
    }
}

pub(super) async fn delete(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Deleting a User",
            "Fill out this form to delete a user with everything of theirs."
        )
        .field(many("The Jabber ID(s) to delete"))
    );
    let who = match accounts_of(a.server, f, "accountjids").await? {
        Ok(who) => who,
        Err(why) => return refused(why),
    };
    if who.iter().any(|w| w.user == *a.user()) {
        return refused("somebody else has to delete your own account");
    }
    for w in who {
        match a
            .server
            .identity
            .delete_account(&a.server.community, &w.user)
            .await
        {
            Ok(_) => {
                tracing::info!(by = %a.user(), account = w.localpart, "an administrator deleted an account");
            }
            Err(e @ Error::OnlyOwner(_)) => {
                return refused([address(a.server, &w.localpart), ": ".to_owned(), e.to_string()].concat());
            }
            Err(e) => return Err(failed(&e)),
        }
    }
    Ok(Done::default().into())
}

pub(super) async fn disable(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Disabling a User",
            "Fill out this form to disable a user: they keep everything and cannot log in."
        )
        .field(many("The Jabber ID(s) to disable"))
    );
    set_disabled(a, f, true).await
}

pub(super) async fn reenable(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form("Re-Enabling a User", "Fill out this form to re-enable a user.")
            .field(many("The Jabber ID(s) to re-enable"))
    );
    set_disabled(a, f, false).await
}

async fn set_disabled(a: &Asker<'_>, f: &Form, disabled: bool) -> StepResult {
    let who = match accounts_of(a.server, f, "accountjids").await? {
        Ok(who) => who,
        Err(why) => return refused(why),
    };
    if disabled && who.iter().any(|w| w.user == *a.user()) {
        return refused("somebody else has to disable your own account");
    }
    for w in who {
        let done = a.server.identity.set_disabled(&w.user, disabled).await;
        done.map_err(|e| failed(&e))?;
        tracing::info!(by = %a.user(), account = w.localpart, disabled, "an administrator changed an account");
    }
    Ok(Done::default().into())
}

pub(super) async fn end_session(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Ending a User Session",
            "Fill out this form to end a user's session, or all of them."
        )
        .field(many("The Jabber ID(s) for which to end sessions"))
    );
    let jids = match jids(f, "accountjids") {
        Ok(jids) => jids,
        Err(why) => return refused(why),
    };
    for jid in &jids {
        if let Err(why) = account(a.server, jid).await? {
            return refused(why);
        }
    }
    for jid in jids {
        for s in a.server.sessions.of(jid.local().unwrap_or_default()) {
            if jid.is_bare() || s.jid == jid {
                s.end(StreamError::PolicyViolation);
            }
        }
    }
    Ok(Done::default().into())
}

pub(super) async fn change_password(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Changing a User Password",
            "Fill out this form to change a user's password."
        )
        .field(one("The Jabber ID for this account"))
        .field(
            Field::new("password", FieldKind::TextPrivate)
                .label("The password for this account")
                .required()
        )
    );
    let who = match accounts_of(a.server, f, "accountjid").await? {
        Ok(who) => who,
        Err(why) => return refused(why),
    };
    if who.iter().any(|w| w.user == *a.user()) && !themselves(a.server, a.session).await {
        return refused("log in with your password to change it");
    }
    let secret = Secret::new(f.value("password").unwrap_or_default());
    for w in who {
        match a.server.identity.set_password(&w.user, &secret).await {
            Ok(_) => tracing::info!(by = %a.user(), account = w.localpart, "an administrator set a password"),
            Err(e @ (Error::NotLocal | Error::Password)) => return refused(e.to_string()),
            Err(e) => return Err(failed(&e)),
        }
    }
    Ok(Done::default().into())
}

pub(super) async fn roster(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Getting a User's Roster",
            "Fill out this form to get a user's roster."
        )
        .field(many("The Jabber ID(s) for which to retrieve the roster"))
    );
    let who = match accounts_of(a.server, f, "accountjids").await? {
        Ok(who) => who,
        Err(why) => return refused(why),
    };
    let mut out = result().field(
        Field::new("accountjids", FieldKind::JidMulti)
            .values(who.iter().map(|w| address(a.server, &w.localpart))),
    );
    let mut w = XmlWriter::new();
    for who in &who {
        let owner = who.localpart.clone();
        let items = a.server.db.read(move |conn| roster::all(conn, &owner)).await;
        w.open_ns("query", ns::ROSTER);
        for c in items.map_err(|e| failed(&e))?.iter().filter(|c| c.listed) {
            rfc6121_roster::item(&mut w, c);
        }
        w.close();
    }
    out.extension = Some(w.finish());
    Ok(Done::form(out).into())
}

pub(super) async fn last_login(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    let f = answer_or_ask!(
        answers,
        form(
            "Getting a User's Last Login Time",
            "Fill out this form to get a user's last login time."
        )
        .field(many("The Jabber ID(s) for which to retrieve the last login time"))
    );
    let who = match accounts_of(a.server, f, "accountjids").await? {
        Ok(who) => who,
        Err(why) => return refused(why),
    };
    let times: Vec<String> = who
        .iter()
        .map(|w| w.last_login_at.map_or_else(String::new, |t| t.to_string()))
        .collect();
    let out = result()
        .field(
            Field::new("accountjids", FieldKind::JidMulti)
                .values(who.iter().map(|w| address(a.server, &w.localpart))),
        )
        .field(Field::new("lastlogin", FieldKind::TextMulti).values(times));
    Ok(Done::form(out).into())
}

pub(super) async fn stats(a: &Asker<'_>, answers: &[Form]) -> StepResult {
    // The specification asks for one address; clients that ask as they do in the other commands are understood too.
    let f = answer_or_ask!(
        answers,
        form(
            "Get User Statistics",
            "Fill out this form to gather user statistics."
        )
        .field(Field::new("accountjid", FieldKind::JidSingle).label("The Jabber ID for statistics"))
        .field(
            Field::new("accountjids", FieldKind::JidMulti).label("Instead: the Jabber IDs for statistics")
        )
    );
    let mut who = Vec::new();
    for var in ["accountjid", "accountjids"] {
        match accounts_of(a.server, f, var).await? {
            Ok(some) => who.extend(some),
            Err(why) => return refused(why),
        }
    }
    if who.is_empty() {
        return Err(super::super::bad("bad-payload").text("an address is needed"));
    }
    let (mut contacts, mut online) = (Vec::new(), Vec::new());
    for w in &who {
        let owner = w.localpart.clone();
        let items = a.server.db.read(move |conn| roster::all(conn, &owner)).await;
        let items = items.map_err(|e| failed(&e))?;
        contacts.push(items.iter().filter(|c| c.listed).count().to_string());
        let sessions = a.server.sessions.of(&w.localpart);
        let resources = sessions.iter().filter(|s| !s.is(Flag::Ended));
        online.extend(resources.filter_map(|s| s.jid.resource().map(str::to_owned)));
    }
    let out = result()
        .field(
            Field::new("accountjids", FieldKind::JidMulti)
                .values(who.iter().map(|w| address(a.server, &w.localpart))),
        )
        .field(Field::new("rostersize", FieldKind::TextMulti).values(contacts))
        .field(Field::new("onlineresources", FieldKind::TextMulti).values(online));
    Ok(Done::form(out).into())
}
