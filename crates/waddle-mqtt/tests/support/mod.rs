//! A broker in the process and a client that sends and sees every byte.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

pub mod policy;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use waddle_core::{Limits, ManualClock, SharedClock, SystemClock};
use waddle_mqtt::{Broker, BrokerConfig, Listen};
use waddle_storage::{Storage, StorageConfig};

pub use policy::TestPolicy;

/// Nothing in a test takes longer.
pub const SOON: Duration = Duration::from_secs(30);
/// What is meant to take less than a second, beside other tests on a small machine. The second itself is measured from
/// outside, on a quiet server (`tests/communities/test_revocation.py`).
pub const ENDED: Duration = Duration::from_secs(5);
/// What did not come by then does not come.
pub const QUIET: Duration = Duration::from_millis(150);

/// A broker with `penguins` (alice, bob) and `seals` (alice).
pub struct Server {
    pub broker: Broker,
    pub policy: Arc<TestPolicy>,
    pub storage: Storage,
    pub dir: Arc<tempfile::TempDir>,
    pub clock: SharedClock,
    pub limits: Limits,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Limits::default(), Arc::new(SystemClock)).await
    }

    pub async fn with(limits: Limits, clock: SharedClock) -> Self {
        let policy = TestPolicy::new(&["penguins", "seals"]);
        policy.add("penguins", "alice");
        policy.add("penguins", "bob");
        policy.add("seals", "alice");
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::over(limits, clock, policy, dir, true).await
    }

    pub async fn over(
        limits: Limits,
        clock: SharedClock,
        policy: Arc<TestPolicy>,
        dir: Arc<tempfile::TempDir>,
        fresh: bool,
    ) -> Self {
        let storage = Storage::open(StorageConfig {
            dir: dir.path().into(),
            limits: limits.clone(),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        if fresh {
            for w in policy.waddles() {
                storage.create_waddle(w.id).await.unwrap();
            }
        }
        let broker = Broker::start(BrokerConfig {
            listen: vec![Listen {
                addr: "127.0.0.1:0".parse().unwrap(),
                tls: None,
                allow_plaintext: false,
            }],
            limits: limits.clone(),
            rate_limits: false,
            storage: storage.clone(),
            clock: clock.clone(),
            policy: policy.clone(),
        })
        .await
        .unwrap();
        Self {
            broker,
            policy,
            storage,
            dir,
            clock,
            limits,
        }
    }

    /// Stops it and starts another over the same data.
    pub async fn restart(self) -> Self {
        self.broker.shutdown().await;
        self.storage.close().await;
        Self::over(self.limits, self.clock, self.policy, self.dir, false).await
    }

    /// The server dies: nobody says goodbye, nothing is written any more.
    pub async fn crash(self) -> Self {
        self.storage.close().await;
        Self::over(self.limits, self.clock, self.policy, self.dir, false).await
    }

    pub fn addr(&self) -> SocketAddr {
        self.broker.addresses().tcp[0]
    }

    pub async fn raw(&self) -> Raw {
        Raw::new(self.addr()).await
    }

    /// A 3.1.1 client in a clean session.
    pub async fn v3(&self, user: &str, id: &str) -> Raw {
        let mut c = self.raw().await;
        c.send(&connect(4, user, id, true, &[])).await;
        assert_eq!(c.packet().await, [0x20, 2, 0, 0]);
        c
    }

    /// A 5.0 client in a clean session.
    pub async fn v5(&self, user: &str, id: &str) -> Raw {
        self.v5_with(user, id, true, &[]).await.0
    }

    /// A 5.0 client with properties; the second is *session present*.
    pub async fn v5_with(&self, user: &str, id: &str, clean: bool, props: &[u8]) -> (Raw, bool) {
        let mut c = self.raw().await;
        c.version = 5;
        c.send(&connect(5, user, id, clean, props)).await;
        let p = c.packet().await;
        assert_eq!((p[0], p[3]), (0x20, 0), "{p:?}");
        (c, p[2] == 1)
    }
}

/// A clock that stands still until it is moved.
pub fn manual() -> Arc<ManualClock> {
    ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap())
}

pub fn field(out: &mut Vec<u8>, b: &[u8]) {
    out.extend_from_slice(&(b.len() as u16).to_be_bytes());
    out.extend_from_slice(b);
}

/// A packet from its first byte and body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut n = body.len();
    loop {
        let b = (n & 0x7F) as u8;
        n >>= 7;
        if n == 0 {
            out.push(b);
            break;
        }
        out.push(b | 0x80);
    }
    out.extend_from_slice(body);
    out
}

