//! The newer profile: XEP-0388 with XEP-0386, and what XEP-0478 advertises.

use super::{PHONE, SASL2, authenticate, condition, identity, stranger};
use crate::support::{body, text, world};

#[tokio::test]
async fn the_offer() {
    let w = world().await;
    let (_, features) = stranger(&w).await;
    let f = features.root();
    let sasl2 = f.child("authentication", SASL2).unwrap();
    let names: Vec<_> = sasl2
        .children()
        .filter(|c| c.name() == "mechanism")
        .map(|m| m.text().into_owned())
        .collect();
    assert_eq!(names, ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    let inline = sasl2.child("inline", SASL2).unwrap();
    assert!(inline.has("sm", "urn:xmpp:sm:3"));
    let fast = inline.child("fast", "urn:xmpp:fast:0").unwrap();
    assert_eq!(
        fast.child_text("mechanism", "urn:xmpp:fast:0").unwrap(),
        "HT-SHA-256-NONE"
    );
    assert!(fast.attr("tls-0rtt").is_none());
    let bind = inline.child("bind", "urn:xmpp:bind:0").unwrap();
    let vars: Vec<_> = bind
        .child("inline", "urn:xmpp:bind:0")
        .unwrap()
        .children()
        .map(|f| f.attr("var").unwrap().into_owned())
        .collect();
    assert_eq!(vars, ["urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:sm:3"]);
    // XEP-0478, before login
    let limits = f.child("limits", "urn:xmpp:stream-limits:0").unwrap();
    assert_eq!(
        limits
            .child_text("max-bytes", "urn:xmpp:stream-limits:0")
            .unwrap(),
        "10000"
    );
    let after = w.account_then_login().await.features;
    assert!(
        after.contains("<max-bytes>262144</max-bytes><idle-seconds>300</idle-seconds>"),
        "{after}"
    );
}

#[tokio::test]
async fn one_round_trip_binds() {
    let w = world().await;
    w.account("bob").await;
    let (mut c, _) = stranger(&w).await;
    let wishes = format!(
        "{PHONE}<bind xmlns='urn:xmpp:bind:0'><tag>Test</tag><enable xmlns='urn:xmpp:carbons:2'/>\
         <enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
    );
    let success = authenticate(&mut c, "bob", "secret", &wishes).await;
    let jid = identity(&success);
    assert!(jid.starts_with("bob@waddle.test/Test/"), "{jid}");
    assert!(!jid.contains("d4565fa7"), "the identifier is nobody's business");
    let bound = success.root().child("bound", "urn:xmpp:bind:0").unwrap();
    assert!(bound.has("metadata", "urn:xmpp:mam:2"));
    let enabled = bound.child("enabled", "urn:xmpp:sm:3").unwrap();
    let id = enabled.attr("id").unwrap().into_owned();
    let features = c.next().await;
    assert_eq!(features.root().name(), "features");
    assert!(!features.root().has("bind", "urn:ietf:params:xml:ns:xmpp-bind"));
    c.send("<presence/>").await;
    assert_eq!(c.next().await.root().name(), "presence");
    // Carbons are on: another device's message is copied.
    w.account("alice").await;
    let mut alice = w.online("alice", "x").await;
    let mut laptop = w.client("bob", "laptop").await;
    laptop
        .send("<message to='alice@waddle.test' type='chat'><body>hello</body></message>")
        .await;
    assert_eq!(body(&alice.message().await), "hello");
    assert!(c.message().await.root().has("sent", "urn:xmpp:carbons:2"));
    // The connection breaks; the session is resumed together with the next login.
    drop(c);
    let (mut c, _) = stranger(&w).await;
    let wishes = format!(
        "{PHONE}<resume xmlns='urn:xmpp:sm:3' h='99' previd='nonsense'/><bind xmlns='urn:xmpp:bind:0'/>"
    );
    let (mut other, _) = stranger(&w).await;
    let other_agent = wishes.replace("d4565fa7", "00000000");
    let success = authenticate(&mut other, "bob", "secret", &other_agent).await;
    assert!(success.root().has("failed", "urn:xmpp:sm:3") && success.root().has("bound", "urn:xmpp:bind:0"));
    let wishes =
        format!("{PHONE}<resume xmlns='urn:xmpp:sm:3' h='2' previd='{id}'/><bind xmlns='urn:xmpp:bind:0'/>");
    let success = authenticate(&mut c, "bob", "secret", &wishes).await;
    assert!(
        success.root().has("resumed", "urn:xmpp:sm:3"),
        "{}",
        text(&success)
    );
    assert!(
        !success.root().has("bound", "urn:xmpp:bind:0"),
        "{}",
        text(&success)
    );
    assert_eq!(c.next().await.root().name(), "features");
    alice
        .send(&format!(
            "<message to='{jid}' type='chat'><body>still there</body></message>"
        ))
        .await;
    assert_eq!(body(&c.message().await), "still there");
}

#[tokio::test]
async fn without_bind_the_stream_goes_on_as_ever() {
    let w = world().await;
    w.account("bob").await;
    let (mut c, _) = stranger(&w).await;
    let success = authenticate(&mut c, "bob", "secret", "").await;
    assert_eq!(identity(&success), "bob@waddle.test");
    let features = c.next().await;
    assert!(features.root().has("bind", "urn:ietf:params:xml:ns:xmpp-bind"));
    c.bind("old").await;
    assert_eq!(c.jid, "bob@waddle.test/old");
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&authenticate(&mut c, "bob", "wrong", "").await),
        "not-authorized"
    );
    assert_eq!(
        condition(&authenticate(&mut c, "nobody", "wrong", "").await),
        "not-authorized"
    );
    let abort = c.request(&format!("<abort xmlns='{SASL2}'/>")).await;
    assert_eq!(condition(&abort), "malformed-request");
    identity(&authenticate(&mut c, "bob", "secret", "").await);
}

