//! `/waddles` and what lies below.

use crate::support::open;
use serde_json::json;

#[tokio::test]
async fn a_waddle_from_its_making_to_its_end() {
    let t = open().await;
    let (alice, bob, carol) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("carol").await,
    );

    let made = t
        .post("/api/v1/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins", "name": "Penguins"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let w = made.json();
    assert_eq!(
        (w["slug"].as_str(), w["visibility"].as_str(), w["role"].as_str()),
        (Some("penguins"), Some("private"), Some("owner"))
    );
    assert_eq!(
        made.header("location"),
        "http://127.0.0.1:3000/api/v1/waddles/penguins"
    );
    let again = t
        .post("/waddles")
        .bearer(&bob)
        .json(json!({"slug": "penguins", "name": "Other"}))
        .send()
        .await;
    again.is_problem(409);

    // its channels
    let shown = t.get("/waddles/penguins").bearer(&alice).send().await.json();
    let general = shown["channels"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["slug"] == "general")
        .unwrap()
        .clone();
    assert_eq!(general["jid"], "penguins.general@muc.example.org");
    assert_eq!(general["room_id"], "penguins/general");
    assert_eq!(shown["channels"].as_array().unwrap().len(), 2);
    let c = t
        .post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "The Sensors", "type": "text"}))
        .send()
        .await;
    assert_eq!(
        (c.status.as_u16(), c.json()["slug"].as_str()),
        (201, Some("the-sensors"))
    );
    assert_eq!(c.json()["jid"], "penguins.the-sensors@muc.example.org");
    let taken = t
        .post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "The Sensors"}))
        .send()
        .await;
    taken.is_problem(409);

    // a stranger learns nothing, whether it exists or not
    for path in [
        "/waddles/penguins",
        "/waddles/nothing",
        "/waddles/penguins/members",
        "/waddles/penguins/channels",
        "/waddles/penguins/channels/general",
        "/waddles/penguins/channels/nothing",
        "/api/v1/waddles/penguins/invites",
    ] {
        t.get(path).bearer(&carol).send().await.is_problem(403);
    }
    t.post("/waddles/penguins/invites")
        .bearer(&carol)
        .send()
        .await
        .is_problem(403);
    t.ask("DELETE", "/waddles/penguins")
        .bearer(&carol)
        .send()
        .await
        .is_problem(403);

    // an invite
    let invite = t
        .post("/waddles/penguins/invites")
        .bearer(&alice)
        .json(json!({"max_uses": 1}))
        .send()
        .await;
    assert_eq!(invite.status, 201, "{}", invite.text);
    let invite = invite.json();
    let code = invite["code"].as_str().unwrap();
    assert_eq!(invite["url"], format!("http://127.0.0.1:3000/invite/{code}"));
    let listed = t.get("/waddles/penguins/invites").bearer(&alice).send().await;
    assert!(!listed.text.contains(code) && listed.json()["invites"].as_array().unwrap().len() == 1);
    assert_eq!(
        t.get(&format!("/invites/{code}"))
            .bearer(&bob)
            .send()
            .await
            .json()["waddle"]["name"],
        "Penguins"
    );
    t.post("/waddles/penguins/invites/nonsense/accept")
        .bearer(&bob)
        .send()
        .await
        .is_problem(404);
    t.post(&format!("/waddles/others/invites/{code}/accept"))
        .bearer(&bob)
        .send()
        .await
        .is_problem(404);
    let joined = t
        .post(&format!("/api/v1/waddles/penguins/invites/{code}/accept"))
        .bearer(&bob)
        .send()
        .await;
    assert_eq!(
        (joined.status.as_u16(), joined.json()["role"].as_str()),
        (200, Some("member")),
        "{}",
        joined.text
    );
    let used = t
        .post(&format!("/waddles/penguins/invites/{code}/accept"))
        .bearer(&carol)
        .send()
        .await;
    assert!(used.status == 410 || used.status == 404, "{}", used.text);

    // members
    let members = t
        .get("/waddles/penguins/members?limit=1")
        .bearer(&bob)
        .send()
        .await
        .json();
    assert_eq!(
        (
            members["total"].as_u64(),
            members["members"].as_array().unwrap().len()
        ),
        (Some(2), 1)
    );
    let one = t
        .get("/waddles/penguins/members/bob@example.org")
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(
        (one["jid"].as_str(), one["role"].as_str()),
        (Some("bob@example.org"), Some("member"))
    );
    let kick = |who: &str, by: &str| {
        t.ask("DELETE", &format!("/waddles/penguins/members/{who}"))
            .bearer(by)
    };
    kick("alice@example.org", &bob).send().await.is_problem(403);
    kick("nobody", &alice).send().await.is_problem(404);
    let changed = t
        .ask("PATCH", "/waddles/penguins/members/bob")
        .bearer(&alice)
        .json(json!({"role": "moderator"}))
        .send()
        .await;
    assert_eq!(changed.json()["role"], "moderator");
    let added = t
        .post("/waddles/penguins/members")
        .bearer(&alice)
        .json(json!({"user": "carol"}))
        .send()
        .await;
    assert_eq!(added.status, 201, "{}", added.text);
    assert_eq!(
        t.get("/waddles").bearer(&carol).send().await.json()["waddles"][0]["role"],
        "member"
    );
    assert_eq!(kick("carol@example.org", &alice).send().await.status, 204);
    t.get("/waddles/penguins")
        .bearer(&carol)
        .send()
        .await
        .is_problem(403);
    assert_eq!(kick("bob", &bob).send().await.status, 204, "leaving");
    assert!(
        t.get("/waddles").bearer(&bob).send().await.json()["waddles"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    // a member gets 404 for what is not there
    t.get("/waddles/penguins/channels/nothing")
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);
    let renamed = t
        .ask("PATCH", "/waddles/penguins")
        .bearer(&alice)
        .json(json!({"name": "Birds"}))
        .send()
        .await;
    assert_eq!(renamed.json()["name"], "Birds");
    t.ask("PATCH", "/waddles/penguins")
        .bearer(&alice)
        .json(json!({"slug": "birds"}))
        .send()
        .await
        .is_problem(422);
    assert_eq!(
        t.ask("DELETE", "/waddles/penguins/channels/the-sensors")
            .bearer(&alice)
            .send()
            .await
            .status,
        204
    );
    assert_eq!(
        t.ask("DELETE", "/waddles/penguins")
            .bearer(&alice)
            .send()
            .await
            .status,
        204
    );
    t.get("/waddles/penguins")
        .bearer(&alice)
        .send()
        .await
        .is_problem(403);
}

