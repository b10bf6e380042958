//! Faults of a room, and rooms that fall asleep.

use std::{collections::VecDeque, time::Duration};

use waddle_community::Community;
use waddle_core::{Limits, SystemClock, UserId};
use waddle_stanza::{Stanza, ns};
use waddle_storage::{Storage, StorageConfig};

use super::*;
use crate::{Sender, actor::FAULTS};

async fn rooms(limits: Limits) -> (Rooms, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let limits = Arc::new(limits);
    let clock = Arc::new(SystemClock);
    let community = Community::open(storage.clone(), clock.clone(), limits.clone(), "x")
        .await
        .unwrap();
    let deps = Deps {
        storage,
        community,
        clock,
        limits,
        domain: "x".to_owned(),
    };
    (Rooms::new(deps).await.unwrap(), dir)
}

fn sender(name: &str) -> Sender {
    Sender {
        jid: [name, "@x/1"].concat().parse().unwrap(),
        user: UserId::local(name),
        outbox: Arc::new(Outbox::new(1_000, 1 << 20)),
    }
}

fn send(rooms: &Rooms, who: &Sender, xml: &str) {
    let stanza = Stanza::parse(xml.to_owned().into()).unwrap();
    let stanza = stanza.head().from(who.jid.as_str()).build().to_stanza().unwrap();
    rooms.route(Inbound {
        stanza,
        sender: who.clone(),
    });
}

