//! What clients say to each other that the server need not understand: passed unchanged, archived or not, copied or
//! not; between users and through rooms.

use crate::support::{Client, text, world, world_with};
use waddle_stanza::{Element, Stanza};

const ROOM: &str = "lounge@muc.waddle.test";

/// A kind of message, what is in it, whether it is archived, whether it is copied to other devices when it is of type
/// normal (of type chat everything is).
struct Case(&'static str, &'static str, bool, bool);

const CASES: &[Case] = &[
    Case(
        "XEP-0085 chat state alone",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        false,
        true,
    ),
    Case(
        "XEP-0085 chat state with a text",
        "<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
        true,
        true,
    ),
    Case(
        "XEP-0184 request with a text",
        "<body>hi</body><request xmlns='urn:xmpp:receipts'/>",
        true,
        true,
    ),
    Case(
        "XEP-0184 receipt",
        "<received xmlns='urn:xmpp:receipts' id='m1'/>",
        true,
        true,
    ),
    Case(
        "XEP-0184 request alone",
        "<request xmlns='urn:xmpp:receipts'/>",
        false,
        true,
    ),
    Case(
        "XEP-0297 forwarded message",
        "<body>see</body><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>\
         <message xmlns='jabber:client' from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony' type='chat'><body>Call me but love</body></message></forwarded>",
        true,
        true,
    ),
    Case(
        "XEP-0308 correction",
        "<body>But soft</body><replace xmlns='urn:xmpp:message-correct:0' id='bad1'/>",
        true,
        true,
    ),
    Case(
        "XEP-0333 marker",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
        true,
        true,
    ),
    Case(
        "XEP-0333 request alone",
        "<markable xmlns='urn:xmpp:chat-markers:0'/>",
        false,
        true,
    ),
    Case(
        "XEP-0334 no-store",
        "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>",
        false,
        true,
    ),
    Case(
        "XEP-0334 no-permanent-store",
        "<body>hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
        false,
        true,
    ),
    Case(
        "XEP-0334 no-copy",
        "<body>hi</body><no-copy xmlns='urn:xmpp:hints'/>",
        true,
        false,
    ),
    Case(
        "XEP-0334 store",
        "<move xmlns='urn:example:chess'/><store xmlns='urn:xmpp:hints'/>",
        true,
        false,
    ),
    Case(
        "XEP-0334 nothing to keep",
        "<move xmlns='urn:example:chess'/>",
        false,
        false,
    ),
    Case(
        "XEP-0372 mention",
        "<body>Hi @romeo</body><reference xmlns='urn:xmpp:reference:0' begin='3' end='9' type='mention' uri='xmpp:romeo@montague.lit'/>",
        true,
        true,
    ),
    Case(
        "XEP-0380 encrypted, with a text for others",
        "<body>I sent you an encrypted message</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>\
         <encrypted xmlns='urn:xmpp:omemo:2'><header sid='27183'><keys jid='bob@waddle.test'><key rid='31415'>b64=</key></keys></header><payload>b64/+=</payload></encrypted>",
        true,
        true,
    ),
    Case(
        "XEP-0380 encrypted",
        "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>b64=</payload></encrypted>",
        true,
        false,
    ),
    Case(
        "XEP-0393 styled text",
        "<body>*strong* _emphasis_ ```\npre   formatted &amp; &lt;kept&gt;\n```\n&gt; quote</body>",
        true,
        true,
    ),
    Case(
        "XEP-0393 text without style",
        "<body>*not strong*</body><unstyled xmlns='urn:xmpp:styling:0'/>",
        true,
        true,
    ),
    Case(
        "XEP-0428 fallback",
        "<body>encrypted, sorry</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:example:x'><body start='0' end='9'/></fallback>",
        true,
        true,
    ),
    Case(
        "XEP-0444 reactions",
        "<reactions xmlns='urn:xmpp:reactions:0' id='744f6e18'><reaction>\u{1f44b}</reaction><reaction>\u{1f422}</reaction></reactions>",
        true,
        false,
    ),
    Case(
        "XEP-0447 file with XEP-0446 metadata",
        "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type><name>summit.jpg</name><size>3032449</size></file>\
         <sources><url-data xmlns='http://jabber.org/protocol/url-data' target='https://download.montague.lit/4a771ac1-f0b2-4a4a.jpg'/></sources></file-sharing>",
        true,
        false,
    ),
    Case(
        "XEP-0461 reply",
        "<body>&gt; Anna wrote:\nGreat</body><reply xmlns='urn:xmpp:reply:0' to='anna@example.com/laptop' id='message-id1'/>\
         <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='14'/></fallback>",
        true,
        true,
    ),
    Case(
        "XEP-0466 ephemeral message",
        "<body>soon gone</body><ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
        true,
        true,
    ),
    Case(
        "XEP-0359 origin id",
        "<body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='de305d54'/>",
        true,
        true,
    ),
];

