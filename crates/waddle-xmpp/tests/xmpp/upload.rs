//! XEP-0363: upload slots at `upload.<domain>`.

use std::sync::Arc;

use crate::support::{Client, DOMAIN, World, condition, text, world, world_with};
use tempfile::TempDir;
use waddle_core::SystemClock;
use waddle_files::{Files, FilesConfig};
use waddle_stanza::Stanza;
use waddle_xmpp::xep::xep0363;

const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// A server with uploads of at most 1,000 bytes, 1,500 a day.
async fn uploads() -> (World, Files, TempDir) {
    let w = world().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = FilesConfig::local("https://upload.example/files/".parse().unwrap(), dir.path());
    (config.max_bytes, config.daily_bytes) = (1_000, 1_500);
    let files = Files::open(config, w.storage.server(), Arc::new(SystemClock))
        .await
        .unwrap();
    assert!(xep0363::offer(w.server.server(), files.clone()));
    assert!(
        !xep0363::offer(w.server.server(), files.clone()),
        "the host is taken"
    );
    w.account("juliet").await;
    (w, files, dir)
}

async fn ask(c: &mut Client, attributes: &str, inner: &str) -> Stanza {
    let xml = format!(
        "<iq type='get' id='u' to='upload.{DOMAIN}'><request xmlns='{UPLOAD}' {attributes}>{inner}</request></iq>"
    );
    c.request(&xml).await
}

