//! The authorization server for chat programs (XEP-0493): from its metadata to a token that is revoked.

use crate::support::{open, open_with};
use serde_json::{Value, json};
use waddle_core::Secret;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn query(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs()
        .find(|(k, _)| k == name)
        .map(|(_, v)| v.into_owned())
}

#[tokio::test]
async fn from_discovery_to_revocation() {
    let t = open().await;
    let session = t.person("alice").await;
    let m: Value = t
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .json();
    let issuer = m["issuer"].as_str().unwrap().to_owned();
    assert!(m["code_challenge_methods_supported"] == json!(["S256"]) && !issuer.ends_with('/'));
    let path = |name: &str| {
        m[name]
            .as_str()
            .unwrap()
            .strip_prefix(&*issuer)
            .unwrap()
            .to_owned()
    };

    let bad = t
        .post(&path("registration_endpoint"))
        .json(json!({"redirect_uris": ["http://evil.example/"]}))
        .send()
        .await;
    assert_eq!(
        (bad.status.as_u16(), bad.json()["error"].clone()),
        (400, json!("invalid_redirect_uri"))
    );
    let made = t
        .post(&path("registration_endpoint"))
        .json(json!({"client_name": "\u{202e}Chat\u{200b}ter\u{2066}", "redirect_uris": ["http://127.0.0.1/back"]}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["client_id"].as_str().unwrap().to_owned();

    let ask = |id: &str, uri: &str, method: &str| {
        format!(
            "{}?response_type=code&client_id={id}&redirect_uri={uri}&state=s%26t&code_challenge={CHALLENGE}&code_challenge_method={method}",
            path("authorization_endpoint")
        )
    };
    let uri = "http%3A%2F%2F127.0.0.1%3A4711%2Fback";
    // What cannot be trusted is not redirected to.
    for (id, uri) in [("x.y", uri), (&id, "https%3A%2F%2Fevil.example%2F")] {
        let r = t.get(&ask(id, uri, "S256")).send().await;
        assert_eq!(r.status, 400, "{}", r.text);
    }
    // Nobody is sent to a program before they have said yes or no.
    let r = t.get(&ask(&id, uri, "plain")).send().await;
    assert_eq!(r.status, 400, "{}", r.text);
    assert!(r.text.contains("invalid_request"), "{}", r.text);

    let r = t.get(&ask(&id, uri, "S256")).send().await;
    let consent = r.header("location").to_owned();
    let r = t.get(&consent).send().await;
    assert!(
        r.header("location").starts_with("/login?next=/oauth/consent/"),
        "nobody is logged in"
    );
    let cookie = format!("waddle_session={session}");
    let page = t.get(&consent).header("cookie", &cookie).send().await;
    assert!(
        page.text.contains("Chatter") && page.text.contains("alice@"),
        "{}",
        page.text
    );
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://127.0.0.1:4711")
    );
    let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap();
    let csrf = csrf.split('"').next().unwrap();
    let forged = t
        .post(&consent)
        .header("cookie", &cookie)
        .form("allow=yes&csrf=wrong")
        .send()
        .await;
    assert_eq!(forged.status, 403);
    let r = t
        .post(&consent)
        .header("cookie", &cookie)
        .form(&format!("allow=yes&csrf={csrf}"))
        .send()
        .await;
    let back = r.header("location").to_owned();
    assert!(back.starts_with("http://127.0.0.1:4711/back?"), "{back}");
    assert_eq!(query(&back, "state").as_deref(), Some("s&t"));
    assert_eq!(query(&back, "iss"), Some(issuer.clone()));
    let code = query(&back, "code").unwrap();

    let redeem = |code: &str, verifier: &str| {
        format!(
            "grant_type=authorization_code&code={code}&client_id={id}&redirect_uri={uri}&code_verifier={verifier}"
        )
    };
    let r = t
        .post(&path("token_endpoint"))
        .form(&redeem(&code, VERIFIER))
        .send()
        .await;
    assert_eq!(r.status, 200, "{}", r.text);
    let token = r.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(r.json()["token_type"], "Bearer");
    let again = t
        .post(&path("token_endpoint"))
        .form(&redeem(&code, VERIFIER))
        .send()
        .await;
    assert_eq!(again.json()["error"], "invalid_grant", "once");
    let who = t
        .identity
        .verify_token(&Secret::new(token.as_str()))
        .await
        .unwrap();
    assert_eq!(who.localpart, "alice");
    assert!(!t.identity.may_change_account(who.credential).await.unwrap());
    assert_eq!(t.identity.tokens(&who.user).await.unwrap()[0].label, "Chatter");

    t.post(&path("revocation_endpoint"))
        .form(&format!("token={token}"))
        .send()
        .await;
    assert!(t.identity.verify_token(&Secret::new(token)).await.is_err());
}

#[tokio::test]
async fn who_says_no_and_who_has_no_proof() {
    let t = open().await;
    let session = t.person("alice").await;
    let cookie = format!("waddle_session={session}");
    let made = t
        .post("/oauth/register")
        .json(json!({"redirect_uris": ["org.example.app:/back"]}))
        .send()
        .await;
    let id = made.json()["client_id"].as_str().unwrap().to_owned();
    let mut codes = Vec::new();
    for allow in ["no", "yes"] {
        let r = t
            .get(&format!(
                "/oauth/authorize?response_type=code&client_id={id}&redirect_uri=org.example.app%3A%2Fback&code_challenge={CHALLENGE}&code_challenge_method=S256"
            ))
            .send()
            .await;
        let consent = r.header("location").to_owned();
        let page = t.get(&consent).header("cookie", &cookie).send().await;
        let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap();
        let csrf = csrf.split('"').next().unwrap();
        let r = t
            .post(&consent)
            .header("cookie", &cookie)
            .form(&format!("allow={allow}&csrf={csrf}"))
            .send()
            .await;
        codes.push(r.header("location").to_owned());
        let twice = t.get(&consent).header("cookie", &cookie).send().await;
        assert_eq!(twice.status, 410);
    }
    assert_eq!(query(&codes[0], "error").as_deref(), Some("access_denied"));
    let code = query(&codes[1], "code").unwrap();
    let r = t
        .post("/oauth/token")
        .form(&format!(
            "grant_type=authorization_code&code={code}&client_id={id}&redirect_uri=org.example.app%3A%2Fback&code_verifier={}",
            "x".repeat(43)
        ))
        .send()
        .await;
    assert_eq!(
        (r.status.as_u16(), r.json()["error"].clone()),
        (400, json!("invalid_grant"))
    );
}

#[tokio::test]
async fn an_invitation_has_a_page() {
    let t = open().await;
    t.person("alice").await;
    let (_, new) = t.identity.invite(Some("alice"), None, true).await.unwrap();
    let page = t.get(new.url.path()).send().await;
    assert_eq!(page.status, 200);
    let uri = format!("?roster;preauth={};ibr=y", new.token.expose());
    assert!(
        page.text.contains(&uri) && page.text.contains("alice@"),
        "{}",
        page.text
    );
    let alice = t.identity.by_localpart("alice").await.unwrap().unwrap();
    t.identity.set_disabled(&alice.user, true).await.unwrap();
    let off = t.get(new.url.path()).send().await;
    assert_eq!(off.status, 404, "of somebody who is disabled");
    let none = t.get(&format!("/invite/{}", "0".repeat(32))).send().await;
    assert_eq!(none.status, 404, "{}", none.text);
}

#[tokio::test]
async fn who_asks_much_forgets_their_own() {
    let t = open_with(|http, _| http.limits.oauth_requests_each = 1).await;
    let session = t.person("alice").await;
    let made = t
        .post("/oauth/register")
        .json(json!({"client_name": "Chat", "redirect_uris": ["http://127.0.0.1/back"]}))
        .send()
        .await;
    let id = made.json()["client_id"].as_str().unwrap().to_owned();
    let path = format!(
        "/oauth/authorize?response_type=code&client_id={id}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fback&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let mut pages = Vec::new();
    for _ in 0..2 {
        let asked = t.get(&path).send().await;
        pages.push(asked.header("location").to_owned());
    }
    let cookie = format!("waddle_session={session}");
    let first = t.get(&pages[0]).header("cookie", &cookie).send().await;
    assert!(first.status.is_client_error(), "{}", first.text);
    let second = t.get(&pages[1]).header("cookie", &cookie).send().await;
    assert_eq!(second.status, 200, "{}", second.text);
}
