//! Roles of a waddle's own: what they give, who may give them, how far a change reaches.

use std::time::{Duration, Instant};

use waddle_community::{
    ChannelGrant, Channels, Error, Event, Grantee, NewRole, Permission, RemovalKind, Role, RoleChange, Users,
};
use waddle_core::{Clock as _, Limits};
use waddle_storage::repo::{members, tuples};

use crate::{World, next, slug, user};

fn role(name: &str, permissions: &[Permission]) -> NewRole {
    NewRole {
        name: name.to_owned(),
        colour: None,
        permissions: permissions.to_vec(),
    }
}

#[tokio::test]
async fn a_role_set_once_is_inherited_by_every_channel_at_once() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob) = (user("alice"), user("bob"));
    let access = c.access(w).await.unwrap();
    let keeper = c
        .create_role(
            &alice,
            w,
            role("Keeper", &[Permission::Pin, Permission::Moderate]),
        )
        .await
        .unwrap();
    assert_eq!(keeper.permissions, [Permission::Moderate, Permission::Pin]);
    assert!(!access.waddle_allows("moderate", &bob));

    let mut events = c.events();
    c.give_role(&alice, w, &bob, keeper.id, true).await.unwrap();
    let Event::MemberRolesChanged { user: who, .. } = next(&mut events).await else {
        panic!("expected the member's roles first");
    };
    assert_eq!(who, bob);
    let Event::TuplesChanged { users, channels, .. } = next(&mut events).await else {
        panic!("expected the tuples next");
    };
    assert_eq!((users, channels), (Users::Some(vec![bob.clone()]), Channels::All));
    for channel in access.channels() {
        for relation in ["moderate", "pin", "speak"] {
            assert!(access.channel_allows(channel.id, relation, &bob), "{relation}");
        }
        assert!(!access.channel_allows(channel.id, "manage", &bob));
    }
    let theirs: Vec<_> = access
        .custom_roles_of(&bob)
        .iter()
        .map(|r| r.name.clone())
        .collect();
    assert_eq!(theirs, ["Keeper"]);

    // Taking one permission from the role takes it from everybody who has the role.
    let change = RoleChange {
        permissions: Some(vec![Permission::Pin]),
        colour: Some(Some("#1F8A70".into())),
        ..RoleChange::default()
    };
    let changed = c.update_role(&alice, w, keeper.id, change).await.unwrap();
    assert_eq!(changed.colour.as_deref(), Some("#1f8a70"));
    let general = access.channel_by_slug(&slug("general")).unwrap().id;
    assert!(!access.channel_allows(general, "moderate", &bob) && access.channel_allows(general, "pin", &bob));

    c.delete_role(&alice, w, keeper.id).await.unwrap();
    assert!(!access.channel_allows(general, "pin", &bob));
    assert!(access.custom_roles_of(&bob).is_empty());
    assert_eq!(c.custom_role(w, keeper.id).await, Ok(None));
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob, mona) = (user("alice"), user("bob"), user("mona"));
    c.add_member(&alice, w, &user("carol"), Role::Member)
        .await
        .unwrap();
    let low = c
        .create_role(&alice, w, role("low", &[Permission::Pin]))
        .await
        .unwrap();
    let high = c
        .create_role(
            &alice,
            w,
            role("high", &[Permission::ManageRoles, Permission::Pin]),
        )
        .await
        .unwrap();
    // The newest stands lowest; the one who manages roles is moved up.
    let up = RoleChange {
        position: Some(2),
        ..RoleChange::default()
    };
    let high = c.update_role(&alice, w, high.id, up).await.unwrap();
    assert_eq!(high.position, 2);
    c.give_role(&alice, w, &bob, high.id, true).await.unwrap();

    // Below their own role and with what they have: yes.
    c.give_role(&bob, w, &user("carol"), low.id, true).await.unwrap();
    // Their own role, and a permission that they lack: no.
    for (what, done) in [
        ("own", c.give_role(&bob, w, &user("carol"), high.id, true).await),
        (
            "more",
            c.update_role(
                &bob,
                w,
                low.id,
                RoleChange {
                    permissions: Some(vec![Permission::Ban, Permission::Pin]),
                    ..RoleChange::default()
                },
            )
            .await
            .map(drop),
        ),
        (
            "above",
            c.update_role(
                &bob,
                w,
                low.id,
                RoleChange {
                    position: Some(2),
                    ..RoleChange::default()
                },
            )
            .await
            .map(drop),
        ),
        (
            "new",
            c.create_role(&bob, w, role("new", &[Permission::Configure]))
                .await
                .map(drop),
        ),
        (
            "moderators",
            c.create_role(&mona, w, role("m", &[])).await.map(drop),
        ),
        ("members", c.delete_role(&user("carol"), w, low.id).await),
        ("strangers", c.delete_role(&user("eve"), w, low.id).await),
    ] {
        assert_eq!(done, Err(Error::Forbidden), "{what}");
    }
    // A role that manages a channel is not given by who does not manage it.
    let general = c.channel_by_slug(w, &slug("general")).await.unwrap().unwrap().id;
    c.set_override(
        &alice,
        w,
        general,
        Grantee::Role(low.id),
        ChannelGrant::Manager,
        true,
    )
    .await
    .unwrap();
    c.give_role(&alice, w, &user("carol"), low.id, false)
        .await
        .unwrap();
    assert_eq!(
        c.give_role(&bob, w, &user("carol"), low.id, true).await,
        Err(Error::Forbidden)
    );
    // One's own everybody may put down.
    c.give_role(&bob, w, &bob, high.id, false).await.unwrap();
}

