//! What a crash between two commits leaves behind is put right.

use waddle_community::{NewWaddle, Role};
use waddle_core::{Clock, WaddleId};
use waddle_storage::repo::{
    members, tuples,
    waddles::{self, Revisions, State, Waddle},
};

use crate::{World, slug, user};

/// The waddle's own database has a commit that the index has not seen: one came, one left, one rose.
#[tokio::test]
async fn the_index_follows_the_waddle() {
    let world = World::new().await;
    let w = world.penguins().await.id;
    world.community.access(w).await.unwrap();
    let db = world.storage.waddle(w).await.unwrap();
    let before = world.community.revisions(w).await.unwrap();
    db.write(move |tx| {
        members::delete(tx, &user("bob"))?;
        tuples::delete(tx, &format!("waddle:{w}"), "member", "user:local:bob")?;
        members::insert(
            tx,
            &members::Member {
                user: user("eve"),
                role: Role::Member,
                joined_at: tx.now(),
                invite: None,
            },
        )?;
        tuples::insert(tx, &format!("waddle:{w}"), "member", "user:local:eve")?;
        waddles::set_revisions(
            tx,
            Revisions {
                tuples: before.tuples + 1,
                members: before.members + 1,
            },
        )
    })
    .await
    .unwrap();
    let world = world.restart().await;
    let c = &world.community;
    // The index is behind, but nobody gets in by it.
    assert_eq!(c.waddles_of(&user("bob")).await.unwrap().len(), 1);
    let access = c.access(w).await.unwrap();
    assert!(!access.is_member(&user("bob")) && access.is_member(&user("eve")));
    assert!(c.waddles_of(&user("bob")).await.unwrap().is_empty());
    assert_eq!(c.waddles_of(&user("eve")).await.unwrap().len(), 1);
    assert_eq!(c.waddles_of(&user("alice")).await.unwrap()[0].1, Role::Owner);
}

/// A change that finds the index behind makes it anew instead of hiding the gap.
#[tokio::test]
async fn a_change_mends_an_index_that_is_behind() {
    let world = World::new().await;
    let w = world.penguins().await.id;
    let c = &world.community;
    world
        .storage
        .server()
        .write(move |tx| {
            waddles::index_remove(tx, w, &user("bob"))?;
            waddles::advance_index(tx, w, 4, 3).map(|done| assert!(done))
        })
        .await
        .unwrap();
    assert!(c.waddles_of(&user("bob")).await.unwrap().is_empty());
    c.add_member(&user("alice"), w, &user("eve"), Role::Member)
        .await
        .unwrap();
    assert_eq!(c.waddles_of(&user("bob")).await.unwrap().len(), 1);
    assert_eq!(c.waddles_of(&user("eve")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_half_made_waddle_frees_its_slug() {
    let world = World::new().await;
    let half = |slug_of: &str| Waddle {
        id: WaddleId::new(),
        slug: slug(slug_of),
        name: "Half".into(),
        description: String::new(),
        visibility: waddles::Visibility::Private,
        created_at: world.clock.now(),
        icon: None,
        banner: None,
        settings: waddles::WaddleSettings::default(),
    };
    // Stopped before and after its database was made, and after the waddle's row, before its owner's.
    let (first, second, third) = (half("first"), half("second"), half("third"));
    let (a, b, d) = (first.clone(), second.clone(), third.clone());
    world
        .storage
        .server()
        .write(move |tx| {
            waddles::reserve(tx, &a)?;
            waddles::reserve(tx, &b)?;
            waddles::reserve(tx, &d)
        })
        .await
        .unwrap();
    world.storage.create_waddle(second.id).await.unwrap();
    let db = world.storage.create_waddle(third.id).await.unwrap();
    db.write(move |tx| waddles::insert_own(tx, &third)).await.unwrap();
    drop(db);
    let world = world.restart().await;
    let c = &world.community;
    assert!(!c.is_slug_taken(&slug("first")) && !c.is_slug_taken(&slug("second")));
    assert!(world.storage.waddles().await.unwrap().is_empty());
    for s in ["first", "second", "third"] {
        c.create_waddle(&user("alice"), NewWaddle::new(slug(s), "Whole"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_complete_waddle_is_kept_and_a_deleted_one_goes() {
    let world = World::new().await;
    let w = world.penguins().await.id;
    let gone = world
        .community
        .create_waddle(&user("alice"), NewWaddle::new(slug("gone"), "Gone"))
        .await
        .unwrap()
        .id;
    world
        .storage
        .server()
        .write(move |tx| {
            waddles::set_state(tx, w, State::Making)?;
            waddles::set_state(tx, gone, State::Deleting)
        })
        .await
        .unwrap();
    let world = world.restart().await;
    let c = &world.community;
    assert!(c.access(w).await.unwrap().is_member(&user("bob")));
    assert!(c.waddle_by_id(gone).is_none() && !c.is_slug_taken(&slug("gone")));
    assert_eq!(world.storage.waddles().await.unwrap(), [w]);
    assert_eq!(c.waddles_of(&user("alice")).await.unwrap().len(), 1);
}
