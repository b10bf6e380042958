//! Logins: TLS handshake, SASL, resource binding (RFC 6120 §5 to §7).

use anyhow::Result;

use super::{Target, pool};
use crate::histogram::Histogram;
use crate::report::{self, Meter, Report};

/// Runs `logins` logins after a short warm-up.
pub async fn run(target: &Target, logins: usize) -> Result<Report> {
    let client = pool::client(target).await?;
    // Once per account first: the generator derives each account's key only once.
    let warm = target.accounts.min(logins);
    for connection in pool::each(warm, target.concurrency, |number| client.login(number, "warm")).await? {
        connection.close().await;
    }
    let meter = Meter::start(target.pid, 0);
    let open = pool::each(logins, target.concurrency, |number| {
        let client = &client;
        async move {
            let started = report::nanos();
            let connection = client.login(number, &format!("login-{number}")).await?;
            Ok((connection, report::nanos() - started))
        }
    })
    .await?;
    let parameters = format!(
        "{logins} logins, {} at once, {}",
        target.concurrency, target.mechanism
    );
    let mut report = meter.finish("xmpp login", parameters, logins as u64);
    let mut histogram = Histogram::new();
    for (connection, nanos) in open {
        histogram.record(nanos, 1);
        connection.close().await;
    }
    report::latencies(&mut report, [histogram]);
    Ok(report)
}