/// A CONNECT with keep-alive 60; the password is `<name>-pw`.
pub fn connect(level: u8, user: &str, id: &str, clean: bool, props: &[u8]) -> Vec<u8> {
    connect_will(level, user, id, clean, props, None)
}

/// (topic, payload, flags with QoS in bits 0 and 1 and retain in bit 2, will properties)
pub type Will<'a> = (&'a str, &'a [u8], u8, &'a [u8]);

pub fn connect_will(
    level: u8,
    user: &str,
    id: &str,
    clean: bool,
    props: &[u8],
    will: Option<Will<'_>>,
) -> Vec<u8> {
    let mut b = Vec::new();
    field(&mut b, if level & 0x7F == 3 { b"MQIsdp" } else { b"MQTT" });
    let mut flags = 0xC0 | u8::from(clean) << 1;
    if let Some((_, _, f, _)) = will {
        flags |= 4 | (f & 3) << 3 | (f & 4) << 3;
    }
    b.extend_from_slice(&[level, flags, 0, 60]);
    if level == 5 {
        b.push(props.len() as u8);
        b.extend_from_slice(props);
    }
    field(&mut b, id.as_bytes());
    if let Some((topic, payload, _, props)) = will {
        if level == 5 {
            b.push(props.len() as u8);
            b.extend_from_slice(props);
        }
        field(&mut b, topic.as_bytes());
        field(&mut b, payload);
    }
    field(&mut b, user.as_bytes());
    let name = user.split(['/', '@']).next().unwrap();
    field(&mut b, format!("{name}-pw").as_bytes());
    packet(0x10, &b)
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub id: u16,
    pub props: Vec<u8>,
}

/// A client that knows only bytes.
pub struct Raw {
    pub io: TcpStream,
    pub version: u8,
    buf: Vec<u8>,
    next: u16,
}

