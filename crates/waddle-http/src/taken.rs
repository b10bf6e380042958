//! Streams of HTTP/2 are taken, or they end: a client that opens no window (RFC 9113 §5.2) holds none for ever.
//!
//! What is written to the socket has its bound ([`Paced`](crate::pace::Paced)); a stream without window writes nothing, and
//! its connection answers pings. hyper waits for the window where nobody else can see it, but it leaves the running of its
//! streams to us: the executor here knows of each whether its body has given something that was not taken, and drops the
//! stream after a while, which resets it (`CANCEL`) and no other. A body that has nothing to say, like that of an event
//! stream, waits for nobody.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// Bytes that are given at a time: what is bounded is the time in which so many are taken.
const PIECE: usize = 16 * 1024;

tokio::task_local! {
    static STREAM: Arc<Progress>;
}

/// How far the body of a stream is; all of it happens in the stream's own task.
#[derive(Debug, Default)]
struct Progress {
    given: AtomicU64,
    is_waiting: AtomicBool,
}

impl Progress {
    fn give(&self) {
        self.given.fetch_add(1, Relaxed);
        self.is_waiting.store(true, Relaxed);
    }

    /// Which piece waits for the client.
    fn waiting(&self) -> Option<u64> {
        self.is_waiting.load(Relaxed).then(|| self.given.load(Relaxed))
    }
}

/// Runs the streams of a connection.
#[derive(Debug, Clone)]
pub struct Streams {
    /// How long a piece of an answer may wait for its client.
    pub patience: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        tokio::spawn(run(stream, self.patience));
    }
}

/// Runs a stream to its end, or until its client has taken nothing for so long.
async fn run<F: Future>(stream: F, patience: Duration) {
    let progress = Arc::<Progress>::default();
    let mut stream = pin!(STREAM.scope(progress.clone(), stream));
    let mut timer = pin!(sleep(patience));
    let mut counted = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let waiting = progress.waiting();
        if waiting != counted {
            counted = waiting;
            timer.as_mut().reset(Instant::now() + patience);
        }
        match waiting {
            Some(_) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    })
    .await;
}

/// The answer of a stream in pieces whose taking is watched; any other as it is.
pub fn watched(answer: Response) -> Response {
    match STREAM.try_with(Arc::clone) {
        Ok(progress) if !answer.body().is_end_stream() => answer.map(|body| {
            Body::new(Pieces {
                body,
                rest: Bytes::new(),
                progress,
            })
        }),
        _ => answer,
    }
}

/// A body in pieces. Of the last one the last byte comes apart: it is asked for when all before it was taken, so that no
/// stream is over for us that is not for its client.
struct Pieces {
    body: Body,
    rest: Bytes,
    progress: Arc<Progress>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Pending => {
                    this.progress.is_waiting.store(false, Relaxed);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended @ Poll::Ready(_) => return ended,
            }
        }
        let left = this.rest.len();
        let len = match left {
            0 | 1 => left,
            _ if left <= PIECE && this.body.is_end_stream() => left - 1,
            _ => left.min(PIECE),
        };
        this.progress.give();
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, of_body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(of_body.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    /// What hyper does with an answer: the next frame when the one before was taken, which takes so long.
    async fn take(answer: Body, each: Duration) -> Vec<usize> {
        let mut body = watched(Response::new(answer)).into_body().into_data_stream();
        let mut sizes = Vec::new();
        while let Some(piece) = body.next().await {
            sizes.push(piece.unwrap().len());
            sleep(each).await;
        }
        sizes
    }

    /// Whether a stream came to its end, and when.
    async fn ends(answer: Body, each: Duration) -> (bool, Duration) {
        let begun = Instant::now();
        let (ended, end) = tokio::sync::oneshot::channel();
        run(
            async move { ended.send(take(answer, each).await).unwrap() },
            PATIENCE,
        )
        .await;
        (end.await.is_ok(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_ends_and_slowly_is_no_fault() {
        let long = || Body::from(vec![7; 10 * PIECE]);
        assert!(ends(long(), PATIENCE / 2).await.0);
        let (ended, after) = ends(long(), 2 * PATIENCE).await;
        assert!(!ended && after >= PATIENCE && after < PATIENCE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_say_waits_for_nobody() {
        let rarely = futures::stream::iter(0..5).then(|_| async {
            sleep(10 * PATIENCE).await;
            Ok::<_, axum::Error>(Bytes::from_static(b"event"))
        });
        let (ended, after) = ends(Body::from_stream(rarely), Duration::ZERO).await;
        assert!(ended && after >= 50 * PATIENCE);
        // nor does who works long on an answer
        let begun = Instant::now();
        run(sleep(10 * PATIENCE), PATIENCE).await;
        assert!(begun.elapsed() >= 10 * PATIENCE);
    }

    #[tokio::test]
    async fn the_last_byte_comes_apart() {
        let sizes = async |answer: Body| STREAM.scope(Arc::default(), take(answer, Duration::ZERO)).await;
        assert_eq!(sizes(Body::from("word")).await, [3, 1]);
        assert_eq!(sizes(Body::from("w")).await, [1]);
        assert_eq!(sizes(Body::empty()).await, [0; 0]);
        assert_eq!(sizes(Body::from(vec![7; PIECE + 2])).await, [PIECE, 1, 1]);
        assert_eq!(
            take(Body::from("word"), Duration::ZERO).await,
            [4],
            "not a stream"
        );
        let hint = STREAM.sync_scope(Arc::default(), || {
            watched(Response::new(Body::from("word")))
                .body()
                .size_hint()
                .exact()
        });
        assert_eq!(hint, Some(4));
    }
}
