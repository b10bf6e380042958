//! Messages on their way: a run is what one publisher sent to one topic in one go (ADR 0008).
//!
//! A run is encoded once per protocol version and view for subscribers at QoS 0, and shared; what differs per
//! subscriber (packet identifier, alias, expiry, subscription identifiers) is written by its own connection.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use waddle_core::{Timestamp, UserId, WaddleId};

use crate::codec::{
    Version,
    publish::{Outgoing, Publish},
};

/// No expiry.
pub const FOREVER: u32 = u32::MAX;

/// One message of a run: places in its buffer, in the order response topic, properties, payload.
#[derive(Debug, Clone, Copy)]
pub struct Msg {
    start: u32,
    response: u16,
    props: u32,
    payload: u32,
    /// Seconds from [`Envelope::received`] on; [`FOREVER`] for none.
    pub expiry: u32,
}

/// What is left of a message's expiry (MQTT 5.0 §3.3.2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It has none.
    Forever,
    /// Seconds.
    Seconds(u32),
    /// Nothing.
    Expired,
}

/// Messages of one publisher to one topic, with equal QoS and retain flag.
#[derive(Debug)]
pub struct Run {
    envelope: Envelope,
    /// The messages, at least one.
    pub msgs: SmallVec<[Msg; 1]>,
    buf: Bytes,
    longest: usize,
    expires: bool,
    wire: [OnceLock<Bytes>; 4],
}

/// A run under construction.
#[derive(Debug, Default)]
pub struct Gather {
    buf: BytesMut,
    msgs: SmallVec<[Msg; 1]>,
    longest: usize,
    expires: bool,
}

/// Where a run goes and what all its messages share.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The space's waddle; none for the server's own space.
    pub waddle: Option<WaddleId>,
    /// `waddle/<slug>/`, what plain logins see before the topic.
    pub view: Arc<str>,
    /// The topic in its space.
    pub topic: Arc<str>,
    /// As published.
    pub qos: u8,
    /// As published.
    pub retain: bool,
    /// When the run arrived.
    pub received: Timestamp,
    /// The serial of the publishing session, for no-local; 0 for none.
    pub from: u64,
    /// Who published; none for the server itself.
    pub publisher: Option<UserId>,
}

impl Deref for Run {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl Gather {
    /// Adds a message; `response` is its response topic within the space.
    pub fn add(&mut self, p: &Publish<'_>, response: &str) {
        let start = self.buf.len() as u32;
        self.buf.reserve(response.len() + p.props.len() + p.payload.len());
        self.buf.extend_from_slice(response.as_bytes());
        p.props.copy_to(&mut self.buf);
        self.buf.extend_from_slice(p.payload);
        self.longest = self.longest.max(self.buf.len() - start as usize);
        self.expires |= p.expiry.is_some();
        self.msgs.push(Msg {
            start,
            response: response.len() as u16,
            props: p.props.len() as u32,
            payload: p.payload.len() as u32,
            expiry: p.expiry.unwrap_or(FOREVER),
        });
    }

    /// Adds a message from its parts: response topic, encoded properties, payload.
    pub fn add_parts(&mut self, response: &str, props: &[u8], payload: &[u8], expiry: Option<u32>) {
        let start = self.buf.len() as u32;
        self.buf.reserve(response.len() + props.len() + payload.len());
        self.buf.extend_from_slice(response.as_bytes());
        self.buf.extend_from_slice(props);
        self.buf.extend_from_slice(payload);
        self.longest = self.longest.max(self.buf.len() - start as usize);
        self.expires |= expiry.is_some();
        self.msgs.push(Msg {
            start,
            response: response.len() as u16,
            props: props.len() as u32,
            payload: payload.len() as u32,
            expiry: expiry.unwrap_or(FOREVER),
        });
    }

    /// Messages gathered.
    pub fn len(&self) -> usize {
        self.msgs.len()
    }
    /// Bytes gathered.
    pub fn bytes(&self) -> usize {
        self.buf.len()
    }

    /// Closes the run; the gatherer is empty again.
    pub fn finish(&mut self, envelope: Envelope) -> Arc<Run> {
        let buf = if self.buf.len() * 2 > self.buf.capacity() {
            std::mem::take(&mut self.buf).freeze()
        } else {
            // A run may wait long in somebody's queue: it holds no more memory than it needs.
            let b = Bytes::copy_from_slice(&self.buf);
            self.buf.clear();
            b
        };
        Arc::new(Run {
            envelope,
            msgs: std::mem::take(&mut self.msgs),
            buf,
            longest: std::mem::take(&mut self.longest),
            expires: std::mem::take(&mut self.expires),
            wire: Default::default(),
        })
    }
}

impl Run {
    fn part(&self, from: usize, len: usize) -> &[u8] {
        self.buf.get(from..from + len).unwrap_or_default()
    }

