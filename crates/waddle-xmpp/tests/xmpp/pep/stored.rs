//! Private storage (XEP-0049), bookmarks (XEP-0048, XEP-0402), vCards (XEP-0054, XEP-0292), avatars (XEP-0084, XEP-0153, XEP-0398).

use super::{JULIET, no, ok, verona};
use crate::support::eventing::{app, interested, items, publish, told, untold};
use crate::support::{condition, text, world_with};

/// XEP-0049: what is stored comes back, to nobody else.
#[tokio::test]
async fn private_storage() {
    let w = world_with(|l| l.xmpp_private_bytes = 300, |_| {}).await;
    w.account("juliet").await;
    w.account("romeo").await;
    let mut c = w.online("juliet", "r").await;
    let get = "<iq type='get' id='g'><query xmlns='jabber:iq:private'><notes xmlns='urn:n'/></query></iq>";
    assert!(text(&ok(&mut c, get).await).contains("<notes xmlns='urn:n'/>"));
    ok(&mut c, "<iq type='set' id='s'><query xmlns='jabber:iq:private'><notes xmlns='urn:n'><a>1</a></notes></query></iq>").await;
    assert!(text(&ok(&mut c, get).await).contains("<a>1</a>"));
    let mut romeo = w.online("romeo", "r").await;
    let theirs = get.replace("type='get'", "type='get' to='juliet@waddle.test'");
    assert_eq!(condition(&no(&mut romeo, &theirs).await), "forbidden");
    assert!(!text(&ok(&mut romeo, get).await).contains("<a>"));
    for (body, expected) in [
        ("", "bad-request"),
        ("<x xmlns='jabber:iq:roster'/>", "not-acceptable"),
        (
            &*format!("<x xmlns='urn:x'>{}</x>", "y".repeat(300)),
            "resource-constraint",
        ),
    ] {
        let e = no(
            &mut c,
            &format!("<iq type='set' id='s'><query xmlns='jabber:iq:private'>{body}</query></iq>"),
        )
        .await;
        assert_eq!(condition(&e), expected, "{body}");
    }
}

/// XEP-0048 over private storage and XEP-0402 are one list.
#[tokio::test]
async fn bookmarks_are_the_same_in_both_formats() {
    let w = verona().await;
    let node = "urn:xmpp:bookmarks:1";
    let mut new = interested(&w, "juliet", "new", &[node]).await;
    let mut old = w.online("juliet", "old").await;
    let _ = new.sync().await;
    let set = |rooms: &str| {
        format!(
            "<iq type='set' id='s'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{rooms}</storage></query></iq>"
        )
    };
    let orchard = "<conference jid='orchard@muc.waddle.test' name='The Orchard' autojoin='1'><nick>J</nick></conference>";
    let play = "<conference jid='play@muc.waddle.test'/>";
    let page = "<url name='x' url='https://x/'/>";
    ok(&mut old, &set(&[orchard, play, page].concat())).await;
    let got: String = new.sync().await.iter().map(text).collect();
    assert!(
        got.contains("id=\"orchard@muc.waddle.test\"") && got.contains("The Orchard"),
        "{got}"
    );
    let s = text(&ok(&mut new, &items("", node)).await);
    assert!(
        s.contains("<nick>J</nick>") && s.contains("autojoin=\"true\"") && s.contains("play@muc"),
        "{s}"
    );
    // The new client knows more than the old format can say.
    let private = [
        ("access_model", "whitelist"),
        ("persist_items", "true"),
        ("max_items", "max"),
        ("send_last_published_item", "never"),
    ];
    let with = "<conference xmlns='urn:xmpp:bookmarks:1' name='The Play' autojoin='true'><extensions><p xmlns='urn:pin'/></extensions></conference>";
    ok(&mut new, &publish(node, "play@muc.waddle.test", with, &private)).await;
    let get = "<iq type='get' id='g'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>";
    let list = text(&ok(&mut old, get).await);
    assert!(
        list.contains("name=\"The Play\"") && list.contains("https://x/") && list.contains("jid=\"orchard@"),
        "{list}"
    );
    let _ = new.sync().await;
    let play =
        "<conference jid='play@muc.waddle.test' name='The Play' autojoin='1'><nick>Me</nick></conference>";
    ok(&mut old, &set(&[play, page].concat())).await;
    let got: String = new.sync().await.iter().map(text).collect();
    assert!(
        got.contains("<retract id=\"orchard@muc.waddle.test\"/>")
            && got.contains("urn:pin")
            && got.contains("Me"),
        "{got}"
    );
    // The same list again is no news.
    ok(&mut old, &set(&[play, page].concat())).await;
    untold(&mut new).await;
    let mut romeo = w.online("romeo", "r").await;
    assert_eq!(
        condition(&no(&mut romeo, &items(JULIET, node)).await),
        "not-allowed"
    );
}

/// XEP-0402: whichever way the node comes about, nobody else reads it.
#[tokio::test]
async fn bookmarks_are_private_whoever_makes_their_node() {
    let w = verona().await;
    let node = "urn:xmpp:bookmarks:1";
    let mut juliet = w.online("juliet", "one").await;
    let mut romeo = w.online("romeo", "two").await;
    let room = "<conference xmlns='urn:xmpp:bookmarks:1'/>";
    ok(
        &mut juliet,
        &publish(node, "play@muc.waddle.test", room, &[("access_model", "open")]),
    )
    .await;
    let e = no(&mut romeo, &items(JULIET, node)).await;
    assert_eq!(app(&e), "closed-node");
    assert!(text(&ok(&mut juliet, &items("", node)).await).contains("play@muc"));
}

