//! Group chat (XEP-0045): a message of one occupant goes to all. A lane is one broadcast in flight; when
//! the last occupant has it, the lane's sender sends the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::{Target, Timing, marker, pool};
use crate::histogram::Histogram;
use crate::report::{self, Progress, Report};

/// The room and its load.
pub struct Shape {
    /// Occupants.
    pub occupants: usize,
    /// Broadcasts in flight.
    pub window: usize,
    /// Service that makes rooms.
    pub muc_host: Option<String>,
    /// An existing room.
    pub room: Option<String>,
}

/// What the occupants share.
struct Shared {
    progress: Progress,
    room: String,
    occupants: usize,
    /// Deliveries of each lane's current broadcast.
    lanes: Vec<AtomicUsize>,
    /// Tells an occupant to send the next broadcast of a lane.
    senders: Vec<mpsc::Sender<usize>>,
}

/// Lets the occupants join, then keeps `window` broadcasts in flight.
pub async fn run(target: &Target, timing: &Timing, shape: Shape) -> Result<Report> {
    if shape.occupants > target.accounts || shape.window == 0 || shape.window > shape.occupants {
        bail!(
            "needs an account per occupant and 1 to {} broadcasts in flight",
            shape.occupants
        );
    }
    let client = pool::client(target).await?;
    let service = shape
        .muc_host
        .unwrap_or_else(|| ["conference.", &target.domain].concat());
    let name = format!("bench{:x}", u64::from(std::process::id()) ^ report::nanos());
    let own_room = shape.room.is_none();
    let room = shape.room.unwrap_or_else(|| [&name, "@", &service].concat());
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..shape.occupants).map(|_| mpsc::channel(shape.window)).unzip();
    let shared = Arc::new(Shared {
        progress: Progress::default(),
        room,
        occupants: shape.occupants,
        lanes: (0..shape.window).map(|_| AtomicUsize::new(0)).collect(),
        senders,
    });

    let started = Instant::now();
    let sessions = pool::sessions(&client, target, shape.occupants, "room").await?;
    let mut workers = Vec::new();
    for (number, (mut session, commands)) in sessions.into_iter().zip(receivers).enumerate() {
        join(&mut session, &shared.room, number, own_room && number == 0).await?;
        workers.push(tokio::spawn(occupy(session, commands, Arc::clone(&shared))));
    }
    let setup = started.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for lane in 0..shape.window {
        shared.send_next(lane);
    }
    let mut report = report::measure(
        &shared.progress,
        target.pid,
        Duration::from_secs_f64(timing.warm_up),
        Duration::from_secs_f64(timing.seconds),
        "xmpp room",
        format!("{} occupants, {} in flight", shape.occupants, shape.window),
    )
    .await;
    let mut histograms = Vec::new();
    for worker in workers {
        histograms.push(worker.await??);
    }
    if report.items == 0 {
        bail!("nothing was delivered");
    }
    report::latencies(&mut report, histograms);
    report.setup_seconds = setup.as_secs_f64();
    Ok(report)
}

/// Joins and, as the first in a new room, accepts its defaults (XEP-0045 §10.1.2).
async fn join(session: &mut Connection, room: &str, number: usize, create: bool) -> Result<()> {
    let nick = format!("nick{number}");
    let presence = [
        "<presence to='",
        room,
        "/",
        &nick,
        "'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
    ];
    session.send(presence.concat().as_bytes()).await?;
    let answer = session
        .wait(&[b"'110'", b"\"110\"", b"<error"])
        .await
        .context("join")?;
    if answer == 2 {
        bail!("join refused: {}", session.rest());
    }
    if create {
        let submit = [
            "<iq type='set' id='unlock' to='",
            room,
            "'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>",
        ];
        session.send(submit.concat().as_bytes()).await?;
        session
            .wait(&[b"'unlock'", b"\"unlock\""])
            .await
            .context("room configuration")?;
    }
    Ok(())
}

impl Shared {
    /// Asks the lane's occupant to send; lanes are spread over the occupants.
    fn send_next(&self, lane: usize) {
        let occupant = lane * self.occupants / self.lanes.len();
        if self.senders[occupant].try_send(lane).is_err() {
            self.progress.fail();
        }
    }
}

async fn occupy(
    mut session: Connection,
    mut commands: mpsc::Receiver<usize>,
    shared: Arc<Shared>,
) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    let finder = marker::finder();
    let mut end = tokio::time::interval(Duration::from_millis(100));
    while !shared.progress.stopped() {
        tokio::select! {
            biased;
            lane = commands.recv() => {
                let lane = lane.context("the run ended")?;
                let message = [
                    "<message type='groupchat' to='",
                    &shared.room,
                    "' id='",
                    &lane.to_string(),
                    "'><body>A message of ordinary length to the room, ",
                    &marker::write(report::nanos(), lane),
                    "</body></message>",
                ];
                session.send(message.concat().as_bytes()).await?;
            }
            read = session.read() => {
                read?;
                let (now, measuring) = (report::nanos(), shared.progress.measuring());
                let mut count = 0;
                marker::drain(session.input(), &finder, |sent, lane| {
                    count += 1;
                    if measuring {
                        histogram.record(now.saturating_sub(sent), 1);
                    }
                    if shared.lanes[lane].fetch_add(1, Ordering::AcqRel) + 1 == shared.occupants {
                        shared.lanes[lane].store(0, Ordering::Release);
                        shared.send_next(lane);
                    }
                });
                shared.progress.add(count);
            }
            _ = end.tick() => {}
        }
    }
    session.close().await;
    Ok(histogram)
}