impl Raw {
    pub async fn new(addr: SocketAddr) -> Self {
        let io = TcpStream::connect(addr).await.unwrap();
        io.set_nodelay(true).unwrap();
        Self {
            io,
            version: 4,
            buf: Vec::new(),
            next: 0,
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// The next packet whole, or nothing at the end of the stream.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        timeout(SOON, async {
            loop {
                if let Some(n) = whole(&self.buf) {
                    return Some(self.buf.drain(..n).collect());
                }
                let mut chunk = vec![0; 65_536];
                match self.io.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(n) => self.buf.extend_from_slice(&chunk[..n]),
                }
            }
        })
        .await
        .expect("an answer in time")
    }

    pub async fn packet(&mut self) -> Vec<u8> {
        self.next().await.expect("a packet, not the end")
    }

    /// Nothing comes.
    pub async fn quiet(&mut self) {
        // An answer to PINGREQ comes after all that was on its way.
        assert!(self.buf.is_empty(), "unexpected {:?}", self.buf);
        let mut b = [0; 64];
        if let Ok(r) = timeout(QUIET, self.io.read(&mut b)).await {
            panic!("unexpected {r:?} {:?}", &b);
        }
    }

    /// The end of the stream, after whatever.
    pub async fn closed(&mut self) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        while let Some(p) = self.next().await {
            seen.push(p);
        }
        seen
    }

    pub async fn ping(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.packet().await, [0xD0, 0]);
    }

    fn id(&mut self) -> u16 {
        self.next += 1;
        self.next
    }

    /// SUBSCRIBE to one filter; the code of its SUBACK.
    pub async fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_with(filter, options, &[]).await
    }

    pub async fn subscribe_with(&mut self, filter: &str, options: u8, props: &[u8]) -> u8 {
        let id = self.id();
        let mut b = id.to_be_bytes().to_vec();
        if self.version == 5 {
            b.push(props.len() as u8);
            b.extend_from_slice(props);
        }
        field(&mut b, filter.as_bytes());
        b.push(options);
        self.send(&packet(0x82, &b)).await;
        let p = self.packet().await;
        assert_eq!((p[0], &p[2..4]), (0x90, &id.to_be_bytes()[..]), "{p:?}");
        *p.last().unwrap()
    }

    pub async fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let id = self.id();
        let mut b = id.to_be_bytes().to_vec();
        if self.version == 5 {
            b.push(0);
        }
        field(&mut b, filter.as_bytes());
        self.send(&packet(0xA2, &b)).await;
        let p = self.packet().await;
        assert_eq!(p[0], 0xB0, "{p:?}");
        p
    }

    pub fn publish_bytes(&self, topic: &str, payload: &[u8], flags: u8, id: u16, props: &[u8]) -> Vec<u8> {
        let mut b = Vec::new();
        field(&mut b, topic.as_bytes());
        if flags & 6 != 0 {
            b.extend_from_slice(&id.to_be_bytes());
        }
        if self.version == 5 {
            b.push(props.len() as u8);
            b.extend_from_slice(props);
        }
        b.extend_from_slice(payload);
        packet(0x30 | flags, &b)
    }

    /// PUBLISH without waiting.
    pub async fn publish(&mut self, topic: &str, payload: &[u8], flags: u8, id: u16) {
        let p = self.publish_bytes(topic, payload, flags, id, &[]);
        self.send(&p).await;
    }

    pub async fn publish_with(&mut self, topic: &str, payload: &[u8], flags: u8, id: u16, props: &[u8]) {
        let p = self.publish_bytes(topic, payload, flags, id, props);
        self.send(&p).await;
    }

    /// PUBLISH with QoS 1; the reason of its PUBACK.
    pub async fn publish1(&mut self, topic: &str, payload: &[u8], retain: bool) -> u8 {
        let id = self.id();
        self.publish(topic, payload, 2 | u8::from(retain), id).await;
        let p = self.packet().await;
        assert_eq!((p[0], &p[2..4]), (0x40, &id.to_be_bytes()[..]), "{p:?}");
        p.get(4).copied().unwrap_or(0)
    }

    /// PUBLISH with QoS 2, to its end.
    pub async fn publish2(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let id = self.id();
        self.publish(topic, payload, 4 | u8::from(retain), id).await;
        let p = self.packet().await;
        assert_eq!((p[0], &p[2..4]), (0x50, &id.to_be_bytes()[..]), "{p:?}");
        self.send(&ack(0x62, id)).await;
        let p = self.packet().await;
        assert_eq!((p[0], &p[2..4]), (0x70, &id.to_be_bytes()[..]), "{p:?}");
    }

    /// The next message, unacknowledged.
    pub async fn got(&mut self) -> Got {
        let p = self.packet().await;
        assert_eq!(p[0] >> 4, 3, "{p:?}");
        self.read(&p)
    }

    pub fn read(&self, p: &[u8]) -> Got {
        let mut at = 1;
        while p[at] & 0x80 != 0 {
            at += 1;
        }
        let mut b = &p[at + 1..];
        let mut take = |n: usize| {
            let (a, rest) = b.split_at(n);
            b = rest;
            a.to_vec()
        };
        let n = take(2);
        let topic = take(usize::from(u16::from_be_bytes([n[0], n[1]])));
        let qos = p[0] >> 1 & 3;
        let id = if qos > 0 {
            let n = take(2);
            u16::from_be_bytes([n[0], n[1]])
        } else {
            0
        };
        let props = if self.version == 5 {
            let n = usize::from(take(1)[0]);
            assert!(n < 128);
            take(n)
        } else {
            Vec::new()
        };
        Got {
            topic: String::from_utf8(topic).unwrap(),
            payload: b.to_vec(),
            qos,
            retain: p[0] & 1 != 0,
            dup: p[0] & 8 != 0,
            id,
            props,
        }
    }

    /// The next message, acknowledged to its end.
    pub async fn take(&mut self) -> Got {
        let g = self.got().await;
        match g.qos {
            1 => self.send(&ack(0x40, g.id)).await,
            2 => {
                self.send(&ack(0x50, g.id)).await;
                let p = self.packet().await;
                assert_eq!((p[0], &p[2..4]), (0x62, &g.id.to_be_bytes()[..]));
                self.send(&ack(0x70, g.id)).await;
            }
            _ => {}
        }
        g
    }

    /// DISCONNECT, and the end of the stream.
    pub async fn bye(mut self) {
        self.send(&[0xE0, 0]).await;
        self.closed().await;
    }

    /// The connection breaks.
    pub async fn break_off(self) {
        self.io.set_zero_linger().unwrap();
        drop(self.io);
    }
}

/// A four-byte acknowledgement.
pub fn ack(first: u8, id: u16) -> Vec<u8> {
    let id = id.to_be_bytes();
    vec![first, 2, id[0], id[1]]
}

fn whole(buf: &[u8]) -> Option<usize> {
    let mut len = 0;
    for i in 0..4 {
        let b = *buf.get(1 + i)?;
        len |= usize::from(b & 0x7F) << (7 * i);
        if b & 0x80 == 0 {
            let end = 2 + i + len;
            return (buf.len() >= end).then_some(end);
        }
    }
    panic!("a length that has no end");
}

/// Tries until it holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
