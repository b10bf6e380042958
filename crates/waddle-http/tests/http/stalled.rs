//! A client of HTTP/2 that takes nothing of an answer loses its stream, and no other of the connection.

use std::{collections::HashMap, time::Duration};

use crate::support::stream::{WAIT, say, world};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use waddle_http::HttpServer;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 5;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A connection that speaks in frames (RFC 9113 §4.1).
struct Connection(TcpStream);

impl Connection {
    /// One whose streams begin without a window.
    async fn open(server: &HttpServer) -> Self {
        let mut this = Self(TcpStream::connect(server.plain_addresses()[0]).await.unwrap());
        this.0
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        this.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
        this
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    async fn ask(&mut self, stream: u32, path: &str, token: &str) {
        // GET, http
        let mut head = vec![0x82, 0x86];
        for (name, value) in [("\u{1}", "x"), ("\u{4}", path)] {
            head.extend(name.as_bytes());
            text(&mut head, value);
        }
        head.push(0);
        text(&mut head, "authorization");
        text(&mut head, &format!("Bearer {token}"));
        self.send(HEADERS, WHOLE, stream, &head).await;
    }

    async fn give(&mut self, stream: u32, window: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &window.to_be_bytes()).await;
    }

    async fn next(&mut self) -> Frame {
        loop {
            let mut head = [0; 9];
            timeout(WAIT, self.0.read_exact(&mut head))
                .await
                .unwrap()
                .unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            timeout(WAIT, self.0.read_exact(&mut payload))
                .await
                .unwrap()
                .unwrap();
            let (kind, flags) = (head[3], head[4]);
            if kind == SETTINGS && flags & ACK == 0 {
                self.send(SETTINGS, ACK, 0, &[]).await;
            }
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if stream > 0 && kind != WINDOW_UPDATE {
                return Frame {
                    kind,
                    stream,
                    payload,
                };
            }
        }
    }
}

/// A text without Huffman's code (RFC 7541 §5.2).
fn text(out: &mut Vec<u8>, text: &str) {
    let len = text.len();
    match len.checked_sub(127) {
        None => out.push(u8::try_from(len).unwrap()),
        Some(more) => out.extend([127, u8::try_from(more).unwrap()]),
    }
    out.extend(text.as_bytes());
}

#[tokio::test]
async fn a_stream_that_is_not_taken_ends_and_no_other() {
    let (t, alice, bob) = world(|limits| limits.http_write_seconds = 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener], None).unwrap();
    let mut c = Connection::open(&server).await;
    let begun = Instant::now();
    // Nothing is taken of the first, a little of the second; the third has nothing to say for long.
    let (nothing, little, events) = (1, 3, 5);
    c.ask(nothing, "/style.css", &bob).await;
    c.ask(little, "/api/v1/openapi.json", &bob).await;
    c.give(little, 10).await;
    c.ask(events, "/api/v1/events", &bob).await;
    c.give(events, 1 << 20).await;
    let mut taken: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut reset = Vec::new();
    while reset.len() < 2 {
        let frame = c.next().await;
        match frame.kind {
            DATA => taken.entry(frame.stream).or_default().extend(frame.payload),
            RST_STREAM => {
                assert_eq!(frame.payload, CANCEL);
                reset.push(frame.stream);
            }
            kind => assert_eq!(kind, HEADERS, "on {}", frame.stream),
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [nothing, little]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((taken.get(&nothing), taken[&little].len()), (None, 10));
    // What was silent all the while goes on.
    let id = say(&t, &alice, "penguins.general", "still there?").await;
    while !String::from_utf8_lossy(&taken[&events]).contains(&id) {
        let frame = c.next().await;
        assert_eq!((frame.kind, frame.stream), (DATA, events));
        taken.entry(events).or_default().extend(frame.payload);
    }
    // Who takes it has it all.
    c.ask(7, "/style.css", &bob).await;
    c.give(7, 1 << 20).await;
    let whole = t.get("/style.css").send().await.text;
    let mut got = Vec::new();
    while got.len() < whole.len() {
        let frame = c.next().await;
        match frame.kind {
            DATA => got.extend(frame.payload),
            kind => assert_eq!(kind, HEADERS),
        }
    }
    assert_eq!(got, whole.as_bytes());
    server.shutdown(Duration::from_secs(1)).await;
}
