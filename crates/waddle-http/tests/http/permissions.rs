//! `/waddles/{w}/permissions/…`: questions, tuples, watching; for who manages roles, and nobody else.

use crate::support::{Answer, Setup, open};
use serde_json::{Value, json};
use waddle_core::{UserId, WaddleId};

struct World {
    t: Setup,
    /// The owner's token, and a plain member's.
    olga: String,
    bob: String,
    w: WaddleId,
    /// `channel:<id>` of general.
    general: String,
}

impl World {
    async fn new() -> Self {
        let t = open().await;
        let (olga, bob) = (t.person("olga").await, t.person("bob").await);
        let body = json!({"slug": "penguins", "name": "Penguins"});
        let made = t.post("/waddles").bearer(&olga).json(body).send().await;
        assert_eq!(made.status, 201, "{}", made.text);
        let w: WaddleId = made.json()["id"].as_str().unwrap().parse().unwrap();
        let body = json!({"user": "bob"});
        let added = t
            .post("/waddles/penguins/members")
            .bearer(&olga)
            .json(body)
            .send()
            .await;
        assert_eq!(added.status, 201, "{}", added.text);
        let shown = t.get("/waddles/penguins").bearer(&olga).send().await.json();
        let channels = shown["channels"].as_array().unwrap();
        let general = channels.iter().find(|c| c["slug"] == "general").unwrap();
        let general = format!("channel:{}", general["id"].as_str().unwrap());
        Self {
            t,
            olga,
            bob,
            w,
            general,
        }
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        let path = format!("/api/v1/waddles/penguins/permissions/{path}");
        self.t.post(&path).bearer(token).json(body).send().await
    }

