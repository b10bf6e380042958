//! Bans and timeouts: where they hold, and that they end by the clock, also over a restart.

use std::time::Duration;

use waddle_community::{BanDetails, Error, Event, Page, RemovalKind, Role};
use waddle_core::{Clock, UserId};

use crate::{World, next, slug, user};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_timeout_silences_everywhere_until_it_ends() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (bob, mona) = (user("bob"), user("mona"));
    let access = c.access(w).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap().id;
    let until = c.limits().timeout_seconds;
    let now: waddle_core::Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();

    for (who, whom, at, why) in [
        ("bob", "mona", now.plus(HOUR), Error::Forbidden),
        ("mona", "adam", now.plus(HOUR), Error::Forbidden),
        ("mona", "eve", now.plus(HOUR), Error::NotFound("member")),
    ] {
        let done = c.timeout_member(&user(who), w, &user(whom), at, None).await;
        assert_eq!(done, Err(why), "{who} {whom}");
    }
    for at in [now, now.plus(Duration::from_secs(until + 1))] {
        let done = c.timeout_member(&mona, w, &bob, at, None).await;
        assert!(matches!(done, Err(Error::Invalid { .. })), "{at}");
    }

    let mut events = c.events();
    c.timeout_member(&mona, w, &bob, now.plus(HOUR), Some("calm down"))
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, Event::TimedOut { user: who, .. } if who == bob));
    assert!(matches!(next(&mut events).await, Event::TuplesChanged { .. }));
    for channel in access.channels() {
        assert!(!access.channel_allows(channel.id, "speak", &bob));
        assert!(access.channel_allows(channel.id, "join", &bob));
    }
    assert_eq!(
        access.timeout_of(&bob).unwrap().reason.as_deref(),
        Some("calm down")
    );
    // Leaving and coming back does not help.
    c.remove_member(&bob, w, &bob, RemovalKind::Left, None)
        .await
        .unwrap();
    c.add_member(&mona, w, &bob, Role::Member).await.unwrap();
    assert!(!access.channel_allows(general, "speak", &bob));

    // Stopped before and started after the end: the first question is answered right.
    world.clock.advance(HOUR);
    drop((events, access));
    let world = world.restart().await;
    let c = &world.community;
    let access = c.access(w).await.unwrap();
    assert!(access.channel_allows(general, "speak", &bob) && access.timeout_of(&bob).is_none());
    assert_eq!(c.timeouts(w, None, 10).await.unwrap(), []);
    let log = c.audit(&user("alice"), w, None, 1).await.unwrap();
    assert_eq!(
        (log[0].action.as_str(), log[0].detail.as_str()),
        ("member.timeout.end", "expired")
    );
    assert_eq!(log[0].actor, None);
}

#[tokio::test]
async fn a_ban_ends_while_the_waddle_is_open_and_is_announced() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (bob, eve, mona) = (user("bob"), user("eve"), user("mona"));
    let now: waddle_core::Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let details = |hours: Option<u32>| BanDetails {
        reason: Some("spam".into()),
        expires_at: hours.map(|h| now.plus(HOUR * h)),
    };
    let past = c.ban_member(
        &mona,
        w,
        &bob,
        BanDetails {
            expires_at: Some(now),
            ..BanDetails::default()
        },
    );
    assert!(matches!(past.await, Err(Error::Invalid { .. })));
    c.ban_member(&mona, w, &bob, details(Some(1))).await.unwrap();
    c.ban_member(&mona, w, &eve, details(None)).await.unwrap();
    let access = c.access(w).await.unwrap();
    assert!(access.is_banned(&bob) && access.is_banned(&eve));
    assert_eq!(
        c.ban_of(w, &bob).await.unwrap().unwrap().expires_at,
        Some(now.plus(HOUR))
    );

    assert_eq!(c.end_expired().await, 0, "nothing is due");
    world.clock.advance(HOUR);
    let mut events = c.events();
    let ended = c.end_expired().await;
    // The handle's own look may have come first.
    assert!(ended <= 1);
    let Event::Unbanned { user: who, by, .. } = next(&mut events).await else {
        panic!("expected the end of the ban");
    };
    assert_eq!((who, by), (bob.clone(), None));
    assert!(matches!(next(&mut events).await, Event::TuplesChanged { .. }));
    assert!(!access.is_banned(&bob) && access.is_banned(&eve));
    assert_eq!(c.bans(w, Page::default()).await.unwrap().len(), 1);
    // They are free to come back, and are no member by themselves.
    assert_eq!(access.role_of(&bob), None);
    c.add_member(&mona, w, &bob, Role::Member).await.unwrap();
}

