//! Group chat (XEP-0045): occupants join, messages of some go to all, occupants leave. A lane is one broadcast
//! in flight; when the last occupant has it, the lane's next broadcast is sent, in the next room where there are
//! several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::stream::{self, StreamExt as _};
use memchr::memmem;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::{Target, Timing, chat, marker, pool};
use crate::histogram::Histogram;
use crate::report::{self, Meter, Progress, Report};

/// No join or leave takes longer than this, or the run fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// The rooms and their load.
pub struct Shape {
    /// Occupants of each room.
    pub occupants: usize,
    /// Rooms. Where there are several, session *n* is in the rooms *n*, *n* − 1, … and there are as many sessions.
    pub rooms: usize,
    /// Broadcasts in flight.
    pub window: usize,
    /// Service that makes rooms.
    pub muc_host: Option<String>,
    /// An existing room.
    pub room: Option<String>,
    /// Whether two others talk to each other meanwhile.
    pub talk: bool,
}

/// What a run tells.
pub struct Outcome {
    /// The broadcasts.
    pub broadcast: Report,
    /// The joins, each measured until the occupant saw itself in the room.
    pub joins: Report,
    /// The leaves, each measured until the occupant saw itself gone.
    pub leaves: Report,
    /// The one-to-one messages beside the broadcasts.
    pub talk: Option<Report>,
}

/// One broadcast in flight.
#[derive(Default)]
struct Lane {
    room: AtomicUsize,
    deliveries: AtomicUsize,
}

/// What an occupant is to do.
enum Command {
    /// Send the lane's next broadcast.
    Send { lane: usize, room: usize },
    /// Send a presence and say how long it took until it came back.
    Presence {
        stanza: String,
        done: oneshot::Sender<u64>,
    },
}

/// What the occupants share.
struct Shared {
    progress: Progress,
    rooms: Vec<String>,
    occupants: usize,
    sessions: usize,
    lanes: Vec<Lane>,
    commands: Vec<mpsc::Sender<Command>>,
}