/// What a client put into a message: its children without those that the server adds.
fn content(message: Element<'_>) -> Vec<String> {
    let ours = |c: &Element<'_>| c.name() == "stanza-id" || c.name() == "occupant-id";
    message
        .children()
        .filter(|c| !ours(c))
        .map(|c| String::from_utf8(c.to_bytes().to_vec()).unwrap())
        .collect()
}

fn sent(xml: &str) -> Vec<String> {
    let whole = format!("<message xmlns=\"jabber:client\">{xml}</message>");
    content(Stanza::parse(whole.into()).unwrap().root())
}

/// The last message of an archive, if it holds more than before.
async fn newest(c: &mut Client, of: &str, known: &mut Vec<String>) -> Option<Vec<String>> {
    c.send(&format!(
        "<iq type='set' id='q' {of}><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query></iq>"
    ))
    .await;
    let mut found = None;
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            return found;
        }
        let result = s.root().child("result", "urn:xmpp:mam:2").unwrap();
        let id = result.attr("id").unwrap().into_owned();
        if !known.contains(&id) {
            known.push(id);
            let forwarded = result.child("forwarded", "urn:xmpp:forward:0").unwrap();
            found = Some(content(forwarded.child("message", "jabber:client").unwrap()));
        }
    }
}

#[tokio::test]
async fn messages_pass_between_users_as_they_are() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    // Takes no messages itself, only copies.
    let mut copies = w.client("bob", "copies").await;
    copies.send("<presence><priority>-1</priority></presence><iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>").await;
    copies.sync().await;
    b.sync().await;
    let mut known = [Vec::new(), Vec::new()];
    for Case(name, xml, archived, copied) in CASES {
        for kind in ["chat", "normal"] {
            a.send(&format!(
                "<message to='bob@waddle.test/two' type='{kind}' id='m'>{xml}</message>"
            ))
            .await;
            let m = b.message().await;
            assert_eq!(content(m.root()), sent(xml), "{name}: {}", text(&m));
            let no_copy = xml.contains("no-copy");
            let wanted = if kind == "chat" { !no_copy } else { *copied };
            if wanted {
                let copy = copies.next().await;
                let of = copy.root().child("received", "urn:xmpp:carbons:2").unwrap();
                let of = of.child("forwarded", "urn:xmpp:forward:0").unwrap();
                let of = of.child("message", "jabber:client").unwrap();
                assert_eq!(content(of), sent(xml), "{name} of type {kind}: the copy");
            } else {
                let copy = copies.sync().await;
                assert!(copy.is_empty(), "{name} of type {kind} is not copied");
            }
            for (c, known) in [&mut a, &mut b].into_iter().zip(&mut known) {
                let kept = newest(c, "", known).await;
                assert_eq!(
                    kept,
                    archived.then(|| sent(xml)),
                    "{name} of type {kind}: archive"
                );
            }
        }
    }
}

#[tokio::test]
async fn messages_pass_through_rooms_as_they_are() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    for (c, nick) in [(&mut a, "Alice"), (&mut b, "Bob")] {
        c.send(&format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        while !c.next().await.root().has("subject", "jabber:client") {}
        c.send(&format!("<iq type='set' id='c' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")).await;
        while c.next().await.id().as_deref() != Some("c") {}
    }
    a.sync().await;
    b.sync().await;
    let mut known = Vec::new();
    for Case(name, xml, archived, _) in CASES {
        a.send(&format!(
            "<message to='{ROOM}' type='groupchat' id='m'>{xml}</message>"
        ))
        .await;
        a.message().await;
        let m = b.message().await;
        assert_eq!(content(m.root()), sent(xml), "{name}: {}", text(&m));
        assert_eq!(
            m.root().has("stanza-id", "urn:xmpp:sid:0"),
            *archived,
            "{name}: an id is what the archive gave"
        );
        let kept = newest(&mut b, &format!("to='{ROOM}'"), &mut known).await;
        assert_eq!(kept, archived.then(|| sent(xml)), "{name}: archive");
    }
}

/// Carbons and archive ids that a client sends itself are not passed (XEP-0280 §11, XEP-0359 §7); of several, none.
#[tokio::test]
async fn what_only_the_server_says_is_not_passed() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    a.send(
        "<message to='bob@waddle.test' type='chat'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='bob@waddle.test' id='1'/><stanza-id xmlns='urn:xmpp:sid:0' by='bob@waddle.test' id='2'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='3'/><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' from='bob@waddle.test/x'><body>forged</body></message></forwarded></received></message>",
    )
    .await;
    let m = b.message().await;
    let ids: Vec<_> = m.root().children().filter(|c| c.name() == "stanza-id").collect();
    assert_eq!(ids.len(), 1, "{}", text(&m));
    assert!(!text(&m).contains("forged") && !["1", "2", "3"].contains(&&*ids[0].attr("id").unwrap()));
}
