//! What streams tell of the messages of small groups: all to everybody in it, nothing to who is not.

use std::{sync::Arc, time::Duration};

use crate::support::{
    Setup,
    stream::{Reader, listen, say, world},
};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use waddle_core::UserId;
use waddle_muc::{Inbound, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Class, XmlWriter};

/// A group of alice and bob, both with a client in its room.
struct Group {
    id: String,
    jid: String,
    clients: [Sender; 2],
}

const ALICE: usize = 0;
const BOB: usize = 1;

fn client(name: &str) -> Sender {
    Sender {
        jid: format!("{name}@example.org/client").parse().unwrap(),
        user: UserId::local(name),
        outbox: Arc::new(Outbox::new(10_000, 1 << 20)),
    }
}

/// A client sends a stanza to the room; it is dealt with when this is over.
async fn send(t: &Setup, from: &Sender, what: XmlWriter, class: Class) {
    let (done, dealt_with) = oneshot::channel();
    let inbound = Inbound {
        stanza: what.outgoing(class).to_stanza().unwrap(),
        sender: from.clone(),
    };
    t.deps
        .rooms
        .as_ref()
        .unwrap()
        .route_then(inbound, move || _ = done.send(()));
    dealt_with.await.unwrap();
}

impl Group {
    async fn make(t: &Setup, alice: &str, people: Value) -> Self {
        let made = ask(
            t,
            "POST",
            "/direct",
            alice,
            json!({"name": "Us", "people": people}),
        )
        .await;
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let group = Self {
            id: text("id"),
            jid: text("jid"),
            clients: [client("alice"), client("bob")],
        };
        for who in &group.clients {
            let mut w = XmlWriter::presence();
            w.attr("from", who.jid.as_str())
                .attr("to", &format!("{}/{}", group.jid, who.jid.local().unwrap()))
                .open_ns("x", "http://jabber.org/protocol/muc")
                .close();
            send(t, who, w, Class::Presence).await;
        }
        group
    }

    async fn write(&self, t: &Setup, who: usize, id: &str, more: impl FnOnce(&mut XmlWriter)) {
        t.clock.advance(Duration::from_secs(2));
        let mut w = XmlWriter::message();
        w.attr("from", self.clients[who].jid.as_str())
            .attr("to", &self.jid)
            .attr("type", "groupchat")
            .attr("id", id);
        more(&mut w);
        send(t, &self.clients[who], w, Class::Message).await;
    }

    async fn says(&self, t: &Setup, who: usize, words: &str) {
        self.write(t, who, words, |w| {
            w.leaf("body", words);
        })
        .await;
    }
}

async fn ask(t: &Setup, method: &str, path: &str, who: &str, body: Value) -> Value {
    let ask = t.ask(method, path).bearer(who);
    let ask = if body.is_null() { ask } else { ask.json(body) };
    let answer = ask.send().await;
    assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    serde_json::from_str(&answer.text).unwrap_or_default()
}

async fn begin(t: &Setup, who: &str, query: &str) -> Reader {
    let mut reader = listen(t, who, query).await.unwrap();
    reader.expect("ready").await;
    reader
}

/// Everything up to what was said in the channel last: nothing of it is a group's message.
async fn hears_nothing(t: &Setup, alice: &str, reader: &mut Reader) {
    let fence = say(t, alice, "penguins.general", "fence").await;
    loop {
        let told = reader.next().await.unwrap();
        assert!(!told.kind.starts_with("direct_group.message"), "{told:?}");
        if told.data["message"]["id"] == *fence {
            return;
        }
    }
}

