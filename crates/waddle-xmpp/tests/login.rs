//! Logging in: XEP-0388 with XEP-0386 and XEP-0484, XEP-0474, XEP-0440, OAUTHBEARER (RFC 7628) as XEP-0493 wants it,
//! SASL as RFC 6120 §6 has it, the limits of XEP-0478.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{Client, World, body, text, world, world_with};
use waddle_core::Secret;
use waddle_stanza::{
    Stanza,
    sasl::{ScramClient, ScramHash, ht_answer, ht_request, offer_hash},
};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const PHONE: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Test</software><device>phone</device></user-agent>";

/// A client that has not logged in, and the features it was offered.
async fn stranger(w: &World) -> (Client, Stanza) {
    let mut c = w.raw();
    c.open().await;
    let features = c.next().await;
    (c, features)
}

/// Logs in with a password in the newer profile; the answer.
async fn authenticate(c: &mut Client, name: &str, password: &str, wishes: &str) -> Stanza {
    let message = STANDARD.encode(format!("\0{name}\0{password}"));
    c.request(&format!(
        "<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{message}</initial-response>{wishes}</authenticate>"
    ))
    .await
}

fn condition(s: &Stanza) -> String {
    let failed = s.root().children().find(|c| c.in_ns(SASL) && c.name() != "text");
    failed
        .unwrap_or_else(|| panic!("no failure: {}", text(s)))
        .name()
        .to_owned()
}

fn identity(success: &Stanza) -> String {
    assert_eq!(success.root().name(), "success", "{}", text(success));
    success
        .root()
        .child_text("authorization-identifier", SASL2)
        .unwrap()
        .into_owned()
}

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
    w.identity
        .set_password(&user, &Secret::new("other"))
        .await
        .unwrap();
    c.ends_with("not-authorized").await;
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&fast(&mut c, "bob", &t, "", PHONE).await),
        "not-authorized"
    );
}

/// The first half of SCRAM: what the server said, and what answers it.
async fn scram_begin(c: &mut Client, profile2: bool, wishes: &str) -> (ScramClient, Vec<u8>, String) {
    let hash = ScramHash::Sha256;
    let mut scram = ScramClient::new(hash, "bob", Secret::new("secret"), None, "abc");
    let first = STANDARD.encode(scram.first());
    let challenge = if profile2 {
        c.request(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response>{wishes}</authenticate>"
        ))
        .await
    } else {
        c.request(&format!(
            "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>"
        ))
        .await
    };
    let ns = if profile2 { SASL2 } else { SASL };
    assert!(challenge.root().is("challenge", ns), "{}", text(&challenge));
    let message = STANDARD.decode(challenge.root().text().as_ref()).unwrap();
    let last = STANDARD.encode(scram.answer(&message).unwrap());
    (
        scram,
        message,
        format!("<response xmlns='{ns}'>{last}</response>"),
    )
}

async fn scram(c: &mut Client, profile2: bool) -> (String, Stanza) {
    let (scram, message, last) = scram_begin(c, profile2, "").await;
    let success = c.request(&last).await;
    let data = if profile2 {
        success
            .root()
            .child_text("additional-data", SASL2)
            .unwrap()
            .into_owned()
    } else {
        success.root().text().into_owned()
    };
    scram.verify(&STANDARD.decode(data).unwrap()).unwrap();
    (String::from_utf8(message).unwrap(), success)
}

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
