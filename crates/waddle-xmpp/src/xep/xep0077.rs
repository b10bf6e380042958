//! [XEP-0077](https://xmpp.org/extensions/xep-0077.html) In-Band Registration: accounts made before login, passwords
//! changed and accounts cancelled after it.
//!
//! Who may make one is [`Registration`]; names and passwords follow `specs/identity.md`. Before login the
//! connection asks `stranger`, after it the extension answers like any other.

use std::{net::IpAddr, sync::Arc};

use waddle_core::{Secret, jid::precis_localpart};
use waddle_identity::{CredentialId, Error};
use waddle_stanza::{
    Class, Condition, Element, ErrorType, Outgoing, Stanza, StanzaError, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep, xep0445};
use crate::{config::Registration, connection::Farewell, router::subscription, server::Server};

/// Registration with the server itself.
pub struct InBandRegistration;

const HOW: &str = "Choose a user name and a password.";

impl Extension for InBandRegistration {
    fn xep(&self) -> Xep {
        Xep {
            number: 77,
            title: "In-Band Registration",
            version: "2.4.1",
            notes: "register (`WADDLE_REGISTRATION`: `open`, `invite`, `closed`), change the password, cancel the account; fields and data form",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Server => &[ns::REGISTER],
            Scope::Account => &[],
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::REGISTER)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if matches!(r.target, Target::Other(_)) {
                return Err(Condition::ServiceUnavailable.into());
            }
            if !r.set {
                return Ok(Answer::Payload(known(r.session.localpart())));
            }
            if r.payload.has("remove", ns::REGISTER) {
                return cancel(&r).await;
            }
            change_password(&r).await
        })
    }
}

/// What somebody fills out; the data form counts where there are both (§4).
#[derive(Default)]
struct Filled {
    username: Option<String>,
    password: Option<Secret>,
}

impl Filled {
    fn read(query: Element<'_>) -> Self {
        let (username, password) = match Form::within(query).filter(|f| f.kind == FormKind::Submit) {
            Some(form) => {
                let value = |var| form.value(var).map(str::to_owned);
                (value("username"), value("password"))
            }
            None => {
                let value = |name| query.child_text(name, ns::REGISTER).map(Into::into);
                (value("username"), value("password"))
            }
        };
        let some = |s: &String| !s.is_empty();
        Self {
            username: username.filter(some),
            password: password.filter(some).map(Secret::new),
        }
    }
}

fn error(condition: Condition, text: impl Into<String>) -> StanzaError {
    StanzaError::new(condition).text(text)
}

/// What to fill out before login (§3.1).
fn blank() -> XmlWriter {
    let form = Form::of_type(FormKind::Form, ns::REGISTER)
        .title("Make an account")
        .field(required("username", FieldKind::TextSingle, "User name"))
        .field(required("password", FieldKind::TextPrivate, "Password"));
    let form = Form {
        instructions: vec![HOW.to_owned()],
        ..form
    };
    let mut w = XmlWriter::new();
    w.open_ns("query", ns::REGISTER);
    w.leaf("instructions", HOW)
        .leaf("username", "")
        .leaf("password", "");
    form.write(&mut w);
    w.close();
    w
}

fn required(var: &str, kind: FieldKind, label: &str) -> Field {
    Field {
        required: true,
        ..Field::new(var, kind).label(label)
    }
}

/// What is on file, after login (§3.1).
fn known(localpart: &str) -> XmlWriter {
    let mut w = XmlWriter::new();
    w.open_ns("query", ns::REGISTER);
    w.leaf("registered", "").leaf(
        "instructions",
        "You have an account. Send a new password with your user name to change it, or cancel the account.",
    );
    w.leaf("username", localpart).leaf("password", "").close();
    w
}

/// Why an account or a password cannot be.
fn refused(e: &Error) -> StanzaError {
    match e {
        Error::NameTaken => error(
            Condition::Conflict,
            "this user name is taken or was somebody's; choose another",
        ),
        Error::Name(why) => error(
            Condition::NotAcceptable,
            ["this user name cannot be used: ", why, "; choose another"].concat(),
        ),
        Error::Password => error(
            Condition::NotAcceptable,
            "this password is too long or has characters that are not allowed; choose another",
        ),
        Error::NotLocal => error(
            Condition::NotAllowed,
            "this account logs in with Bluesky and has no password here",
        ),
        Error::Invitation => error(Condition::NotAllowed, e.to_string()),
        Error::NotFound => error(
            Condition::RegistrationRequired,
            "there is no such account any more",
        ),
        Error::OnlyOwner(_) => error(Condition::NotAllowed, e.to_string()),
        e => {
            tracing::error!(error = %e, "registration failed");
            error(
                Condition::InternalServerError,
                "this did not work; try again in a moment",
            )
        }
    }
}

/// What became of a request before login.
pub(crate) struct Stranger {
    /// The answer. It has no `to`: the client has no address yet.
    pub answer: Option<Outgoing>,
    /// Whether an account was made.
    pub made: bool,
    /// The invitation that was shown (XEP-0445).
    pub invitation: Option<String>,
}

