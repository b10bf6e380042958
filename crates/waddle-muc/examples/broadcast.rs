//! What a delivery costs the room: 100 occupants, 32 messages in flight, stored durably, no sockets.
//!
//! `cargo run --release -p waddle-muc --example broadcast`; Linux only.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool run by hand")]

use std::{collections::VecDeque, sync::Arc, time::Instant};

use waddle_community::{Actor, Community, NewWaddle, Role};
use waddle_core::{Limits, SystemClock, UserId};
use waddle_muc::{Deps, Inbound, Rooms, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Stanza, XmlWriter, ns};
use waddle_storage::{Storage, StorageConfig};

const ROOM: &str = "penguins.general@muc.localhost";
const OCCUPANTS: usize = 100;
const MESSAGES: usize = 20_000;

/// Processor time of this process in microseconds: user and system, in ticks of 10 ms.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    let field = |n: usize| rest.split_whitespace().nth(n).unwrap().parse::<u64>().unwrap();
    (field(11) + field(12)) * 10_000
}

fn route(rooms: &Rooms, who: &Sender, xml: XmlWriter) {
    let stanza = Stanza::parse(xml.finish()).unwrap();
    let stanza = stanza.head().from(who.jid.as_str()).build().to_stanza().unwrap();
    rooms.route(Inbound {
        stanza,
        sender: who.clone(),
    });
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Arc::new(Limits::default());
    let clock = Arc::new(SystemClock);
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let community = Community::open(storage.clone(), clock.clone(), limits.clone(), "localhost")
        .await
        .unwrap();
    let new = NewWaddle {
        owner: Some(UserId::local("owner")),
        ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
    };
    let waddle = community.create_waddle(Actor::System, new).await.unwrap().id;
    let deps = Deps {
        storage,
        community: community.clone(),
        clock,
        limits,
        domain: "localhost".to_owned(),
    };
    let rooms = Rooms::new(deps).await.unwrap();
    let mut all = Vec::new();
    for i in 0..OCCUPANTS {
        let name = format!("user{i}");
        let user = UserId::local(&name);
        community
            .add_member(Actor::System, waddle, &user, Role::Member)
            .await
            .unwrap();
        let sender = Sender {
            jid: format!("{name}@localhost/bench").parse().unwrap(),
            user,
            outbox: Arc::new(Outbox::new(100_000, 1 << 30)),
        };
        let mut presence = XmlWriter::presence();
        presence
            .attr("to", &[ROOM, "/", &name].concat())
            .empty("x", ns::MUC);
        route(&rooms, &sender, presence);
        all.push(sender);
    }
    while rooms.figures().occupants < OCCUPANTS {
        tokio::task::yield_now().await;
    }
    for in_flight in [1, 32] {
        let (wall, before) = (Instant::now(), cpu());
        let mut taken = VecDeque::new();
        let count = if in_flight == 1 { MESSAGES / 10 } else { MESSAGES };
        let (mut sent, mut back) = (0, 0);
        all[0].outbox.drain_into(&mut taken);
        taken.clear();
        while back < count {
            while sent < count && sent - back < in_flight {
                let who = &all[sent % OCCUPANTS];
                let mut message = XmlWriter::message();
                message.attr("type", "groupchat").attr("to", ROOM);
                message
                    .attr_display("id", sent)
                    .leaf("body", "a message of a usual length, as people write them");
                route(&rooms, who, message);
                sent += 1;
            }
            all[0].outbox.ready().await;
            all[0].outbox.drain_into(&mut taken);
            back += taken
                .drain(..)
                .filter(|o| o.head.starts_with(b"<message"))
                .count();
            for other in &all[1..] {
                other.outbox.drain_into(&mut taken);
                taken.clear();
            }
        }
        let deliveries = (count * OCCUPANTS) as f64;
        let used = (cpu() - before) as f64;
        println!(
            "{in_flight} in flight: {:.2} µs CPU a delivery, {:.1} µs a message, {:.0} messages/s",
            used / deliveries,
            used / count as f64,
            count as f64 / wall.elapsed().as_secs_f64(),
        );
    }
}
