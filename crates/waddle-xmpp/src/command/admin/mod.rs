//! Service administration ([XEP-0133](https://xmpp.org/extensions/xep-0133.html)): all commands of §4 but the retracted
//! one, for administrators, on the server and on their own account.
//!
//! What the specification lists as error conditions (§5) is an error of the stanza; what is wrong with what was filled
//! out is a note of type `error`, so that clients show it beside the form.

use waddle_core::{BareJid, Jid};
use waddle_identity::Account;
use waddle_stanza::{
    Condition, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use super::{Asker, Command, Done, Place, StepResult};
use crate::{server::Server, xep::BoxFuture};

mod accounts;
mod lists;
mod numbers;
mod power;
mod texts;

type Run = for<'a> fn(&'a Asker<'a>, &'a [Form]) -> BoxFuture<'a, StepResult>;

/// A command of administrators.
pub struct AdminCommand {
    node: &'static str,
    name: &'static str,
    /// Whether it ends the process, and is there only where that is possible.
    ends: bool,
    run: Run,
}

impl Command for AdminCommand {
    fn node(&self) -> &'static str {
        self.node
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Server, Place::Account]
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move { !self.ends || asker.server.office.can_end() })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        (self.run)(asker, answers)
    }
}

macro_rules! commands {
    ($($word:ident = $node:literal $name:literal $run:expr;)*) => {
        $(
            #[doc = $name]
            pub static $word: AdminCommand = AdminCommand {
                node: concat!("http://jabber.org/protocol/admin#", $node),
                name: $name,
                ends: matches!($node.as_bytes(), b"restart" | b"shutdown"),
                run: |a, f| Box::pin($run(a, f)),
            };
        )*
    };
}

commands! {
    ADD_USER = "add-user" "Add a User" accounts::add;
    DELETE_USER = "delete-user" "Delete a User" accounts::delete;
    DISABLE_USER = "disable-user" "Disable a User" accounts::disable;
    REENABLE_USER = "reenable-user" "Re-Enable a User" accounts::reenable;
    END_USER_SESSION = "end-user-session" "End User Session" accounts::end_session;
    CHANGE_USER_PASSWORD = "change-user-password" "Change User Password" accounts::change_password;
    GET_USER_ROSTER = "get-user-roster" "Get User Roster" accounts::roster;
    GET_USER_LASTLOGIN = "get-user-lastlogin" "Get User Last Login Time" accounts::last_login;
    USER_STATS = "user-stats" "Get User Statistics" accounts::stats;
    EDIT_BLACKLIST = "edit-blacklist" "Edit Blacklist" lists::black;
    EDIT_WHITELIST = "edit-whitelist" "Edit Whitelist" lists::white;
    REGISTERED_NUM = "get-registered-users-num" "Get Number of Registered Users" numbers::registered_num;
    DISABLED_NUM = "get-disabled-users-num" "Get Number of Disabled Users" numbers::disabled_num;
    ONLINE_NUM = "get-online-users-num" "Get Number of Online Users" numbers::online_num;
    ACTIVE_NUM = "get-active-users-num" "Get Number of Active Users" numbers::active_num;
    IDLE_NUM = "get-idle-users-num" "Get Number of Idle Users" numbers::idle_num;
    REGISTERED_LIST = "get-registered-users-list" "Get List of Registered Users" numbers::registered_list;
    DISABLED_LIST = "get-disabled-users-list" "Get List of Disabled Users" numbers::disabled_list;
    ONLINE_LIST = "get-online-users-list" "Get List of Online Users" numbers::online_list;
    ACTIVE_LIST = "get-active-users" "Get List of Active Users" numbers::active_list;
    IDLE_LIST = "get-idle-users" "Get List of Idle Users" numbers::idle_list;
    ANNOUNCE = "announce" "Send Announcement to Online Users" texts::announce;
    SET_MOTD = "set-motd" "Set Message of the Day" texts::set_motd;
    EDIT_MOTD = "edit-motd" "Edit Message of the Day" texts::edit_motd;
    DELETE_MOTD = "delete-motd" "Delete Message of the Day" texts::delete_motd;
    SET_WELCOME = "set-welcome" "Set Welcome Message" texts::set_welcome;
    DELETE_WELCOME = "delete-welcome" "Delete Welcome Message" texts::delete_welcome;
    EDIT_ADMIN = "edit-admin" "Edit Admin List" lists::admins;
    RESTART = "restart" "Restart Service" power::restart;
    SHUTDOWN = "shutdown" "Shut Down Service" power::shutdown;
}

/// A form of these commands to be filled out.
fn form(title: &str, instructions: &str) -> Form {
    Form::of_type(FormKind::Form, ns::ADMIN)
        .title(title)
        .instruct(instructions)
}

/// What was found out.
fn result() -> Form {
    Form::of_type(FormKind::Result, ns::ADMIN)
}

/// A required field for several addresses.
fn many(label: &str) -> Field {
    Field::new("accountjids", FieldKind::JidMulti)
        .label(label)
        .required()
}

/// A required field for one address.
fn one(label: &str) -> Field {
    Field::new("accountjid", FieldKind::JidSingle)
        .label(label)
        .required()
}

/// The addresses of a field, duplicates left out; the text says what is wrong with the first that is none.
fn jids(form: &Form, var: &str) -> Result<Vec<Jid>, String> {
    let mut out = Vec::new();
    for value in form.values(var) {
        let jid: Jid = value
            .trim()
            .parse()
            .map_err(|_| [value, " is not an address"].concat())?;
        if !out.contains(&jid) {
            out.push(jid);
        }
    }
    Ok(out)
}

/// The account of this server behind an address, whose resource does not matter here.
async fn account(server: &Server, jid: &Jid) -> Result<Result<Account, String>, StanzaError> {
    let unknown = || [jid.as_str(), " has no account on this server"].concat();
    let Some(local) = jid.local().filter(|_| server.is_local(jid)) else {
        return Ok(Err(unknown()));
    };
    let found = server
        .identity
        .by_localpart(local)
        .await
        .map_err(|e| failed(&e))?;
    Ok(found.ok_or_else(unknown))
}

/// The accounts of a field.
async fn accounts_of(
    server: &Server,
    form: &Form,
    var: &str,
) -> Result<Result<Vec<Account>, String>, StanzaError> {
    let jids = match jids(form, var) {
        Ok(jids) => jids,
        Err(why) => return Ok(Err(why)),
    };
    let mut out: Vec<Account> = Vec::new();
    for jid in &jids {
        match account(server, jid).await? {
            Ok(a) if out.iter().any(|o| o.user == a.user) => {}
            Ok(a) => out.push(a),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(out))
}

fn address(server: &Server, localpart: &str) -> String {
    server
        .account(localpart)
        .map_or_else(String::new, |j: BareJid| j.to_string())
}

/// A failure of the server's own.
fn failed(e: &dyn std::fmt::Display) -> StanzaError {
    tracing::error!(error = %e, "an administrative command failed");
    StanzaError::new(Condition::InternalServerError).text("the command failed; try again")
}

/// What was filled out cannot be done.
fn refused(why: impl Into<String>) -> StepResult {
    Ok(Done::failed(why).into())
}
