//! What an idle session costs in memory.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Target, pool};
use crate::process;
use crate::report::{Meter, Report};

/// Opens `sessions` sessions, several per account where there are fewer accounts.
pub async fn run(target: &Target, sessions: usize) -> Result<Report> {
    let Some(pid) = target.pid else {
        bail!("memory needs --pid")
    };
    let client = pool::client(target).await?;
    // Code and tables that any first session loads are not the sessions' own.
    let warm = pool::sessions(&client, target, sessions.min(32), "warm").await?;
    for connection in warm {
        connection.close().await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = process::tree(pid);
    let meter = Meter::start(Some(pid), 0);
    let open = pool::each(sessions, target.concurrency, |number| {
        let client = &client;
        async move {
            let mut connection = client.login(number, &format!("idle-{number}")).await?;
            connection.send(b"<presence/>").await?;
            Ok(connection)
        }
    })
    .await?;
    let mut report = meter.finish("xmpp idle", format!("{sessions} sessions"), sessions as u64);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = process::tree(pid).rss as f64 - before.rss as f64;
    report.rss_per_item = Some(grown / sessions.max(1) as f64);
    for connection in open {
        connection.close().await;
    }
    Ok(report)
}
