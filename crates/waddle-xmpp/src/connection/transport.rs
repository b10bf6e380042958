//! The bytes below a stream: TCP, TLS or WebSocket messages, as one non-blocking thing that is polled.
//!
//! No buffer lives in it while it is idle: reading goes through the stack, writing takes what waits.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{Sink, Stream};
use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use waddle_stanza::{Outgoing, Stanza};

/// Bytes that one read takes from the socket at the most.
const READ: usize = 8 * 1024;
/// Slices of one vectored write.
const SLICES: usize = 64;

/// A byte stream that is no TCP socket: in-memory pipes in tests.
pub trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// The text messages of a WebSocket (RFC 7395): each item one message, ping and pong hidden.
pub trait TextFrames:
    Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> + Send + Unpin
{
    /// Takes out what it was given and knows that the client did not get, in order, for a session that ends: BOSH
    /// keeps answers until they are fetched. It sends none of it any more.
    fn unfetched(&mut self) -> Vec<Bytes> {
        Vec::new()
    }
}

/// A byte stream before or below TLS.
pub enum Socket {
    /// A client's TCP connection.
    Tcp(TcpStream),
    /// Any other byte stream.
    Other(Box<dyn ReadWrite>),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Self::Other(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Self::Other(s) => Pin::new(s).poll_write(cx, buf),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Self::Other(s) => Pin::new(s).poll_write_vectored(cx, bufs),
        }
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(s) => s.is_write_vectored(),
            Self::Other(s) => s.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(s) => Pin::new(s).poll_flush(cx),
            Self::Other(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Self::Other(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// What carries the stream.
pub enum Transport {
    /// Bytes in the clear.
    Plain(Socket),
    /// Bytes under TLS.
    Tls(Box<TlsStream<Socket>>),
    /// WebSocket messages; whether TLS protects them is the HTTP server's knowledge.
    WebSocket(Box<dyn TextFrames>),
    /// Nothing any more, or not yet.
    Closed,
}

/// What waits to be written: stanzas in order, the first perhaps half written.
#[derive(Debug, Default)]
pub struct WriteQueue {
    /// What is still to be written; nothing of an item leaves the queue before all of it was written.
    pub items: VecDeque<Outgoing>,
    /// Bytes of the first item that are written.
    written: usize,
}

impl WriteQueue {
    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends one item.
    pub fn push(&mut self, item: Outgoing) {
        self.items.push_back(item);
    }

    /// Takes out what was not written, whole items only: a half-written one counts as not written.
    pub fn take(&mut self) -> VecDeque<Outgoing> {
        self.written = 0;
        std::mem::take(&mut self.items)
    }

    /// Takes out what was not begun; a half-written item stays, so that what follows it is well-formed.
    pub fn take_unstarted(&mut self) -> VecDeque<Outgoing> {
        let keep = usize::from(self.written > 0).min(self.items.len());
        self.items.split_off(keep)
    }

    /// Gives the memory of a burst back.
    pub fn shrink(&mut self) {
        if self.items.is_empty() && self.items.capacity() > 16 {
            self.items = VecDeque::new();
        }
    }

    fn slices(&self) -> SmallVec<[IoSlice<'_>; SLICES]> {
        let mut out = SmallVec::new();
        let mut skip = self.written;
        for item in &self.items {
            if out.len() + 2 > SLICES {
                break;
            }
            for part in [&item.head, &item.tail] {
                let n = skip.min(part.len());
                skip -= n;
                if n < part.len() {
                    out.push(IoSlice::new(&part[n..]));
                }
            }
        }
        out
    }

    fn advance(&mut self, mut n: usize) {
        n += self.written;
        while let Some(first) = self.items.front() {
            let len = first.head.len() + first.tail.len();
            if n < len {
                break;
            }
            n -= len;
            self.items.pop_front();
        }
        self.written = n;
    }
}

impl Transport {
    /// Reads what is there and appends it to `into`; 0 is the end. One WebSocket message at a time.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut stack = [const { MaybeUninit::<u8>::uninit() }; READ];
        let mut buf = ReadBuf::uninit(&mut stack);
        match self {
            Self::Plain(s) => ready!(Pin::new(s).poll_read(cx, &mut buf))?,
            Self::Tls(s) => match ready!(Pin::new(s).poll_read(cx, &mut buf)) {
                // A client that closes without close_notify is no different from one that closes.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                r => r?,
            },
            Self::WebSocket(s) => {
                return match ready!(Pin::new(s).poll_next(cx)) {
                    Some(Ok(text)) => {
                        into.extend_from_slice(&text);
                        Poll::Ready(Ok(text.len().max(1)))
                    }
                    Some(Err(e)) => Poll::Ready(Err(e)),
                    None => Poll::Ready(Ok(0)),
                };
            }
            Self::Closed => return Poll::Pending,
        }
        into.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes the queue; ready when it is empty and everything has reached the socket.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, queue: &mut WriteQueue) -> Poll<io::Result<()>> {
        if let Self::WebSocket(s) = self {
            while let Some(item) = queue.items.front() {
                ready!(Pin::new(&mut *s).poll_ready(cx))?;
                let text = if item.tail.is_empty() {
                    item.head.clone()
                } else {
                    let mut text = BytesMut::with_capacity(item.head.len() + item.tail.len());
                    text.extend_from_slice(&item.head);
                    text.extend_from_slice(&item.tail);
                    text.freeze()
                };
                Pin::new(&mut *s).start_send(text)?;
                queue.items.pop_front();
            }
            return Pin::new(s).poll_flush(cx);
        }
        while !queue.items.is_empty() {
            let n = {
                let slices = queue.slices();
                match self {
                    Self::Plain(s) => ready!(Pin::new(s).poll_write_vectored(cx, &slices))?,
                    Self::Tls(s) => ready!(Pin::new(s).poll_write_vectored(cx, &slices))?,
                    Self::WebSocket(_) | Self::Closed => slices.iter().map(|s| s.len()).sum(),
                }
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.advance(n);
        }
        match self {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(s).poll_flush(cx),
            Self::WebSocket(_) | Self::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Takes out the stanzas that left the queue and did not reach the client, in order.
    pub fn unfetched(&mut self) -> Vec<Outgoing> {
        let Self::WebSocket(s) = self else {
            return Vec::new();
        };
        let classed = |bytes: Bytes| {
            let class = Stanza::parse(bytes.clone()).ok()?.class();
            class.is_stanza().then(|| Outgoing::whole(bytes, class))
        };
        s.unfetched().into_iter().filter_map(classed).collect()
    }

    /// Says goodbye on the transport's own level (TLS close_notify, WebSocket close, FIN).
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Self::WebSocket(s) => Pin::new(s).poll_close(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::Class;

    #[test]
    fn an_item_leaves_the_queue_when_all_of_it_is_written() {
        let mut q = WriteQueue::default();
        for (head, tail) in [("ab", "cd"), ("e", ""), ("f", "gh")] {
            q.push(Outgoing {
                head: Bytes::from_static(head.as_bytes()),
                tail: Bytes::from_static(tail.as_bytes()),
                class: Class::Message,
            });
        }
        q.advance(3);
        assert_eq!(q.items.len(), 3);
        let text: Vec<u8> = q.slices().iter().flat_map(|s| s.to_vec()).collect();
        assert_eq!(text, b"defgh");
        q.advance(2);
        assert_eq!((q.items.len(), q.written), (1, 0));
        assert_eq!(q.take().len(), 1);
        assert!(q.is_empty());
    }
}