#[tokio::test]
async fn a_custom_role_kicks_and_bans_below_itself() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    for name in ["guard", "plain", "other"] {
        c.add_member(&alice, w, &user(name), Role::Member).await.unwrap();
    }
    let guards = c
        .create_role(
            &alice,
            w,
            role("guards", &[Permission::Ban, Permission::ManageMembers]),
        )
        .await
        .unwrap();
    for name in ["guard", "other"] {
        c.give_role(&alice, w, &user(name), guards.id, true)
            .await
            .unwrap();
    }
    let guard = user("guard");
    for (whom, ok) in [
        ("mona", false),
        ("other", false),
        ("alice", false),
        ("plain", true),
    ] {
        let done = c
            .remove_member(&guard, w, &user(whom), RemovalKind::Kicked, None)
            .await;
        assert_eq!(done.is_ok(), ok, "{whom}: {done:?}");
    }
    // They bring in members, nothing higher.
    c.add_member(&guard, w, &user("new"), Role::Member).await.unwrap();
    let no = c.add_member(&guard, w, &user("newer"), Role::Moderator).await;
    assert_eq!(no, Err(Error::Forbidden));
    // Whoever leaves loses the role, and does not bring it back.
    c.remove_member(&guard, w, &guard, RemovalKind::Left, None)
        .await
        .unwrap();
    c.add_member(&alice, w, &guard, Role::Member).await.unwrap();
    let access = c.access(w).await.unwrap();
    assert!(access.custom_roles_of(&guard).is_empty() && !access.waddle_allows("ban", &guard));
}

#[tokio::test]
async fn roles_have_bounds_names_and_pages() {
    let limits = Limits {
        roles_per_waddle: 3,
        roles_per_member: 2,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob) = (user("alice"), user("bob"));
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        made.push(c.create_role(&alice, w, role(name, &[])).await.unwrap());
    }
    let full = c.create_role(&alice, w, role("d", &[])).await;
    assert!(matches!(full, Err(Error::Limit { max: 3, .. })), "{full:?}");
    c.delete_role(&alice, w, made[2].id).await.unwrap();
    let taken = c.create_role(&alice, w, role("A", &[])).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let third = c.create_role(&alice, w, role("third", &[])).await.unwrap();
    c.set_roles(&alice, w, &bob, &[made[0].id, made[1].id])
        .await
        .unwrap();
    let many = c.give_role(&alice, w, &bob, third.id, true).await;
    assert!(matches!(many, Err(Error::Limit { max: 2, .. })), "{many:?}");
    c.set_roles(&alice, w, &bob, &[third.id]).await.unwrap();
    let holders = c.role_members(w, third.id, None, 10).await.unwrap();
    assert_eq!(holders, std::slice::from_ref(&bob));
    assert_eq!(
        c.role_members(w, third.id, Some(bob.clone()), 10).await.unwrap(),
        []
    );
    assert_eq!(c.role_members(w, made[0].id, None, 10).await.unwrap(), []);
    let no = c.give_role(&alice, w, &user("eve"), third.id, true).await;
    assert_eq!(no, Err(Error::NotFound("member")));

    // Everything survives a restart, in its order.
    let before = c.custom_roles(w).await.unwrap();
    let world = world.restart().await;
    let after = world.community.custom_roles(w).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.iter().map(|r| r.position).collect::<Vec<_>>(), [3, 2, 1]);
    let access = world.community.access(w).await.unwrap();
    assert_eq!(access.custom_roles_of(&bob).len(), 1);
}

