//! What scanning and re-heading one message costs (ADR 0002): `cargo run --release -p waddle-stanza --example scan`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement to read")]

use std::{hint::black_box, time::Instant};

use bytes::BytesMut;
use waddle_stanza::{Frame, Framing, ScanLimits, Scanner, ns};

const HEADER: &[u8] =
    b"<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
/// 357 bytes, as a chat client sends them.
const MESSAGE: &[u8] = b"<message xmlns='jabber:client' to='penguins.general@muc.example.org' type='groupchat' \
id='5c8e1f3a-9d2b-4c7e-8f01-23456789abcd' xml:lang='en'><body>Shall we meet at the floe &amp; swim now</body>\
<origin-id xmlns='urn:xmpp:sid:0' id='5c8e1f3a-9d2b-4c7e-8f01-23456789abcd'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
<active xmlns='urn:chatstates'/></message>";

const ROUNDS: u32 = 20_000;

/// Prints the best of forty means of `rounds` calls that do `each` things.
fn time(name: &str, rounds: u32, each: u32, mut f: impl FnMut()) {
    for _ in 0..rounds / 10 {
        f();
    }
    let best = (0..40)
        .map(|_| {
            let t = Instant::now();
            for _ in 0..rounds {
                f();
            }
            t.elapsed().as_secs_f64() / f64::from(rounds) / f64::from(each)
        })
        .fold(f64::MAX, f64::min);
    println!("{name}: {:.3} us", best * 1e6);
}

fn main() {
    let limits = ScanLimits {
        stanza_bytes: 262_144,
        elements: 4096,
        depth: 64,
        attributes: 64,
    };
    let mut scanner = Scanner::new(Framing::Stream, limits);
    let mut buf = BytesMut::from(HEADER);
    assert!(matches!(scanner.next(&mut buf), Ok(Some(Frame::Open(_)))));
    println!("message of {} bytes", MESSAGE.len());
    // As from a socket: 40 messages in one read.
    let many = MESSAGE.repeat(40);
    time("scan 40 of one read, each", ROUNDS / 40, 40, || {
        buf.reserve(many.len());
        buf.extend_from_slice(&many);
        for _ in 0..40 {
            black_box(scanner.next(&mut buf).unwrap());
        }
    });
    time("scan one of one read", ROUNDS, 1, || {
        buf.reserve(4096);
        buf.extend_from_slice(MESSAGE);
        black_box(scanner.next(&mut buf).unwrap());
    });
    buf.extend_from_slice(MESSAGE);
    let Some(Frame::Stanza(s)) = scanner.next(&mut buf).unwrap() else {
        return;
    };
    time("head", ROUNDS, 1, || {
        black_box(
            s.head()
                .from("a@example.org/phone")
                .to("b@example.org/web")
                .build(),
        );
    });
    time("strip, append and template", ROUNDS, 1, || {
        let p = s
            .rewrite()
            .strip(|e| e.is("stanza-id", ns::SID))
            .append(b"<a xmlns='u'/>")
            .finish();
        black_box(p.head().from("r@muc.example.org/nick").template());
    });
    let template = s.head().from("r@muc.example.org/nick").template();
    time("one recipient of a template", ROUNDS, 1, || {
        black_box(template.for_to("member@example.org/phone"));
    });
}