/// Answers the registration request of a client that has not logged in, from an address, with an invitation where it
/// has shown one.
pub(crate) async fn stranger(
    server: &Arc<Server>,
    address: IpAddr,
    stanza: &Stanza,
    shown: Option<&str>,
) -> Stranger {
    let domain = &*server.config.domain;
    let preauth = stanza.payload().filter(|p| p.in_ns(ns::PARS));
    let mut invitation = None;
    let answered = match preauth {
        Some(p) => xep0445::preauth(server, p).await.map(|token| {
            invitation = Some(token);
            Answer::Empty
        }),
        None => register(server, address, stanza, shown).await,
    };
    let made = invitation.is_none() && matches!(answered, Ok(Answer::Empty));
    let answer = match answered {
        Ok(Answer::Empty | Answer::Followed(_)) => Some(stanza.result(Some(domain)).outgoing(Class::Iq)),
        Ok(Answer::Payload(payload)) => {
            let mut w = stanza.result(Some(domain));
            w.trusted(&payload.finish());
            Some(w.outgoing(Class::Iq))
        }
        Err(e) => e.reply(stanza, Some(domain), None),
    };
    Stranger {
        answer,
        made,
        invitation,
    }
}

async fn register(server: &Arc<Server>, address: IpAddr, stanza: &Stanza, shown: Option<&str>) -> IqResult {
    let query = stanza.payload().ok_or(Condition::BadRequest)?;
    if server.config.registration == Registration::Closed || !server.registry.has(77) {
        return Err(error(
            Condition::ServiceUnavailable,
            "accounts are not made here; ask the server's administrator",
        ));
    }
    if !stanza.is_type("set") {
        return Ok(Answer::Payload(blank()));
    }
    if query.has("remove", ns::REGISTER) {
        // §3.2: nobody is logged in whose account it could be.
        return Err(error(Condition::UnexpectedRequest, "log in first"));
    }
    if server.config.registration == Registration::Invite && shown.is_none() {
        return Err(error(
            Condition::NotAllowed,
            "accounts are made by invitation only; open the invitation again",
        ));
    }
    let Filled { username, password } = Filled::read(query);
    let (Some(username), Some(password)) = (username, password) else {
        return Err(error(
            Condition::NotAcceptable,
            "a user name and a password are needed",
        ));
    };
    if server.config.rate_limits
        && let Err(wait) = server.identity.registration_allowed(address)
    {
        let mut text = String::from("too many accounts were made from your address; wait ");
        text.push_str(&wait.as_secs().max(1).to_string());
        text.push_str(" s");
        return Err(error(Condition::PolicyViolation, text).of_type(ErrorType::Wait));
    }
    let (made, invitation) = server
        .identity
        .register(&username, &password, shown)
        .await
        .map_err(|e| refused(&e))?;
    tracing::info!(localpart = %made.localpart, %address, invited = invitation.is_some(), "account registered");
    if let Some(inviter) = invitation.filter(|i| i.contact).and_then(|i| i.inviter)
        && let (Some(a), Some(b)) = (server.account(&inviter), server.account(&made.localpart))
        && let Err(e) = subscription::befriend(server, a, b).await
    {
        tracing::warn!(
            condition = e.kind.name(),
            "who was invited is no contact of who invited them"
        );
    }
    Ok(Answer::Empty)
}

/// Whether the session may change its account: with its password, not with a token that a program was given.
async fn entitled(r: &IqRequest<'_>) -> Result<(), StanzaError> {
    match r.server.identity.may_change_account(r.session.credential()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(error(
            Condition::NotAllowed,
            "you logged in with a token; log in with your password to do this",
        )),
        Err(e) => Err(refused(&e)),
    }
}

/// §3.3
async fn change_password(r: &IqRequest<'_>) -> IqResult {
    let Filled { username, password } = Filled::read(r.payload);
    let Some(username) = username else {
        return Err(error(
            Condition::BadRequest,
            "your user name is needed with the new password",
        ));
    };
    if precis_localpart(&username).ok().as_deref() != Some(r.session.localpart()) {
        return Err(error(
            Condition::NotAcceptable,
            "you are logged in as somebody else; log out to make another account",
        ));
    }
    let password =
        password.ok_or_else(|| error(Condition::BadRequest, "an empty password changes nothing"))?;
    entitled(r).await?;
    // Everybody who logged in with the old password has to go, but for who changes it.
    let session = r.session;
    let old = session.credential();
    session.set_credential(CredentialId::NONE);
    let identity = &r.server.identity;
    match identity.set_password(&session.user, &password).await {
        Ok(new) => {
            session.set_credential(new);
            Ok(Answer::Empty)
        }
        Err(e) => {
            session.set_credential(old);
            Err(refused(&e))
        }
    }
}

/// §3.2: the account goes with all of its sessions; this one hears of it first.
async fn cancel(r: &IqRequest<'_>) -> IqResult {
    if r.payload.children().count() != 1 {
        return Err(error(
            Condition::BadRequest,
            "<remove/> comes alone (XEP-0077 §3.2)",
        ));
    }
    entitled(r).await?;
    // The end of the account ends the sessions that have a connection: this one is to be told first.
    let actor = r.session.control();
    r.session.set_control(None);
    let gone = r
        .server
        .identity
        .delete_account(&r.server.community, &r.session.user)
        .await;
    if let Err(e) = gone {
        r.session.set_control(actor);
        return Err(refused(&e));
    }
    let last = r.stanza.result(None).outgoing(Class::Iq);
    if let Some(actor) = actor {
        let _ = actor.tell(Farewell(last)).try_send();
    }
    Ok(Answer::Empty)
}