/// Takes stanzas until one is as wanted.
async fn until(who: &Sender, wanted: impl Fn(&Stanza) -> bool) -> Stanza {
    let mut got = VecDeque::new();
    let wait = async {
        loop {
            who.outbox.ready().await;
            who.outbox.drain_into(&mut got);
            while let Some(o) = got.pop_front() {
                let s = o.to_stanza().unwrap();
                if wanted(&s) {
                    return s;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap()
}

fn enter(rooms: &Rooms, who: &Sender, nick: &str) {
    let x = ["<x xmlns='", ns::MUC, "'/>"].concat();
    send(
        rooms,
        who,
        &["<presence to='lounge@muc.x/", nick, "'>", &x, "</presence>"].concat(),
    );
}

fn is_subject(s: &Stanza) -> bool {
    s.root().has("subject", ns::CLIENT)
}

#[tokio::test]
async fn a_room_that_fails_tells_its_occupants_and_starts_again() {
    let (rooms, _dir) = rooms(Limits::default()).await;
    let a = sender("a");
    for _ in 0..2 {
        enter(&rooms, &a, "A");
        until(&a, is_subject).await;
        assert_eq!(rooms.figures().occupants, 1);
        rooms.0.send("lounge", Input::Fault);
        let s = until(&a, |s| s.is_type("unavailable")).await;
        let x = s.root().child("x", ns::MUC_USER).unwrap();
        assert!(x.children().any(|c| c.attr("code").as_deref() == Some("332")));
    }
    enter(&rooms, &a, "A");
    until(&a, is_subject).await;
}

#[tokio::test]
async fn a_room_that_fails_again_and_again_is_given_up_but_can_be_entered_later() {
    let (rooms, _dir) = rooms(Limits::default()).await;
    let a = sender("a");
    for _ in 0..FAULTS + 3 {
        rooms.0.send("lounge", Input::Fault);
        tokio::task::yield_now().await;
    }
    for _ in 0..200 {
        enter(&rooms, &a, "A");
        let s = until(&a, |s| s.is_type("error") || is_subject(s)).await;
        if is_subject(&s) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the room stays away");
}

#[tokio::test]
async fn addresses_without_a_room_keep_no_actor() {
    let (rooms, _dir) = rooms(Limits::default()).await;
    let a = sender("a");
    for i in 0..50 {
        let to = ["room", &i.to_string(), "@muc.x"].concat();
        send(
            &rooms,
            &a,
            &[
                "<message type='groupchat' to='",
                &to,
                "'><body>x</body></message>",
            ]
            .concat(),
        );
        until(&a, |s| s.is_type("error")).await;
    }
    for _ in 0..1_000 {
        if rooms.figures().active_rooms == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} actors stay", rooms.figures().active_rooms);
}

#[tokio::test]
async fn a_session_is_in_so_many_rooms_and_no_more() {
    let (rooms, _dir) = rooms(Limits {
        muc_rooms_per_session: 2,
        ..Limits::default()
    })
    .await;
    let a = sender("a");
    let knock = |room: &str| {
        let x = ["<x xmlns='", ns::MUC, "'/>"].concat();
        send(
            &rooms,
            &a,
            &["<presence to='", room, "@muc.x/A'>", &x, "</presence>"].concat(),
        );
    };
    knock("one");
    until(&a, is_subject).await;
    knock("two");
    until(&a, is_subject).await;
    knock("three");
    until(&a, |s| s.is_type("error")).await;
    rooms.session_ended(&a.jid);
    for _ in 0..1_000 {
        if rooms.figures() == Figures::default() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", rooms.figures());
}

#[tokio::test]
async fn a_slug_is_a_waddles_or_a_plain_rooms() {
    let (rooms, _dir) = rooms(Limits::default()).await;
    let community = rooms.0.deps.community.clone();
    let a = sender("a");
    let make = async |slug: &str| {
        let new = waddle_community::NewWaddle::new(slug.parse().unwrap(), "Penguins");
        community.create_waddle(&a.user, new).await
    };
    let enter = |room: &str| {
        let x = ["<x xmlns='", ns::MUC, "'/>"].concat();
        send(
            &rooms,
            &a,
            &["<presence to='", room, "@muc.x/A'>", &x, "</presence>"].concat(),
        );
    };
    enter("ice.floe.one");
    until(&a, is_subject).await;
    let form = [
        "<query xmlns='",
        ns::MUC_OWNER,
        "'><x xmlns='jabber:x:data' type='submit'/></query>",
    ]
    .concat();
    let open = ["<iq type='set' id='o' to='ice.floe.one@muc.x'>", &form, "</iq>"].concat();
    send(&rooms, &a, &open);
    assert!(
        until(&a, |s| s.id().as_deref() == Some("o"))
            .await
            .is_type("result")
    );
    let refused = make("ice").await;
    assert!(matches!(refused, Err(waddle_community::Error::Conflict(_))));
    make("icecream").await.unwrap();
    make("snow").await.unwrap();
    for taken in ["snow.floe", "snow.floe.one"] {
        enter(taken);
        until(&a, |s| s.is_type("error")).await;
    }
    // The first one goes with its occupant, and the slug is free again.
    send(
        &rooms,
        &a,
        "<presence type='unavailable' to='ice.floe.one@muc.x/A'/>",
    );
    for _ in 0..1_000 {
        if make("ice").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the slug stays taken");
}

#[tokio::test]
async fn the_lists_of_a_plain_room_are_bounded() {
    let (rooms, _dir) = rooms(Limits {
        muc_affiliations: 3,
        ..Limits::default()
    })
    .await;
    let a = sender("a");
    enter(&rooms, &a, "A");
    until(&a, is_subject).await;
    let set = async |items: &[(&str, &str)]| {
        let items: String = items
            .iter()
            .map(|(who, what)| ["<item jid='", who, "@x' affiliation='", what, "'/>"].concat())
            .collect();
        let query = ["<query xmlns='", ns::MUC_ADMIN, "'>", &items, "</query>"].concat();
        send(
            &rooms,
            &a,
            &["<iq type='set' id='i' to='lounge@muc.x'>", &query, "</iq>"].concat(),
        );
        let answer = until(&a, |s| s.id().as_deref() == Some("i")).await;
        let error = answer.root().child("error", ns::CLIENT);
        error.is_none_or(|e| !e.has("resource-constraint", ns::STANZA_ERRORS))
    };
    assert!(!set(&[("b", "member"), ("c", "member"), ("d", "outcast")]).await);
    assert!(set(&[("b", "member"), ("c", "outcast")]).await);
    assert!(!set(&[("d", "member")]).await);
    assert!(set(&[("c", "member")]).await, "nobody new");
    assert!(set(&[("b", "none")]).await);
    assert!(set(&[("d", "member")]).await);
}
