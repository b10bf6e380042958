//! How many waddles one person may belong to, where they enter several at once by every way that there is.

use std::pin::Pin;

use tokio::task::JoinSet;
use waddle_community::{Error, Import, NewInvite, NewWaddle, RemovalKind, Role, Strangers, Visibility};
use waddle_core::{Limits, UserId, WaddleId};
use waddle_storage::repo::waddles;

use crate::{World, slug, user};

const MOST: usize = 3;

async fn world() -> World {
    World::with(Limits {
        waddles_per_member: MOST,
        waddles_per_user: 100,
        ..Limits::default()
    })
    .await
}

/// A waddle of somebody who is in no other.
async fn waddle(world: &World, name: &str, visibility: Visibility) -> (UserId, WaddleId) {
    let owner = user(&format!("owner-{name}"));
    let mut new = NewWaddle::new(slug(name), name);
    new.visibility = visibility;
    let made = world.community.create_waddle(&owner, new).await.unwrap();
    (owner, made.id)
}

/// How many waddles somebody belongs to, by their own will or in all.
async fn belongs(world: &World, who: &UserId, all: bool) -> usize {
    let (server, who) = (world.storage.server(), who.clone());
    let nowhere = WaddleId::new();
    let read = server.read(move |conn| waddles::belongs_to(conn, &who, nowhere, all));
    read.await.unwrap()
}

/// What somebody is about to do, and how it is called.
type Way = (
    &'static str,
    Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
);

/// Every way to enter a waddle, each into one of its own.
async fn ways(world: &World, carl: &UserId, round: &str) -> Vec<Way> {
    let c = &world.community;
    let named = |way: &str| format!("{way}-{round}");
    let mut ways: Vec<Way> = Vec::new();

    let (_, open) = waddle(world, &named("open"), Visibility::Public).await;
    let (there, who) = (c.clone(), carl.clone());
    ways.push((
        "join",
        Box::pin(async move { there.join_waddle(&who, open).await.map(drop) }),
    ));

    let (owner, link) = waddle(world, &named("link"), Visibility::Private).await;
    let made = c.create_invite(&owner, link, NewInvite::default()).await;
    let code = made.unwrap().code;
    let (there, who) = (c.clone(), carl.clone());
    ways.push((
        "invite",
        Box::pin(async move { there.accept_invite(&who, &code).await.map(drop) }),
    ));

    let (owner, asked) = waddle(world, &named("asked"), Visibility::Private).await;
    c.invite_person(&owner, asked, carl).await.unwrap();
    let (there, who) = (c.clone(), carl.clone());
    let person = async move { there.accept_personal_invite(&who, asked).await.map(drop) };
    ways.push(("personal invite", Box::pin(person)));

    let (owner, shut) = waddle(world, &named("shut"), Visibility::Restricted).await;
    let request = c.request_to_join(carl, shut, "").await.unwrap().id;
    let there = c.clone();
    let answer = async move {
        there
            .answer_join_request(&owner, shut, request, true, None)
            .await
            .map(drop)
    };
    ways.push(("request", Box::pin(answer)));

    let (there, who) = (c.clone(), carl.clone());
    let new = NewWaddle::new(slug(&named("made")), "Made");
    ways.push((
        "make",
        Box::pin(async move { there.create_waddle(&who, new).await.map(drop) }),
    ));
    ways
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_enters_by_all_ways_at_once_is_in_no_more_than_they_may() {
    let world = world().await;
    for round in 0..6 {
        let carl = user(&format!("carl{round}"));
        let mut all = ways(&world, &carl, &format!("{round}-a")).await;
        all.extend(ways(&world, &carl, &format!("{round}-b")).await);
        let mut entering = JoinSet::new();
        for (way, done) in all {
            entering.spawn(async move { (way, done.await) });
        }
        let mut entered = 0;
        while let Some(done) = entering.join_next().await {
            match done.unwrap() {
                (_, Ok(())) => entered += 1,
                // Of a waddle that one may not see no bound is told.
                (_, Err(Error::Limit { max: MOST, .. } | Error::Forbidden)) => {}
                (way, Err(other)) => panic!("{way}: {other}"),
            }
        }
        assert_eq!(
            (entered, belongs(&world, &carl, false).await),
            (MOST, MOST),
            "{round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn others_add_nobody_to_more_waddles_than_they_may_be_in_at_once() {
    let world = world().await;
    let bob = user("bob");
    let mut places = Vec::new();
    for n in 0..8 {
        places.push(waddle(&world, &format!("w{n}"), Visibility::Public).await);
    }
    let mut adding = JoinSet::new();
    for (owner, id) in places.clone() {
        let (c, bob) = (world.community.clone(), bob.clone());
        adding.spawn(async move { c.add_member(&owner, id, &bob, Role::Member).await });
    }
    let added = adding.join_all().await.into_iter().flatten().count();
    assert_eq!((added, belongs(&world, &bob, true).await), (MOST, MOST));
    assert_eq!(belongs(&world, &bob, false).await, 0, "he was not asked");

    // They take no place of his own, and his yes to one of them does.
    let theirs = world.community.waddles_of(&bob).await.unwrap();
    let of_others = |id: &WaddleId| theirs.iter().any(|(w, _)| w.id == *id);
    let free = places.iter().map(|(_, id)| *id).filter(|id| !of_others(id));
    for id in free.take(MOST) {
        world.community.join_waddle(&bob, id).await.unwrap();
    }
    let yes = world.community.join_waddle(&bob, theirs[0].0.id).await;
    assert!(matches!(yes, Err(Error::Limit { max: MOST, .. })), "{yes:?}");
    assert_eq!(belongs(&world, &bob, false).await, MOST);
    // Who is in one by their own will is in it, full or not.
    let own = places
        .iter()
        .map(|(_, id)| *id)
        .find(|id| !of_others(id))
        .unwrap();
    assert_eq!(world.community.join_waddle(&bob, own).await, Ok(Role::Member));
}

/// An import asks nobody: one member who is full does not keep a whole waddle out.
#[tokio::test]
async fn who_is_full_is_in_an_imported_waddle_without_having_been_asked() {
    let world = world().await;
    let c = &world.community;
    let did: UserId = "did:plc:abcdefghijklmnopqrstuvwx".parse().unwrap();
    let (owner, first) = waddle(&world, "first", Visibility::Public).await;
    c.join_waddle(&did, first).await.unwrap();
    let file = world.dir.path().join("first.export");
    c.export(&owner, first, &file).await.unwrap();
    for n in 1..MOST {
        let (_, id) = waddle(&world, &format!("more{n}"), Visibility::Public).await;
        c.join_waddle(&did, id).await.unwrap();
    }
    let mut import = Import::new(slug("copy"));
    import.owner = Some(user("new-owner"));
    import.strangers = Strangers::Drop;
    let copy = c.import(&file, import).await.unwrap().waddle.id;
    assert!(c.access(copy).await.unwrap().is_member(&did));
    assert_eq!(belongs(&world, &did, false).await, MOST);
    assert_eq!(belongs(&world, &did, true).await, MOST + 1);
    let yes = c.join_waddle(&did, copy).await;
    assert!(matches!(yes, Err(Error::Limit { .. })), "{yes:?}");
    c.remove_member(&did, first, &did, RemovalKind::Left, None)
        .await
        .unwrap();
    assert_eq!(c.join_waddle(&did, copy).await, Ok(Role::Member));
    assert_eq!(belongs(&world, &did, false).await, MOST);
}
