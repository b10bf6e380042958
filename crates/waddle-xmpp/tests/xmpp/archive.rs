//! The archives (XEP-0313 with XEP-0059): what goes in (XEP-0441), what is taken out (XEP-0424, XEP-0425), what a person
//! takes along (XEP-0227).

mod preferences;
mod queries;
mod retraction;
mod takeout;

use waddle_stanza::Stanza;

use crate::support::{Client, World, body, text};

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const RETRACT: &str = "urn:xmpp:message-retract:1";
const ROOM: &str = "lounge@muc.waddle.test";

/// An answer to an archive query.
struct Page {
    /// Identifiers and messages, as they came.
    items: Vec<(String, Stanza)>,
    /// The answer itself.
    end: Stanza,
}

impl Page {
    fn ids(&self) -> Vec<&str> {
        self.items.iter().map(|(id, _)| id.as_str()).collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|(_, m)| inner(m))
            .map(|m| body(&m))
            .collect()
    }

    fn fin(&self, what: &str) -> Option<String> {
        let fin = self.end.root().child("fin", MAM).unwrap();
        match what {
            "complete" => fin.attr(what).map(Into::into),
            _ => fin
                .child("set", RSM)
                .unwrap()
                .child_text(what, RSM)
                .map(Into::into),
        }
    }
}

/// The message in a result.
fn inner(result: &Stanza) -> Stanza {
    let m = result
        .root()
        .child("result", MAM)
        .and_then(|r| r.child("forwarded", "urn:xmpp:forward:0"))
        .and_then(|f| f.child("message", "jabber:client"))
        .unwrap_or_else(|| panic!("{}", text(result)));
    Stanza::parse(m.to_bytes()).unwrap()
}

/// Asks an archive, the own one without `of`; `fields` are of the form, `rest` stands beside it.
async fn query(c: &mut Client, of: &str, fields: &[(&str, &str)], rest: &str) -> Page {
    let to = if of.is_empty() {
        String::new()
    } else {
        format!("to='{of}'")
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let fields = fields.concat();
    let form = if fields.is_empty() {
        String::new()
    } else {
        format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MAM}</value></field>{fields}</x>"
        )
    };
    c.send(&format!(
        "<iq type='set' id='mam' {to}><query xmlns='{MAM}' queryid='q'>{form}{rest}</query></iq>"
    ))
    .await;
    let mut items = Vec::new();
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            return Page { items, end: s };
        }
        let result = s
            .root()
            .child("result", MAM)
            .unwrap_or_else(|| panic!("{}", text(&s)));
        assert_eq!(result.attr("queryid").unwrap(), "q");
        let id = result.attr("id").unwrap().into_owned();
        items.push((id, s));
    }
}

fn set(xml: &str) -> String {
    format!("<set xmlns='{RSM}'>{xml}</set>")
}

async fn say(c: &mut Client, to: &str, id: &str, words: &str) {
    let kind = if to.contains("muc.") { "groupchat" } else { "chat" };
    c.send(&format!(
        "<message to='{to}' type='{kind}' id='{id}'><body>{words}</body></message>"
    ))
    .await;
}

async fn two(w: &World) -> (Client, Client) {
    w.account("alice").await;
    w.account("bob").await;
    (w.online("alice", "one").await, w.online("bob", "two").await)
}

/// Alice makes the room, Bob comes in.
async fn room(a: &mut Client, b: &mut Client) {
    for (c, nick) in [(&mut *a, "Alice"), (&mut *b, "Bob")] {
        c.send(&format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        while !c.next().await.root().has("subject", "jabber:client") {}
        if nick == "Alice" {
            configure(c, "").await;
        }
    }
    a.sync().await;
    b.sync().await;
}

async fn configure(c: &mut Client, fields: &str) {
    c.send(&format!(
        "<iq type='set' id='conf' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>"
    ))
    .await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("conf") {
            assert_eq!(s.type_().as_deref(), Some("result"), "{}", text(&s));
            return;
        }
    }
}

/// What a message in a room is called there.
async fn stanza_id(c: &mut Client) -> String {
    let m = c.message().await;
    let id = m.root().child("stanza-id", "urn:xmpp:sid:0");
    id.unwrap_or_else(|| panic!("{}", text(&m)))
        .attr("id")
        .unwrap()
        .into_owned()
}
