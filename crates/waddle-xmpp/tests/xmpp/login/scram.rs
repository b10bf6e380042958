//! SCRAM, channel bindings (XEP-0440) and protection against downgrades (XEP-0474).

use waddle_core::Secret;
use waddle_stanza::sasl::{ScramHash, offer_hash};

use super::{SASL, SASL2, scram, scram_begin, stranger};
use crate::support::world;

#[tokio::test]
async fn what_is_revoked_during_a_login_gives_no_session() {
    let w = world().await;
    w.account("bob").await;
    let user = w.identity.by_localpart("bob").await.unwrap().unwrap().user;
    let bind = "<bind xmlns='urn:xmpp:bind:0'/>";
    // After the challenge, with the session in the same step or in a later one; and after the login, before the session.
    for (profile2, wishes, late) in [
        (true, bind, false),
        (true, "", false),
        (false, "", false),
        (false, "", true),
    ] {
        let again = async || {
            let same = Secret::new("secret");
            w.identity.set_password(&user, &same).await.unwrap();
        };
        let (mut c, _) = stranger(&w).await;
        let (_, _, last) = scram_begin(&mut c, profile2, wishes).await;
        if !late {
            again().await;
        }
        if wishes.is_empty() {
            assert_eq!(c.request(&last).await.root().name(), "success");
            if !profile2 {
                c.restart().await;
            }
            c.next().await;
            if late {
                again().await;
            }
            c.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
                .await;
        } else {
            c.send(&last).await;
        }
        c.ends_with("not-authorized").await;
        assert_eq!(w.server.sessions(), 0);
    }
}

#[tokio::test]
async fn scram_says_what_was_offered() {
    let w = world().await;
    w.account("bob").await;
    for profile2 in [false, true] {
        let (mut c, features) = stranger(&w).await;
        let list = if profile2 {
            features.root().child("authentication", SASL2)
        } else {
            features.root().child("mechanisms", SASL)
        };
        let names: Vec<_> = list
            .unwrap()
            .children()
            .filter(|c| c.name() == "mechanism")
            .map(|m| m.text().into_owned())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (first, success) = scram(&mut c, profile2).await;
        assert_eq!(success.root().name(), "success");
        let h = first.split(",h=").nth(1).unwrap();
        assert_eq!(h, offer_hash(ScramHash::Sha256, &names, &[]));
    }
}
