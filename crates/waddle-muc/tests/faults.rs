//! Crowds: floods of joins, and readers that do not read.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use waddle_community::Visibility;
use waddle_core::{Limits, UserId};
use waddle_muc::{Inbound, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};

const ROOM: &str = "penguins.general@muc.localhost";

fn guest(i: usize, items: usize) -> Sender {
    Sender {
        jid: format!("guest{i}@localhost/1").parse().unwrap(),
        user: UserId::local(&format!("guest{i}")),
        outbox: Arc::new(Outbox::new(items, 64 << 20)),
    }
}

fn route(world: &play::World, who: &Sender, xml: &str) {
    let stanza = Stanza::parse(xml.to_owned().into()).unwrap();
    let stanza = stanza.head().from(who.jid.as_str()).build().to_stanza().unwrap();
    world.rooms.route(Inbound {
        stanza,
        sender: who.clone(),
    });
}

fn enter(world: &play::World, who: &Sender) {
    let nick = who.jid.local().unwrap();
    route(
        world,
        who,
        &format!("<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"),
    );
}

/// Counts what has arrived until `enough` says so.
async fn take(who: &Sender, mut enough: impl FnMut(&Outgoing) -> bool) {
    let mut got = VecDeque::new();
    let wait = async {
        loop {
            who.outbox.ready().await;
            who.outbox.drain_into(&mut got);
            if got.drain(..).any(|o| enough(&o)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("{} waits in vain", who.jid));
}

fn has(o: &Outgoing, text: &str) -> bool {
    let all = o.concat();
    all.windows(text.len()).any(|w| w == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_joins_is_taken_or_refused() {
    let mut world = play::World::new(Limits {
        muc_pending: 64,
        ..Limits::default()
    })
    .await;
    world.make_waddle("penguins", "romeo", Visibility::Public).await;
    world.connect("romeo").await;
    world.join("romeo", ROOM, "Romeo").await;
    let guests: Vec<Sender> = (0..400).map(|i| guest(i, 10_000)).collect();
    for g in &guests {
        enter(&world, g);
    }
    let mut entered = 0;
    for g in &guests {
        take(g, |o| {
            let refused = has(o, "resource-constraint") && has(o, "type=\"wait\"");
            entered += usize::from(has(o, "<subject"));
            refused || has(o, "<subject")
        })
        .await;
    }
    // The room may still be telling others; the number of those who are in is settled.
    assert_eq!(world.rooms.figures().occupants, entered + 1);
    assert!(entered > 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_up_nobody() {
    let world = play::World::new(Limits::default()).await;
    world.make_waddle("penguins", "romeo", Visibility::Private).await;
    let guests: Vec<Sender> = (0..300)
        .map(|i| guest(i, if i == 7 { 50 } else { 10_000 }))
        .collect();
    for g in &guests {
        let name = g.jid.local().unwrap();
        world.add("penguins", name, waddle_community::Role::Member).await;
        enter(&world, g);
        if g.jid.local() != Some("guest7") {
            take(g, |o| has(o, "<subject")).await;
        }
    }
    for (i, g) in guests.iter().enumerate().take(40) {
        route(
            &world,
            g,
            &format!("<message type='groupchat' to='{ROOM}'><body>line {i}</body></message>"),
        );
    }
    for (i, g) in guests.iter().enumerate() {
        if i == 7 {
            continue;
        }
        let mut lines = 0;
        take(g, |o| {
            lines += usize::from(has(o, "<body>line"));
            lines == 40
        })
        .await;
    }
    let slow = &guests[7];
    assert!(slow.outbox.overflowed() && slow.outbox.len() <= 50);
    // Its connection closes the session; the others hear that it left.
    slow.outbox.close();
    world.rooms.session_ended(&slow.jid);
    take(&guests[0], |o| has(o, "unavailable") && has(o, "/guest7\"")).await;
}

/// Somebody of the stage says something.
fn say(world: &mut play::World, name: &str, to: &str, body: &str) {
    world.send(
        name,
        &format!("<message type='groupchat' id='{body}' to='{to}'><body>{body}</body></message>"),
    );
}

/// The identifiers of what `name` gets, up to the one that is wanted: `ok` where it is no error.
async fn fates(world: &mut play::World, name: &str, last: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    loop {
        let s = world.next(name).await;
        let Some(id) = s.id().map(std::borrow::Cow::into_owned) else {
            continue;
        };
        let end = id == last;
        all.push((id, !s.is_type("error")));
        if end {
            return all;
        }
    }
}

async fn plain_room(who: &[&str]) -> play::World {
    let mut world = play::World::new(Limits::default()).await;
    for name in who {
        world.connect(name).await;
        world.join(name, "verona@muc.localhost", name).await;
        if name == &who[0] {
            world.send(
                name,
                "<iq type='set' id='open' to='verona@muc.localhost'>\
                 <query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>",
            );
            assert_eq!(world.next(name).await.id().as_deref(), Some("open"));
        }
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_changes_under_messages_counts_from_then_on() {
    let room = "verona@muc.localhost";
    let mut world = plain_room(&["romeo", "juliet", "tybalt"]).await;
    say(&mut world, "tybalt", room, "m1");
    world.send(
        "romeo",
        "<iq type='set' id='hush' to='verona@muc.localhost'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item nick='tybalt' role='visitor'/></query></iq>",
    );
    say(&mut world, "tybalt", room, "m2");
    say(&mut world, "romeo", room, "m3");
    // The message before the change is out before it, the one behind is its sender's alone.
    let tybalt = fates(&mut world, "tybalt", "m3").await;
    let ok = |id: &str, ok| (id.to_owned(), ok);
    assert_eq!(tybalt, [ok("m1", true), ok("m2", false), ok("m3", true)]);
    let juliet = fates(&mut world, "juliet", "m3").await;
    assert_eq!(juliet, [ok("m1", true), ok("m3", true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_banned_while_they_send_is_heard_up_to_the_ban() {
    let room = "verona@muc.localhost";
    let mut world = plain_room(&["romeo", "juliet", "tybalt"]).await;
    for i in 0..20 {
        say(&mut world, "tybalt", room, &format!("before{i}"));
    }
    world.send(
        "romeo",
        "<iq type='set' id='ban' to='verona@muc.localhost'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item jid='tybalt@localhost' affiliation='outcast'/></query></iq>",
    );
    for i in 0..20 {
        say(&mut world, "tybalt", room, &format!("after{i}"));
    }
    say(&mut world, "romeo", room, "end");
    let juliet = fates(&mut world, "juliet", "end").await;
    assert_eq!(juliet.len(), 21, "{juliet:?}");
    assert!(juliet.iter().all(|(id, ok)| *ok && !id.starts_with("after")));
    let tybalt = fates(&mut world, "tybalt", "after19").await;
    let refused = tybalt
        .iter()
        .filter(|(id, ok)| !ok && id.starts_with("after"))
        .count();
    assert_eq!(refused, 20, "{tybalt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_history_than_the_server_gives_whatever_is_asked() {
    let mut world = play::World::new(Limits {
        muc_history: 3,
        ..Limits::default()
    })
    .await;
    world.make_waddle("penguins", "romeo", Visibility::Private).await;
    world.connect("romeo").await;
    world.join("romeo", ROOM, "Romeo").await;
    for i in 0..10 {
        say(&mut world, "romeo", ROOM, &format!("m{i}"));
    }
    fates(&mut world, "romeo", "m9").await;
    world.connect("romeo/2").await;
    world.send(
        "romeo/2",
        &format!(
            "<presence to='{ROOM}/Romeo'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='1000000000' maxchars='99999999999999999999' seconds='18446744073709551616'/></x></presence>"
        ),
    );
    let mut past = 0;
    loop {
        let s = world.next("romeo/2").await;
        past += usize::from(s.root().has("body", "jabber:client"));
        if s.root().has("subject", "jabber:client") {
            break;
        }
    }
    assert_eq!(past, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_occupants_and_one_that_does_not_read() {
    const CROWD: usize = 5_000;
    let mut world = play::World::new(Limits {
        muc_pending: CROWD * 2,
        muc_presence_occupants: 50,
        ..Limits::default()
    })
    .await;
    world.make_waddle("penguins", "romeo", Visibility::Public).await;
    world.connect("romeo").await;
    world.join("romeo", ROOM, "Romeo").await;
    let guests: Vec<Sender> = (0..CROWD)
        .map(|i| guest(i, if i == 7 { 100 } else { 10_000 }))
        .collect();
    for g in &guests {
        enter(&world, g);
    }
    take(&guests[CROWD - 1], |o| has(o, "<subject")).await;
    assert_eq!(world.rooms.figures().occupants, CROWD + 1);
    for i in 0..120 {
        say(&mut world, "romeo", ROOM, &format!("m{i}"));
    }
    for (i, g) in guests
        .iter()
        .enumerate()
        .filter(|(i, _)| i % 500 == 0 || *i == CROWD - 1)
    {
        let mut lines = 0;
        take(g, |o| {
            lines += usize::from(has(o, "<body>m"));
            lines == 120
        })
        .await;
        assert!(!g.outbox.overflowed(), "{i}");
    }
    let slow = &guests[7];
    assert!(slow.outbox.overflowed() && slow.outbox.len() <= 100);
    // Mere participants who came later were not shown to the crowd.
    let seen = guests[0].outbox.len();
    assert!(seen < 200, "{seen}");
}
