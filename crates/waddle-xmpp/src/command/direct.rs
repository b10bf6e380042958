//! Direct messages by command, on the own account (`specs/moderation.md`, "Direct messages"): from whom one takes
//! messages, who asks, and small groups.

use waddle_core::BareJid;
use waddle_stanza::{
    Condition, ErrorType, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};
use waddle_storage::repo::direct::RequestPolicy;

use super::{Access, Asker, Command, Done, Place, Step, StepResult};
use crate::{
    direct::{self, DirectError, Own, groups, groups::Added},
    xep::BoxFuture,
};

const TYPE: &str = "urn:waddle:direct";
const POLICY: &str = "policy";
const REQUEST: &str = "request";
const ANSWER: &str = "answer";
const NAME: &str = "name";
const PEOPLE: &str = "people";
const GROUP: &str = "group";

/// One of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectCommand {
    /// From whom one takes messages without being asked.
    Policy,
    /// Who asks.
    Requests,
    /// Makes a small group.
    MakeGroup,
    /// Adds somebody to one.
    AddToGroup,
    /// Leaves one.
    LeaveGroup,
}

impl Command for DirectCommand {
    fn node(&self) -> &'static str {
        match self {
            Self::Policy => "urn:waddle:direct#policy",
            Self::Requests => "urn:waddle:direct#requests",
            Self::MakeGroup => "urn:waddle:direct#make-group",
            Self::AddToGroup => "urn:waddle:direct#add-to-group",
            Self::LeaveGroup => "urn:waddle:direct#leave-group",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Policy => "Who may write to me",
            Self::Requests => "Requests to write to me",
            Self::MakeGroup => "Make a private group",
            Self::AddToGroup => "Add somebody to a private group",
            Self::LeaveGroup => "Leave a private group",
        }
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Account]
    }

    fn access(&self) -> Access {
        Access::Accounts
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(async move {
            let own = Own {
                bare: asker.session.bare.clone(),
                user: asker.user().clone(),
            };
            match answers.first() {
                None => self.ask(asker, &own).await,
                Some(form) => self.act(asker, &own, form).await,
            }
        })
    }
}

fn label(policy: RequestPolicy) -> &'static str {
    match policy {
        RequestPolicy::Everyone => "Everybody",
        RequestPolicy::FriendsAndWaddles => "Contacts, and who shares a waddle with me; others ask",
        RequestPolicy::FriendsOnly => "Contacts; others ask",
        RequestPolicy::Nobody => "Contacts; nobody else may even ask",
    }
}

impl DirectCommand {
    async fn ask(self, asker: &Asker<'_>, own: &Own) -> StepResult {
        let server = asker.server;
        let form = Form::of_type(FormKind::Form, TYPE).title(self.name());
        let list = |var: &str, text: &str| Field::new(var, FieldKind::ListSingle).label(text).required();
        Ok(Step::ask(match self {
            Self::Policy => {
                let field =
                    list(POLICY, "Who may write without asking").value(direct::policy(server, own).as_str());
                let field = RequestPolicy::ALL
                    .iter()
                    .fold(field, |f, p| f.option(Some(label(*p)), p.as_str()));
                form.field(field)
            }
            Self::Requests => {
                let max = server.limits.direct_requests;
                let found = direct::requests(server, own, None, max).await.map_err(refused)?;
                if found.is_empty() {
                    return Ok(Done::info("nobody asks").into());
                }
                let field = found.iter().fold(list(REQUEST, "Request"), |f, r| {
                    let start: String = r.text.as_deref().unwrap_or_default().chars().take(80).collect();
                    let text = match &r.room {
                        Some(_) => [r.jid.as_str(), " asks you into a group"].concat(),
                        None => [r.jid.as_str(), ": ", &start].concat(),
                    };
                    f.option(Some(&text), &r.id.to_string())
                });
                let answer = list(ANSWER, "Answer")
                    .option(Some("Accept: they may write to me"), "accept")
                    .option(
                        Some("Refuse: what they wrote goes, and they are not told"),
                        "refuse",
                    );
                form.field(field).field(answer)
            }
            Self::MakeGroup => form
                .field(Field::new(NAME, FieldKind::TextSingle).label("Name"))
                .field(Field::new(PEOPLE, FieldKind::JidMulti).label("Who").required()),
            Self::AddToGroup | Self::LeaveGroup => {
                let groups = server
                    .rooms
                    .groups_of(&own.bare)
                    .await
                    .map_err(|e| refused(e.into()))?;
                if groups.is_empty() {
                    return Ok(Done::info("you are in no group").into());
                }
                let field = groups.iter().fold(list(GROUP, "Group"), |f, (g, people)| {
                    let who: Vec<&str> = people.iter().map(|p| p.jid.as_str()).collect();
                    f.option(Some(&[&g.name, " (", &who.join(", "), ")"].concat()), &g.room)
                });
                let form = form.field(field);
                match self {
                    Self::AddToGroup => {
                        form.field(Field::new(PEOPLE, FieldKind::JidSingle).label("Whom").required())
                    }
                    _ => form,
                }
            }
        }))
    }

