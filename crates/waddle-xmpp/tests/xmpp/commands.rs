//! Ad-hoc commands and what administrators do with them (XEP-0050, XEP-0133); forms and their fields (XEP-0004, XEP-0068,
//! XEP-0122, XEP-0128).

mod administration;
mod fields;
mod running;
mod slash;

use waddle_stanza::{Stanza, forms::Form};

use crate::support::{Client, DOMAIN, World, text, world_with};

const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const COMMANDS: &str = "http://jabber.org/protocol/commands";
const ADMIN: &str = "http://jabber.org/protocol/admin";

/// An administrator's client, and the world around it.
async fn office() -> (World, Client) {
    let w = world_with(|l| l.xmpp_commands_per_account = 4, |_| {}).await;
    let secret = waddle_core::Secret::new("secret");
    w.identity.create_local("root", &secret, true).await.unwrap();
    w.account("alice").await;
    let c = w.online("root", "desk").await;
    (w, c)
}

fn attr(s: &Stanza, name: &str) -> String {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("no command: {}", text(s)));
    command.attr(name).unwrap_or_default().into_owned()
}

fn form(s: &Stanza) -> Form {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("no command: {}", text(s)));
    Form::within(command).unwrap_or_else(|| panic!("no form: {}", text(s)))
}

/// What §4.4 of XEP-0050 adds to the error.
fn app(s: &Stanza) -> String {
    let error = s.root().child("error", "jabber:client");
    let error = error.unwrap_or_else(|| panic!("no error: {}", text(s)));
    let app = error.children().find(|c| c.in_ns(COMMANDS));
    app.map(|c| c.name().to_owned()).unwrap_or_default()
}

fn note(s: &Stanza) -> String {
    let command = s.root().child("command", COMMANDS).unwrap();
    let note = command.child("note", COMMANDS);
    note.map(|n| n.attr("type").unwrap_or_default().into_owned())
        .unwrap_or_default()
}

/// The answer to a request, whatever is heard before it.
async fn answer(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("x") {
            return s;
        }
    }
}

async fn execute(c: &mut Client, node: &str) -> Stanza {
    let xml = format!(
        "<iq type='set' id='x' to='{DOMAIN}'><command xmlns='{COMMANDS}' node='{ADMIN}#{node}' action='execute'/></iq>"
    );
    answer(c, &xml).await
}

async fn act(c: &mut Client, node: &str, session: &str, action: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let mut x = String::new();
    for (var, values) in fields {
        let values: String = values.iter().map(|v| format!("<value>{v}</value>")).collect();
        x.push_str(&format!("<field var='{var}'>{values}</field>"));
    }
    let xml = format!(
        "<iq type='set' id='x' to='{DOMAIN}'><command xmlns='{COMMANDS}' node='{ADMIN}#{node}' sessionid='{session}' \
         action='{action}'><x xmlns='jabber:x:data' type='submit'>{x}</x></command></iq>"
    );
    answer(c, &xml).await
}

/// Both stages of a command.
async fn run(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let asked = execute(c, node).await;
    assert_eq!(attr(&asked, "status"), "executing", "{}", text(&asked));
    act(c, node, &attr(&asked, "sessionid"), "complete", fields).await
}

/// Both stages of a command that works.
async fn done(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let r = run(c, node, fields).await;
    assert_eq!(
        (attr(&r, "status").as_str(), note(&r).as_str()),
        ("completed", ""),
        "{}",
        text(&r)
    );
    r
}

/// Both stages of a command that is not carried out.
async fn refused(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) {
    let r = run(c, node, fields).await;
    assert_eq!(
        (attr(&r, "status").as_str(), note(&r).as_str()),
        ("completed", "error"),
        "{}",
        text(&r)
    );
}
