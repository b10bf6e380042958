//! One publisher to many subscribers, with a window over the slowest of them, so that a broker never
//! has a reason to drop.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::packet::{self, Packet, Reader, Template};
use super::{Shape, Target};
use crate::histogram::Histogram;
use crate::report::{self, Progress, Report};
use crate::tls;

/// Read at once from a socket; one buffer per thread serves all connections.
const CHUNK: usize = 256 * 1024;
/// Publishes written at once at most.
const BATCH: u64 = 128;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection past CONNACK.
struct Link {
    io: Box<dyn Io>,
    reader: Reader,
    protocol: u8,
}

/// What publisher and subscribers share.
struct Shared {
    progress: Progress,
    /// Deliveries to each subscriber.
    delivered: Vec<AtomicU64>,
    /// Acknowledged publishes.
    acknowledged: AtomicU64,
    /// Wakes the publisher.
    credit: Notify,
}

/// Connects everybody, publishes for the measured time, waits for what is under way and counts losses.
pub async fn run(target: &Target, shape: &Shape) -> Result<Report> {
    if shape.qos > 1 || shape.subscribers == 0 || shape.window == 0 || !matches!(target.protocol, 4 | 5) {
        bail!("QoS 0 or 1, protocol 4 or 5, at least one subscriber and one message in flight");
    }
    let started = Instant::now();
    let shared = Arc::new(Shared {
        progress: Progress::default(),
        delivered: (0..shape.subscribers).map(|_| AtomicU64::new(0)).collect(),
        acknowledged: AtomicU64::new(0),
        credit: Notify::new(),
    });
    let mut subscribers = Vec::new();
    for number in 0..shape.subscribers {
        let mut link = Link::open(target, &format!("bench-{}-sub-{number}", std::process::id())).await?;
        link.subscribe(&target.topic, shape.qos).await?;
        subscribers.push(tokio::spawn(receive(link, number, Arc::clone(&shared))));
    }
    let link = Link::open(target, &format!("bench-{}-pub", std::process::id())).await?;
    let template = Template::new(target.protocol, &target.topic, shape.qos, shape.payload);
    let setup = started.elapsed();
    let publisher = tokio::spawn(publish(
        link,
        template,
        shape.window as u64,
        shape.qos,
        Arc::clone(&shared),
    ));
    let mut report = report::measure(
        &shared.progress,
        target.pid,
        Duration::from_secs_f64(shape.warm_up),
        Duration::from_secs_f64(shape.seconds),
        "mqtt fanout",
        format!(
            "1 to {}, QoS {}, {} B",
            shape.subscribers, shape.qos, shape.payload
        ),
    )
    .await;
    shared.credit.notify_one();
    let (published, mut publisher) = publisher.await??;
    // The publisher's link is still read so that its last acknowledgements do not end in a reset.
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.slowest() < published && Instant::now() < deadline {
        let _ = tokio::time::timeout(Duration::from_millis(20), publisher.read(|_| ())).await;
    }
    report.errors = shared
        .delivered
        .iter()
        .map(|one| published.saturating_sub(one.load(Ordering::Relaxed)))
        .sum();
    let mut histograms = Vec::new();
    for subscriber in subscribers {
        histograms.push(subscriber.await??);
    }
    report::latencies(&mut report, histograms);
    report.setup_seconds = setup.as_secs_f64();
    Ok(report)
}

impl Shared {
    fn slowest(&self) -> u64 {
        self.delivered
            .iter()
            .map(|one| one.load(Ordering::Relaxed))
            .min()
            .unwrap_or(0)
    }
}

/// Writes as many publishes as the window allows, again and again.
async fn publish(
    mut link: Link,
    template: Template,
    window: u64,
    qos: u8,
    shared: Arc<Shared>,
) -> Result<(u64, Link)> {
    let mut published = 0_u64;
    let mut out = Vec::with_capacity(BATCH as usize * 128);
    while !shared.progress.stopped() {
        let mut done = shared.slowest();
        if qos > 0 {
            done = done.min(shared.acknowledged.load(Ordering::Relaxed));
        }
        let credit = window.saturating_sub(published - done);
        if credit == 0 {
            tokio::select! {
                () = shared.credit.notified() => {}
                read = link.read(|packet| acknowledge(&shared, &packet)) => read?,
            }
            continue;
        }
        let now = report::nanos();
        out.clear();
        for _ in 0..credit.min(BATCH) {
            template.write(&mut out, (published % 65_535 + 1) as u16, now);
            published += 1;
        }
        link.io.write_all(&out).await?;
        link.io.flush().await?;
        // Others share the thread; the acknowledgements are read without waiting for them.
        if qos > 0 {
            tokio::select! {
                biased;
                read = link.read(|packet| acknowledge(&shared, &packet)) => read?,
                () = tokio::task::yield_now() => {}
            }
        } else {
            tokio::task::yield_now().await;
        }
    }
    Ok((published, link))
}

