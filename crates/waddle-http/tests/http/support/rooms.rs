//! The surface with rooms, webhooks and bots behind it, and a waddle that everybody may read.

use std::sync::Arc;

use serde_json::json;
use waddle_core::{ChannelId, UserId, WaddleId};
use waddle_fetch::{FetchConfig, Guard};
use waddle_hooks::{Hooks, HooksDeps};
use waddle_muc::{Deps, Rooms};

use super::{Setup, open_with};

/// The surface with rooms behind it, and a public waddle of Alice's.
pub async fn with_rooms() -> (Setup, Rooms, WaddleId, ChannelId) {
    with_rooms_and(|_| ()).await
}

/// The same with other limits.
pub async fn with_rooms_and(
    change: impl FnOnce(&mut waddle_core::Limits),
) -> (Setup, Rooms, WaddleId, ChannelId) {
    let mut t = open_with(|http, _| change(&mut http.limits)).await;
    let rooms = Rooms::new(Deps {
        storage: t.storage.clone(),
        community: t.deps.community.clone(),
        clock: t.clock.clone(),
        limits: Arc::new(t.config.limits.clone()),
        domain: "example.org".into(),
    })
    .await
    .unwrap();
    t.deps.rooms = Some(rooms.clone());
    let hooks = Hooks::start(HooksDeps {
        community: t.deps.community.clone(),
        identity: t.identity.clone(),
        rooms: rooms.clone(),
        clock: t.clock.clone(),
        limits: Arc::new(t.config.limits.clone()),
        fetch: FetchConfig {
            guard: Guard::https(true),
            ..FetchConfig::new()
        },
    })
    .await
    .unwrap();
    rooms.set_slash_commands(hooks.slash());
    t.deps.hooks = Some(hooks);
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    let alice = t.person("alice").await;
    t.person("bob").await;
    let made = t
        .post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins", "name": "Penguins <3", "visibility": "public", "description": "Cold & wet"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let w: WaddleId = made.json()["id"].as_str().unwrap().parse().unwrap();
    t.deps
        .community
        .add_member(
            &UserId::local("alice"),
            w,
            &UserId::local("bob"),
            waddle_community::Role::Member,
        )
        .await
        .unwrap();
    let c = t
        .deps
        .community
        .channel_by_slug(w, &"general".parse().unwrap())
        .await
        .unwrap()
        .unwrap()
        .id;
    (t, rooms, w, c)
}
