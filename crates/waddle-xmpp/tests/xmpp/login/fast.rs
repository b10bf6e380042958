//! Coming back with a token: FAST (XEP-0484).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use waddle_core::Secret;
use waddle_stanza::{
    Stanza,
    sasl::{ht_answer, ht_request},
};

use super::{PHONE, SASL2, authenticate, condition, identity, stranger};
use crate::support::{Client, world};

/// Logs in with a token of FAST.
async fn fast(c: &mut Client, name: &str, token: &str, attributes: &str, wishes: &str) -> Stanza {
    let message = STANDARD.encode(ht_request(name, &Secret::new(token), b""));
    c.request(&format!(
        "<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-NONE'><initial-response>{message}</initial-response>\
         <fast xmlns='urn:xmpp:fast:0'{attributes}/>{wishes}</authenticate>"
    ))
    .await
}

fn token(success: &Stanza) -> Option<String> {
    let token = success.root().child("token", "urn:xmpp:fast:0")?;
    assert!(token.attr("expiry").unwrap().ends_with('Z'));
    Some(token.attr("token").unwrap().into_owned())
}

#[tokio::test]
async fn a_client_comes_back_with_its_token() {
    let w = world().await;
    w.account("bob").await;
    let (mut c, _) = stranger(&w).await;
    let wishes = format!("{PHONE}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>");
    let first = token(&authenticate(&mut c, "bob", "secret", &wishes).await).unwrap();

    let (mut c, _) = stranger(&w).await;
    let success = fast(&mut c, "bob", &first, " count='1'", PHONE).await;
    assert_eq!(identity(&success), "bob@waddle.test");
    let answer = success.root().child_text("additional-data", SASL2).unwrap();
    assert_eq!(
        STANDARD.decode(answer.as_ref()).unwrap(),
        ht_answer(&Secret::new(first.clone()), b""),
        "the server knows it too"
    );
    assert!(token(&success).is_none(), "a new one is not due");

    let (mut c, _) = stranger(&w).await;
    for (attributes, agent, why) in [
        (" count='1'", PHONE.to_owned(), "the count was used"),
        ("", PHONE.replace("d4565fa7", "00000000"), "another client"),
    ] {
        let e = fast(&mut c, "bob", &first, attributes, &agent).await;
        assert_eq!(condition(&e), "not-authorized", "{why}");
    }
    assert_eq!(
        condition(&fast(&mut c, "bob", "wrong", "", PHONE).await),
        "not-authorized"
    );
    assert_eq!(
        condition(&fast(&mut c, "alice", &first, "", PHONE).await),
        "not-authorized"
    );

    // A second token: the first one stays until the second is used.
    let (mut c, _) = stranger(&w).await;
    let second = token(&fast(&mut c, "bob", &first, " count='2'", &wishes).await).unwrap();
    let (mut c, _) = stranger(&w).await;
    identity(&fast(&mut c, "bob", &first, " count='3'", PHONE).await);
    let (mut c, _) = stranger(&w).await;
    identity(&fast(&mut c, "bob", &second, "", PHONE).await);
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&fast(&mut c, "bob", &first, "", PHONE).await),
        "not-authorized"
    );

    // The last time; what logged in with it before ends.
    let (mut before, _) = stranger(&w).await;
    let bind = format!("{PHONE}<bind xmlns='urn:xmpp:bind:0'/>");
    identity(&fast(&mut before, "bob", &second, "", &bind).await);
    let success = fast(&mut c, "bob", &second, " invalidate='true'", PHONE).await;
    assert!(token(&success).is_none());
    before.ends_with("not-authorized").await;
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&fast(&mut c, "bob", &second, "", PHONE).await),
        "not-authorized"
    );
}

#[tokio::test]
async fn a_token_goes_with_the_password_and_by_the_list() {
    let w = world().await;
    w.account("bob").await;
    let user = w.identity.by_localpart("bob").await.unwrap().unwrap().user;
    let wishes = format!("{PHONE}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>");
    let bind = format!("{PHONE}<bind xmlns='urn:xmpp:bind:0'/>");
    let (mut c, _) = stranger(&w).await;
    let t = token(&authenticate(&mut c, "bob", "secret", &wishes).await).unwrap();
    let (mut c, _) = stranger(&w).await;
    identity(&fast(&mut c, "bob", &t, "", &bind).await);
    let list = w.identity.tokens(&user).await.unwrap();
    assert_eq!((list.len(), list[0].label.as_str()), (1, "Test on phone"));
    assert!(list[0].expires_at.is_some());
    w.identity.revoke_token(&user, list[0].id).await.unwrap();
    c.ends_with("not-authorized").await;
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&fast(&mut c, "bob", &t, "", PHONE).await),
        "not-authorized"
    );

    let t = token(&authenticate(&mut c, "bob", "secret", &wishes).await).unwrap();
    let (mut c, _) = stranger(&w).await;
    identity(&fast(&mut c, "bob", &t, "", &bind).await);
    // Nor does one stay that was made with a token, of another client.
    let bob = w.identity.by_user(&user).await.unwrap().unwrap();
    let xmpp = w.identity.issue_token(&bob, "program").await.unwrap().token;
    let [tablet, asks, binds] = [PHONE, &wishes, &bind].map(|s| s.replace("d4565fa7", "00000000"));
    let (mut d, _) = stranger(&w).await;
    let u = token(&authenticate(&mut d, "bob", xmpp.expose(), &asks).await).unwrap();
    let (mut d, _) = stranger(&w).await;
    identity(&fast(&mut d, "bob", &u, "", &binds).await);
    // A disabled account logs in with no token, and with both when it is back.
    w.identity.set_disabled(&user, true).await.unwrap();
    for client in [&mut c, &mut d] {
        client.ends_with("not-authorized").await;
    }
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&fast(&mut c, "bob", &t, "", PHONE).await),
        "account-disabled"
    );
    w.identity.set_disabled(&user, false).await.unwrap();
    let (mut c, _) = stranger(&w).await;
    identity(&fast(&mut c, "bob", &t, "", &bind).await);
    let (mut d, _) = stranger(&w).await;
    identity(&fast(&mut d, "bob", &u, "", &binds).await);
    w.identity
        .set_password(&user, &Secret::new("other"))
        .await
        .unwrap();
    c.ends_with("not-authorized").await;
    d.ends_with("not-authorized").await;
    let (mut c, _) = stranger(&w).await;
    for (old, agent) in [(&t, PHONE), (&u, tablet.as_str())] {
        assert_eq!(
            condition(&fast(&mut c, "bob", old, "", agent).await),
            "not-authorized"
        );
    }
}