#[tokio::test]
async fn a_channel_gives_and_denies_roles_and_people() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob, mona) = (user("alice"), user("bob"), user("mona"));
    let access = c.access(w).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap().id;
    let news = access.channel_by_slug(&slug("announcements")).unwrap().id;
    let crew = c.create_role(&alice, w, role("crew", &[])).await.unwrap();
    c.give_role(&alice, w, &bob, crew.id, true).await.unwrap();
    let of_crew = || Grantee::Role(crew.id);

    let mut events = c.events();
    c.set_override(&alice, w, news, of_crew(), ChannelGrant::Writer, true)
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, Event::OverridesChanged { channel, .. } if channel == news));
    let Event::TuplesChanged { users, channels, .. } = next(&mut events).await else {
        panic!("expected the tuples");
    };
    assert_eq!(users, Users::Some(vec![bob.clone()]));
    assert_eq!(channels, Channels::Some(vec![news]));
    assert!(access.channel_allows(news, "speak", &bob) && !access.channel_allows(news, "moderate", &bob));

    c.set_override(&alice, w, general, of_crew(), ChannelGrant::Muted, true)
        .await
        .unwrap();
    assert!(!access.channel_allows(general, "speak", &bob) && access.channel_allows(general, "join", &bob));
    // Moderators mute people, not roles.
    c.grant_channel(&mona, w, general, &bob, ChannelGrant::Banned, true)
        .await
        .unwrap();
    assert!(!access.channel_allows(general, "join", &bob));
    let no = c
        .set_override(&mona, w, general, of_crew(), ChannelGrant::Banned, true)
        .await;
    assert_eq!(no, Err(Error::Forbidden));
    let shown = c.overrides(w, general).await.unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&shown[0].whom, shown[0].relation),
        (&of_crew(), ChannelGrant::Muted)
    );
    // With the role goes what it was given.
    c.delete_role(&alice, w, crew.id).await.unwrap();
    assert_eq!(c.overrides(w, general).await.unwrap().len(), 1);
    assert!(!access.channel_allows(news, "speak", &bob));
}

/// A role of many members costs its change one tuple, and names nobody; its end costs what it has to.
#[tokio::test]
async fn a_role_of_many() {
    const MANY: usize = 20_000;
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    let crowd = c.create_role(&alice, w, role("crowd", &[])).await.unwrap();
    let db = world.storage.waddle(w).await.unwrap();
    let now = world.clock.now();
    db.write(move |tx| {
        for n in 0..MANY {
            let user = user(&format!("m{n}"));
            let subject = user.subject();
            let member = members::Member {
                user,
                role: Role::Member,
                joined_at: now,
                invite: None,
            };
            members::insert(tx, &member)?;
            tuples::insert(tx, &format!("waddle:{w}"), "member", &subject)?;
            tuples::insert(tx, &format!("role:{}", crowd.id), "member", &subject)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    c.refresh(w).await.unwrap();
    let access = c.access(w).await.unwrap();
    assert_eq!(c.member_count(w).await.unwrap(), MANY + 4);
    let somebody = user("m77");
    assert_eq!(access.custom_roles_of(&somebody).len(), 1);

    let mut events = c.events();
    let change = RoleChange {
        permissions: Some(vec![Permission::Invite]),
        ..RoleChange::default()
    };
    let began = Instant::now();
    c.update_role(&alice, w, crowd.id, change).await.unwrap();
    let changed = began.elapsed();
    assert!(access.waddle_allows("invite", &somebody));
    assert!(matches!(next(&mut events).await, Event::RolesChanged { .. }));
    let Event::TuplesChanged { users, channels, .. } = next(&mut events).await else {
        panic!("expected the tuples");
    };
    // Too many to name; and no room need look at anybody.
    assert_eq!((users, channels), (Users::All, Channels::Some(vec![])));

    let began = Instant::now();
    c.give_role(&alice, w, &user("bob"), crowd.id, true)
        .await
        .unwrap();
    let given = began.elapsed();
    let page = c.role_members(w, crowd.id, Some(user("m5")), 100).await.unwrap();
    assert_eq!(page.len(), 100);
    let began = Instant::now();
    c.delete_role(&alice, w, crowd.id).await.unwrap();
    let deleted = began.elapsed();
    assert!(!access.waddle_allows("invite", &somebody));
    println!("{MANY} members: role changed in {changed:?}, given in {given:?}, deleted in {deleted:?}");
    assert!(changed < Duration::from_secs(1) && given < Duration::from_secs(1));
    assert!(deleted < Duration::from_secs(20));
}
