//! What is refused, and why: scopes, tokens, permissions before anything else is asked.

use crate::support::open;
use serde_json::json;

use super::token;

#[tokio::test]
async fn kicks_and_bans_need_their_scope() {
    let t = open().await;
    let alice = t.person("alice").await;
    for user in ["bob", "carol", "dora"] {
        t.person(user).await;
    }
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    for user in ["bob", "carol", "dora"] {
        t.post("/waddles/penguins/members")
            .bearer(&alice)
            .json(json!({"user": user}))
            .send()
            .await;
    }
    let (manage, moderate) = (
        token(&t, &alice, "manage").await,
        token(&t, &alice, "moderate").await,
    );
    let end = async |with: &str, who: &str, how: &str| {
        let path = format!("/waddles/penguins/members/{who}?how={how}");
        t.ask("DELETE", &path).bearer(with).send().await
    };
    for how in ["kicked", "banned"] {
        let refused = end(&manage, "bob", how).await.is_problem(403);
        assert_eq!(refused["type"], "urn:waddle:problem:scope");
    }
    end(&moderate, "bob", "removed").await.is_problem(403);
    assert_eq!(end(&manage, "bob", "removed").await.status, 204);
    assert_eq!(end(&moderate, "carol", "kicked").await.status, 204);
    assert_eq!(end(&moderate, "dora", "banned").await.status, 204);
}

#[tokio::test]
async fn a_token_that_is_none_is_told_so() {
    let t = open().await;
    let wrong = t.get("/api/v1/waddles").bearer("wdp_nonsense").send().await;
    assert_eq!(wrong.is_problem(401)["type"], "urn:waddle:problem:invalid-token");
    assert!(
        wrong
            .header("www-authenticate")
            .contains("error=\"invalid_token\""),
        "{}",
        wrong.header("www-authenticate")
    );
    let nobody = t.get("/api/v1/waddles").send().await;
    assert_eq!(nobody.is_problem(401)["type"], "urn:waddle:problem:unauthorized");
    assert!(!nobody.header("www-authenticate").contains("error"));
    // what is for anybody is for those too whose token has ended
    assert_eq!(
        t.get("/api/v1/discover")
            .bearer("wdp_nonsense")
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_network_is_asked_for_those_alone_who_may() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins", "visibility": "public"}))
        .send()
        .await;
    // a handle that no answer comes for
    let add = |who: &str| {
        t.post("/waddles/penguins/members")
            .bearer(who)
            .json(json!({"user": "nobody.invalid"}))
    };
    add(&bob).send().await.is_problem(403);
    let ban = |who: &str| t.ask("PUT", "/waddles/penguins/bans/nobody.invalid").bearer(who);
    let refused = ban(&bob).send().await.is_problem(403);
    assert_eq!(refused["type"], "urn:waddle:problem:forbidden");
    let unknown = ban(&alice).send().await;
    assert!(unknown.status.is_client_error() || unknown.status.is_server_error());
    assert_ne!(unknown.status, 403, "{}", unknown.text);
}
