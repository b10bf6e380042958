//! Components (XEP-0114): a program that answers for a host, over a real socket.

use std::time::Duration;

use crate::support::{World, body, condition, text, world_with};
use ring::digest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use waddle_core::Secret;
use waddle_xmpp::component::Component;

const HOST: &str = "bridge.waddle.test";

async fn bridged() -> World {
    bridged_with(|_| {}).await
}

async fn bridged_with(limits: impl FnOnce(&mut waddle_core::Limits)) -> World {
    world_with(limits, |c| {
        c.rate_limits = false;
        c.component_listen = vec!["127.0.0.1:0".parse().unwrap()];
        c.components = vec![Component {
            host: HOST.into(),
            secret: Secret::new("sesame"),
        }];
    })
    .await
}

/// What a component hears, as text.
struct Bridge {
    io: TcpStream,
    heard: String,
}

impl Bridge {
    async fn open(w: &World, to: &str) -> Self {
        let address = w.server.listening().component[0];
        let mut b = Self {
            io: TcpStream::connect(address).await.unwrap(),
            heard: String::new(),
        };
        b.send(&format!(
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{to}'>"
        ))
        .await;
        b
    }

    async fn connect(w: &World, secret: &str) -> Self {
        let mut b = Self::open(w, HOST).await;
        let header = b.until("id=\"").await + &b.until("\"").await;
        assert!(
            header.contains("xmlns=\"jabber:component:accept\"") && header.contains(HOST),
            "{header}"
        );
        let id = header.split("id=\"").nth(1).unwrap().trim_end_matches('"');
        let d = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            format!("{id}{secret}").as_bytes(),
        );
        let hex: String = d.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        b.send(&format!("<handshake>{hex}</handshake>")).await;
        b
    }

    async fn send(&mut self, xml: &str) {
        self.io.write_all(xml.as_bytes()).await.unwrap();
    }

    /// Everything up to and with `end`.
    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(end) {
                let rest = self.heard.split_off(at + end.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            let mut buf = [0; 4096];
            let n = timeout(Duration::from_secs(10), self.io.read(&mut buf)).await;
            let n = n
                .unwrap_or_else(|_| panic!("no {end:?} after {:?}", self.heard))
                .unwrap();
            assert!(n > 0, "the stream ended after {:?}", self.heard);
            self.heard.push_str(std::str::from_utf8(&buf[..n]).unwrap());
        }
    }
}

#[tokio::test]
async fn messages_requests_and_presence_go_both_ways() {
    let w = bridged().await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    let mut b = Bridge::connect(&w, "sesame").await;
    b.until("<handshake/>").await;
    let items = a
        .request("<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await;
    assert!(text(&items).contains(HOST), "{}", text(&items));
    a.send(&format!(
        "<message to='x@{HOST}/y' type='chat' id='m'><body>hello</body></message>"
    ))
    .await;
    let m = b.until("</message>").await;
    assert!(
        m.starts_with("<message xmlns=\"jabber:component:accept\"")
            && m.contains("alice@waddle.test/one")
            && m.contains("<body>hello</body>"),
        "{m}"
    );
    b.send(&format!(
        "<message from='x@{HOST}/y' to='alice@waddle.test' type='chat'><body>back</body></message>"
    ))
    .await;
    assert_eq!(body(&a.message().await), "back");
    a.send(&format!(
        "<iq type='get' id='q1' to='{HOST}'><query xmlns='jabber:iq:version'/></iq>"
    ))
    .await;
    assert!(b.until("</iq>").await.contains("id='q1'"));
    b.send(&format!(
        "<iq type='result' id='q1' from='{HOST}' to='alice@waddle.test/one'><query xmlns='jabber:iq:version'><name>B</name></query></iq>"
    ))
    .await;
    assert!(text(&a.next().await).contains("<name>B</name>"));
    b.send(&format!(
        "<iq type='get' id='q2' from='{HOST}' to='waddle.test'><ping xmlns='urn:xmpp:ping'/></iq>"
    ))
    .await;
    let pong = b.until("/>").await;
    assert!(pong.contains("type=\"result\"") && pong.contains("q2"), "{pong}");
    a.send(&format!("<presence to='x@{HOST}'/>")).await;
    assert!(b.until("/>").await.contains("<presence"));
    drop(a);
    assert!(b.until("/>").await.contains("unavailable"));
}

#[tokio::test]
async fn wrong_components_are_sent_away() {
    let w = bridged().await;
    let mut b = Bridge::open(&w, "other.test").await;
    assert!(b.until("</stream:stream>").await.contains("<host-unknown"));
    let mut b = Bridge::connect(&w, "guess").await;
    assert!(b.until("</stream:stream>").await.contains("<not-authorized"));
    let mut first = Bridge::connect(&w, "sesame").await;
    first.until("<handshake/>").await;
    let mut second = Bridge::connect(&w, "sesame").await;
    assert!(second.until("</stream:stream>").await.contains("<conflict"));
    first
        .send("<message from='admin@waddle.test' to='a@waddle.test'><body>x</body></message>")
        .await;
    assert!(first.until("</stream:stream>").await.contains("<invalid-from"));
}

#[tokio::test]
async fn what_a_component_does_not_get_comes_back() {
    let w = bridged().await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    let message = format!("<message to='x@{HOST}' type='chat' id='m'><body>hello</body></message>");
    assert_eq!(condition(&a.request(&message).await), "service-unavailable");
    let items = a
        .request("<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await;
    assert!(!text(&items).contains(HOST));
    let mut b = Bridge::connect(&w, "sesame").await;
    b.until("<handshake/>").await;
    drop(b);
    // the host is free again
    let free = async {
        while (Bridge::connect(&w, "sesame").await.until(">").await).contains("error") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), free)
        .await
        .expect("the host is free");
}

#[tokio::test]
async fn a_component_that_does_not_read_is_sent_away() {
    let w = bridged_with(|l| l.xmpp_outbox_bytes = 100_000).await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    let mut b = Bridge::connect(&w, "sesame").await;
    b.until("<handshake/>").await;
    let long = "x".repeat(200_000);
    for _ in 0..200 {
        a.send(&format!(
            "<message to='x@{HOST}' type='chat' id='m'><body>{long}</body></message>"
        ))
        .await;
        if let Some(s) = a.sync().await.first() {
            assert!(
                ["resource-constraint", "service-unavailable"].contains(&&*condition(s)),
                "{}",
                text(s)
            );
            return;
        }
    }
    panic!("everything was taken");
}

#[tokio::test]
async fn the_server_says_goodbye() {
    let w = bridged().await;
    let mut b = Bridge::connect(&w, "sesame").await;
    b.until("<handshake/>").await;
    w.server.shutdown(Duration::from_secs(5)).await;
    assert!(b.until("</stream:stream>").await.contains("<system-shutdown"));
}