/// Lets the occupants join, keeps `window` broadcasts in flight for a while, and lets them leave.
pub async fn run(target: &Target, timing: &Timing, shape: Shape) -> Result<Outcome> {
    let sessions = if shape.rooms > 1 {
        shape.rooms.max(shape.occupants)
    } else {
        shape.occupants
    };
    let accounts = sessions + if shape.talk { 2 } else { 0 };
    if accounts > target.accounts || shape.window == 0 || shape.window > sessions {
        bail!("needs {accounts} accounts and 1 to {sessions} broadcasts in flight");
    }
    let client = pool::client(target).await?;
    let service = shape
        .muc_host
        .unwrap_or_else(|| ["conference.", &target.domain].concat());
    let own_rooms = shape.room.is_none();
    let rooms = match shape.room {
        Some(room) => vec![room],
        None => {
            let run = u64::from(std::process::id()) ^ report::nanos();
            let name = |n| format!("bench{run:x}-{n}@{service}");
            (0..shape.rooms.max(1)).map(name).collect()
        }
    };
    let (commands, receivers): (Vec<_>, Vec<_>) =
        (0..sessions).map(|_| mpsc::channel(shape.window + 64)).unzip();
    let shared = Arc::new(Shared {
        progress: Progress::default(),
        occupants: shape.occupants,
        sessions,
        lanes: (0..shape.window).map(|_| Lane::default()).collect(),
        rooms,
        commands,
    });
    let params = if shared.rooms.len() > 1 {
        format!(
            "{} rooms of {}, {} in flight",
            shared.rooms.len(),
            shape.occupants,
            shape.window
        )
    } else {
        format!("{} occupants, {} in flight", shape.occupants, shape.window)
    };

    let mut ready = pool::sessions(&client, target, sessions, "room").await?;
    for (room, address) in shared.rooms.iter().enumerate().filter(|_| own_rooms) {
        create(&mut ready[room], address, &nick(room)).await?;
    }
    let mut workers: Vec<JoinHandle<Result<Histogram>>> = Vec::new();
    for (session, commands) in ready.into_iter().zip(receivers) {
        workers.push(tokio::spawn(occupy(session, commands, Arc::clone(&shared))));
    }
    let joins: Vec<_> = shared
        .seats()
        .filter(|(_, seat, _)| !own_rooms || *seat > 0)
        .collect();
    let meter = Meter::start(target.pid, 0);
    let took = shared
        .presences(&joins, target.concurrency, join_stanza)
        .await
        .context("joining")?;
    let mut joined = meter.finish("xmpp room joins", params.clone(), joins.len() as u64);
    report::latencies(&mut joined, [took]);

    let talk = if shape.talk {
        let mut pair = (
            client.login(sessions, "talk").await?,
            client.login(sessions + 1, "talk").await?,
        );
        for one in [&mut pair.0, &mut pair.1] {
            one.send(b"<presence/>").await?;
        }
        Some(pair)
    } else {
        None
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    for lane in 0..shape.window {
        shared.send_next(lane, lane % shared.rooms.len());
    }
    let (warm_up, duration) = (
        Duration::from_secs_f64(timing.warm_up),
        Duration::from_secs_f64(timing.seconds),
    );
    let broadcast = report::measure(
        &shared.progress,
        target.pid,
        warm_up,
        duration,
        "xmpp room",
        params.clone(),
    );
    let (mut broadcast, talk) = match talk {
        None => (broadcast.await, None),
        Some(pair) => {
            let (broadcast, talk) = tokio::join!(broadcast, chat::between(pair, warm_up, duration));
            let mut talk = talk?;
            talk.parameters.clone_from(&params);
            (broadcast, Some(talk))
        }
    };
    if broadcast.items == 0 {
        bail!("nothing was delivered");
    }
    // What is in flight arrives before anybody leaves.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let leaves: Vec<_> = shared.seats().collect();
    let meter = Meter::start(target.pid, 0);
    let took = shared
        .presences(&leaves, target.concurrency, leave_stanza)
        .await
        .context("leaving")?;
    let mut left = meter.finish("xmpp room leaves", params, leaves.len() as u64);
    report::latencies(&mut left, [took]);
    shared.progress.end();
    let mut histograms = Vec::new();
    for worker in workers {
        histograms.push(worker.await??);
    }
    report::latencies(&mut broadcast, histograms);
    broadcast.setup_seconds = joined.seconds;
    Ok(Outcome {
        broadcast,
        joins: joined,
        leaves: left,
        talk,
    })
}

fn nick(session: usize) -> String {
    format!("nick{session}")
}

fn join_stanza(room: &str, session: usize) -> String {
    [
        "<presence to='",
        room,
        "/",
        &nick(session),
        "'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
    ]
    .concat()
}

fn leave_stanza(room: &str, session: usize) -> String {
    [
        "<presence type='unavailable' to='",
        room,
        "/",
        &nick(session),
        "'/>",
    ]
    .concat()
}

/// Makes a room and accepts its defaults (XEP-0045 §10.1.2).
async fn create(session: &mut Connection, room: &str, nick: &str) -> Result<()> {
    let presence = [
        "<presence to='",
        room,
        "/",
        nick,
        "'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    ];
    session.send(presence.concat().as_bytes()).await?;
    let answer = session
        .wait(&[b"'110'", b"\"110\"", b"<error"])
        .await
        .context("making the room")?;
    if answer == 2 {
        bail!("the room was refused: {}", session.rest());
    }
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
    Ok(())
}

impl Shared {
    /// All (room, seat in it, session).
    fn seats(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.rooms.len()).flat_map(move |room| {
            (0..self.occupants).map(move |seat| (room, seat, (room + seat) % self.sessions))
        })
    }

    /// Has a presence sent for each seat, a few at a time; how long each took to come back.
    async fn presences(
        &self,
        seats: &[(usize, usize, usize)],
        concurrency: usize,
        stanza: impl Fn(&str, usize) -> String,
    ) -> Result<Histogram> {
        let mut took = stream::iter(seats)
            .map(|(room, _, session)| {
                let stanza = stanza(&self.rooms[*room], *session);
                async move {
                    let (done, answer) = oneshot::channel();
                    self.commands[*session]
                        .send(Command::Presence { stanza, done })
                        .await
                        .ok()
                        .context("a session ended")?;
                    tokio::time::timeout(PATIENCE, answer)
                        .await
                        .context("no answer")?
                        .context("a session ended")
                }
            })
            .buffer_unordered(concurrency.max(1));
        let mut histogram = Histogram::new();
        while let Some(nanos) = took.next().await {
            histogram.record(nanos?, 1);
        }
        Ok(histogram)
    }

    /// Asks an occupant to send the lane's next broadcast; lanes are spread over the occupants of a single room.
    fn send_next(&self, lane: usize, room: usize) {
        self.lanes[lane].room.store(room, Ordering::Release);
        let session = if self.rooms.len() > 1 {
            room % self.sessions
        } else {
            lane * self.occupants / self.lanes.len()
        };
        if self.commands[session]
            .try_send(Command::Send { lane, room })
            .is_err()
        {
            self.progress.fail();
        }
    }

    /// Somebody got the lane's broadcast.
    fn delivered(&self, lane: usize) {
        let state = &self.lanes[lane];
        if state.deliveries.fetch_add(1, Ordering::AcqRel) + 1 < self.occupants {
            return;
        }
        state.deliveries.store(0, Ordering::Release);
        if self.progress.stopped() {
            return;
        }
        let room = state.room.load(Ordering::Acquire);
        let next = if self.rooms.len() > 1 {
            (room + self.lanes.len()) % self.rooms.len()
        } else {
            room
        };
        self.send_next(lane, next);
    }
}

/// Where `status` 110 stands in `input`, if it does; what cannot be the beginning of one is dropped.
fn own_presence(input: &mut Vec<u8>) -> bool {
    const NEEDLES: [&[u8]; 2] = [b"'110'", b"\"110\""];
    let end = NEEDLES
        .iter()
        .filter_map(|n| memmem::find(input, n).map(|at| at + n.len()))
        .min();
    let keep = input.len().min(4);
    let upto = end.unwrap_or(input.len() - keep);
    input.drain(..upto);
    end.is_some()
}

async fn occupy(
    mut session: Connection,
    mut commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    let finder = marker::finder();
    let mut end = tokio::time::interval(Duration::from_millis(100));
    let mut awaited: Option<(u64, oneshot::Sender<u64>)> = None;
    while !shared.progress.ended() {
        tokio::select! {
            biased;
            command = commands.recv(), if awaited.is_none() => match command.context("the run ended")? {
                Command::Send { lane, room } => {
                    let message = [
                        "<message type='groupchat' to='",
                        &shared.rooms[room],
                        "' id='",
                        &lane.to_string(),
                        "'><body>A message of ordinary length to the room, ",
                        &marker::write(report::nanos(), lane),
                        "</body></message>",
                    ];
                    session.send(message.concat().as_bytes()).await?;
                }
                Command::Presence { stanza, done } => {
                    session.input().clear();
                    awaited = Some((report::nanos(), done));
                    session.send(stanza.as_bytes()).await?;
                }
            },
            read = session.read() => {
                read?;
                if awaited.is_some() {
                    if own_presence(session.input()) && let Some((sent, done)) = awaited.take() {
                        // Who asked may have given up.
                        let _ = done.send(report::nanos().saturating_sub(sent));
                    }
                    continue;
                }
                let (now, measuring) = (report::nanos(), shared.progress.measuring());
                let mut count = 0;
                marker::drain(session.input(), &finder, |sent, lane| {
                    count += 1;
                    if measuring {
                        histogram.record(now.saturating_sub(sent), 1);
                    }
                    shared.delivered(lane);
                });
                shared.progress.add(count);
            }
            _ = end.tick() => {}
        }
    }
    session.close().await;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::own_presence;

    #[test]
    fn found_though_it_is_cut() {
        let mut input = b"<status code='1".to_vec();
        assert!(!own_presence(&mut input));
        input.extend_from_slice(b"10'/>");
        assert!(own_presence(&mut input));
        assert_eq!(input, b"/>");
    }
}
