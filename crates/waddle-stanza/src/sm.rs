//! Stream management: [XEP-0198](https://xmpp.org/extensions/xep-0198.html) as counters, a bounded queue and values.

use std::collections::VecDeque;

use bytes::Bytes;
use waddle_outbox::Weight;

use crate::{Condition, Element, StreamError, XmlWriter, ns};

/// What breaks stream management.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmError {
    /// The peer acknowledges more than was sent, or less than it did before.
    #[error("the handled count {h} does not fit {sent} sent stanzas")]
    TooHigh {
        /// What the peer says.
        h: u32,
        /// What was sent.
        sent: u32,
    },
    /// The peer has acknowledged nothing for too long.
    #[error("too many stanzas are not acknowledged")]
    Full,
}

impl SmError {
    /// The stream error as it goes on the wire (XEP-0198 §4).
    pub fn to_bytes(&self) -> Bytes {
        match *self {
            Self::TooHigh { h, sent } => StreamError::UndefinedCondition.with(None, |w| {
                w.open_ns("handled-count-too-high", ns::SM)
                    .attr_display("h", h)
                    .attr_display("send-count", sent)
                    .close();
            }),
            Self::Full => StreamError::ResourceConstraint.to_bytes(Some("Acknowledge what was sent.")),
        }
    }
}

/// Counters of both directions, modulo 2^32, and what the peer has not acknowledged.
#[derive(Debug)]
pub struct SmState<T> {
    handled: u32,
    acked: u32,
    /// Oldest first; `acked + queue.len()` stanzas were sent.
    queue: VecDeque<T>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    requested: u32,
}

impl<T: Weight> SmState<T> {
    /// Counters at zero and an empty queue.
    pub fn new(max_items: usize, max_bytes: usize) -> Self {
        Self {
            handled: 0,
            acked: 0,
            queue: VecDeque::new(),
            bytes: 0,
            max_items,
            max_bytes,
            requested: 0,
        }
    }

    /// Counts a stanza that came in and was handled.
    pub fn handled_one(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// Stanzas handled: the `h` to tell the peer.
    pub fn h(&self) -> u32 {
        self.handled
    }

    /// Stanzas sent.
    pub fn sent(&self) -> u32 {
        self.acked.wrapping_add(self.queue.len() as u32)
    }

    /// Keeps a stanza that is about to be sent. `Full`: it is not kept, and the session is to be closed; one stanza is
    /// always kept, whatever its size.
    pub fn push(&mut self, item: T) -> Result<(), SmError> {
        let bytes = self.bytes.saturating_add(item.weight());
        if self.queue.len() >= self.max_items || (bytes > self.max_bytes && !self.queue.is_empty()) {
            return Err(SmError::Full);
        }
        self.bytes = bytes;
        self.queue.push_back(item);
        Ok(())
    }

    /// Takes the peer's `h`: returns what is acknowledged by it, oldest first.
    pub fn ack(&mut self, h: u32) -> Result<impl Iterator<Item = T> + '_, SmError> {
        let count = h.wrapping_sub(self.acked) as usize;
        if count > self.queue.len() {
            return Err(SmError::TooHigh { h, sent: self.sent() });
        }
        self.acked = h;
        self.bytes -= self.queue.iter().take(count).map(Weight::weight).sum::<usize>();
        Ok(self.queue.drain(..count))
    }

    /// What is not acknowledged, oldest first.
    pub fn unacked(&self) -> impl ExactSizeIterator<Item = &T> {
        self.queue.iter()
    }

