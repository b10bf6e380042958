//! Messages from outside.

use waddle_core::Secret;
use waddle_hooks::{
    Error,
    incoming::{Format, Head, IncomingAddress, IncomingChange},
};

use crate::world::{World, user};

const ROOM: &str = "penguins.general@muc.localhost";

fn secret(a: &IncomingAddress) -> Secret {
    Secret::new(a.path.expose().rsplit('/').next().unwrap())
}

#[tokio::test]
async fn a_hook_speaks_under_its_name_and_mark() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut alice = world.enter("alice", ROOM).await;
    let new = IncomingChange {
        name: Some("CI".into()),
        ..IncomingChange::default()
    };
    let made = world
        .hooks
        .create_incoming(&user("bob"), w.id, c.id, new)
        .await
        .unwrap();
    let post = async |secret: Secret, format, head, body: &'static str| {
        let (hooks, id) = (&world.hooks, made.hook.id);
        hooks
            .accept(w.id, id, &secret, format, head, body.as_bytes())
            .await
    };
    let plain = Head::default();
    let id = post(secret(&made), Format::Auto, plain, r#"{"text": "built <ok>"}"#)
        .await
        .unwrap();
    let got = alice.message().await;
    assert!(
        got.contains("from='penguins.general@muc.localhost/CI (webhook)'") || got.contains("/CI (webhook)\""),
        "{got}"
    );
    assert!(
        got.contains("built &lt;ok&gt;")
            && got.contains("urn:waddle:webhook:0")
            && got.contains(&id.to_string()),
        "{got}"
    );

    // another name and GitHub's form keep the mark; the occupant id is the hook's
    let github = Head {
        github_event: Some("ping"),
        ..plain
    };
    post(
        secret(&made),
        Format::Auto,
        github,
        r#"{"zen": "Keep it.", "repository": {"full_name": "o/r"}}"#,
    )
    .await
    .unwrap();
    assert!(
        alice
            .message()
            .await
            .contains("[o/r] the webhook is connected. Keep it.")
    );
    post(
        secret(&made),
        Format::Slack,
        plain,
        r#"{"text": "hi", "username": "alice"}"#,
    )
    .await
    .unwrap();
    assert!(
        alice.message().await.contains("/alice (webhook)"),
        "nobody is impersonated"
    );

    // what cannot be read is told, shown and not said
    let bad = post(secret(&made), Format::Auto, plain, "{").await;
    assert!(
        matches!(bad, Err(Error::Invalid { field: "body", .. })),
        "{bad:?}"
    );
    let shown = world
        .hooks
        .incoming(&user("bob"), w.id, made.hook.id)
        .await
        .unwrap();
    assert!(shown.last_used_at.is_some() && shown.last_error.unwrap().contains("JSON"));

    // rotated and deleted addresses are void at once
    let again = world
        .hooks
        .rotate_incoming(&user("bob"), w.id, made.hook.id)
        .await
        .unwrap();
    let wrong = post(secret(&made), Format::Auto, plain, r#"{"text": "old"}"#).await;
    assert!(matches!(wrong, Err(Error::NotFound(_))));
    post(secret(&again), Format::Auto, plain, r#"{"text": "new"}"#)
        .await
        .unwrap();
    assert!(alice.message().await.contains("<body>new</body>"));
    world
        .hooks
        .delete_incoming(&user("bob"), w.id, made.hook.id)
        .await
        .unwrap();
    assert!(matches!(
        post(secret(&again), Format::Auto, plain, r#"{"text": "x"}"#).await,
        Err(Error::NotFound(_))
    ));
    let log = world
        .community
        .audit(&user("alice"), w.id, None, 10)
        .await
        .unwrap();
    let done: Vec<&str> = log.iter().map(|e| e.action.as_str()).take(3).collect();
    assert_eq!(done, ["webhook.delete", "webhook.rotate", "webhook.create"]);
}

#[tokio::test]
async fn only_who_may_and_not_too_much() {
    let limits = waddle_core::Limits {
        hook_rate: waddle_core::limits::Rate {
            count: 2,
            seconds: 60,
        },
        hooks_per_channel: 2,
        ..waddle_core::Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let new = IncomingChange::default;
    for nobody in ["carol", "eve"] {
        let refused = world
            .hooks
            .create_incoming(&user(nobody), w.id, c.id, new())
            .await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{nobody}: {refused:?}");
        assert!(matches!(
            world.hooks.list_incoming(&user(nobody), w.id, None).await,
            Err(Error::Forbidden)
        ));
    }
    let made = world
        .hooks
        .create_incoming(&user("bob"), w.id, c.id, new())
        .await
        .unwrap();
    world
        .hooks
        .create_incoming(&user("bob"), w.id, c.id, new())
        .await
        .unwrap();
    let third = world.hooks.create_incoming(&user("bob"), w.id, c.id, new()).await;
    assert!(matches!(third, Err(Error::Limit { max: 2, .. })), "{third:?}");
    assert!(
        world
            .hooks
            .incoming(&user("carol"), w.id, made.hook.id)
            .await
            .is_err()
    );
    let s = secret(&made);
    let post = || {
        world.hooks.accept(
            w.id,
            made.hook.id,
            &s,
            Format::Auto,
            Head::default(),
            br#"{"text": "x"}"#,
        )
    };
    post().await.unwrap();
    post().await.unwrap();
    assert!(matches!(post().await, Err(Error::TooMany(30))));
    world.later(std::time::Duration::from_secs(30));
    post().await.unwrap();
    // the channel goes, its hooks with it
    world
        .community
        .delete_channel(&user("alice"), w.id, c.id)
        .await
        .unwrap();
    assert!(matches!(post().await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn nobody_takes_a_nickname_with_the_mark() {
    let (_dir, world) = World::new().await;
    world.penguins().await;
    let mut alice = world.enter("alice", ROOM).await;
    alice.send(
        "<presence xmlns='jabber:client' from='alice@localhost/phone' to='penguins.general@muc.localhost/CI (WebHook)'/>",
    );
    let got = alice.next().await;
    assert!(
        got.contains("type=\"error\"") || got.contains("type='error'"),
        "{got}"
    );
    assert!(got.contains("not-acceptable"), "{got}");
}
