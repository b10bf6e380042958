//! What a waddle's people do with it beyond members and channels: roles, categories, overrides, bans, timeouts, requests
//! to join, discovery, handing over.

use crate::support::open;
use serde_json::{Value, json};

fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap();
    list.iter().map(|v| v[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn roles_categories_and_overrides() {
    let t = open().await;
    let (alice, bob, carol) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("carol").await,
    );
    t.waddle(&alice, "penguins", &["bob"]).await;

    // a role, with what it may do
    let made = t
        .post("/waddles/penguins/roles")
        .bearer(&alice)
        .json(json!({"name": "Keepers", "colour": "#1f8a70", "permissions": ["moderate", "pin"]}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let role = made.json()["id"].as_str().unwrap().to_owned();
    assert!(
        made.header("location")
            .ends_with(&format!("/waddles/penguins/roles/{role}"))
    );
    let at = format!("/waddles/penguins/roles/{role}");
    for bad in [
        json!({"name": "x", "permissions": ["fly"]}),
        json!({"name": "", "permissions": []}),
        json!({"name": "x", "colour": "red"}),
    ] {
        let no = t
            .post("/waddles/penguins/roles")
            .bearer(&alice)
            .json(bad)
            .send()
            .await;
        no.is_problem(422);
    }
    t.post("/waddles/penguins/roles")
        .bearer(&bob)
        .json(json!({"name": "Mine"}))
        .send()
        .await
        .is_problem(403);
    let given = t
        .ask("PUT", &format!("{at}/members/bob"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(given.status, 204, "{}", given.text);
    let shown = t
        .get("/waddles/penguins/members/bob")
        .bearer(&bob)
        .send()
        .await
        .json();
    assert_eq!(shown["roles"], json!([role]));
    let who = t.get(&format!("{at}/members")).bearer(&bob).send().await.json();
    assert_eq!(names(&who["members"], "user"), ["local:bob"]);
    let mine = t.get("/waddles/penguins").bearer(&bob).send().await.json();
    assert_eq!(mine["permissions"], json!(["moderate", "pin"]));
    assert_eq!(mine["members"], 2);
    let changed = t
        .ask("PATCH", &at)
        .bearer(&alice)
        .json(json!({"permissions": ["pin"], "colour": null}))
        .send()
        .await
        .json();
    assert_eq!(
        (&changed["permissions"], &changed["colour"]),
        (&json!(["pin"]), &Value::Null)
    );
    t.get(&at).bearer(&carol).send().await.is_problem(403);

    // categories and places
    let c = t
        .post("/waddles/penguins/categories")
        .bearer(&alice)
        .json(json!({"name": "Work"}))
        .send()
        .await;
    assert_eq!(c.status, 201, "{}", c.text);
    let category = c.json()["id"].as_str().unwrap().to_owned();
    let moved = t
        .ask("PATCH", "/waddles/penguins/channels/general")
        .bearer(&alice)
        .json(json!({"category": category, "slow_mode_seconds": 5, "retention_days": 30}))
        .send()
        .await
        .json();
    assert_eq!(
        (&moved["category"], &moved["position"]),
        (&json!(category), &json!(0))
    );
    assert_eq!(
        (&moved["slow_mode_seconds"], &moved["retention_days"]),
        (&json!(5), &json!(30))
    );
    let channels = t
        .get("/waddles/penguins/channels")
        .bearer(&bob)
        .send()
        .await
        .json();
    assert_eq!(names(&channels["channels"], "slug"), ["announcements", "general"]);
    let out = t
        .ask("PATCH", "/waddles/penguins/channels/general")
        .bearer(&alice)
        .json(json!({"category": null, "position": 0}))
        .send()
        .await
        .json();
    assert_eq!((&out["category"], &out["position"]), (&Value::Null, &json!(0)));
    let gone = t
        .ask("DELETE", &format!("/waddles/penguins/categories/{category}"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(gone.status, 204);

    // what a role and a person are given in one channel
    let path = "/waddles/penguins/channels/announcements/overrides";
    for whom in [format!("writer/role:{role}"), "manager/bob".to_owned()] {
        let set = t
            .ask("PUT", &format!("{path}/{whom}"))
            .bearer(&alice)
            .send()
            .await;
        assert_eq!(set.status, 204, "{whom}: {}", set.text);
    }
    t.ask("PUT", &format!("{path}/reader/bob"))
        .bearer(&alice)
        .send()
        .await
        .is_problem(400);
    let list = t.get(path).bearer(&bob).send().await.json();
    assert_eq!(
        list["overrides"],
        json!([
            {"user": null, "role": role, "relation": "writer"},
            {"user": "local:bob", "role": null, "relation": "manager"}
        ])
    );
    let taken = t
        .ask("DELETE", &format!("{path}/manager/bob"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(taken.status, 204);
    t.get(path).bearer(&bob).send().await.is_problem(403);
}

#[tokio::test]
async fn bans_and_timeouts_have_reasons_and_ends() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    t.waddle(&alice, "penguins", &["bob"]).await;
    let timeouts = "/waddles/penguins/timeouts";
    t.ask("PUT", &format!("{timeouts}/bob"))
        .bearer(&alice)
        .json(json!({"expires_at": "2001-01-01T00:00:00Z"}))
        .send()
        .await
        .is_problem(422);
    let soon = "2026-01-31T13:00:00Z";
    let set = t
        .ask("PUT", &format!("{timeouts}/bob"))
        .bearer(&alice)
        .json(json!({"expires_at": soon, "reason": "calm down"}))
        .send()
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    let own = t.get(&format!("{timeouts}/bob")).bearer(&bob).send().await.json();
    assert_eq!(
        (&own["reason"], &own["expires_at"]),
        (&json!("calm down"), &json!(soon))
    );
    let shown = t
        .get("/waddles/penguins/members/bob")
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(shown["timed_out_until"], json!(soon));
    t.get(timeouts).bearer(&bob).send().await.is_problem(403);
    assert_eq!(
        names(
            &t.get(timeouts).bearer(&alice).send().await.json()["timeouts"],
            "user"
        ),
        ["local:bob"]
    );
    let ended = t
        .ask("DELETE", &format!("{timeouts}/bob"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(ended.status, 204);
    t.ask("DELETE", &format!("{timeouts}/bob"))
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);

    let bans = "/waddles/penguins/bans";
    let set = t
        .ask("PUT", &format!("{bans}/bob"))
        .bearer(&alice)
        .json(json!({"reason": "spam", "expires_at": soon}))
        .send()
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert_eq!(set.json()["expires_at"], json!(soon));
    t.get("/waddles/penguins")
        .bearer(&bob)
        .send()
        .await
        .is_problem(403);
    let list = t.get(bans).bearer(&alice).send().await.json();
    assert_eq!(names(&list["bans"], "reason"), ["spam"]);
    let remote = t
        .ask("PUT", &format!("{bans}/troll@elsewhere.example"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(remote.status, 200, "{}", remote.text);
    assert_eq!(remote.json()["jid"], "troll@elsewhere.example");
    let lifted = t
        .ask("DELETE", &format!("{bans}/troll@elsewhere.example"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(lifted.status, 204);
    let lifted = t
        .ask("DELETE", &format!("{bans}/bob"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(lifted.status, 204);
    t.get(&format!("{bans}/bob"))
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);
}

#[tokio::test]
async fn finding_asking_joining_and_handing_over() {
    let t = open().await;
    let (alice, bob, carol) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("carol").await,
    );
    for (slug, visibility) in [("open", "public"), ("asked", "restricted"), ("secret", "private")] {
        let made = t
            .post("/waddles")
            .bearer(&alice)
            .json(json!({"slug": slug, "visibility": visibility}))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let change = t
        .ask("PATCH", "/waddles/asked")
        .bearer(&alice)
        .json(json!({"icon": "https://example.org/i.png", "settings": {"join_question": "Why?"}}))
        .send()
        .await;
    assert_eq!(change.status, 200, "{}", change.text);

    // without a login too
    let found = t.get("/discover").send().await.json();
    assert_eq!(found["waddles"].as_array().unwrap().len(), 2);
    let one = t.get("/discover?q=ask&limit=1").send().await.json();
    assert_eq!(one["waddles"][0]["join_question"], "Why?");
    assert_eq!(one["waddles"][0]["icon"], "https://example.org/i.png");
    let first = t.get("/discover?limit=1").send().await.json();
    let cursor = first["next"].as_str().unwrap();
    let rest = t
        .get(&format!("/discover?limit=1&cursor={cursor}"))
        .send()
        .await
        .json();
    assert_ne!(rest["waddles"][0]["slug"], first["waddles"][0]["slug"]);

    let joined = t.post("/waddles/open/join").bearer(&bob).send().await;
    assert_eq!(
        (joined.status.as_u16(), &joined.json()["role"]),
        (200, &json!("member"))
    );
    for slug in ["asked", "secret", "nothing"] {
        t.post(&format!("/waddles/{slug}/join"))
            .bearer(&bob)
            .send()
            .await
            .is_problem(403);
    }

    let asked = t
        .post("/waddles/asked/join-requests")
        .bearer(&bob)
        .json(json!({"message": "fish"}))
        .send()
        .await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    let request = asked.json()["id"].as_str().unwrap().to_owned();
    t.post("/waddles/asked/join-requests")
        .bearer(&bob)
        .send()
        .await
        .is_problem(409);
    t.post("/waddles/secret/join-requests")
        .bearer(&bob)
        .send()
        .await
        .is_problem(403);
    t.get("/waddles/asked/join-requests")
        .bearer(&bob)
        .send()
        .await
        .is_problem(403);
    let list = t
        .get("/waddles/asked/join-requests")
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(names(&list["join_requests"], "message"), ["fish"]);
    let yes = t
        .post(&format!("/waddles/asked/join-requests/{request}/accept"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(yes.status, 204, "{}", yes.text);
    assert_eq!(
        t.get("/waddles/asked").bearer(&bob).send().await.json()["role"],
        "member"
    );
    let again = t
        .post("/waddles/asked/join-requests")
        .bearer(&carol)
        .send()
        .await
        .json();
    let no = t
        .post(&format!(
            "/waddles/asked/join-requests/{}/refuse",
            again["id"].as_str().unwrap()
        ))
        .bearer(&alice)
        .json(json!({"reason": "who?"}))
        .send()
        .await;
    assert_eq!(no.status, 204);
    let mine = t
        .get("/waddles/asked/join-requests/mine")
        .bearer(&carol)
        .send()
        .await
        .json();
    assert!(mine["refused_at"].is_string());

    let handed = t
        .post("/waddles/open/transfer")
        .bearer(&alice)
        .json(json!({"to": "bob"}))
        .send()
        .await;
    assert_eq!(
        (handed.status.as_u16(), &handed.json()["role"]),
        (200, &json!("admin"))
    );
    let owner = t.get("/waddles/open").bearer(&bob).send().await.json();
    assert_eq!(owner["role"], "owner");
}
