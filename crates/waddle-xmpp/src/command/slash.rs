//! Slash commands as a command of a channel's room (`specs/integrations.md`): one chooses, fills out what it takes, and
//! reads the answer, so that clients that know nothing of them have them too.

use waddle_core::{ChannelId, Jid, RoomName, WaddleId};
use waddle_muc::{SlashCall, SlashCommand};
use waddle_stanza::{
    Condition, StanzaError,
    forms::{Field, FieldKind, Form, FormKind},
};

use super::{Access, Asker, Command, Done, Place, Step, StepResult};
use crate::xep::BoxFuture;

const TYPE: &str = "urn:waddle:command";
const NAME: &str = "command";

/// Runs one of the waddle's commands.
#[derive(Debug)]
pub struct Slash;

/// The channel whose room was asked, if the asker may speak there.
async fn place(asker: &Asker<'_>) -> Option<(WaddleId, ChannelId)> {
    let room: Jid = asker.address.parse().ok()?;
    let RoomName::Channel { waddle, channel } = RoomName::parse(room.local()?) else {
        return None;
    };
    let community = &asker.server.community;
    let access = community
        .access(community.waddle_by_slug(&waddle)?.id)
        .await
        .ok()?;
    let channel = access.channel_by_slug(&channel)?;
    let speaks = access.channel_allows(channel.id, "speak", asker.user());
    speaks.then_some((access.id(), channel.id))
}

impl Command for Slash {
    fn node(&self) -> &'static str {
        "urn:waddle:command#run"
    }

    fn name(&self) -> &'static str {
        "Run a command of this community"
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Rooms]
    }

    fn access(&self) -> Access {
        Access::Accounts
    }

    fn may<'a>(&'a self, asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async move { asker.server.rooms.slash_commands().is_some() && place(asker).await.is_some() })
    }

    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult> {
        Box::pin(run(asker, answers))
    }
}

async fn run(asker: &Asker<'_>, answers: &[Form]) -> StepResult {
    let slash = asker
        .server
        .rooms
        .slash_commands()
        .ok_or(Condition::ServiceUnavailable)?;
    let (waddle, channel) = place(asker).await.ok_or(Condition::Forbidden)?;
    let all = slash.list(waddle);
    let Some(chosen) = answers.first() else {
        return Ok(Step::Ask {
            form: menu(&all),
            more: true,
        });
    };
    let chosen = chosen
        .value(NAME)
        .and_then(|name| all.iter().find(|c| c.name == name));
    let chosen = chosen
        .ok_or_else(|| StanzaError::new(Condition::ItemNotFound).text("there is no such command any more"))?;
    if !chosen.options.is_empty() && answers.len() < 2 {
        return Ok(Step::ask(form(chosen)));
    }
    let call = SlashCall {
        waddle,
        channel,
        user: asker.user().clone(),
        nick: asker.session.bare.local().unwrap_or_default().to_owned(),
        line: line(chosen, answers.get(1)),
    };
    Ok(match slash.call(call).await {
        Ok(text) => Done::info(text),
        Err(why) => Done::failed(why),
    }
    .into())
}

/// Which one.
fn menu(all: &[SlashCommand]) -> Form {
    let field = Field::new(NAME, FieldKind::ListSingle)
        .label("Command")
        .required();
    let field = all.iter().fold(field, |field, c| {
        let label = ["/", &c.name, " – ", &c.description].concat();
        field.option(Some(&label), &c.name)
    });
    Form::of_type(FormKind::Form, TYPE)
        .title("Commands of this community")
        .field(field)
}

/// What it takes.
fn form(c: &SlashCommand) -> Form {
    let title = ["/", &c.name].concat();
    let form = Form::of_type(FormKind::Form, TYPE)
        .title(&title)
        .instruct(&c.description);
    c.options.iter().fold(form, |form, o| {
        let kind = match (o.choices.is_empty(), o.boolean) {
            (false, _) => FieldKind::ListSingle,
            (true, true) => FieldKind::Boolean,
            (true, false) => FieldKind::TextSingle,
        };
        let label = if o.description.is_empty() {
            &o.name
        } else {
            &o.description
        };
        let mut field = Field::new(&o.name, kind).label(label);
        if o.required {
            field = field.required();
        }
        for (value, label) in &o.choices {
            field = field.option(Some(label).filter(|l| !l.is_empty()).map(String::as_str), value);
        }
        form.field(field)
    })
}

/// What would be typed.
fn line(c: &SlashCommand, answers: Option<&Form>) -> String {
    let mut line = ["/", &c.name].concat();
    for o in &c.options {
        let value = answers.and_then(|a| a.value(&o.name)).unwrap_or_default();
        let value: String = value.chars().filter(|c| *c != '"' && !c.is_control()).collect();
        if !value.is_empty() {
            line.push_str(&[" ", &o.name, ":\"", &value, "\""].concat());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use waddle_muc::SlashOption;

    use super::*;

    #[test]
    fn what_was_filled_out_is_a_line() {
        let option = |name: &str| SlashOption {
            name: name.into(),
            description: String::new(),
            required: false,
            boolean: false,
            choices: Vec::new(),
        };
        let c = SlashCommand {
            name: "weather".into(),
            description: "tells it".into(),
            options: vec![option("city"), option("days")],
        };
        let filled = Form::new(FormKind::Submit)
            .field(Field::new("city", FieldKind::TextSingle).value("New \"York\""));
        assert_eq!(line(&c, Some(&filled)), "/weather city:\"New York\"");
        assert_eq!(line(&c, None), "/weather");
        assert_eq!(form(&c).title.as_deref(), Some("/weather"));
    }
}
