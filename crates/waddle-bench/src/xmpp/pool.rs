//! Many logins or registrations, a few at a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use futures::stream::{self, StreamExt as _};

use super::Target;
use super::connection::{Client, Connection};
use crate::report::{Meter, Report};

/// Runs `count` futures, `concurrency` at a time; the results in order of the numbers.
pub async fn each<T, F>(count: usize, concurrency: usize, make: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let mut running = stream::iter(0..count)
        .map(|number| {
            let future = make(number);
            async move { (number, future.await) }
        })
        .buffer_unordered(concurrency.max(1));
    let mut done = Vec::with_capacity(count);
    while let Some((number, result)) = running.next().await {
        done.push((number, result?));
    }
    drop(running);
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

/// A client for the target, its accounts made if that was asked for.
pub async fn client(target: &Target) -> Result<Arc<Client>> {
    let client = Arc::new(Client::new(target)?);
    if target.register {
        each(target.accounts, target.concurrency, |number| {
            client.register(number)
        })
        .await?;
    }
    Ok(client)
}

/// Logs accounts `0..count` in and sends initial presence.
pub async fn sessions(
    client: &Client,
    target: &Target,
    count: usize,
    resource: &str,
) -> Result<Vec<Connection>> {
    each(count, target.concurrency, |number| async move {
        let mut connection = client.login(number, resource).await?;
        connection.send(b"<presence/>").await?;
        Ok(connection)
    })
    .await
}

/// Only registers, and reports how long that took.
pub async fn register(target: &Target) -> Result<Report> {
    let client = Client::new(target)?;
    let started = Instant::now();
    let meter = Meter::start(target.pid, 0);
    let new = each(target.accounts, target.concurrency, |number| {
        client.register(number)
    })
    .await?;
    let made = new.iter().filter(|new| **new).count();
    let mut report = meter.finish(
        "xmpp register",
        format!("{} accounts", target.accounts),
        made as u64,
    );
    report.setup_seconds = started.elapsed().as_secs_f64();
    Ok(report)
}
