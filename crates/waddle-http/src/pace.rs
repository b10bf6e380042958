//! A connection that keeps moving: its first bytes come soon, and what is written for it is taken.
//!
//! hyper bounds the time for a head, but begins to count when it knows which HTTP is spoken, and bounds no write: without
//! this whoever says nothing, or reads nothing, holds a place for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What tells HTTP/1 from HTTP/2 (RFC 9113 §3.4): so many bytes are waited for at the most.
const PREFACE: usize = 24;

type Timer = Option<Pin<Box<Sleep>>>;

/// A connection with a bound on its silence.
pub struct Paced<S> {
    io: S,
    /// Until enough was read to know what is spoken.
    begin: Timer,
    read: usize,
    patience: Duration,
    writing: Timer,
    flushing: Timer,
}

impl<S> Paced<S> {
    /// The first bytes come within `begin`; what is written is taken, some of it at least, within `patience`.
    pub fn new(io: S, begin: Duration, patience: Duration) -> Self {
        Self {
            io,
            begin: Some(Box::pin(sleep(begin))),
            read: 0,
            patience,
            writing: None,
            flushing: None,
        }
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

/// Waits no longer than `patience` for what is not ready.
fn bounded<T>(
    cx: &mut Context<'_>,
    timer: &mut Timer,
    patience: Duration,
    polled: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if polled.is_ready() {
        *timer = None;
        return polled;
    }
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(patience)));
    ready!(timer.as_mut().poll(cx));
    over()
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        let Some(begin) = &mut this.begin else {
            return polled;
        };
        if polled.is_pending() {
            ready!(begin.as_mut().poll(cx));
            return over();
        }
        this.read += buf.filled().len() - before;
        if this.read >= PREFACE {
            this.begin = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        bounded(cx, &mut this.writing, this.patience, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        bounded(cx, &mut this.writing, this.patience, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        bounded(cx, &mut this.flushing, this.patience, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(cx);
        bounded(cx, &mut this.flushing, this.patience, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    const BEGIN: Duration = Duration::from_secs(15);
    const PATIENCE: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_begin_is_left() {
        for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
            let (mut client, server) = duplex(1_024);
            let (mut paced, begun) = (Paced::new(server, BEGIN, PATIENCE), Instant::now());
            client.write_all(said.as_bytes()).await.unwrap();
            let mut buf = vec![0; said.len() + 1];
            let error = paced.read_exact(&mut buf).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{said}");
            assert!(begun.elapsed() >= BEGIN && begun.elapsed() < 2 * BEGIN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_begun_may_be_silent() {
        let (mut client, server) = duplex(1_024);
        let mut paced = Paced::new(server, BEGIN, PATIENCE);
        client.write_all(&[b'x'; PREFACE]).await.unwrap();
        paced.read_exact(&mut [0; PREFACE]).await.unwrap();
        let later = tokio::spawn(async move {
            sleep(100 * BEGIN).await;
            client.write_all(b"y").await.unwrap();
        });
        assert_eq!(paced.read_u8().await.unwrap(), b'y');
        later.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_is_taken_or_the_connection_ends() {
        let (mut client, server) = duplex(8);
        let mut paced = Paced::new(server, BEGIN, PATIENCE);
        // slowly is no fault
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            while all.len() < 20 {
                sleep(PATIENCE / 2).await;
                all.push(client.read_u8().await.unwrap());
            }
            client
        });
        paced.write_all(&[b'z'; 28]).await.unwrap();
        let _client = reader.await.unwrap();
        let begun = Instant::now();
        let error = paced.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= PATIENCE);
    }
}
