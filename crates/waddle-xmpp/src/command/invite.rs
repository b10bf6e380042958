//! Invitations by command ([XEP-0401](https://xmpp.org/extensions/xep-0401.html)): to become a contact, making an
//! account on the way, and to make an account.

use waddle_identity::{Error, Invitation, NewInvitation};
use waddle_stanza::{
    Condition, ErrorType, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};

use super::{Access, Asker, Command, Done, Step, StepResult};
use crate::{config::Registration, xep::BoxFuture};

/// "Invite a friend".
pub struct Invite;

/// "Make an account for somebody".
pub struct CreateAccount;

const RESULT: &str = "urn:xmpp:invite#invitation";

fn open(asker: &Asker<'_>) -> bool {
    asker.server.is_local(&asker.session.jid)
        && asker.server.config.registration != Registration::Closed
        && asker.server.registry.has(401)
}

/// What the inviter passes on.
fn made(asker: &Asker<'_>, invitation: &Invitation, new: &NewInvitation) -> Step {
    let uri = invitation.uri(&asker.server.config.domain, new.token.expose());
    let text = |var, label| Field::new(var, FieldKind::TextSingle).label(label);
    let form = Form::of_type(FormKind::Result, RESULT)
        .field(text("uri", "Address for a chat program").value(uri))
        .field(text("landing-url", "Page with instructions").value(new.url.as_str()))
        .field(text("expire", "Valid until").value(new.expires_at.to_string()));
    Done::form(form).into()
}

fn refused(e: &Error) -> StanzaError {
    let error = |c| StanzaError::new(c).text(e.to_string());
    match e {
        Error::NameTaken => error(Condition::Conflict),
        Error::Name(_) => error(Condition::NotAcceptable),
        Error::Invitations => error(Condition::ResourceConstraint).of_type(ErrorType::Wait),
        e => {
            tracing::error!(error = %e, "an invitation could not be made");
            StanzaError::new(Condition::InternalServerError).text("this did not work; try again in a moment")
        }
    }
}

impl Command for Invite {
    fn node(&self) -> &'static str {
        "urn:xmpp:invite#invite"
    }

    fn name(&self) -> &'static str {
        "Invite a friend"
    }

    fn access(&self) -> Access {
        Access::Accounts
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move { open(asker) })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, _: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(async move {
            let identity = &asker.server.identity;
            let done = identity.invite(Some(asker.session.localpart()), None, true).await;
            let (invitation, new) = done.map_err(|e| refused(&e))?;
            Ok(made(asker, &invitation, &new))
        })
    }
}

impl Command for CreateAccount {
    fn node(&self) -> &'static str {
        "urn:xmpp:invite#create-account"
    }

    fn name(&self) -> &'static str {
        "Invite somebody to make an account"
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move { open(asker) })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(async move {
            let Some(answer) = answers.first() else {
                return Ok(Step::ask(
                    Form::of_type(FormKind::Form, self.node())
                        .title(self.name())
                        .field(
                            Field::new("username", FieldKind::TextSingle)
                                .label("User name, if it is to be kept"),
                        )
                        .field(
                            Field::new("roster-subscription", FieldKind::Boolean)
                                .label("You become contacts")
                                .flag(false),
                        ),
                ));
            };
            let name = answer.value("username").map(str::trim).filter(|n| !n.is_empty());
            let contact = answer.flag("roster-subscription").unwrap_or(false);
            let identity = &asker.server.identity;
            let done = identity
                .invite(Some(asker.session.localpart()), name, contact)
                .await;
            let (invitation, new) = done.map_err(|e| refused(&e))?;
            // The address is one to register with, whether they become contacts or not.
            let register = Invitation {
                contact: false,
                ..invitation
            };
            Ok(made(asker, &register, &new))
        })
    }
}
