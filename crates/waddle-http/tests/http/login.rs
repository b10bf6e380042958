//! `/auth/*`: local accounts, cookies and CSRF, tokens, login with Bluesky against a made-up network.
#[path = "../../../waddle-identity/tests/support/fake.rs"]
#[allow(dead_code, reason = "shared with the identity crate")]
mod fake;

use crate::support::{Setup, open, open_with};
use fake::{ALICE, BOB, Fake};
use serde_json::json;
use waddle_core::Secret;

#[tokio::test]
async fn a_local_account_gets_a_session_and_a_token() {
    let t = open().await;
    t.person("alice").await;
    let login = json!({"username": "alice@example.org", "password": "correct horse"});
    for path in ["/auth/session", "/api/v1/auth/session"] {
        let r = t.post(path).json(login.clone()).send().await;
        assert_eq!(r.status, 200, "{}", r.text);
        let v = r.json();
        assert_eq!(
            (v["jid"].as_str(), v["user"].as_str()),
            (Some("alice@example.org"), Some("local:alice"))
        );
        assert!(v["expires_at"].as_str().unwrap().ends_with('Z'));
        assert!(r.cookie("waddle_session").is_none(), "JSON gets no cookie");
        let bearer = v["access_token"].as_str().unwrap().to_owned();

        let me = t.get("/auth/session").bearer(&bearer).send().await.json();
        assert_eq!(me["jid"], "alice@example.org");

        let token = t.post("/auth/xmpp-token").bearer(&bearer).send().await;
        assert_eq!(token.header("cache-control"), "no-store");
        let token = token.json();
        assert_eq!(token["jid"], "alice@example.org");
        assert_eq!(
            (token["xmpp_host"].as_str(), token["xmpp_port"].as_u64()),
            (Some("xmpp.example.org"), Some(5222))
        );
        assert_eq!(token["websocket_url"], "ws://127.0.0.1:3000/xmpp-websocket");
        assert!(
            token["expires_at"]
                .as_str()
                .unwrap()
                .parse::<waddle_core::Timestamp>()
                .is_ok()
        );
        let secret = Secret::new(token["token"].as_str().unwrap());
        assert!(t.identity.verify_plain("alice", &secret).await.is_ok());

        let list = t.get("/auth/tokens").bearer(&bearer).send().await;
        assert!(!list.text.contains(secret.expose()));
        let id = token["id"].as_str().unwrap();
        let revoke = || t.ask("DELETE", &format!("/auth/tokens/{id}")).bearer(&bearer);
        assert_eq!(revoke().send().await.status, 204);
        revoke().send().await.is_problem(404);
        assert!(t.identity.verify_plain("alice", &secret).await.is_err());

        assert_eq!(t.post("/auth/logout").bearer(&bearer).send().await.status, 204);
        t.get("/auth/session")
            .bearer(&bearer)
            .send()
            .await
            .is_problem(401);
    }
    for bad in [
        json!({"username": "alice", "password": "x"}),
        json!({"username": "nobody", "password": "correct horse"}),
    ] {
        t.post("/auth/session").json(bad).send().await.is_problem(401);
    }
    t.post("/auth/session")
        .json(json!({"username": "alice"}))
        .send()
        .await
        .is_problem(400);
    t.post("/auth/xmpp-token").send().await.is_problem(401);
    t.post("/auth/xmpp-token")
        .bearer("wdt_not-a-session")
        .send()
        .await
        .is_problem(401);
}

#[tokio::test]
async fn another_persons_token_is_not_there() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    let token = t.post("/auth/xmpp-token").bearer(&alice).send().await.json();
    let path = format!("/auth/tokens/{}", token["id"].as_str().unwrap());
    t.ask("DELETE", &path).bearer(&bob).send().await.is_problem(404);
    t.ask("DELETE", "/auth/tokens/x")
        .bearer(&bob)
        .send()
        .await
        .is_problem(404);
    let secret = Secret::new(token["token"].as_str().unwrap());
    assert!(t.identity.verify_plain("alice", &secret).await.is_ok());
}

async fn cookie_login(t: &Setup) -> String {
    let r = t
        .post("/auth/session")
        .form("username=alice&password=correct+horse")
        .send()
        .await;
    assert_eq!(
        (r.status.as_u16(), r.header("location")),
        (303, "/"),
        "{}",
        r.text
    );
    r.cookie("waddle_session").unwrap()
}