#[tokio::test]
async fn the_service_is_found_with_its_bound() {
    let (w, ..) = uploads().await;
    let mut juliet = w.client("juliet", "balcony").await;
    let items = juliet
        .request(&format!(
            "<iq type='get' id='i' to='{DOMAIN}'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ))
        .await;
    assert!(
        text(&items).contains(&format!("upload.{DOMAIN}")),
        "{}",
        text(&items)
    );
    let info = juliet
        .request(&format!("<iq type='get' id='i' to='upload.{DOMAIN}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"))
        .await;
    let info = text(&info);
    for part in [
        "category=\"store\" type=\"file\"",
        "var=\"urn:xmpp:http:upload:0\"",
        "urn:xmpp:http:upload:purpose:0#profile",
        "max-file-size",
        "<value>1000</value>",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    for (to, payload, error) in [
        (
            format!("upload.{DOMAIN}"),
            "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
            "item-not-found",
        ),
        (
            format!("upload.{DOMAIN}"),
            "<vCard xmlns='vcard-temp'/>",
            "service-unavailable",
        ),
        (
            format!("x@upload.{DOMAIN}"),
            "<ping xmlns='urn:xmpp:ping'/>",
            "service-unavailable",
        ),
    ] {
        let r = juliet
            .request(&format!("<iq type='get' id='e' to='{to}'>{payload}</iq>"))
            .await;
        assert_eq!(condition(&r), error, "{to} {payload}");
    }
}

#[tokio::test]
async fn a_slot_has_two_addresses_and_takes_the_file() {
    let (w, files, _dir) = uploads().await;
    let mut juliet = w.client("juliet", "balcony").await;
    let r = ask(
        &mut juliet,
        "filename='très cool.jpg' size='3' content-type='image/jpeg'",
        "",
    )
    .await;
    assert_eq!(r.root().attr("from").unwrap(), format!("upload.{DOMAIN}"));
    let slot = r
        .root()
        .child("slot", UPLOAD)
        .unwrap_or_else(|| panic!("{}", text(&r)));
    let url = |name| {
        slot.child(name, UPLOAD)
            .unwrap()
            .attr("url")
            .unwrap()
            .into_owned()
    };
    let (put, get) = (url("put"), url("get"));
    assert!(
        get.starts_with("https://upload.example/files/upload/") && get.ends_with("/tr%C3%A8s%20cool.jpg"),
        "{get}"
    );
    assert!(put.starts_with(&get) && put.is_ascii());
    let id = files.id_of(&get.parse().unwrap()).unwrap();
    let token = put.split_once("token=").unwrap().1;
    let mut upload = files
        .put(&id, "très cool.jpg", token, 3, Some("image/jpeg"))
        .await
        .unwrap();
    upload.write(b"abc".as_slice().into()).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(files.find(&id, "très cool.jpg").await.unwrap().size(), 3);
}

#[tokio::test]
async fn purposes_decide_how_long() {
    let (w, files, _dir) = uploads().await;
    let mut juliet = w.client("juliet", "balcony").await;
    const P: &str = "xmlns='urn:xmpp:http:upload:purpose:0'";
    for good in ["message", "profile", "ephemeral"] {
        let until = if good == "ephemeral" {
            "expire-before='2999-01-01T00:00:00Z'"
        } else {
            ""
        };
        let r = ask(
            &mut juliet,
            "filename='a' size='1'",
            &format!("<{good} {P} {until}/>"),
        )
        .await;
        assert!(r.is_type("result"), "{}", text(&r));
    }
    for (bad, error) in [
        (format!("<permanent {P}/>"), "feature-not-implemented"),
        (format!("<ephemeral {P}/>"), "bad-request"),
        (
            format!("<ephemeral {P} expire-before='2001-01-01T00:00:00Z'/>"),
            "not-acceptable",
        ),
    ] {
        let r = ask(&mut juliet, "filename='a' size='1'", &bad).await;
        assert_eq!(condition(&r), error, "{bad}");
    }
    assert_eq!(files.totals(None).await.unwrap().files, 3);
}

#[tokio::test]
async fn what_is_not_taken_is_explained() {
    let (w, ..) = uploads().await;
    let mut juliet = w.client("juliet", "balcony").await;
    for (attributes, error) in [
        ("filename='a'", "bad-request"),
        ("size='1'", "bad-request"),
        ("filename='a' size='0'", "bad-request"),
        ("filename='a' size='-1'", "bad-request"),
        ("filename='a' size='1.5'", "bad-request"),
        ("filename='a' size=''", "bad-request"),
        ("filename='../a' size='1'", "not-acceptable"),
        ("filename='' size='1'", "not-acceptable"),
        ("filename='x&#x202e;gpj.exe' size='1'", "not-acceptable"),
        ("filename='a' size='1' content-type='nonsense'", "not-acceptable"),
        ("filename='a' size='1001'", "not-acceptable"),
        ("filename='a' size='99999999999999999999999'", "not-acceptable"),
    ] {
        let r = ask(&mut juliet, attributes, "").await;
        assert_eq!(condition(&r), error, "{attributes}");
    }
    let large = ask(&mut juliet, "filename='a' size='1001'", "").await;
    let most = large
        .root()
        .child("error", "jabber:client")
        .and_then(|e| e.child("file-too-large", UPLOAD))
        .and_then(|e| {
            e.child_text("max-file-size", UPLOAD)
                .map(std::borrow::Cow::into_owned)
        });
    assert_eq!(most.as_deref(), Some("1000"));
}

#[tokio::test]
async fn a_quota_says_when_to_come_back() {
    let (w, ..) = uploads().await;
    let mut juliet = w.client("juliet", "balcony").await;
    assert!(
        ask(&mut juliet, "filename='a' size='900'", "")
            .await
            .is_type("result")
    );
    let r = ask(&mut juliet, "filename='b' size='601'", "").await;
    assert_eq!(condition(&r), "resource-constraint");
    let error = r.root().child("error", "jabber:client").unwrap();
    assert_eq!(error.attr("type").unwrap(), "wait");
    let stamp = error
        .child("retry", UPLOAD)
        .and_then(|e| e.attr("stamp"))
        .unwrap();
    assert!(
        stamp.ends_with('Z') && stamp.parse::<waddle_core::Timestamp>().is_ok(),
        "{stamp}"
    );
    // others have quotas of their own
    w.account("romeo").await;
    let mut romeo = w.client("romeo", "garden").await;
    assert!(
        ask(&mut romeo, "filename='b' size='601'", "")
            .await
            .is_type("result")
    );
}

#[tokio::test]
async fn switched_off_it_is_not_there() {
    let w = world_with(|_| {}, |c| c.disabled = vec![363]).await;
    let dir = tempfile::tempdir().unwrap();
    let config = FilesConfig::local("https://x.example".parse().unwrap(), dir.path());
    let files = Files::open(config, w.storage.server(), Arc::new(SystemClock))
        .await
        .unwrap();
    assert!(!xep0363::offer(w.server.server(), files));
    w.account("juliet").await;
    let mut juliet = w.client("juliet", "balcony").await;
    let r = ask(&mut juliet, "filename='a' size='1'", "").await;
    assert!(!condition(&r).is_empty());
}
