//! Bytes on their way to the socket: small packets gather in one buffer, large ones are written from where they are.

use std::{
    collections::VecDeque,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// From this size on bytes are not copied.
const LARGE: usize = 4_096;
/// Pieces of one vectored write.
const PIECES: usize = 64;
/// Capacity that an idle buffer may keep.
const IDLE: usize = 4_096;

/// What waits to be written.
#[derive(Debug, Default)]
pub struct OutBuf {
    pieces: VecDeque<Bytes>,
    in_pieces: usize,
    tail: BytesMut,
    unflushed: bool,
}

impl OutBuf {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.in_pieces + self.tail.len()
    }

    /// Whether nothing is to be written or flushed.
    pub fn is_idle(&self) -> bool {
        self.len() == 0 && !self.unflushed
    }

    /// The end of the buffer, to append to.
    pub fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends bytes that others share.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < LARGE {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            let t = self.tail.split().freeze();
            self.in_pieces += t.len();
            self.pieces.push_back(t);
        }
        self.in_pieces += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// Writes until nothing is left, then flushes. What was written is taken off at once, so that this may be
    /// dropped between polls. Ready with the bytes written.
    pub fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<std::io::Result<usize>> {
        let mut written = 0;
        while self.len() > 0 {
            let polled = {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let mut n = 0;
                for p in self.pieces.iter().take(PIECES - 1) {
                    slices[n] = IoSlice::new(p);
                    n += 1;
                }
                if n == self.pieces.len() && !self.tail.is_empty() {
                    slices[n] = IoSlice::new(&self.tail);
                    n += 1;
                }
                Pin::new(&mut *io).poll_write_vectored(cx, &slices[..n])
            };
            match polled {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(n)) => {
                    self.advance(n);
                    self.unflushed = true;
                    written += n;
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending if written > 0 => return Poll::Ready(Ok(written)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.unflushed {
            match Pin::new(io).poll_flush(cx) {
                Poll::Pending if written > 0 => return Poll::Ready(Ok(written)),
                other => ready!(other)?,
            }
            self.unflushed = false;
        }
        if self.tail.capacity() > IDLE {
            self.tail = BytesMut::new();
        }
        if self.pieces.capacity() > PIECES {
            self.pieces = VecDeque::new();
        }
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let Some(p) = self.pieces.front_mut() else {
                self.tail.advance(n);
                return;
            };
            if p.len() > n {
                p.advance(n);
                self.in_pieces -= n;
                return;
            }
            n -= p.len();
            self.in_pieces -= p.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn order_is_kept_however_little_is_taken() {
        let (mut a, mut b) = tokio::io::duplex(1000);
        let mut out = OutBuf::default();
        let mut want = Vec::new();
        for i in 0..200_u32 {
            let len = if i % 7 == 0 { 5_000 } else { i as usize };
            let piece = vec![i as u8; len];
            want.extend_from_slice(&piece);
            if i % 2 == 0 {
                out.push(piece.into());
            } else {
                out.tail().extend_from_slice(&piece);
            }
        }
        assert_eq!(out.len(), want.len());
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            b.read_to_end(&mut got).await.unwrap();
            got
        });
        while !out.is_idle() {
            poll_fn(|cx| out.poll_write(cx, &mut a)).await.unwrap();
        }
        drop(a);
        assert_eq!(reader.await.unwrap(), want);
    }
}