#[tokio::test]
async fn a_form_gets_a_cookie_and_changes_need_the_csrf_token() {
    let t = open().await;
    t.person("alice").await;
    let cookie = cookie_login(&t).await;
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "plain http");
    let me = t.get("/auth/session").cookie(&cookie).send().await.json();
    let csrf = me["csrf_token"].as_str().unwrap();

    t.post("/auth/xmpp-token")
        .cookie(&cookie)
        .send()
        .await
        .is_problem(403);
    t.post("/auth/xmpp-token")
        .cookie(&cookie)
        .header("x-csrf-token", "x")
        .send()
        .await
        .is_problem(403);
    t.post("/waddles")
        .cookie(&cookie)
        .json(json!({"slug": "penguins"}))
        .send()
        .await
        .is_problem(403);
    t.post("/auth/logout")
        .cookie(&cookie)
        .form("csrf=x")
        .send()
        .await
        .is_problem(403);
    let ok = t
        .post("/auth/xmpp-token")
        .cookie(&cookie)
        .header("x-csrf-token", csrf)
        .send()
        .await;
    assert_eq!(ok.status, 200);
    let made = t.post("/waddles").cookie(&cookie).header("x-csrf-token", csrf);
    assert_eq!(made.json(json!({"slug": "penguins"})).send().await.status, 201);

    // the pages work without script: the token is a field of the form
    let home = t.get("/").cookie(&cookie).send().await;
    assert!(
        home.text.contains("alice@example.org") && home.text.contains(csrf) && home.text.contains("penguins")
    );
    let page = t
        .post("/auth/xmpp-token")
        .cookie(&cookie)
        .form(&format!("csrf={csrf}&label=Gajim"))
        .send()
        .await;
    assert!(page.status == 200 && page.text.contains("wdt_") && page.text.contains("xmpp.example.org"));
    let cross = t
        .post("/auth/xmpp-token")
        .cookie(&cookie)
        .header("sec-fetch-site", "cross-site")
        .form(&format!("csrf={csrf}"));
    cross.send().await.is_problem(403);

    let out = t
        .post("/auth/logout")
        .cookie(&cookie)
        .form(&format!("csrf={csrf}"))
        .send()
        .await;
    assert_eq!(out.status, 303);
    assert!(out.cookie("waddle_session").unwrap().contains("Max-Age=0"));
    t.get("/auth/session")
        .cookie(&cookie)
        .send()
        .await
        .is_problem(401);
}

/// Another site must not log a browser in as somebody of its choice.
#[tokio::test]
async fn a_login_form_of_another_site_is_refused() {
    let t = open().await;
    t.person("alice").await;
    let form = "username=alice&password=correct+horse";
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let r = t
            .post("/auth/session")
            .header(name, value)
            .form(form)
            .send()
            .await;
        assert_eq!(r.status, 403, "{name}: {value}");
        assert!(r.cookie("waddle_session").is_none());
    }
    let r = t
        .post("/auth/session")
        .header("origin", "http://127.0.0.1:3000")
        .form(form)
        .send()
        .await;
    assert_eq!(r.status, 303);
}

