//! What an idle session costs in memory.

use std::time::Duration;

use anyhow::{Result, bail};

use super::connection::{Client, Connection};
use super::{Target, pool};
use crate::process;
use crate::report::{Meter, Report};

/// Opens `sessions` sessions, several per account where there are fewer accounts.
pub async fn run(target: &Target, sessions: usize) -> Result<Report> {
    if target.pid.is_none() {
        bail!("memory needs --pid")
    }
    let client = pool::client(target).await?;
    // Code and tables that any first session loads are not the sessions' own.
    let warm = pool::sessions(&client, target, sessions.min(32), "warm").await?;
    for connection in warm {
        connection.close().await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let meter = Meter::start(target.pid, 0);
    let (open, rss) = open(&client, target, 0, sessions).await?;
    let mut report = meter.finish("xmpp idle", format!("{sessions} sessions"), sessions as u64);
    report.rss_per_item = rss;
    for connection in open {
        connection.close().await;
    }
    Ok(report)
}

/// Opens `sessions` sessions of the accounts from `first` on, and says by how many bytes each made the server grow.
pub async fn open(
    client: &Client,
    target: &Target,
    first: usize,
    sessions: usize,
) -> Result<(Vec<Connection>, Option<f64>)> {
    let accounts = target.accounts.saturating_sub(first).max(1);
    let before = target.pid.map(process::tree);
    let open = pool::each(sessions, target.concurrency, |number| async move {
        let mut connection = client
            .login(first + number % accounts, &format!("idle-{number}"))
            .await?;
        connection.send(b"<presence/>").await?;
        Ok(connection)
    })
    .await?;
    if sessions > 0 {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let rss = target
        .pid
        .zip(before)
        .filter(|_| sessions > 0)
        .map(|(pid, before)| (process::tree(pid).rss as f64 - before.rss as f64) / sessions as f64);
    Ok((open, rss))
}