    /// The response topic of message `i` within the space; empty for none.
    pub fn response(&self, i: usize) -> &str {
        let m = &self.msgs[i];
        std::str::from_utf8(self.part(m.start as usize, usize::from(m.response))).unwrap_or_default()
    }

    /// The encoded properties of message `i`.
    pub fn props(&self, i: usize) -> &[u8] {
        let m = &self.msgs[i];
        self.part(m.start as usize + usize::from(m.response), m.props as usize)
    }

    /// The payload of message `i`.
    pub fn payload(&self, i: usize) -> &[u8] {
        let m = &self.msgs[i];
        self.part(
            m.start as usize + usize::from(m.response) + m.props as usize,
            m.payload as usize,
        )
    }

    /// The payload of message `i`, shared.
    pub fn payload_bytes(&self, i: usize) -> Bytes {
        self.buf.slice_ref(self.payload(i))
    }

    /// How long message `i` is still worth something.
    pub fn left(&self, i: usize, now: Timestamp) -> Left {
        let secs = self.msgs[i].expiry;
        if secs == FOREVER {
            return Left::Forever;
        }
        let waited = u32::try_from(now.since(self.received).as_secs()).unwrap_or(u32::MAX);
        match secs.saturating_sub(waited) {
            0 => Left::Expired,
            s => Left::Seconds(s),
        }
    }

    /// Message `i` as a packet to be completed by the subscriber's connection.
    pub fn outgoing(&self, i: usize, prefixed: bool) -> Outgoing<'_> {
        Outgoing {
            prefix: if prefixed { &self.view } else { "" },
            topic: &self.topic,
            response: self.response(i),
            props: self.props(i),
            payload: self.payload(i),
            ..Outgoing::default()
        }
    }

    /// Whether messages expire, so that each delivery must be written on its own.
    pub fn expires(&self) -> bool {
        self.expires
    }

    /// No packet of the run is longer, whatever the subscriber.
    pub fn longest_packet(&self) -> usize {
        self.longest + 2 * self.view.len() + self.topic.len() + 32
    }

    /// All messages as QoS 0 packets without retain flag, encoded once.
    pub fn wire(&self, version: Version, prefixed: bool) -> &Bytes {
        let class = usize::from(version == Version::V5) * 2 + usize::from(prefixed);
        self.wire[class].get_or_init(|| {
            let len = (0..self.msgs.len())
                .map(|i| self.outgoing(i, prefixed).len(version))
                .sum();
            let mut out = BytesMut::with_capacity(len);
            for i in 0..self.msgs.len() {
                self.outgoing(i, prefixed).write(version, &mut out);
            }
            out.freeze()
        })
    }

    /// About the memory that waiting for one subscriber stands for.
    pub fn weight(&self) -> usize {
        self.buf.len() + self.msgs.len() * (self.topic.len() + 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn envelope(topic: &str) -> Envelope {
        Envelope {
            waddle: None,
            view: "waddle/p/".into(),
            topic: topic.into(),
            qos: 1,
            retain: false,
            received: Timestamp(0),
            from: 0,
            publisher: None,
        }
    }

    #[test]
    fn a_run_keeps_its_messages_apart() {
        let mut g = Gather::default();
        g.add_parts("re/x", b"\x01\x01", b"one", Some(5));
        g.add_parts("", b"", b"", None);
        g.add_parts("", b"", b"three", None);
        let run = g.finish(envelope("t"));
        assert!(g.len() == 0 && run.expires());
        assert_eq!(
            (run.response(0), run.props(0), run.payload(0)),
            ("re/x", &b"\x01\x01"[..], &b"one"[..])
        );
        assert_eq!(
            (run.response(1), run.payload(1), run.payload(2)),
            ("", &b""[..], &b"three"[..])
        );
        let at = |s: i64| Timestamp(s * 1_000_000);
        assert_eq!(run.left(0, at(0)), Left::Seconds(5));
        assert_eq!(run.left(0, at(4)), Left::Seconds(1));
        assert_eq!(run.left(0, at(5)), Left::Expired);
        assert_eq!(run.left(1, at(500)), Left::Forever);
    }

    #[test]
    fn wire_is_made_once_per_class() {
        let mut g = Gather::default();
        g.add_parts("", b"", b"x", None);
        g.add_parts("", b"", b"y", None);
        let run = g.finish(envelope("t"));
        assert_eq!(
            run.wire(Version::V3, false).as_ref(),
            b"\x30\x04\0\x01tx\x30\x04\0\x01ty"
        );
        assert_eq!(
            run.wire(Version::V5, true).as_ref(),
            b"\x30\x0E\0\x0Awaddle/p/t\0x\x30\x0E\0\x0Awaddle/p/t\0y"
        );
        assert_eq!(
            run.wire(Version::V3, false).as_ptr(),
            run.wire(Version::V3, false).as_ptr()
        );
        assert!(run.longest_packet() >= 16);
    }
}