fn acknowledge(shared: &Shared, packet: &Packet<'_>) {
    match packet {
        Packet::PubAck(code) if *code < 0x80 => {
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        _ => shared.progress.fail(),
    }
}

async fn receive(mut link: Link, number: usize, shared: Arc<Shared>) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    let mut acks = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut idle_after_stop = 0;
    loop {
        let (mut count, mut failed) = (0_u64, 0_u64);
        // Messages of one batch carry the same time: one clock reading and one histogram entry each run.
        let (mut run_time, mut run_length) = (0_u64, 0_u64);
        let measuring = shared.progress.measuring();
        tokio::select! {
            biased;
            read = link.read(|packet| match packet {
                Packet::Publish(identifier, payload) => {
                    count += 1;
                    if let Some(identifier) = identifier {
                        packet::puback(&mut acks, identifier);
                    }
                    let sent = payload.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                    if sent != run_time {
                        if measuring && run_length > 0 {
                            histogram.record(report::nanos().saturating_sub(run_time), run_length);
                        }
                        (run_time, run_length) = (sent, 0);
                    }
                    run_length += 1;
                }
                _ => failed += 1,
            }) => read?,
            _ = tick.tick() => {
                if shared.progress.stopped() {
                    idle_after_stop += 1;
                    if idle_after_stop > 2 {
                        return Ok(histogram);
                    }
                }
                continue;
            }
        }
        idle_after_stop = 0;
        if measuring && run_length > 0 {
            histogram.record(report::nanos().saturating_sub(run_time), run_length);
        }
        if failed > 0 {
            bail!("the broker sent something unexpected, perhaps a DISCONNECT");
        }
        if !acks.is_empty() {
            link.io.write_all(&acks).await?;
            link.io.flush().await?;
            acks.clear();
        }
        shared.delivered[number].fetch_add(count, Ordering::Relaxed);
        shared.progress.add(count);
        shared.credit.notify_one();
    }
}

impl Link {
    async fn open(target: &Target, client: &str) -> Result<Self> {
        let tcp = TcpStream::connect((target.host.as_str(), target.port))
            .await
            .context("connect")?;
        tcp.set_nodelay(true)?;
        let io: Box<dyn Io> = if target.tls {
            Box::new(
                tls::connector(Some("mqtt"))?
                    .connect(tls::server_name(&target.host)?, tcp)
                    .await
                    .context("TLS")?,
            )
        } else {
            Box::new(tcp)
        };
        let mut link = Self {
            io,
            reader: Reader::default(),
            protocol: target.protocol,
        };
        let connect = packet::connect(
            target.protocol,
            client,
            target.username.as_deref(),
            target.password.as_deref(),
        );
        link.io.write_all(&connect).await?;
        link.io.flush().await?;
        link.expect("CONNACK", |packet| matches!(packet, Packet::ConnAck(0)))
            .await?;
        Ok(link)
    }

    async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<()> {
        let bytes = packet::subscribe(self.protocol, filter, qos);
        self.io.write_all(&bytes).await?;
        self.io.flush().await?;
        self.expect(
            "SUBACK",
            |packet| matches!(packet, Packet::SubAck(code) if *code == qos),
        )
        .await
    }

    /// Waits for one answer that must be as wanted.
    async fn expect(&mut self, what: &str, wanted: impl Fn(&Packet<'_>) -> bool) -> Result<()> {
        let mut answer = None;
        while answer.is_none() {
            let read = self.read(|packet| answer = Some((wanted(&packet), format!("{packet:?}"))));
            tokio::time::timeout(Duration::from_secs(10), read)
                .await
                .with_context(|| format!("no {what}"))??;
        }
        match answer {
            Some((true, _)) => Ok(()),
            other => bail!("{what}: {other:?}"),
        }
    }

    /// Reads once and calls `each` for the packets that came.
    async fn read(&mut self, mut each: impl FnMut(Packet<'_>)) -> Result<()> {
        let Self { io, reader, protocol } = self;
        poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut **io).poll_read(context, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                    Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                        Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
                    }
                    Poll::Ready(Ok(())) => Poll::Ready(reader.feed(*protocol, buffer.filled(), &mut each)),
                }
            })
        })
        .await
    }
}
