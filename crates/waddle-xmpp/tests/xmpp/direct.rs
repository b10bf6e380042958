//! Direct messages by consent, small private groups, and moderation by command (`specs/moderation.md`; XEP-0050, XEP-0191,
//! XEP-0377, XEP-0402).

mod consent;
mod groups;
mod moderation;

use waddle_core::UserId;
use waddle_stanza::{Stanza, forms::Form};
use waddle_xmpp::direct::Own;

use crate::support::{Client, World};

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const DELAY: &str = "urn:xmpp:delay";

/// A stanza as text, with one kind of quotes.
fn text(s: &Stanza) -> String {
    crate::support::text(s).replace('"', "'")
}

fn user(name: &str) -> UserId {
    UserId::local(name)
}

fn own(name: &str) -> Own {
    Own {
        bare: format!("{name}@waddle.test").parse().unwrap(),
        user: user(name),
    }
}

async fn people(w: &World, names: &[&str]) {
    for name in names {
        w.account(name).await;
    }
}

fn say(to: &str, words: &str) -> String {
    format!("<message to='{to}@waddle.test' type='chat' id='{words}'><body>{words}</body></message>")
}

/// Runs a command with these answers; its last stanza.
async fn run(c: &mut Client, to: &str, node: &str, fields: &[(&str, &str)]) -> Stanza {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
    let xml = format!(
        "<iq type='set' id='c' to='{to}'><command xmlns='{COMMANDS}' node='{node}' action='execute'>{form}</command></iq>"
    );
    c.send(&xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("c") {
            return s;
        }
    }
}

fn completed(s: &Stanza) -> String {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("{}", text(s)));
    assert_eq!(command.attr("status").unwrap(), "completed", "{}", text(s));
    command
        .child_text("note", COMMANDS)
        .unwrap_or_default()
        .into_owned()
}

/// The options of the form that a command begins with.
async fn options(c: &mut Client, to: &str, node: &str, var: &str) -> Vec<String> {
    let xml = format!("<iq type='set' id='c' to='{to}'><command xmlns='{COMMANDS}' node='{node}'/></iq>");
    c.send(&xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() != Some("c") {
            continue;
        }
        let form = s.root().child("command", COMMANDS).and_then(Form::within);
        let Some(form) = form else { return Vec::new() };
        return form
            .get(var)
            .map(|f| f.options.iter().map(|o| o.1.clone()).collect())
            .unwrap_or_default();
    }
}