    /// Takes what is not acknowledged, to deliver it elsewhere when the session ends.
    pub fn take_unacked(&mut self) -> VecDeque<T> {
        self.acked = self.sent();
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// Resumes with the peer's `h`: what is to be sent again, oldest first; it stays queued.
    pub fn resume(&mut self, h: u32) -> Result<impl ExactSizeIterator<Item = &T>, SmError> {
        drop(self.ack(h)?);
        self.requested = self.acked;
        Ok(self.queue.iter())
    }

    /// Whether to send `<r/>` now: `every` stanzas were sent since the last one. Counts it as sent.
    pub fn request_due(&mut self, every: u32) -> bool {
        let due = !self.queue.is_empty() && self.sent().wrapping_sub(self.requested) >= every.max(1);
        if due {
            self.requested = self.sent();
        }
        due
    }

    /// Gives back the memory of a burst.
    pub fn shrink(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > 32 {
            self.queue = VecDeque::new();
        }
    }
}

/// An element of stream management from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmRequest {
    /// `<enable/>`: whether resumption is wanted, and for how many seconds at the most.
    Enable {
        /// Whether the session is to be resumable.
        resume: bool,
        /// The client's longest time, in seconds.
        max: Option<u64>,
    },
    /// `<resume/>`
    Resume {
        /// Stanzas that the client has handled.
        h: u32,
        /// The session's id.
        previd: String,
    },
    /// `<r/>`: tell me your count.
    Request,
    /// `<a/>`: the peer's count.
    Ack(u32),
}

impl SmRequest {
    /// Reads an element in [`ns::SM`]; `None`: it is none of these or lacks what it needs.
    pub fn read(e: Element<'_>) -> Option<Self> {
        if !e.in_ns(ns::SM) {
            return None;
        }
        let h = || e.attr("h")?.trim().parse().ok();
        match e.name() {
            "enable" => Some(Self::Enable {
                resume: e.attr("resume").is_some_and(|v| matches!(v.trim(), "true" | "1")),
                max: e.attr("max").and_then(|v| v.trim().parse().ok()),
            }),
            "resume" => Some(Self::Resume {
                h: h()?,
                previd: e.attr("previd")?.into_owned(),
            }),
            "r" => Some(Self::Request),
            "a" => Some(Self::Ack(h()?)),
            _ => None,
        }
    }
}

/// `<r/>`
pub fn request() -> Bytes {
    Bytes::from_static(b"<r xmlns=\"urn:xmpp:sm:3\"/>")
}

/// `<a/>`
pub fn ack(h: u32) -> Bytes {
    let mut w = XmlWriter::with_capacity(48);
    w.open_ns("a", ns::SM).attr_display("h", h);
    w.finish()
}

/// `<enabled/>`; with an id the session can be resumed for `max` seconds, best at the location.
pub fn enabled(resume: Option<(&str, u64, Option<&str>)>) -> Bytes {
    let mut w = XmlWriter::with_capacity(128);
    w.open_ns("enabled", ns::SM);
    if let Some((id, max, location)) = resume {
        w.attr("id", id)
            .attr("resume", "true")
            .attr_display("max", max)
            .attr_opt("location", location);
    }
    w.finish()
}

/// `<resumed/>`
pub fn resumed(h: u32, previd: &str) -> Bytes {
    let mut w = XmlWriter::with_capacity(128);
    w.open_ns("resumed", ns::SM)
        .attr_display("h", h)
        .attr("previd", previd);
    w.finish()
}

