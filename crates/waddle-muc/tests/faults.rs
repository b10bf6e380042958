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