#[tokio::test]
async fn the_same_installation_takes_its_own_place() {
    let w = world().await;
    w.account("bob").await;
    let wishes = format!("{PHONE}<bind xmlns='urn:xmpp:bind:0'><tag>Test</tag></bind>");
    let (mut first, _) = stranger(&w).await;
    let jid = identity(&authenticate(&mut first, "bob", "secret", &wishes).await);
    let (mut second, _) = stranger(&w).await;
    assert_eq!(
        identity(&authenticate(&mut second, "bob", "secret", &wishes).await),
        jid
    );
    first.ends_with("conflict").await;
    let (mut other, _) = stranger(&w).await;
    let other_wishes = wishes.replace("d4565fa7", "11111111");
    assert_ne!(
        identity(&authenticate(&mut other, "bob", "secret", &other_wishes).await),
        jid
    );
    second.next().await;
    second.quiet().await;
    assert_eq!(w.server.sessions(), 2);
}

#[tokio::test]
async fn what_waited_comes_from_the_archive() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut alice = w.online("alice", "x").await;
    alice
        .send("<message to='bob@waddle.test' type='chat'><body>while you were away</body></message>")
        .await;
    alice.sync().await;
    let (mut c, _) = stranger(&w).await;
    let success = authenticate(&mut c, "bob", "secret", "<bind xmlns='urn:xmpp:bind:0'/>").await;
    let metadata = success
        .root()
        .child("bound", "urn:xmpp:bind:0")
        .and_then(|b| b.child("metadata", "urn:xmpp:mam:2"))
        .unwrap();
    assert_eq!(
        metadata.child("start", "urn:xmpp:mam:2").unwrap().attr("id"),
        metadata.child("end", "urn:xmpp:mam:2").unwrap().attr("id")
    );
    c.next().await;
    c.send("<presence/>").await;
    let got = c.sync().await;
    assert!(got.iter().all(|s| s.root().name() == "presence"), "not twice");
}