    async fn act(self, asker: &Asker<'_>, own: &Own, form: &Form) -> StepResult {
        let server = asker.server;
        let value = |var: &str| form.value(var).map(str::trim).unwrap_or_default();
        let done = |text: String| -> StepResult { Ok(Done::info(text).into()) };
        match self {
            Self::Policy => {
                let policy: RequestPolicy = value(POLICY).parse().map_err(|_| Condition::NotAcceptable)?;
                direct::set_policy(server, own, policy).await.map_err(refused)?;
                done(label(policy).to_owned())
            }
            Self::Requests => {
                let id: i64 = value(REQUEST).parse().map_err(|_| Condition::ItemNotFound)?;
                if value(ANSWER) == "accept" {
                    let request = direct::accept(server, own, id).await.map_err(refused)?;
                    done(format!("{} may write to you", request.jid))
                } else {
                    direct::refuse(server, own, id).await.map_err(refused)?;
                    done("refused".to_owned())
                }
            }
            Self::MakeGroup => {
                let people = people(form.values(PEOPLE))?;
                let made = groups::make(server, own, value(NAME), people)
                    .await
                    .map_err(refused)?;
                let asked = made.1.iter().filter(|(_, a)| *a == Added::Asked).count();
                let room = format!("{}@{}", made.0.room, server.config.muc_domain);
                done(match asked {
                    0 => format!("the group is {room}"),
                    n => format!("the group is {room}; {n} are asked first"),
                })
            }
            Self::AddToGroup => {
                let one = people(form.values(PEOPLE))?;
                let jid = one.first().ok_or(Condition::JidMalformed)?;
                match groups::add(server, own, value(GROUP), jid)
                    .await
                    .map_err(refused)?
                {
                    Added::In => done(format!("{jid} is in the group")),
                    Added::Asked => done(format!("{jid} is asked")),
                }
            }
            Self::LeaveGroup => {
                groups::remove(server, own, value(GROUP), &own.bare)
                    .await
                    .map_err(refused)?;
                done("you are out of the group".to_owned())
            }
        }
    }
}

fn people(values: &[String]) -> Result<Vec<BareJid>, StanzaError> {
    values
        .iter()
        .map(|v| {
            let jid: waddle_core::Jid = v.trim().parse().map_err(|_| Condition::JidMalformed)?;
            Ok(jid.bare())
        })
        .collect()
}

fn refused(e: DirectError) -> StanzaError {
    let condition = match &e {
        DirectError::NotFound(_) => Condition::ItemNotFound,
        DirectError::Refused(_) => Condition::Forbidden,
        DirectError::Full { .. } | DirectError::Failed => Condition::ResourceConstraint,
        DirectError::Invalid(_) => Condition::NotAcceptable,
        DirectError::TooFast(_) => Condition::PolicyViolation,
    };
    let kind = match condition {
        Condition::ResourceConstraint | Condition::PolicyViolation => ErrorType::Wait,
        Condition::NotAcceptable => ErrorType::Modify,
        _ => ErrorType::Cancel,
    };
    StanzaError::new(condition).of_type(kind).text(e.to_string())
}
