//! What people from elsewhere, and members with one right, cannot do to a waddle.

use std::time::Duration;

use waddle_community::{
    BanDetails, ChannelGrant, Error, FeedMode, Grantee, NewBinding, NewChannel, NewRole, Page, Permission,
    Role, Visibility, WaddleChange,
};
use waddle_core::{BareJid, Clock, UserId};

use crate::{World, slug, user};

/// An address may be as long as XMPP allows, and have characters that identifiers write as three. What is stored of its
/// owner is read again: in lists, and when the waddle is opened.
#[tokio::test]
async fn the_longest_address_harms_no_waddle() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, mona) = (user("alice"), user("mona"));
    let long = |c: char| -> UserId {
        let label = "a".repeat(60);
        let host = [label.as_str(); 16].join(".");
        let jid: BareJid = format!("{}@{host}", c.to_string().repeat(1_023)).parse().unwrap();
        UserId::remote(&jid)
    };
    let (joins, asks, rests) = (long('%'), long('#'), long('*'));
    assert!(joins.as_str().len() > 4_000);
    for visibility in [Visibility::Restricted, Visibility::Public] {
        let change = WaddleChange {
            visibility: Some(visibility),
            ..WaddleChange::default()
        };
        c.update_waddle(&alice, w, change).await.unwrap();
        if visibility == Visibility::Restricted {
            c.request_to_join(&asks, w, "hello").await.unwrap();
        }
    }
    c.join_waddle(&joins, w).await.unwrap();
    let until = world.clock.now().plus(Duration::from_secs(3_600));
    c.timeout_member(&mona, w, &joins, until, None).await.unwrap();
    c.ban_member(&mona, w, &rests, BanDetails::default())
        .await
        .unwrap();

    let world = world.restart().await;
    let c = &world.community;
    let access = c.access(w).await.unwrap();
    assert_eq!(access.role_of(&joins), Some(Role::Member));
    assert!(access.is_banned(&rests) && access.timeout_of(&joins).is_some());
    assert_eq!(c.members(w, Page::default()).await.unwrap().len(), 5);
    assert_eq!(c.bans(w, Page::default()).await.unwrap()[0].user, rests);
    assert_eq!(c.join_requests(w, None, 10).await.unwrap()[0].user, asks);
    assert_eq!(c.waddles_of(&joins).await.unwrap().len(), 1);
    world.clock.advance(Duration::from_secs(3_600));
    c.end_expired().await;
    assert!(access.timeout_of(&joins).is_none());
}

#[tokio::test]
async fn a_channel_is_no_way_around_the_invitation() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob, eve) = (user("alice"), user("bob"), user("eve"));
    let nest = NewChannel {
        private: true,
        ..NewChannel::text(slug("nest"), "Nest")
    };
    let nest = c.create_channel(&alice, w, nest).await.unwrap().id;
    c.grant_channel(&alice, w, nest, &bob, ChannelGrant::Manager, true)
        .await
        .unwrap();
    let access = c.access(w).await.unwrap();
    for grant in [ChannelGrant::Viewer, ChannelGrant::Writer, ChannelGrant::Manager] {
        let done = c.grant_channel(&bob, w, nest, &eve, grant, true).await;
        assert_eq!(done, Err(Error::NotFound("member")), "{grant:?}");
    }
    assert!(!access.channel_allows(nest, "view", &eve));
    // What denies holds before somebody comes.
    c.grant_channel(&bob, w, nest, &eve, ChannelGrant::Banned, true)
        .await
        .unwrap();
    c.grant_channel(&bob, w, nest, &eve, ChannelGrant::Banned, false)
        .await
        .unwrap();
    // Where everybody may look in, a guest can be given more.
    let open = WaddleChange {
        visibility: Some(Visibility::Public),
        ..WaddleChange::default()
    };
    c.update_waddle(&alice, w, open).await.unwrap();
    c.grant_channel(&bob, w, nest, &eve, ChannelGrant::Viewer, true)
        .await
        .unwrap();
    assert!(access.channel_allows(nest, "view", &eve));
    c.grant_channel(&bob, w, nest, &eve, ChannelGrant::Viewer, false)
        .await
        .unwrap();
    assert!(!access.channel_allows(nest, "view", &eve));
}

#[tokio::test]
async fn nobody_learns_of_roles_by_giving_none() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    for (who, whom) in [("eve", "bob"), ("bob", "mona"), ("eve", "eve")] {
        let done = c.set_roles(&user(who), w, &user(whom), &[]).await;
        assert_eq!(done, Err(Error::Forbidden), "{who} {whom}");
    }
    c.set_roles(&user("bob"), w, &user("bob"), &[]).await.unwrap();
    c.set_roles(&user("adam"), w, &user("bob"), &[]).await.unwrap();
}

#[tokio::test]
async fn a_feed_speaks_where_its_maker_may() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, bob) = (user("alice"), user("bob"));
    let role = NewRole {
        name: "Tinkerers".into(),
        colour: None,
        permissions: vec![Permission::ManageFeeds],
    };
    let role = c.create_role(&alice, w, role).await.unwrap().id;
    c.give_role(&alice, w, &bob, role, true).await.unwrap();
    let nest = NewChannel {
        private: true,
        ..NewChannel::text(slug("nest"), "Nest")
    };
    c.create_channel(&alice, w, nest).await.unwrap();
    let bind = async |channel: &str| {
        let channel = c.channel_by_slug(w, &slug(channel)).await.unwrap().unwrap();
        let new = NewBinding {
            filter: "home/#".parse().unwrap(),
            channel: channel.id,
            mode: FeedMode::Message,
            name: None,
        };
        c.bind_feed(&bob, w, new).await.map(drop)
    };
    assert_eq!(bind("announcements").await, Err(Error::Forbidden));
    assert_eq!(bind("nest").await, Err(Error::Forbidden));
    assert_eq!(bind("general").await, Ok(()));
    let nest = c.channel_by_slug(w, &slug("nest")).await.unwrap().unwrap().id;
    c.set_override(&alice, w, nest, Grantee::Role(role), ChannelGrant::Writer, true)
        .await
        .unwrap();
    assert_eq!(bind("nest").await, Ok(()));
}