#[tokio::test]
async fn cookies_of_an_https_server() {
    let t = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    t.person("alice").await;
    let r = t
        .post("/auth/session")
        .form("username=alice&password=correct+horse&next=/invite/x")
        .send()
        .await;
    assert_eq!(r.header("location"), "/invite/x");
    let cookie = r.cookie("__Host-waddle_session").unwrap();
    assert!(
        cookie.contains("; Secure") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    let r = t
        .post("/auth/session")
        .form("username=alice&password=correct+horse&next=//evil.example")
        .send()
        .await;
    assert_eq!(r.header("location"), "/", "no open redirect");
}

#[tokio::test]
async fn pages_show_no_markup_of_strangers() {
    let t = open().await;
    let r = t
        .get("/auth/login?handle=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        .send()
        .await;
    assert_eq!(r.status, 400);
    assert!(
        !r.text.contains("<script") && r.text.contains("&lt;script"),
        "{}",
        r.text
    );
    assert!(
        r.header("content-security-policy")
            .contains("form-action 'self' https:;")
    );
    let r = t.get("/login?next=%22%3E%3Cb%3E").send().await;
    assert!(!r.text.contains("<b>"));
    let r = t.get("/auth/callback?error=%3Cscript%3E&state=x").send().await;
    assert!(r.status == 403 && !r.text.contains("<script"));
}

async fn bluesky() -> (Fake, Setup) {
    let fake = Fake::start().await;
    let t = open_with(|_, id| {
        id.atproto.plc_url = fake.base.parse().unwrap();
        id.atproto.handle_resolver = Some(fake.base.parse().unwrap());
        id.atproto.allow_http_loopback = true;
    })
    .await;
    (fake, t)
}

fn answer_of(fake: &Fake) -> String {
    let q = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("code", "c")
        .append_pair("state", &fake.state())
        .append_pair("iss", &fake.base)
        .finish();
    format!("/auth/callback?{q}")
}

#[tokio::test]
async fn login_with_bluesky() {
    let (fake, t) = bluesky().await;
    let begin = t
        .get("/auth/login?handle=alice.test&next=/invite/abc")
        .send()
        .await;
    assert_eq!(begin.status, 303);
    assert!(
        begin
            .header("location")
            .starts_with(&format!("{}/authorize?", fake.base))
    );
    let browser = begin.cookie("waddle_login").unwrap();
    assert!(browser.contains("HttpOnly") && browser.contains("SameSite=Lax"));
    let next = begin.cookie("waddle_next").unwrap();
    let both = format!(
        "{}; {}",
        browser.split(';').next().unwrap(),
        next.split(';').next().unwrap()
    );
    let done = t.get(&answer_of(&fake)).header("cookie", both).send().await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/invite/abc"),
        "{}",
        done.text
    );
    let session = done.cookie("waddle_session").unwrap();
    assert!(done.cookie("waddle_login").unwrap().contains("Max-Age=0"));
    let me = t.get("/auth/session").cookie(&session).send().await.json();
    assert_eq!(
        (me["did"].as_str(), me["handle"].as_str()),
        (Some(ALICE), Some("alice.test"))
    );
    assert_eq!(me["jid"], format!("{}@example.org", "a".repeat(24)));
}

#[tokio::test]
async fn logins_that_fail_get_a_page_and_no_session() {
    let (fake, t) = bluesky().await;
    let begin = async || {
        t.get("/auth/login?handle=alice.test")
            .send()
            .await
            .cookie("waddle_login")
            .unwrap()
    };

    begin().await;
    let r = t.get(&answer_of(&fake)).send().await;
    assert_eq!(r.status, 403, "another browser");
    assert!(r.text.contains("another browser") && r.cookie("waddle_session").is_none());

    let browser = begin().await;
    *fake.token.lock().unwrap() =
        json!({"access_token": "a", "token_type": "DPoP", "scope": "atproto", "sub": BOB});
    let r = t.get(&answer_of(&fake)).cookie(&browser).send().await;
    assert!(r.status == 403 && r.text.contains("another account") && r.cookie("waddle_session").is_none());

    let browser = begin().await;
    let path = format!(
        "/auth/callback?error=access_denied&state={}&iss={}",
        fake.state(),
        fake.base
    );
    let r = t.get(&path).cookie(&browser).send().await;
    assert!(r.status == 403 && r.text.contains("not allowed"));
    let r = t.get(&path).cookie(&browser).send().await;
    assert!(
        r.status == 403 && r.text.contains("expired"),
        "the state is used up"
    );

    let r = t.get("/auth/login?handle=nobody.test").send().await;
    assert!(r.status == 422 && r.text.contains("value=\"nobody.test\""));
    assert!(r.cookie("waddle_login").is_none());
}

/// One address cannot take all the places for logins under way.
#[tokio::test]
async fn logins_that_are_begun_and_left_are_throttled_by_address() {
    let (fake, t) = bluesky().await;
    let begin = async |addr: &str| t.get("/auth/login?handle=alice.test").from(addr).send().await;
    let most = t.config.limits.rate_failed_logins.count;
    for _ in 0..most + 5 {
        let browser = begin("192.0.2.1").await.cookie("waddle_login").unwrap();
        let done = t
            .get(&answer_of(&fake))
            .cookie(&browser)
            .from("192.0.2.1")
            .send()
            .await;
        assert_eq!(done.status, 303, "completed ones do not count");
    }
    for _ in 0..most {
        assert_eq!(begin("192.0.2.1").await.status, 303);
    }
    let r = begin("192.0.2.1").await;
    assert!(r.status == 429 && r.text.contains("try again"), "{}", r.text);
    assert_eq!(begin("192.0.2.2").await.status, 303);
}
