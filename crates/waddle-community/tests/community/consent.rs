//! What others do with somebody's membership gives nobody a right over them, and what a role denies is not shaken off.

use waddle_community::{
    Actor, BanDetails, ChannelGrant, Error, Grantee, NewInvite, NewRole, NewWaddle, Permission, RemovalKind,
    Role,
};
use waddle_core::Limits;
use waddle_permissions::Tuple;
use waddle_storage::repo::{direct, waddles};

use crate::{World, slug, user};

async fn trusts(world: &World, owner: &str, other: &str) -> bool {
    let (owner, other) = (user(owner), user(other));
    let server = world.storage.server();
    let read = server.read(move |conn| direct::share_waddle(conn, &owner, &other));
    read.await.unwrap()
}

#[tokio::test]
async fn who_was_added_has_consented_to_nothing_until_they_join() {
    let world = World::with(Limits {
        waddles_per_member: 1,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, carl, zoe) = (user("alice"), user("carl"), user("zoe"));
    c.add_member(&alice, w, &carl, Role::Member).await.unwrap();
    assert!(!trusts(&world, "carl", "alice").await, "Carl was added");
    assert!(!trusts(&world, "alice", "zoe").await, "no waddle is shared");
    let owner = c.add_member(&alice, w, &carl, Role::Owner).await;
    assert!(matches!(owner, Err(Error::Conflict(_))), "{owner:?}");
    let owner = c.transfer_waddle(&alice, w, &carl).await;
    assert!(matches!(owner, Err(Error::Conflict(_))), "{owner:?}");
    let stranger = c.add_member(&alice, w, &zoe, Role::Owner).await;
    assert!(matches!(stranger, Err(Error::Conflict(_))), "{stranger:?}");

    // Another waddle finds no place that the first has used up.
    let eve = user("eve");
    let other = NewWaddle::new(slug("others"), "Others");
    let other = c.create_waddle(&eve, other).await.unwrap().id;
    let invite = c.create_invite(&eve, other, NewInvite::default()).await.unwrap();
    c.accept_invite(&carl, &invite.code).await.unwrap();
    assert!(trusts(&world, "carl", "eve").await && !trusts(&world, "carl", "alice").await);

    let both = c.join_waddle(&carl, w).await;
    assert!(matches!(both, Err(Error::Limit { max: 1, .. })), "{both:?}");
    assert!(!trusts(&world, "carl", "alice").await, "his yes takes a place");
    c.remove_member(&carl, other, &carl, RemovalKind::Left, None)
        .await
        .unwrap();
    assert_eq!(c.join_waddle(&carl, w).await, Ok(Role::Member));
    assert!(trusts(&world, "carl", "alice").await, "he has said yes");
    c.transfer_waddle(&alice, w, &carl).await.unwrap();

    // Whom the operator enters has been asked elsewhere; a refused attempt leaves nothing.
    c.add_member(Actor::System, w, &zoe, Role::Member).await.unwrap();
    assert!(trusts(&world, "zoe", "carl").await);
    assert_eq!(
        c.add_member(&zoe, w, &eve, Role::Member).await,
        Err(Error::Forbidden)
    );
    let unasked = world.storage.server();
    assert!(
        !unasked
            .read(move |conn| waddles::is_unasked(conn, w, &eve))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_role_that_denies_is_not_put_down_and_not_left_behind() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, adam, bob) = (user("alice"), user("adam"), user("bob"));
    let access = c.access(w).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap().id;
    let quarantine = NewRole {
        name: "Quarantine".into(),
        colour: None,
        permissions: vec![],
    };
    let role = c.create_role(&alice, w, quarantine).await.unwrap().id;
    c.set_override(&alice, w, general, Grantee::Role(role), ChannelGrant::Muted, true)
        .await
        .unwrap();
    for who in [&bob, &adam] {
        c.give_role(&alice, w, who, role, true).await.unwrap();
    }
    assert!(!access.channel_allows(general, "speak", &bob));
    assert!(
        access.channel_allows(general, "speak", &adam),
        "a role does not silence admins"
    );
    assert_eq!(
        c.give_role(&bob, w, &bob, role, false).await,
        Err(Error::Forbidden)
    );
    c.remove_member(&bob, w, &bob, RemovalKind::Left, None)
        .await
        .unwrap();
    c.add_member(&alice, w, &bob, Role::Member).await.unwrap();
    assert!(access.custom_roles_of(&bob).is_empty());
    assert!(
        !access.channel_allows(general, "speak", &bob),
        "he left and came back"
    );
    c.grant_channel(&alice, w, general, &bob, ChannelGrant::Muted, false)
        .await
        .unwrap();
    assert!(access.channel_allows(general, "speak", &bob));
}

#[tokio::test]
async fn a_role_is_given_by_who_has_all_of_it_and_bounds_hold_within_one_request() {
    let world = World::with(Limits {
        roles_per_member: 2,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, mona, bob) = (user("alice"), user("mona"), user("bob"));
    let new = |name: &str, permissions: &[Permission]| NewRole {
        name: name.into(),
        colour: None,
        permissions: permissions.to_vec(),
    };
    let keeper = c
        .create_role(&alice, w, new("Keeper", &[Permission::ManageRoles]))
        .await
        .unwrap()
        .id;
    let sender = c.create_role(&alice, w, new("Sender", &[])).await.unwrap().id;
    let others = [
        c.create_role(&alice, w, new("One", &[])).await.unwrap().id,
        c.create_role(&alice, w, new("Two", &[])).await.unwrap().id,
    ];
    let tuple = |s: String| s.parse::<Tuple>().unwrap();
    let publisher = tuple(format!("waddle:{w}#publisher@role:{sender}#member"));
    c.write_tuples(&alice, w, vec![publisher], vec![], None)
        .await
        .unwrap();
    c.give_role(&alice, w, &bob, keeper, true).await.unwrap();
    let publish = c.give_role(&bob, w, &bob, sender, true).await;
    assert_eq!(publish, Err(Error::Forbidden), "he may not publish himself");

    let wear = |r| tuple(format!("role:{r}#member@{}", mona.subject()));
    let three = [sender, others[0], others[1]].map(wear).to_vec();
    let many = c.write_tuples(&alice, w, three, vec![], None).await;
    assert!(matches!(many, Err(Error::Limit { max: 2, .. })), "{many:?}");

    // A list of roles is taken as a whole or not at all.
    c.set_roles(&alice, w, &mona, &others).await.unwrap();
    let refused = c.set_roles(&bob, w, &mona, &[keeper]).await;
    assert_eq!(refused, Err(Error::Forbidden));
    assert_eq!(c.access(w).await.unwrap().custom_roles_of(&mona).len(), 2);
}

/// Two who add somebody at once, one of whom is refused, give no consent in that person's place.
#[tokio::test]
async fn an_attempt_that_fails_says_yes_for_nobody() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, adam) = (user("alice"), user("adam"));
    for n in 0..20 {
        let name = format!("carl{n}");
        let carl = user(&name);
        let (added, refused) = tokio::join!(
            c.add_member(&adam, w, &carl, Role::Member),
            c.add_member(&adam, w, &carl, Role::Owner),
        );
        assert_eq!((added, refused.is_err()), (Ok(()), true), "{n}");
        assert!(!trusts(&world, &name, "alice").await, "{n}: he was added");
        let owner = c.set_role(&alice, w, &carl, Role::Owner).await;
        assert!(matches!(owner, Err(Error::Conflict(_))), "{n}: {owner:?}");
    }
}

