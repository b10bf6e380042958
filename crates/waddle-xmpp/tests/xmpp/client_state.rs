//! Client state: what waits while nobody looks (XEP-0352).

use crate::support::{Client, World, body, text, world, world_with};

const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:csi:0'/>";
const TYPING: &str = "<message to='bob@waddle.test/two' type='chat'>\
    <composing xmlns='http://jabber.org/protocol/chatstates'/></message>";

async fn pair(w: &World) -> (Client, Client) {
    w.account("alice").await;
    w.account("bob").await;
    let a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    assert!(
        b.features.contains("<csi xmlns=\"urn:xmpp:csi:0\"/>"),
        "{}",
        b.features
    );
    b.send(INACTIVE).await;
    b.quiet().await;
    (a, b)
}

/// What waits for Bob, after everything that Alice sent was routed.
async fn waiting(w: &World, a: &mut Client) -> usize {
    a.quiet().await;
    let jid = "bob@waddle.test/two".parse().unwrap();
    w.server.server().sessions.get(&jid).unwrap().outbox.len()
}

fn shown(p: &waddle_stanza::Stanza) -> String {
    p.root()
        .child_text("show", "jabber:client")
        .unwrap_or_default()
        .into_owned()
}

#[tokio::test]
async fn state_waits_and_a_message_takes_it_along_in_order() {
    let w = world().await;
    let (mut a, mut b) = pair(&w).await;
    for show in ["away", "xa", "dnd"] {
        a.send(&format!(
            "<presence to='bob@waddle.test/two'><show>{show}</show></presence>"
        ))
        .await;
    }
    a.send(TYPING).await;
    assert_eq!(waiting(&w, &mut a).await, 2, "the newest presence and the typing");
    a.send("<message to='bob@waddle.test/two' type='chat'><body>hi</body></message>")
        .await;
    assert_eq!(shown(&b.next().await), "dnd");
    assert!(text(&b.next().await).contains("composing"));
    assert_eq!(body(&b.next().await), "hi");
    a.send(TYPING).await;
    assert_eq!(waiting(&w, &mut a).await, 1, "it is still inactive");
    // §5.1: what waited comes before the answer to what follows `<active/>`.
    b.send(ACTIVE).await;
    let before = b.sync().await;
    assert_eq!(before.len(), 1);
    a.send(TYPING).await;
    assert!(
        text(&b.next().await).contains("composing"),
        "nothing waits any more"
    );
}

#[tokio::test]
async fn a_resumed_session_is_active() {
    let w = world().await;
    let (mut a, mut b) = pair(&w).await;
    let e = b.request("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let id = e.root().attr("id").unwrap().into_owned();
    a.send(TYPING).await;
    assert_eq!(waiting(&w, &mut a).await, 1);
    drop(b);
    let mut b = w.login("bob").await;
    let r = b
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' h='0' previd='{id}'/>"))
        .await;
    assert_eq!(r.root().name(), "resumed", "{}", text(&r));
    assert!(text(&b.next().await).contains("composing"));
}

#[tokio::test]
async fn unknown_state_is_an_error_and_without_the_extension_so_is_inactive() {
    let w = world().await;
    let (_, mut b) = pair(&w).await;
    b.send("<asleep xmlns='urn:xmpp:csi:0'/>").await;
    b.ends_with("unsupported-stanza-type").await;
    let w = world_with(|_| {}, |c| c.disabled = vec![352]).await;
    w.account("bob").await;
    let mut b = w.online("bob", "two").await;
    assert!(!b.features.contains("csi"));
    b.send(INACTIVE).await;
    b.ends_with("unsupported-stanza-type").await;
}
