//! What accounts want archived (XEP-0441).

use super::{MAM, query, say, two};
use crate::support::{condition, text, world};

/// XEP-0441: what somebody does not want is in the archive of the other side only.
#[tokio::test]
async fn preferences_are_kept_and_heeded() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    let get = format!("<iq type='get' id='p'><prefs xmlns='{MAM}'/></iq>");
    let empty = b.request(&get).await;
    let prefs = empty.root().child("prefs", MAM).unwrap();
    assert_eq!(prefs.attr("default").unwrap(), "always");
    assert!(
        prefs.has("always", MAM) && prefs.has("never", MAM),
        "both lists, empty or not"
    );

    let mut sent = 0;
    for (default, always, never, kept) in [
        ("never", "", "", false),
        ("never", "alice@waddle.test", "", true),
        ("always", "", "alice@waddle.test/one", false),
        ("always", "alice@waddle.test", "alice@waddle.test/one", false),
        ("always", "", "alice@waddle.test/other", true),
        ("roster", "", "", false),
    ] {
        let list = |name: &str, jid: &str| match jid {
            "" => format!("<{name}/>"),
            jid => format!("<{name}><jid>{jid}</jid></{name}>"),
        };
        let r = b
            .request(&format!(
                "<iq type='set' id='p'><prefs xmlns='{MAM}' default='{default}'>{}{}</prefs></iq>",
                list("always", always),
                list("never", never)
            ))
            .await;
        assert_eq!(
            r.root().child("prefs", MAM).unwrap().attr("default").unwrap(),
            default,
            "{}",
            text(&r)
        );
        let before = query(&mut b, "", &[], "").await.ids().len();
        say(&mut a, "bob@waddle.test", "x", "hello").await;
        sent += 1;
        let m = b.message().await;
        assert_eq!(
            m.root().has("stanza-id", "urn:xmpp:sid:0"),
            kept,
            "an id is what an archive gave"
        );
        let after = query(&mut b, "", &[], "").await.ids().len();
        assert_eq!(after - before, usize::from(kept), "{default} {always} {never}");
        assert_eq!(
            query(&mut a, "", &[], "").await.ids().len(),
            sent,
            "Alice keeps hers"
        );
    }
    b.send(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='alice@waddle.test'/></query></iq>",
    )
    .await;
    b.sync().await;
    say(&mut a, "bob@waddle.test", "x", "hello").await;
    assert!(
        b.message().await.root().has("stanza-id", "urn:xmpp:sid:0"),
        "she is in the roster now"
    );
    let again = w.client("bob", "later").await.request(&get).await;
    assert_eq!(
        again.root().child("prefs", MAM).unwrap().attr("default").unwrap(),
        "roster"
    );

    for (xml, wrong) in [
        ("<prefs xmlns='urn:xmpp:mam:2'/>", "bad-request"),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>",
            "bad-request",
        ),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>@</jid></always></prefs>",
            "jid-malformed",
        ),
    ] {
        let r = b.request(&format!("<iq type='set' id='p'>{xml}</iq>")).await;
        assert_eq!(condition(&r), wrong);
    }
    let r = b
        .request(&format!(
            "<iq type='get' id='p' to='alice@waddle.test'><prefs xmlns='{MAM}'/></iq>"
        ))
        .await;
    assert_eq!(condition(&r), "forbidden");
}