/// Whoever is removed comes back by a new invitation, not by one of before.
#[tokio::test]
async fn a_personal_invite_ends_with_a_removal() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (mona, eve, zoe) = (user("mona"), user("eve"), user("zoe"));
    c.invite_person(&mona, w, &eve).await.unwrap();
    let link = c.create_invite(&mona, w, NewInvite::default()).await.unwrap();
    c.accept_invite(&eve, &link.code).await.unwrap();
    c.remove_member(&mona, w, &eve, RemovalKind::Removed, None)
        .await
        .unwrap();
    assert_eq!(c.accept_personal_invite(&eve, w).await, Ok(false));
    assert_eq!(c.role_of(w, &eve).await.unwrap(), None);
    assert!(!c.access(w).await.unwrap().is_invited(&eve));
    // Nor after a ban.
    c.invite_person(&mona, w, &zoe).await.unwrap();
    c.ban_member(&mona, w, &zoe, BanDetails::default()).await.unwrap();
    c.unban(&mona, w, &zoe).await.unwrap();
    let world = world.restart().await;
    let c = &world.community;
    assert_eq!(c.accept_personal_invite(&zoe, w).await, Ok(false));
    c.invite_person(&mona, w, &zoe).await.unwrap();
    assert_eq!(c.accept_personal_invite(&zoe, w).await, Ok(true));
}