#[tokio::test]
async fn messages_are_told_to_everybody_in_it() {
    let (t, alice, bob) = world(|_| ()).await;
    let carol = t.person("carol").await;
    crate::support::stream::join(&t, &alice, "penguins", "carol").await;
    let group = Group::make(&t, &alice, json!(["bob"])).await;
    let (mut alices, mut bobs) = (begin(&t, &alice, "").await, begin(&t, &bob, "").await);
    let mut about_waddles = begin(&t, &bob, "?waddles=penguins").await;
    let mut carols = begin(&t, &carol, "").await;
    group.says(&t, ALICE, "hello").await;
    let told = bobs.expect("direct_group.message").await;
    assert_eq!(told.data["group"], *group.id);
    assert_eq!(told.data["jid"], *group.jid);
    assert_eq!(told.data["author"], "local:alice");
    assert_eq!(told.data["nick"], "alice");
    assert_eq!(told.data["replaces"], Value::Null);
    let message = &told.data["message"];
    assert_eq!(
        (&message["body"], &message["mine"]),
        (&json!("hello"), &json!(false))
    );
    let own = alices.expect("direct_group.message").await;
    assert_eq!(own.data["message"]["id"], message["id"]);
    assert_eq!(own.data["message"]["mine"], true, "from whatever device");
    let inbox = ask(&t, "GET", "/inbox", &bob, Value::Null).await;
    let found = inbox["conversations"].as_array().unwrap().iter();
    let found = found.filter(|c| c["jid"] == *group.jid).collect::<Vec<_>>();
    assert_eq!(found[0]["last_direct"]["id"], message["id"], "{inbox}");
    // A correction names what it corrects; what nobody reads is no message.
    group
        .write(&t, ALICE, "typing", |w| {
            w.open_ns("composing", "http://jabber.org/protocol/chatstates")
                .close();
        })
        .await;
    group
        .write(&t, ALICE, "c", |w| {
            w.leaf("body", "hello, you");
            w.open_ns("replace", "urn:xmpp:message-correct:0")
                .attr("id", "hello")
                .close();
        })
        .await;
    let corrected = bobs.expect("direct_group.message").await;
    assert_eq!(
        (&corrected.data["message"]["body"], &corrected.data["replaces"]),
        (&json!("hello, you"), &message["id"])
    );
    group
        .write(&t, ALICE, "r", |w| {
            w.open_ns("retract", "urn:xmpp:message-retract:1")
                .attr("id", message["id"].as_str().unwrap())
                .close();
        })
        .await;
    let gone = bobs.expect("direct_group.message_deleted").await;
    assert_eq!(
        (&gone.data["group"], &gone.data["message_id"]),
        (&json!(group.id), &message["id"])
    );
    // Nobody else hears of it, nor who follows some waddles alone.
    for other in [&mut carols, &mut about_waddles] {
        hears_nothing(&t, &alice, other).await;
    }
}

#[tokio::test]
async fn who_left_hears_no_more() {
    let (t, alice, bob) = world(|_| ()).await;
    let group = Group::make(&t, &alice, json!(["bob"])).await;
    let (mut alices, mut bobs) = (begin(&t, &alice, "").await, begin(&t, &bob, "").await);
    group.says(&t, ALICE, "before").await;
    let cursor = bobs.expect("direct_group.message").await.cursor;
    // Said while they were in, and not yet told when they are not any more.
    group.says(&t, ALICE, "meanwhile").await;
    for body in ["before", "meanwhile"] {
        let told = alices.expect("direct_group.message").await;
        assert_eq!(told.data["message"]["body"], body);
    }
    let people = format!("/direct/{}/people", group.id);
    ask(&t, "DELETE", &format!("{people}/bob"), &bob, Value::Null).await;
    group.says(&t, ALICE, "afterwards").await;
    alices.until("direct_group.message").await;
    hears_nothing(&t, &alice, &mut bobs).await;
    let mut again = begin(&t, &bob, &format!("?cursor={cursor}")).await;
    hears_nothing(&t, &alice, &mut again).await;
    // Who comes in again hears from then on, whatever their cursor.
    ask(&t, "PUT", &format!("{people}/bob"), &alice, Value::Null).await;
    t.clock.advance(Duration::from_secs(2));
    group.says(&t, ALICE, "again").await;
    let told = again.until("direct_group.message").await;
    assert_eq!(told.data["message"]["body"], "again");
    let mut resumed = begin(&t, &bob, &format!("?cursor={cursor}")).await;
    let told = resumed.until("direct_group.message").await;
    assert_eq!(told.data["message"]["body"], "again");
}

#[tokio::test]
async fn what_was_missed_is_told_once_or_reset() {
    let (t, alice, bob) = world(|limits| limits.http_stream_replay = 3).await;
    let group = Group::make(&t, &alice, json!(["bob"])).await;
    let mut bobs = begin(&t, &bob, "").await;
    group.says(&t, ALICE, "first").await;
    let first = bobs.expect("direct_group.message").await;
    drop(bobs);
    group.says(&t, BOB, "missed").await;
    group
        .write(&t, ALICE, "r", |w| {
            w.open_ns("retract", "urn:xmpp:message-retract:1")
                .attr("id", first.data["message"]["id"].as_str().unwrap())
                .close();
        })
        .await;
    let mut again = begin(&t, &bob, &format!("?cursor={}", first.cursor)).await;
    let missed = again.expect("direct_group.message").await;
    assert_eq!(missed.data["message"]["body"], "missed");
    assert_eq!(missed.data["message"]["mine"], true);
    let gone = again.expect("direct_group.message_deleted").await;
    assert_eq!(gone.data["message_id"], first.data["message"]["id"]);
    group.says(&t, ALICE, "live").await;
    let live = again.expect("direct_group.message").await;
    assert_eq!(live.data["message"]["body"], "live", "each once");
    group.says(&t, ALICE, "more").await;
    let mut much = begin(&t, &bob, &format!("?cursor={}", first.cursor)).await;
    let reset = much.expect("direct.reset").await;
    group.says(&t, ALICE, "now").await;
    let now = much.expect("direct_group.message").await;
    assert_eq!(now.data["message"]["body"], "now");
    let mut third = begin(&t, &bob, &format!("?cursor={}", reset.cursor)).await;
    let now = third.expect("direct_group.message").await;
    assert_eq!(now.data["message"]["body"], "now");
}