/// `<failed/>`, with the last count where it is known.
pub fn failed(condition: Condition, h: Option<u32>) -> Bytes {
    let mut w = XmlWriter::with_capacity(160);
    w.open_ns("failed", ns::SM);
    if let Some(h) = h {
        w.attr_display("h", h);
    }
    w.empty(condition.name(), ns::STANZA_ERRORS);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Item(u32);
    impl Weight for Item {
        fn weight(&self) -> usize {
            10
        }
    }

    #[test]
    fn bounds_and_errors() {
        let mut s = SmState::new(3, 25);
        s.push(Item(1)).unwrap();
        s.push(Item(2)).unwrap();
        assert_eq!(s.push(Item(3)), Err(SmError::Full));
        assert_eq!(s.ack(3).err(), Some(SmError::TooHigh { h: 3, sent: 2 }));
        assert_eq!(s.ack(1).unwrap().collect::<Vec<_>>(), [Item(1)]);
        assert_eq!(
            s.ack(0).err(),
            Some(SmError::TooHigh { h: 0, sent: 2 }),
            "no way back"
        );
        s.push(Item(3)).unwrap();
        assert_eq!(s.resume(2).unwrap().collect::<Vec<_>>(), [&Item(3)]);
        assert_eq!(s.unacked().len(), 1);
        assert_eq!(s.take_unacked(), [Item(3)]);
        assert_eq!((s.sent(), s.ack(3).unwrap().count()), (3, 0));
        assert_eq!(
            SmError::TooHigh { h: 10, sent: 8 }.to_bytes(),
            "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">\
             <undefined-condition xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>\
             <handled-count-too-high xmlns=\"urn:xmpp:sm:3\" h=\"10\" send-count=\"8\"/></stream:error>"
        );
    }

    #[test]
    fn requests_are_due() {
        let mut s = SmState::new(100, 10_000);
        assert!(!s.request_due(1));
        s.push(Item(0)).unwrap();
        assert!(s.request_due(1) && !s.request_due(1));
        for _ in 0..4 {
            s.push(Item(0)).unwrap();
        }
        assert!(!s.request_due(5));
        s.push(Item(0)).unwrap();
        assert!(s.request_due(5));
    }

    #[test]
    fn elements() {
        let read = |x: &'static str| SmRequest::read(Stanza::parse(x.into()).unwrap().root());
        assert_eq!(
            read("<enable xmlns='urn:xmpp:sm:3' resume='1' max='60'/>"),
            Some(SmRequest::Enable {
                resume: true,
                max: Some(60)
            })
        );
        assert_eq!(
            read("<resume xmlns='urn:xmpp:sm:3' h='4294967295' previd='x'/>"),
            Some(SmRequest::Resume {
                h: u32::MAX,
                previd: "x".into()
            })
        );
        assert_eq!(read("<a xmlns='urn:xmpp:sm:3' h='1'/>"), Some(SmRequest::Ack(1)));
        for bad in [
            "<a xmlns='urn:xmpp:sm:3'/>",
            "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
            "<a xmlns='urn:xmpp:sm:3' h='4294967296'/>",
            "<resume xmlns='urn:xmpp:sm:3' h='1'/>",
            "<a/>",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(ack(7), "<a xmlns=\"urn:xmpp:sm:3\" h=\"7\"/>");
        assert_eq!(
            enabled(Some(("i", 5, None))),
            "<enabled xmlns=\"urn:xmpp:sm:3\" id=\"i\" resume=\"true\" max=\"5\"/>"
        );
    }

    proptest! {
        /// Against a model with a plain list, across the wrap of the counter.
        #[test]
        fn like_a_list(start in prop_oneof![Just(0u32), Just(u32::MAX - 3)], ops in prop::collection::vec(0u8..6, 0..60)) {
            let mut s = SmState::new(1000, 100_000);
            s.acked = start;
            s.requested = start;
            let mut model: Vec<u32> = Vec::new();
            let mut next = 0;
            for op in ops {
                if op < 3 {
                    s.push(Item(next)).unwrap();
                    model.push(next);
                    next += 1;
                } else {
                    let n = model.len().min(usize::from(op) - 3);
                    let h = start.wrapping_add(next).wrapping_sub((model.len() - n) as u32);
                    let got: Vec<u32> = s.ack(h).unwrap().map(|i| i.0).collect();
                    let expected: Vec<u32> = model.drain(..n).collect();
                    prop_assert_eq!(got, expected);
                }
                prop_assert_eq!(s.sent(), start.wrapping_add(next));
                prop_assert_eq!(s.unacked().map(|i| i.0).collect::<Vec<_>>(), model.clone());
                prop_assert_eq!(s.bytes, model.len() * 10);
            }
        }
    }
}
