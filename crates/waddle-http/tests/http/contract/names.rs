//! Names are the same everywhere, and a page misses nothing.

use crate::support::{open, rooms::with_rooms};
use serde_json::{Value, json};

use super::{patch, token};

#[tokio::test]
async fn one_name_everywhere() {
    let (t, ..) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let carol = t.person("carol").await;
    let at = "/channels/penguins.general/messages";
    let said = t
        .post(at)
        .bearer(&bob)
        .json(json!({"body": "squawk"}))
        .send()
        .await;
    assert_eq!(
        said.json()["author"]["display_name"],
        Value::Null,
        "{}",
        said.text
    );
    let id = said.json()["id"].as_str().unwrap().to_owned();

    let named = patch(
        &t,
        &bob,
        "/account",
        json!({"display_name": "  Bob the Penguin "}),
    )
    .await;
    assert_eq!(
        (named.status.as_u16(), &named.json()["display_name"]),
        (200, &json!("Bob the Penguin"))
    );
    let shown = t.get("/account").bearer(&bob).send().await.json();
    assert_eq!(shown["display_name"], "Bob the Penguin");
    let name = |v: &Value| v["author"]["display_name"].clone();
    let get = async |who: &str, path: &str| t.get(path).bearer(who).send().await.json();
    for (path, place) in [
        (format!("{at}/{id}"), ""),
        (at.to_owned(), "/messages/0"),
        (format!("{at}/{id}/context"), "/messages/0"),
        ("/waddles/penguins/search?q=squawk".into(), "/results/0/message"),
        ("/inbox".into(), "/conversations/0/last_message"),
    ] {
        let found = get(&alice, &path).await;
        let message = found.pointer(place).unwrap_or_else(|| panic!("{path}: {found}"));
        assert_eq!(name(message), "Bob the Penguin", "{path}: {found}");
    }
    let context = get(&alice, &format!("{at}/{id}/context")).await;
    assert!(context.get("more").is_none(), "{context}");
    let members = get(&alice, "/waddles/penguins/members").await;
    let names: Vec<&Value> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["display_name"])
        .collect();
    assert_eq!(names, [&Value::Null, &json!("Bob the Penguin")], "{members}");
    // who is no member is not told who is behind the nickname, nor their name
    let stranger = get(&carol, &format!("{at}/{id}")).await;
    assert_eq!(
        (&stranger["body"], &stranger["author"]["user"], name(&stranger)),
        (&json!("squawk"), &Value::Null, Value::Null)
    );
    // from now on it is the nickname over HTTP
    let next = t
        .post(at)
        .bearer(&bob)
        .json(json!({"body": "again"}))
        .send()
        .await;
    assert_eq!(next.json()["author"]["nick"], "Bob the Penguin", "{}", next.text);

    for bad in ["x".repeat(101), "a\nb".into(), "a\u{202e}b".into()] {
        patch(&t, &bob, "/account", json!({"display_name": bad}))
            .await
            .is_problem(422);
    }
    patch(&t, &bob, "/account", json!({"name": "x"}))
        .await
        .is_problem(422);
    let reads = token(&t, &bob, "read").await;
    patch(&t, &reads, "/account", json!({"display_name": "x"}))
        .await
        .is_problem(403);
    let writes = token(&t, &bob, "account").await;
    let none = patch(&t, &writes, "/account", json!({"display_name": ""})).await;
    assert_eq!(
        (none.status.as_u16(), &none.json()["display_name"]),
        (200, &Value::Null)
    );
    assert_eq!(name(&get(&alice, &format!("{at}/{id}")).await), Value::Null);
}

#[tokio::test]
async fn the_document_means_what_it_says() {
    let t = open().await;
    let document = t.get("/api/v1/openapi.json").send().await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for way in operation["security"].as_array().unwrap() {
                // several in one would all be needed
                for scopes in way.as_object().unwrap().values() {
                    assert!(scopes.as_array().unwrap().len() <= 1, "{method} {path}: {way}");
                }
            }
        }
    }
    let mut seen = 0;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let text = schema.to_string();
        for word in ["\"made_at\"", "\"made_by\""] {
            assert!(
                !text.contains(word),
                "{name} has {word}, others created_at, created_by"
            );
        }
        seen += 1;
    }
    assert!(seen > 100);
    let outgoing = &document["components"]["schemas"]["NewOutgoingWebhookBody"]["required"];
    assert_eq!(*outgoing, json!(["url"]));
}

#[tokio::test]
async fn devices_come_page_by_page() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    let at = "/waddles/penguins/devices";
    for name in ["c", "a", "d", "b"] {
        let made = t
            .post(at)
            .bearer(&alice)
            .json(json!({"name": name, "topics": [name]}))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert!(made.json()["created_at"].is_string() && made.json()["created_by"] == "local:alice");
    }
    let page = async |cursor: &Value| {
        let cursor = cursor
            .as_str()
            .map(|c| format!("&cursor={c}"))
            .unwrap_or_default();
        let page = t
            .get(&format!("{at}?limit=2{cursor}"))
            .bearer(&alice)
            .send()
            .await
            .json();
        let names: Vec<String> = page["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect();
        (names, page["next"].clone())
    };
    let (names, next) = page(&Value::Null).await;
    assert_eq!(names, ["a", "b"]);
    // what goes in between moves nothing
    t.ask("DELETE", &format!("{at}/a")).bearer(&alice).send().await;
    let (names, next) = page(&next).await;
    assert_eq!(names, ["c", "d"]);
    assert_eq!(page(&next).await, (Vec::new(), Value::Null));
}