    async fn asked(&self, path: &str, body: Value) -> Value {
        let answer = self.post(&self.olga, path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        let path = format!("/api/v1/waddles/penguins/permissions/{path}");
        self.t.get(&path).bearer(token).send().await
    }

    fn question(&self, relation: &str, who: &str) -> Value {
        json!({"object": self.general, "relation": relation, "subject": who})
    }

    async fn audit(&self) -> Vec<(String, String, String)> {
        let all = self
            .t
            .deps
            .community
            .audit(waddle_community::Actor::System, self.w, None, 100)
            .await
            .unwrap();
        all.into_iter().map(|e| (e.action, e.target, e.detail)).collect()
    }
}

const BOB: &str = "user:local:bob";

#[tokio::test]
async fn questions_are_answered_to_managers_alone() {
    let w = World::new().await;
    let told = w.asked("check", w.question("speak", BOB)).await;
    assert_eq!(
        (&told["allowed"], &told["decision"]),
        (&json!(true), &json!("allowed"))
    );
    let told = w.asked("check", w.question("moderate", BOB)).await;
    assert_eq!(
        (&told["allowed"], &told["decision"]),
        (&json!(false), &json!("denied"))
    );
    // Everybody else is told the same, whether the waddle exists or not.
    let stranger = w.t.person("eve").await;
    for token in [&w.bob, &stranger] {
        for path in ["check", "explain"] {
            w.post(token, path, w.question("speak", BOB))
                .await
                .is_problem(403);
        }
        w.post(token, "batch-check", json!({"questions": []}))
            .await
            .is_problem(403);
        let body = json!({"object": w.general, "relation": "speak"});
        w.post(token, "expand", body.clone()).await.is_problem(403);
        w.post(token, "list-users", body).await.is_problem(403);
        let body = json!({"type": "channel", "relation": "speak", "subject": BOB});
        w.post(token, "list-objects", body).await.is_problem(403);
        w.post(token, "tuples", json!({})).await.is_problem(403);
        for path in ["tuples", "changes", "schema"] {
            w.get(token, path).await.is_problem(403);
        }
    }
    let nowhere = "/api/v1/waddles/nowhere/permissions/check";
    let body = w.question("speak", BOB);
    w.t.post(nowhere)
        .bearer(&w.olga)
        .json(body.clone())
        .send()
        .await
        .is_problem(403);
    w.t.post("/api/v1/waddles/penguins/permissions/check")
        .json(body)
        .send()
        .await
        .is_problem(401);

    // What is wrong is said.
    let why = w
        .post(&w.olga, "check", w.question("speek", BOB))
        .await
        .is_problem(422);
    assert!(
        why["detail"].as_str().unwrap().contains("did you mean `speak`?"),
        "{why}"
    );
    w.post(&w.olga, "check", w.question("speak", "bob"))
        .await
        .is_problem(422);
    let mut odd = w.question("speak", BOB);
    odd["consistency"] = json!({"at_least": "AAAA"});
    assert_eq!(w.post(&w.olga, "check", odd).await.is_problem(400)["status"], 400);

    let batch = json!({"questions": [
        w.question("speak", BOB), w.question("manage", BOB), w.question("speek", BOB),
    ]});
    let told = w.asked("batch-check", batch).await;
    let answers = told["answers"].as_array().unwrap();
    assert_eq!(
        answers.iter().map(|a| a["allowed"] == true).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(
        (&answers[1]["decision"], &answers[1]["error"]),
        (&json!("denied"), &Value::Null)
    );
    assert_eq!(
        (&answers[2]["decision"], &answers[2]["error"]),
        (&Value::Null, &json!("invalid"))
    );
    let many: Vec<Value> = (0..101).map(|_| w.question("speak", BOB)).collect();
    w.post(&w.olga, "batch-check", json!({"questions": many}))
        .await
        .is_problem(422);

    let told = w.asked("explain", w.question("speak", BOB)).await;
    let lines: Vec<&str> = told["because"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["text"].as_str().unwrap())
        .collect();
    assert!(
        lines.contains(&format!("tuple waddle:{}#member@{BOB}", w.w).as_str()),
        "{lines:?}"
    );
    let told = w
        .asked("expand", json!({"object": w.general, "relation": "viewer"}))
        .await;
    assert_eq!(told["tree"]["kind"], "direct");
    assert_eq!(
        told["tree"]["subjects"],
        json!([format!("waddle:{}#viewer", w.w)])
    );

    // Tuples that the question brings along hold for it alone.
    let mut muted = w.question("speak", BOB);
    muted["contextual_tuples"] = json!([format!("{}#muted@{BOB}", w.general)]);
    assert_eq!(w.asked("check", muted.clone()).await["allowed"], false);
    assert_eq!(w.asked("check", w.question("speak", BOB)).await["allowed"], true);
    muted["contextual_tuples"] = json!([format!("{}#muted@channel:1", w.general)]);
    w.post(&w.olga, "check", muted).await.is_problem(422);
}

#[tokio::test]
async fn lists_are_whole_and_paged() {
    let w = World::new().await;
    let told = w
        .asked(
            "list-objects",
            json!({"type": "channel", "relation": "join", "subject": BOB}),
        )
        .await;
    assert_eq!(told["objects"].as_array().unwrap().len(), 2);
    assert_eq!(told["next"], Value::Null);
    let body = json!({"type": "channel", "relation": "join", "subject": BOB});
    let first = w.asked("list-objects?limit=1", body.clone()).await;
    let cursor = first["next"].as_str().unwrap();
    let second = w
        .asked(&format!("list-objects?limit=1&cursor={cursor}"), body)
        .await;
    assert_eq!(
        told["objects"],
        json!([first["objects"][0].clone(), second["objects"][0].clone()])
    );
    assert_eq!(second["next"], Value::Null);
    let told = w
        .asked("list-users", json!({"object": w.general, "relation": "join"}))
        .await;
    assert_eq!(told["subjects"], json!([BOB, "user:local:olga"]));
    assert_eq!((&told["everyone"], &told["except"]), (&json!(false), &json!([])));
    let sets = json!({"object": w.general, "relation": "viewer", "subjects": "waddle#viewer"});
    let told = w.asked("list-users", sets).await;
    assert_eq!(told["subjects"], json!([format!("waddle:{}#viewer", w.w)]));
}

#[tokio::test]
async fn tuples_are_written_as_their_operations_would() {
    let w = World::new().await;
    let manager = format!("{}#manager@{BOB}", w.general);
    let done = w
        .asked(
            "tuples",
            json!({"writes": [manager], "reason": "while I am away"}),
        )
        .await;
    assert_eq!((&done["written"], &done["deleted"]), (&json!(1), &json!(0)));
    assert_eq!(w.asked("check", w.question("manage", BOB)).await["allowed"], true);
    let audit = w.audit().await;
    assert!(
        audit.iter().any(|(a, t, _)| a == "channel.grant" && t == BOB),
        "{audit:?}"
    );
    // Twice is no second change.
    let again = w.asked("tuples", json!({"writes": [manager]})).await;
    assert_eq!(
        (&again["written"], &again["zookie"]),
        (&json!(0), &done["zookie"])
    );
    assert_eq!(w.audit().await.len(), audit.len());

    let listed = w.get(&w.olga, &format!("tuples?subject={BOB}")).await.json();
    let tuples = listed["tuples"].as_array().unwrap();
    assert!(
        tuples.contains(&json!(manager)) && tuples.len() == 2,
        "{tuples:?}"
    );
    let all = w.get(&w.olga, "tuples?limit=3").await.json();
    assert_eq!(all["tuples"].as_array().unwrap().len(), 3);
    let next = all["next"].as_str().unwrap();
    let more = w
        .get(&w.olga, &format!("tuples?limit=200&cursor={next}"))
        .await
        .json();
    assert!(!more["tuples"].as_array().unwrap().contains(&all["tuples"][2]));

    // Nothing above the writer, nothing that has rows of its own, nothing elsewhere, nothing half.
    let elsewhere = WaddleId::new();
    for refused in [
        format!("waddle:{}#owner@{BOB}", w.w),
        format!("waddle:{}#admin@{BOB}", w.w),
        format!("waddle:{}#banned@{BOB}", w.w),
        format!("waddle:{}#guest@user:*", w.w),
        format!("{}#parent@waddle:{elsewhere}", w.general),
        format!("{}#viewer@waddle:{}#viewer", w.general, w.w),
        format!("waddle:{elsewhere}#publisher@{BOB}"),
        format!("{}#viewr@{BOB}", w.general),
    ] {
        let viewer = format!("{}#viewer@{BOB}", w.general);
        let answer = w
            .post(&w.olga, "tuples", json!({"writes": [viewer, refused]}))
            .await;
        answer.is_problem(422);
        let held = w.get(&w.olga, &format!("tuples?subject={BOB}")).await.json();
        assert_eq!(held["tuples"].as_array().unwrap().len(), 2, "{refused}");
    }
    for unknown in [
        format!("channel:{}#viewer@{BOB}", waddle_core::ChannelId::new()),
        format!("{}#viewer@user:local:nobody", w.general),
        format!("role:{}#member@{BOB}", waddle_core::RoleId::new()),
    ] {
        w.post(&w.olga, "tuples", json!({"writes": [unknown]}))
            .await
            .is_problem(404);
    }
    let both = json!({"writes": [manager], "deletes": [manager]});
    w.post(&w.olga, "tuples", both).await.is_problem(422);

    // A rule for a part of the topic space.
    let topic = json!({"writes": [
        format!("topic:home/garden#parent@waddle:{}", w.w), format!("topic:home/garden#publisher@{BOB}"),
    ]});
    assert_eq!(w.asked("tuples", topic).await["written"], 2);
    let question = json!({"object": "topic:home/garden", "relation": "publish", "subject": BOB});
    assert_eq!(w.asked("check", question).await["allowed"], true);
    let gone = w.asked("tuples", json!({"deletes": [manager]})).await;
    assert_eq!(gone["deleted"], 1);
    assert_eq!(
        w.asked("check", w.question("manage", BOB)).await["allowed"],
        false
    );
}

#[tokio::test]
async fn a_manager_of_roles_gives_no_more_than_they_have() {
    let w = World::new().await;
    let c = &w.t.deps.community;
    let olga: UserId = "local:olga".parse().unwrap();
    let bob: UserId = "local:bob".parse().unwrap();
    let new = |name: &str, permissions: &[waddle_community::Permission]| waddle_community::NewRole {
        name: name.to_owned(),
        colour: None,
        permissions: permissions.to_vec(),
    };
    let low = c.create_role(&olga, w.w, new("low", &[])).await.unwrap();
    let high = c
        .create_role(
            &olga,
            w.w,
            new("high", &[waddle_community::Permission::ManageRoles]),
        )
        .await
        .unwrap();
    let change = waddle_community::RoleChange {
        position: Some(2),
        ..Default::default()
    };
    c.update_role(&olga, w.w, high.id, change).await.unwrap();
    c.give_role(&olga, w.w, &bob, high.id, true).await.unwrap();
    let write = |tuple: String| w.post(&w.bob, "tuples", json!({"writes": [tuple]}));
    // Below their own role, and what they have.
    let done = write(format!("role:{}#member@{BOB}", low.id)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    // Their own role's permissions, what they do not have, a channel that they do not manage.
    write(format!("waddle:{}#ban@role:{}#member", w.w, high.id))
        .await
        .is_problem(403);
    write(format!("waddle:{}#ban@role:{}#member", w.w, low.id))
        .await
        .is_problem(403);
    write(format!("{}#manager@{BOB}", w.general))
        .await
        .is_problem(403);
    write(format!("waddle:{}#publisher@{BOB}", w.w))
        .await
        .is_problem(403);
    write(format!("topic:t#parent@waddle:{}", w.w))
        .await
        .is_problem(403);
    let done = w
        .asked(
            "tuples",
            json!({"writes": [format!("waddle:{}#ban@role:{}#member", w.w, low.id)]}),
        )
        .await;
    assert_eq!(done["written"], 1);
    let ban = json!({"object": format!("waddle:{}", w.w), "relation": "ban", "subject": BOB});
    assert_eq!(w.asked("check", ban).await["allowed"], true);
}

#[tokio::test]
async fn zookies_and_watching() {
    let w = World::new().await;
    let before = w.asked("check", w.question("speak", BOB)).await;
    let start = w.get(&w.olga, "changes").await.json();
    assert_eq!(
        (&start["zookie"], &start["changes"]),
        (&before["zookie"], &json!([]))
    );
    let muted = format!("{}#muted@{BOB}", w.general);
    let done = w.asked("tuples", json!({"writes": [muted]})).await;
    let with = |key: &str, zookie: &Value| {
        let mut question = w.question("speak", BOB);
        question["consistency"] = json!({key: zookie});
        question
    };
    // The new enemy: after the change no question that is as fresh says yes.
    assert_eq!(
        w.asked("check", with("at_least", &done["zookie"])).await["allowed"],
        false
    );
    assert_eq!(
        w.asked("check", with("at_least", &before["zookie"])).await["allowed"],
        false
    );
    assert_eq!(
        w.asked("check", with("exact", &done["zookie"])).await["allowed"],
        false
    );
    let then = w.asked("check", with("exact", &before["zookie"])).await;
    assert_eq!(
        (&then["allowed"], &then["zookie"]),
        (&json!(true), &before["zookie"])
    );
    let both = json!({"object": w.general, "relation": "speak", "subject": BOB,
        "consistency": {"exact": before["zookie"], "at_least": before["zookie"]}});
    w.post(&w.olga, "check", both).await.is_problem(400);
    // Another waddle's token is none of this one.
    let body = json!({"slug": "puffins", "name": "Puffins"});
    w.t.post("/waddles").bearer(&w.olga).json(body).send().await;
    let foreign =
        w.t.get("/api/v1/waddles/puffins/permissions/changes")
            .bearer(&w.olga)
            .send()
            .await
            .json();
    w.post(&w.olga, "check", with("at_least", &foreign["zookie"]))
        .await
        .is_problem(400);

    let after = before["zookie"].as_str().unwrap();
    let seen = w.get(&w.olga, &format!("changes?after={after}")).await.json();
    assert_eq!(seen["changes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&seen["changes"][0]["tuple"], &seen["changes"][0]["written"]),
        (&json!(muted), &json!(true))
    );
    assert_eq!((&seen["zookie"], &seen["more"]), (&done["zookie"], &json!(false)));

    // Whoever waits is told at once.
    let now = done["zookie"].as_str().unwrap();
    let waiting = format!("changes?after={now}&wait=20");
    let (waited, _) = tokio::join!(
        w.get(&w.olga, &waiting),
        w.post(&w.olga, "tuples", json!({"deletes": [muted]})),
    );
    let waited = waited.json();
    assert_eq!(
        (&waited["changes"][0]["tuple"], &waited["changes"][0]["written"]),
        (&json!(muted), &json!(false))
    );

    // The past outlives the waddle's being closed.
    w.t.deps.community.refresh(w.w).await.unwrap();
    let again = w.get(&w.olga, &format!("changes?after={after}")).await.json();
    assert_eq!(again["changes"].as_array().unwrap().len(), 2);
    assert_eq!(
        w.asked("check", with("exact", &before["zookie"])).await["allowed"],
        true
    );
    w.get(&w.olga, "changes?limit=0").await.is_problem(400);
    w.get(&w.olga, "changes?wait=21").await.is_problem(400);
}
