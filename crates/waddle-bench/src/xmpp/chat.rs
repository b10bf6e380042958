//! One-to-one messages (RFC 6121 §5), archived by the server: each conversation plays ping-pong, so
//! that exactly one message per conversation is in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::connection::Connection;
use super::{Target, Timing, idle, marker, pool};
use crate::histogram::Histogram;
use crate::report::{self, Progress, Report};

/// No message takes longer than this, or the run fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `conversations` conversations between accounts 2n and 2n+1, beside `idle` other sessions whose memory is
/// measured.
pub async fn run(target: &Target, timing: &Timing, conversations: usize, idle: usize) -> Result<Report> {
    if conversations * 2 > target.accounts {
        bail!(
            "{conversations} conversations need {} accounts",
            conversations * 2
        );
    }
    let started = Instant::now();
    let client = pool::client(target).await?;
    let (idlers, rss) = idle::open(&client, target, conversations * 2, idle).await?;
    let mut sessions = pool::sessions(&client, target, conversations * 2, "chat")
        .await?
        .into_iter();
    let progress = Arc::new(Progress::default());
    let mut workers = Vec::new();
    while let (Some(one), Some(other)) = (sessions.next(), sessions.next()) {
        workers.push(tokio::spawn(converse(one, other, Arc::clone(&progress))));
    }
    let setup = started.elapsed();
    let mut report = report::measure(
        &progress,
        target.pid,
        Duration::from_secs_f64(timing.warm_up),
        Duration::from_secs_f64(timing.seconds),
        "xmpp chat",
        if idle > 0 {
            format!("{conversations} conversations beside {idle} idle sessions")
        } else {
            format!("{conversations} conversations")
        },
    )
    .await;
    let mut histograms = Vec::new();
    for worker in workers {
        histograms.push(worker.await??);
    }
    report::latencies(&mut report, histograms);
    report.setup_seconds = setup.as_secs_f64();
    report.rss_per_item = rss;
    for connection in idlers {
        connection.close().await;
    }
    Ok(report)
}

/// One conversation for a given time.
pub async fn between(
    pair: (Connection, Connection),
    warm_up: Duration,
    duration: Duration,
) -> Result<Report> {
    let progress = Arc::new(Progress::default());
    let worker = tokio::spawn(converse(pair.0, pair.1, Arc::clone(&progress)));
    let mut report = report::measure(&progress, None, warm_up, duration, "xmpp talk", String::new()).await;
    report::latencies(&mut report, [worker.await??]);
    Ok(report)
}

async fn converse(one: Connection, other: Connection, progress: Arc<Progress>) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    let (mut sender, mut receiver) = (one, other);
    let finder = marker::finder();
    let mut number = 0_u64;
    while !progress.stopped() {
        number += 1;
        let sent = report::nanos();
        let message = [
            "<message type='chat' to='",
            &receiver.bare,
            "' id='",
            &number.to_string(),
            "'><body>A message of ordinary length to a friend, ",
            &marker::write(sent, 0),
            "</body></message>",
        ];
        sender.send(message.concat().as_bytes()).await?;
        let mut arrived = None;
        while arrived.is_none() {
            if tokio::time::timeout(PATIENCE, receiver.read()).await.is_err() {
                progress.fail();
                bail!("a message to {} got lost: {}", receiver.bare, sender.rest());
            }
            marker::drain(receiver.input(), &finder, |nanos, _| {
                if nanos == sent {
                    arrived = Some(report::nanos() - sent);
                }
            });
        }
        progress.add(1);
        if let (true, Some(latency)) = (progress.measuring(), arrived) {
            histogram.record(latency, 1);
        }
        std::mem::swap(&mut sender, &mut receiver);
    }
    sender.close().await;
    receiver.close().await;
    Ok(histogram)
}