/// XEP-0054, XEP-0292: a vCard in either format.
#[tokio::test]
async fn vcards() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "r").await;
    let mut paris = w.online("paris", "r").await;
    let get = "<iq type='get' id='g' to='juliet@waddle.test'><vCard xmlns='vcard-temp'/></iq>";
    assert_eq!(condition(&no(&mut paris, get).await), "item-not-found");
    let nobody = get.replace("juliet", "nobody");
    assert_eq!(condition(&no(&mut paris, &nobody).await), "item-not-found");
    assert!(text(&ok(&mut juliet, get).await).contains("<vCard"));
    ok(&mut juliet, "<iq type='set' id='s'><vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><X-ODD>1</X-ODD></vCard></iq>").await;
    let s = text(&ok(&mut paris, get).await);
    assert!(
        s.contains("<FN") && s.contains("Juliet Capulet") && s.contains("X-ODD"),
        "{s}"
    );
    let e = no(
        &mut paris,
        "<iq type='set' id='s' to='juliet@waddle.test'><vCard xmlns='vcard-temp'><FN>X</FN></vCard></iq>",
    )
    .await;
    assert_eq!(condition(&e), "forbidden");
    let four = text(&ok(&mut paris, &items(JULIET, "urn:xmpp:vcard4")).await);
    assert!(four.contains("<fn><text>Juliet Capulet</text></fn>"), "{four}");
    let changed =
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Juliet Montague</text></fn></vcard>";
    ok(&mut juliet, &publish("urn:xmpp:vcard4", "current", changed, &[])).await;
    let s = text(&ok(&mut paris, get).await);
    assert!(s.contains("<FN>Juliet Montague</FN>"), "{s}");
    let e = no(
        &mut juliet,
        "<iq type='set' id='s'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>?</BINVAL></PHOTO></vCard></iq>",
    )
    .await;
    assert_eq!(condition(&e), "bad-request");
}

/// XEP-0084, XEP-0153, XEP-0398: one picture, whichever way it came.
#[tokio::test]
async fn an_avatar_is_the_photo_and_presence_says_so() {
    let w = verona().await;
    let meta = "urn:xmpp:avatar:metadata";
    let mut romeo = interested(&w, "romeo", "orchard", &[meta]).await;
    let mut juliet = w.online("juliet", "r").await;
    let _ = (romeo.sync().await, juliet.sync().await);
    // SHA-1 of the three bytes `abc`.
    let hash = "a9993e364706816aba3e25717850c26c9cd0d89d";
    ok(&mut juliet, "<iq type='set' id='s'><vCard xmlns='vcard-temp'><FN>J</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO></vCard></iq>").await;
    let n = text(&told(&mut romeo).await);
    assert!(
        n.contains(&format!("id=\"{hash}\"")) && n.contains("bytes=\"3\"") && n.contains("image/png"),
        "{n}"
    );
    let data = text(&ok(&mut romeo, &items(JULIET, "urn:xmpp:avatar:data")).await);
    assert!(data.contains("YWJj"), "{data}");
    // Presence says it, also to whom it is directed.
    juliet.send("<presence to='romeo@waddle.test/orchard'/>").await;
    let p = romeo.next().await;
    assert!(
        text(&p).contains(&format!("<photo>{hash}</photo>")),
        "{}",
        text(&p)
    );
    juliet
        .send("<presence><x xmlns='vcard-temp:x:update'/></presence>")
        .await;
    let p = romeo.next().await;
    assert_eq!(text(&p).matches("vcard-temp:x:update").count(), 1);
    assert!(text(&p).contains(hash));
    juliet
        .send("<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>")
        .await;
    assert!(
        !text(&romeo.next().await).contains(hash),
        "a client that is not ready says nothing"
    );
    let _ = juliet.sync().await;
    // The other way: published as an avatar, it is the photo of the vCard. SHA-1 of `def`.
    let other = "589c22335a381f122d129225f5c0ba3056ed5811";
    let open = [("access_model", "open")];
    ok(
        &mut juliet,
        &publish(
            "urn:xmpp:avatar:data",
            other,
            "<data xmlns='urn:xmpp:avatar:data'>ZGVm</data>",
            &open,
        ),
    )
    .await;
    ok(
        &mut juliet,
        &publish(
            meta,
            other,
            &format!("<metadata xmlns='{meta}'><info id='{other}' bytes='3' type='image/gif'/></metadata>"),
            &open,
        ),
    )
    .await;
    let mut paris = w.online("paris", "r").await;
    let get = "<iq type='get' id='g' to='juliet@waddle.test'><vCard xmlns='vcard-temp'/></iq>";
    let s = text(&ok(&mut paris, get).await);
    assert!(
        s.contains("<BINVAL>ZGVm</BINVAL>") && s.contains("image/gif") && s.contains('J'),
        "{s}"
    );
    // A new session says the hash from its first presence on.
    let mut again = w.client("juliet", "again").await;
    again.send("<presence/>").await;
    assert!(text(&again.next().await).contains(other));
    // Metadata of a picture that is not there, or is another one, show none.
    ok(
        &mut juliet,
        &publish(
            meta,
            hash,
            &format!("<metadata xmlns='{meta}'><info id='{hash}' bytes='3' type='image/gif'/></metadata>"),
            &open,
        ),
    )
    .await;
    assert!(!text(&ok(&mut paris, get).await).contains("BINVAL"));
    ok(
        &mut juliet,
        &publish(meta, "none", &format!("<metadata xmlns='{meta}'/>"), &open),
    )
    .await;
    let _ = romeo.sync().await;
    juliet.send("<presence to='romeo@waddle.test/orchard'/>").await;
    let p = text(&romeo.next().await);
    assert!(!p.contains("vcard-temp:x:update"), "{p}");
}
