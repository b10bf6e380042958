//! SASL as RFC 6120 §6 has it, OAUTHBEARER (RFC 7628) as XEP-0493 wants it, and who guesses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use waddle_core::Secret;

use super::{SASL, authenticate, condition, identity, scram, stranger};
use crate::support::{text, world, world_with};

#[tokio::test]
async fn a_bearer_token_logs_in() {
    let w = world_with(
        |_| {},
        |c| c.oauth_discovery = Some("https://waddle.test/.well-known/oauth-authorization-server".into()),
    )
    .await;
    w.account("bob").await;
    let account = w.identity.by_localpart("bob").await.unwrap().unwrap();
    let token = w.identity.issue_token(&account, "a program").await.unwrap();
    let (mut c, features) = stranger(&w).await;
    assert!(text(&features).contains("<mechanism>OAUTHBEARER</mechanism>"));
    let message = |authzid: &str, token: &str| {
        STANDARD.encode(format!("n,{authzid},\u{1}auth=Bearer {token}\u{1}\u{1}"))
    };
    let auth = |m: String| format!("<auth xmlns='{SASL}' mechanism='OAUTHBEARER'>{m}</auth>");
    for wrong in ["", "wdt_wrong", "secret"] {
        let challenge = c.request(&auth(message("", wrong))).await;
        let said = STANDARD.decode(challenge.root().text().as_ref()).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.contains(r#""status":"invalid_token""#)
                && said.contains(
                    r#""openid-configuration":"https://waddle.test/.well-known/oauth-authorization-server""#
                ),
            "{said}"
        );
        let failure = c
            .request(&format!("<response xmlns='{SASL}'>AQ==</response>"))
            .await;
        assert_eq!(condition(&failure), "not-authorized");
    }
    let other = c
        .request(&auth(message("a=eve@waddle.test", token.token.expose())))
        .await;
    assert_eq!(condition(&other), "invalid-authzid");
    let success = c
        .request(&auth(message("a=bob@waddle.test", token.token.expose())))
        .await;
    assert_eq!(success.root().name(), "success", "{}", text(&success));
    // Without a place to get tokens from there is no such mechanism.
    let w = world().await;
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&c.request(&auth(message("", "x"))).await),
        "invalid-mechanism"
    );
}

#[tokio::test]
async fn sasl_by_the_letter() {
    let w = world_with(|l| l.xmpp_sasl_attempts = 30, |_| {}).await;
    w.account("bob").await;
    let (mut c, _) = stranger(&w).await;
    let b64 = |s: &str| STANDARD.encode(s);
    for (xml, expected) in [
        // RFC 4616 §2, and mission: two parts are no message
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>",
                b64("bob@waddle.test\0secret")
            ),
            "malformed-request",
        ),
        (
            format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>", b64("\0bob\0")),
            "malformed-request",
        ),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>",
                b64("eve@waddle.test\0bob\0secret")
            ),
            "invalid-authzid",
        ),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>",
                b64("bob\0bob\0secret")
            ),
            "invalid-authzid",
        ),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>",
                b64("bob@other.example\0bob\0secret")
            ),
            "invalid-authzid",
        ),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='PLAIN'>{}</auth>",
                b64("\0bob@other.example\0secret")
            ),
            "not-authorized",
        ),
        (
            format!("<auth xmlns='{SASL}' mechanism='PLAIN'>!</auth>"),
            "incorrect-encoding",
        ),
        (
            format!("<auth xmlns='{SASL}' mechanism='CRAM-MD5'/>"),
            "invalid-mechanism",
        ),
        (
            format!("<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1-PLUS'/>"),
            "invalid-mechanism",
        ),
        (format!("<auth xmlns='{SASL}'/>"), "invalid-mechanism"),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{}</auth>",
                b64("p=tls-unique,,n=bob,r=a")
            ),
            "malformed-request",
        ),
        (
            format!(
                "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{}</auth>",
                b64("n,,n=bob")
            ),
            "malformed-request",
        ),
        (
            format!("<response xmlns='{SASL}'>YQ==</response>"),
            "malformed-request",
        ),
        (format!("<abort xmlns='{SASL}'/>"), "aborted"),
    ] {
        let failure = c.request(&xml).await;
        assert!(failure.root().is("failure", SASL), "{}", text(&failure));
        assert_eq!(condition(&failure), expected, "{xml}");
    }
    // An exchange that is given up in its middle, and one that another begins in its middle.
    let first = b64("n,,n=bob,r=abc");
    for (xml, expected) in [
        (format!("<abort xmlns='{SASL}'/>"), "aborted"),
        (
            format!("<auth xmlns='{SASL}' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>"),
            "malformed-request",
        ),
        (
            format!(
                "<response xmlns='{SASL}'>{}</response>",
                b64("c=biws,r=replayed,p=AAAA")
            ),
            "malformed-request",
        ),
    ] {
        let challenge = c
            .request(&format!(
                "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>"
            ))
            .await;
        assert_eq!(challenge.root().name(), "challenge");
        assert_eq!(condition(&c.request(&xml).await), expected, "{xml}");
    }
    let (_, success) = scram(&mut c, false).await;
    assert_eq!(success.root().name(), "success");
    c.restart().await;
    c.next().await;
    c.send(&format!(
        "<auth xmlns='{SASL}' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>"
    ))
    .await;
    c.ends_with("not-authorized").await;
}

#[tokio::test]
async fn too_many_attempts_end_the_stream() {
    let w = world_with(|l| l.xmpp_sasl_attempts = 3, |_| {}).await;
    w.account("bob").await;
    for profile2 in [false, true] {
        let (mut c, _) = stranger(&w).await;
        for _ in 0..3 {
            if profile2 {
                assert_eq!(
                    condition(&authenticate(&mut c, "bob", "wrong", "").await),
                    "not-authorized"
                );
            } else {
                let wrong = STANDARD.encode("\0bob\0wrong");
                let e = c
                    .request(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{wrong}</auth>"))
                    .await;
                assert_eq!(condition(&e), "not-authorized");
            }
        }
        c.ends_with("policy-violation").await;
    }
}

#[tokio::test]
async fn passwords_are_prepared() {
    let w = world().await;
    // RFC 8265 §4.2: other spaces are spaces, and composed is decomposed.
    w.identity
        .create_local("carol", &Secret::new("e\u{301}t\u{e9}\u{a0}1"), false)
        .await
        .unwrap();
    for same in ["\u{e9}te\u{301} 1", "\u{e9}t\u{e9}\u{2003}1"] {
        let (mut c, _) = stranger(&w).await;
        identity(&authenticate(&mut c, "carol", same, "").await);
    }
    let (mut c, _) = stranger(&w).await;
    let upper = authenticate(&mut c, "carol", "\u{c9}t\u{e9} 1", "").await;
    assert_eq!(condition(&upper), "not-authorized");
}

#[tokio::test]
async fn an_address_that_guesses_waits() {
    let w = world_with(
        |l| {
            l.rate_failed_logins = waddle_core::limits::Rate {
                count: 3,
                seconds: 600,
            };
        },
        |_| {},
    )
    .await;
    w.account("bob").await;
    let (mut c, _) = stranger(&w).await;
    for _ in 0..3 {
        assert_eq!(
            condition(&authenticate(&mut c, "bob", "wrong", "").await),
            "not-authorized"
        );
    }
    let (mut c, _) = stranger(&w).await;
    // Not even the right one is looked at.
    let e = authenticate(&mut c, "bob", "secret", "").await;
    assert_eq!(condition(&e), "temporary-auth-failure");
    assert!(text(&e).contains("try again"), "{}", text(&e));
}
