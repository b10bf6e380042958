//! Paging through an archive (XEP-0313 with XEP-0059), as a client does that was away for long.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use memchr::memmem;

use super::connection::Connection;
use super::{Target, marker, pool};
use crate::histogram::Histogram;
use crate::report::{self, Meter, Report};

/// Fills the archive of the last account with messages of the one before it and reads it in pages.
pub async fn run(target: &Target, fill: usize, items: usize, page: usize) -> Result<Report> {
    if target.accounts < 2 || page == 0 {
        bail!("needs two accounts and a page size");
    }
    let started = Instant::now();
    let client = pool::client(target).await?;
    let mut reader = client.login(target.accounts - 1, "archive").await?;
    if fill > 0 {
        reader.send(b"<presence/>").await?;
        let writer = client.login(target.accounts - 2, "archive").await?;
        write(writer, &mut reader, fill).await?;
    }
    let setup = started.elapsed();

    let mut histogram = Histogram::new();
    let meter = Meter::start(target.pid, 0);
    let (mut read, mut after) = (0, None);
    while read < items {
        let sent = report::nanos();
        let (count, last, complete) = query(&mut reader, page, after.as_deref()).await?;
        histogram.record(report::nanos() - sent, 1);
        read += count;
        if count == 0 && after.is_none() {
            break;
        }
        // At the end it starts again.
        after = if complete || count == 0 { None } else { last };
    }
    let mut report = meter.finish("xmpp archive", format!("pages of {page}"), read as u64);
    report::latencies(&mut report, [histogram]);
    report.setup_seconds = setup.as_secs_f64();
    if read < items {
        report.errors = (items - read) as u64;
    }
    reader.close().await;
    Ok(report)
}

async fn write(mut writer: Connection, reader: &mut Connection, count: usize) -> Result<()> {
    const BATCH: usize = 32;
    let finder = marker::finder();
    let mut seen = 0;
    let mut sent = 0;
    while seen < count {
        while sent < count && sent < seen + BATCH {
            let message = [
                "<message type='chat' to='",
                &reader.bare,
                "' id='",
                &sent.to_string(),
                "'><body>A message of ordinary length for the archive, ",
                &marker::write(report::nanos(), 0),
                "</body></message>",
            ];
            writer.send(message.concat().as_bytes()).await?;
            sent += 1;
        }
        tokio::time::timeout(Duration::from_secs(20), reader.read())
            .await
            .context("filling the archive")??;
        marker::drain(reader.input(), &finder, |_, _| seen += 1);
    }
    writer.close().await;
    Ok(())
}

/// One page: how many items came, the last one's id, and whether it was the last page.
async fn query(
    reader: &mut Connection,
    page: usize,
    after: Option<&str>,
) -> Result<(usize, Option<String>, bool)> {
    let after = after
        .map(|id| ["<after>", id, "</after>"].concat())
        .unwrap_or_default();
    let request = [
        "<iq type='set' id='mam'><query xmlns='urn:xmpp:mam:2' queryid='q'>",
        "<set xmlns='http://jabber.org/protocol/rsm'><max>",
        &page.to_string(),
        "</max>",
        &after,
        "</set></query></iq>",
    ];
    reader.input().clear();
    reader.send(request.concat().as_bytes()).await?;
    let bytes = reader.take_until(b"</iq>").await.context("archive page")?;
    let start = memmem::rfind(&bytes, b"<fin").or_else(|| memmem::rfind(&bytes, b":fin"));
    let Some(start) = start else {
        bail!("no page: {}", String::from_utf8_lossy(&bytes));
    };
    let fin = &bytes[start..];
    let complete = [
        &b"complete='true'"[..],
        b"complete=\"true\"",
        b"complete='1'",
        b"complete=\"1\"",
    ]
    .iter()
    .any(|needle| memmem::find(fin, needle).is_some());
    let last = memmem::find(fin, b"<last>").and_then(|at| {
        let text = &fin[at + 6..];
        memmem::find(text, b"</last>").map(|end| String::from_utf8_lossy(&text[..end]).into_owned())
    });
    Ok((memmem::find_iter(&bytes, b"<forwarded").count(), last, complete))
}
