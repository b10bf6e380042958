//! The commands of [XEP-0317](https://xmpp.org/extensions/xep-0317.html) (hats), offered by rooms; `waddle-muc` decides.

use waddle_core::{BareJid, Jid};
use waddle_muc::hats::{Hat, HatRequest};
use waddle_stanza::{
    Condition, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};

use super::{Access, Asker, Command, Done, Place, Step, StepResult};
use crate::xep::BoxFuture;

const TYPE: &str = "urn:xmpp:hats:commands";
const URI: &str = "hats#uri";
const TITLE: &str = "hats#title";
const HUE: &str = "hats#hue";
const JID: &str = "hats#jid";

/// One of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HatCommand {
    /// Makes a hat, or changes one.
    Create,
    /// Does away with one.
    Destroy,
    /// Lists them.
    List,
    /// Gives one to somebody.
    Assign,
    /// Takes one from somebody.
    Unassign,
    /// Lists who wears which.
    ListAssigned,
}

impl Command for HatCommand {
    fn node(&self) -> &'static str {
        match self {
            Self::Create => "urn:xmpp:hats:commands:create",
            Self::Destroy => "urn:xmpp:hats:commands:destroy",
            Self::List => "urn:xmpp:hats:commands:list",
            Self::Assign => "urn:xmpp:hats:commands:assign",
            Self::Unassign => "urn:xmpp:hats:commands:unassign",
            Self::ListAssigned => "urn:xmpp:hats:commands:list-assigned",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Create => "Make or change a hat",
            Self::Destroy => "Do away with a hat",
            Self::List => "List hats",
            Self::Assign => "Give somebody a hat",
            Self::Unassign => "Take a hat from somebody",
            Self::ListAssigned => "List who wears which hat",
        }
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Rooms]
    }

    fn access(&self) -> Access {
        Access::Accounts
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        // A room, not the service; the room itself knows who may do what.
        Box::pin(async { asker.address.contains('@') })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(async move {
            let request = match (self, answers.first()) {
                (Self::List, _) => HatRequest::List,
                (Self::ListAssigned, _) => HatRequest::Assigned,
                (_, None) => return Ok(Step::ask(self.form(asker).await?)),
                (Self::Create, Some(form)) => HatRequest::Create(Hat {
                    uri: text(form, URI),
                    title: text(form, TITLE),
                    hue: text(form, HUE),
                }),
                (Self::Destroy, Some(form)) => HatRequest::Destroy(text(form, URI)),
                (Self::Assign, Some(form)) => HatRequest::Assign(person(form)?, text(form, URI)),
                (Self::Unassign, Some(form)) => HatRequest::Unassign(person(form)?, text(form, URI)),
            };
            let list = matches!(self, Self::List | Self::ListAssigned);
            let answer = ask(asker, request).await?;
            Ok(if list {
                Done::form(self.table(answer)).into()
            } else {
                Done::info("done").into()
            })
        })
    }
}

impl HatCommand {
    /// What is to be filled out; whoever may not change anything is told at once.
    async fn form(self, asker: &Asker<'_>) -> Result<Form, StanzaError> {
        ask(asker, HatRequest::Assigned).await?;
        let form = Form::of_type(FormKind::Form, TYPE).title(self.name());
        let single = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
        if self == Self::Create {
            return Ok(form
                .field(single(TITLE, "Title").required())
                .field(single(URI, "URI").required())
                .field(single(HUE, "Hue, an angle")));
        }
        let hats = ask(asker, HatRequest::List).await?;
        let which = hats.iter().fold(
            Field::new(URI, FieldKind::ListSingle).label("Hat").required(),
            |field, (hat, _)| field.option(Some(&hat.title), &hat.uri),
        );
        let form = match self {
            Self::Assign | Self::Unassign => {
                form.field(Field::new(JID, FieldKind::JidSingle).label("Whom").required())
            }
            _ => form,
        };
        Ok(form.field(which))
    }

    fn table(self, hats: Vec<(Hat, Option<BareJid>)>) -> Form {
        let column = |var: &str| Field::new(var, FieldKind::TextSingle);
        let mut form = Form::of_type(FormKind::Result, TYPE).title(self.name());
        if self == Self::ListAssigned {
            form.reported.push(Field::new(JID, FieldKind::JidSingle));
        }
        form.reported.extend([column(TITLE), column(URI), column(HUE)]);
        for (hat, jid) in hats {
            let mut row = Vec::with_capacity(4);
            if let Some(jid) = jid {
                row.push(Field::new(JID, FieldKind::JidSingle).value(jid.to_string()));
            }
            row.extend([
                column(TITLE).value(hat.title),
                column(URI).value(hat.uri),
                column(HUE).value(hat.hue),
            ]);
            form.items.push(row);
        }
        form
    }
}

async fn ask(asker: &Asker<'_>, request: HatRequest) -> Result<Vec<(Hat, Option<BareJid>)>, StanzaError> {
    let room: Jid = asker.address.parse().map_err(|_| Condition::JidMalformed)?;
    let name = room.local().ok_or(Condition::ItemNotFound)?;
    let s = asker.session;
    let answer = asker
        .server
        .rooms
        .hats(name, s.user.clone(), s.bare.clone(), request);
    answer.await.map_err(|why| StanzaError::from(&why))
}

fn text(form: &Form, var: &str) -> String {
    form.value(var).unwrap_or_default().trim().to_owned()
}

fn person(form: &Form) -> Result<BareJid, StanzaError> {
    let jid: Jid = text(form, JID).parse().map_err(|_| Condition::JidMalformed)?;
    if jid.local().is_none() {
        return Err(Condition::JidMalformed.into());
    }
    Ok(jid.bare())
}