#[tokio::test]
async fn an_invite_link_in_a_browser() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.person("bob").await;
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins", "name": "<b>Penguins"}))
        .send()
        .await;
    let invite = t
        .post("/waddles/penguins/invites")
        .bearer(&alice)
        .send()
        .await
        .json();
    let link = format!("/invite/{}", invite["code"].as_str().unwrap());
    let page = t.get(&link).send().await;
    assert!(
        page.text.contains("&lt;b&gt;Penguins") && page.text.contains(&format!("/login?next={link}")),
        "{link} {}: {}",
        page.status,
        page.text
    );
    let login = t
        .post("/auth/session")
        .form(&format!("username=bob&password=correct+horse&next={link}"))
        .send()
        .await;
    assert_eq!(login.header("location"), link);
    let cookie = login.cookie("waddle_session").unwrap();
    let csrf = t.get("/auth/session").cookie(&cookie).send().await.json()["csrf_token"]
        .as_str()
        .unwrap()
        .to_owned();
    t.post(&link)
        .cookie(&cookie)
        .form("csrf=")
        .send()
        .await
        .is_problem(403);
    let joined = t
        .post(&link)
        .cookie(&cookie)
        .form(&format!("csrf={csrf}"))
        .send()
        .await;
    assert_eq!(joined.header("location"), "/");
    assert!(
        t.get("/")
            .cookie(&cookie)
            .send()
            .await
            .text
            .contains("penguins.general@muc.example.org")
    );
    assert_eq!(t.get("/invite/none").send().await.status, 404);
}
