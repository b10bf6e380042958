//! What was said before `kill -9` is told after it, in order, at least once.

use std::process::{Command, Stdio};

use waddle_core::Limits;
use waddle_hooks::outgoing::OutgoingChange;
use waddle_messages::{Act, NewMessage};

use crate::{
    receiver::Receiver,
    world::{World, user},
};

const DIR: &str = "WADDLE_HOOKS_TEST_DIR";
const URL: &str = "WADDLE_HOOKS_TEST_URL";

/// Messages of one life of the server.
const EACH: usize = 40;

/// Not a test: a server that makes a hook, or finds it, and goes on talking until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the test below"]
async fn a_server_that_is_killed() {
    let (Ok(dir), Ok(url)) = (std::env::var(DIR), std::env::var(URL)) else {
        return;
    };
    let mut limits = Limits::default();
    limits.message_rate.count = 1_000;
    let world = World::open(dir.as_ref(), None, limits).await;
    let (w, c, first) = match world.community.waddle_by_slug(&"penguins".parse().unwrap()) {
        Some(w) => {
            let c = world
                .community
                .channel_by_slug(w.id, &"general".parse().unwrap())
                .await
                .unwrap()
                .unwrap();
            (w, c, EACH)
        }
        None => {
            let (w, c) = world.penguins().await;
            let new = OutgoingChange {
                url: Some(url),
                ..OutgoingChange::default()
            };
            world
                .hooks
                .create_outgoing(&user("bob"), w.id, new)
                .await
                .unwrap();
            (w, c, 0)
        }
    };
    for n in first..first + EACH {
        let act = Act::Say(NewMessage::text(n.to_string()));
        world.rooms.act(&user("carol"), w.id, c.id, act).await.unwrap();
    }
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_said_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = Receiver::start().await;
    let url = r.url.clone();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::a_server_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .env(URL, &url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut child = start();
    let mut told: Vec<String> = Vec::new();
    // killed while it delivers
    while told.len() < 5 {
        told.push(r.next().await.text());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut child = start();
    let last = (2 * EACH - 1).to_string();
    while told.last().is_none_or(|t| *t != last) {
        told.push(r.next().await.text());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // an event may come twice where the server died between its delivery and its note
    told.dedup();
    let numbers: Vec<usize> = told.iter().map(|t| t.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "in order: {numbers:?}");
    // the first life was cut short: what it had not said is no loss
    let said: Vec<usize> = numbers.iter().copied().filter(|n| *n < EACH).collect();
    assert_eq!(said, (0..said.len()).collect::<Vec<_>>(), "without a gap");
    assert_eq!(numbers[said.len()..], (EACH..2 * EACH).collect::<Vec<_>>());
}
