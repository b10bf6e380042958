//! The scanner: it agrees with rxml but in the classes of ADR 0002, it says the same however the bytes are split, and
//! what it takes can be sent on.

#![no_main]

#[path = "../../../crates/waddle-stanza/tests/oracle/compare.rs"]
mod compare;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use waddle_stanza::{Frame, Framing, ScanLimits, Scanner, StreamError};

const HEADER: &[u8] =
    b"<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

fn feed(
    framing: Framing,
    pieces: &mut dyn Iterator<Item = &[u8]>,
) -> (Vec<bytes::Bytes>, Option<StreamError>) {
    let limits = ScanLimits {
        stanza_bytes: 2048,
        elements: 64,
        depth: 16,
        attributes: 16,
    };
    let mut s = Scanner::new(framing, limits);
    let mut buf = BytesMut::new();
    let mut out = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match s.next(&mut buf) {
                Ok(Some(Frame::Stanza(s))) => {
                    let sent = s.head().to("a\"<&").build();
                    assert!(sent.to_stanza().is_ok(), "sent on: {:?}", sent.concat());
                    for c in s.root().children() {
                        assert!(
                            waddle_stanza::Stanza::parse(c.to_bytes()).is_ok(),
                            "copied: {:?}",
                            c.to_bytes()
                        );
                    }
                    out.push(s.bytes().clone());
                }
                Ok(Some(_)) => out.push(bytes::Bytes::new()),
                Ok(None) => break,
                Err(e) => return (out, Some(e)),
            }
            assert!(buf.len() <= 2048 + 8192, "bounded");
        }
    }
    (out, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, content)) = data.split_first() else {
        return;
    };
    if let compare::Verdict::Bug(why) = compare::compare(content) {
        panic!("{why}");
    }
    for header in [HEADER, b""] {
        let all = [header, content].concat();
        let whole = feed(Framing::Stream, &mut std::iter::once(&all[..]));
        let split = feed(Framing::Stream, &mut all.chunks(usize::from(step % 32) + 1));
        assert_eq!(whole, split);
    }
    let _ = feed(Framing::WebSocket, &mut std::iter::once(content));
});