#[tokio::test]
async fn a_newer_ban_counts_and_pages_go_on() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let mona = user("mona");
    for n in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        c.ban_member(&mona, w, &user(&format!("troll{n}")), BanDetails::default())
            .await
            .unwrap();
    }
    let again = BanDetails {
        reason: Some("again".into()),
        ..BanDetails::default()
    };
    world.clock.advance(Duration::from_secs(1));
    c.ban_member(&mona, w, &user("troll0"), again).await.unwrap();
    let first = c.bans_page(w, None, 3).await.unwrap();
    let names =
        |bans: &[waddle_community::Ban]| -> Vec<String> { bans.iter().map(|b| b.user.to_string()).collect() };
    assert_eq!(names(&first), ["local:troll0", "local:troll4", "local:troll3"]);
    assert_eq!(first[0].reason.as_deref(), Some("again"));
    let last = first.last().unwrap();
    let rest = c
        .bans_page(w, Some((last.at, last.user.clone())), 3)
        .await
        .unwrap();
    assert_eq!(names(&rest), ["local:troll2", "local:troll1"]);
    c.unban(&mona, w, &user("troll0")).await.unwrap();
    assert_eq!(
        c.unban(&mona, w, &user("troll0")).await,
        Err(Error::NotFound("ban"))
    );
}

/// The clock of the machine is set back, and then far ahead, as after a virtual machine slept.
#[tokio::test]
async fn a_clock_that_jumps_ends_nothing_early_and_nothing_never() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (bob, eve, mona) = (user("bob"), user("eve"), user("mona"));
    let start: waddle_core::Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let access = c.access(w).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap().id;
    c.timeout_member(&mona, w, &bob, start.plus(HOUR), None)
        .await
        .unwrap();
    let details = BanDetails {
        expires_at: Some(start.plus(HOUR * 2)),
        ..BanDetails::default()
    };
    c.ban_member(&mona, w, &eve, details).await.unwrap();
    world.clock.set(start.minus(HOUR * 24));
    assert_eq!(c.end_expired().await, 0);
    drop(access);
    let world = world.restart().await;
    let c = &world.community;
    let access = c.access(w).await.unwrap();
    assert!(!access.channel_allows(general, "speak", &bob) && access.is_banned(&eve));
    // A new one counts from the time that is.
    let again = world.clock.now().plus(HOUR);
    c.timeout_member(&mona, w, &bob, again, None).await.unwrap();
    world.clock.set(start.plus(HOUR * 24 * 365));
    c.end_expired().await;
    assert!(access.channel_allows(general, "speak", &bob) && !access.is_banned(&eve));
    assert_eq!(c.end_expired().await, 0, "each ends once");
}

/// Who was never here has no name here, and the one that they were banned by may lead to nobody, or to somebody else.
#[tokio::test]
async fn a_ban_is_found_by_the_name_that_it_was_set_with() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let mona = user("mona");
    let troll: UserId = "did:plc:abcdefghijklmnopqrstuvwx".parse().unwrap();
    let other: UserId = "did:plc:abcdefghijklmnopqrstuvwy".parse().unwrap();
    let ban = async |who: &UserId, name: Option<&str>| {
        let details = BanDetails::default();
        c.ban_called(&mona, w, who, name, details).await.unwrap();
    };
    ban(&troll, Some("@Troll.Example ")).await;
    let of = async |name: &str| c.banned_as(w, name).await.unwrap();
    assert_eq!(of("troll.example").await, Some(troll.clone()));
    assert_eq!(of("TROLL.example").await, Some(troll.clone()));
    assert_eq!((of("").await, of(&"x".repeat(9_999)).await), (None, None));
    // Banned again by what they are, they keep the name; and a name of two is that of the newest.
    ban(&troll, Some(troll.as_str())).await;
    assert_eq!(of("troll.example").await, Some(troll.clone()));
    assert_eq!(of(troll.as_str()).await, None, "that is who they are");
    world.clock.advance(Duration::from_secs(1));
    ban(&other, Some("troll.example")).await;
    assert_eq!(of("troll.example").await, Some(other.clone()));
    for who in [&other, &troll] {
        assert_eq!(of("troll.example").await.as_ref(), Some(who));
        c.unban(&mona, w, who).await.unwrap();
    }
    assert_eq!(of("troll.example").await, None);
}
