//! A server on real storage, and scripted clients that speak bytes to it.

pub mod eventing;

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use waddle_community::Community;
use waddle_core::{Limits, Secret, SharedClock, SystemClock};
use waddle_identity::{Identity, IdentityConfig};
use waddle_muc::Rooms;
use waddle_stanza::{Element, Frame, Framing, ScanLimits, Scanner, Stanza, StreamHeader};
use waddle_storage::{Storage, StorageConfig};
use waddle_xmpp::{Deps, Peer, XmppConfig, XmppServer};

pub const DOMAIN: &str = "waddle.test";
const PATIENCE: Duration = Duration::from_secs(10);

pub struct World {
    pub server: XmppServer,
    pub identity: Identity,
    pub community: Community,
    pub storage: Storage,
    pub rooms: Rooms,
    dir: TempDir,
}

pub async fn world() -> World {
    world_with(|_| {}, |_| {}).await
}

pub async fn world_with(limits: impl FnOnce(&mut Limits), config: impl FnOnce(&mut XmppConfig)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut l = Limits::default();
    limits(&mut l);
    let mut c = XmppConfig::new(DOMAIN);
    config(&mut c);
    start(dir, Arc::new(l), c).await
}

async fn start(dir: TempDir, l: Arc<Limits>, c: XmppConfig) -> World {
    let clock: SharedClock = Arc::new(SystemClock);
    let storage = Storage::open(StorageConfig {
        dir: dir.path().to_owned(),
        limits: (*l).clone(),
        clock: clock.clone(),
    })
    .await
    .unwrap();
    let mut ic = IdentityConfig::new(DOMAIN, "http://127.0.0.1:1".parse().unwrap(), dir.path());
    ic.scram_iterations = 4096;
    ic.limits = (*l).clone();
    let identity = Identity::open(&storage, clock.clone(), ic).await.unwrap();
    let community = Community::open(storage.clone(), clock.clone(), l.clone(), DOMAIN)
        .await
        .unwrap();
    let rooms = Rooms::new(waddle_muc::Deps {
        storage: storage.clone(),
        community: community.clone(),
        clock: clock.clone(),
        limits: l.clone(),
        domain: DOMAIN.to_owned(),
    })
    .await
    .unwrap();
    let server = XmppServer::start(
        c,
        Deps {
            storage: storage.clone(),
            identity: identity.clone(),
            community: community.clone(),
            rooms: rooms.clone(),
            clock,
            limits: l,
        },
    )
    .await
    .unwrap();
    rooms.set_postman(Arc::new(server.clone()));
    World {
        server,
        identity,
        community,
        storage,
        rooms,
        dir,
    }
}

impl World {
    /// Stops and starts again on the same directory, with the usual limits.
    pub async fn restart(self) -> Self {
        self.server.shutdown(PATIENCE).await;
        self.rooms.shutdown().await;
        self.storage.close().await;
        start(self.dir, Arc::default(), XmppConfig::new(DOMAIN)).await
    }

    pub async fn account(&self, name: &str) {
        self.identity
            .create_local(name, &Secret::new("secret"), false)
            .await
            .unwrap();
    }

    /// A raw stream that the server takes for TLS.
    pub fn raw(&self) -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let peer = Peer {
            address: IpAddr::from([127, 0, 0, 1]),
            transport: "tcp",
            secure: true,
        };
        assert!(self.server.serve_stream(theirs, peer));
        Client::new(ours)
    }

    /// A client that has logged in but bound nothing.
    pub async fn login(&self, name: &str) -> Client {
        self.login_with(name, "secret").await
    }

    /// A client that has logged in with a password or token but bound nothing.
    /// The condition with which a login is refused.
    pub async fn login_failure(&self, name: &str, password: &str) -> String {
        let mut c = self.raw();
        c.open().await;
        c.next().await;
        let message = STANDARD.encode(format!("\0{name}\0{password}"));
        c.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{message}</auth>"
        ))
        .await;
        let s = c.next().await;
        assert_eq!(s.root().name(), "failure", "{}", text(&s));
        let condition = s.root().children().find(|c| c.name() != "text").unwrap();
        condition.name().to_owned()
    }

    pub async fn login_with(&self, name: &str, password: &str) -> Client {
        let mut c = self.raw();
        c.open().await;
        let f = c.next().await;
        assert!(
            f.root().has("mechanisms", "urn:ietf:params:xml:ns:xmpp-sasl"),
            "{f:?}"
        );
        let message = STANDARD.encode(format!("\0{name}\0{password}"));
        c.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{message}</auth>"
        ))
        .await;
        let s = c.next().await;
        assert_eq!(s.root().name(), "success", "{}", text(&s));
        c.restart().await;
        let f = c.next().await;
        assert!(f.root().has("bind", "urn:ietf:params:xml:ns:xmpp-bind"));
        c.name = name.to_owned();
        c.features = text(&f);
        c
    }

    /// Somebody who has just logged in.
    pub async fn account_then_login(&self) -> Client {
        self.account("somebody").await;
        self.login("somebody").await
    }

    /// A client with a bound resource.
    pub async fn client(&self, name: &str, resource: &str) -> Client {
        let mut c = self.login(name).await;
        c.bind(resource).await;
        c
    }

    /// A client that is available.
    pub async fn online(&self, name: &str, resource: &str) -> Client {
        let mut c = self.client(name, resource).await;
        c.send("<presence/>").await;
        let own = c.next().await;
        assert_eq!(own.root().name(), "presence");
        c
    }
}

/// Waits until something is so.
pub async fn until(happened: impl Fn() -> bool) {
    timeout(PATIENCE, async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("happens in time");
}

/// Two people see each other's presence.
pub async fn friends(a: &mut Client, b: &mut Client) {
    let (one, two) = (a.name.clone(), b.name.clone());
    for kind in ["subscribed", "subscribe"] {
        for (c, other) in [(&mut *a, &two), (&mut *b, &one)] {
            c.send(&format!("<presence type='{kind}' to='{other}@{DOMAIN}'/>"))
                .await;
            c.sync().await;
        }
    }
    a.sync().await;
    b.sync().await;
}

pub fn text(s: &Stanza) -> String {
    String::from_utf8_lossy(s.bytes()).into_owned()
}

pub struct Client {
    pub io: DuplexStream,
    pub name: String,
    pub jid: String,
    /// The stream features after login.
    pub features: String,
    scanner: Scanner,
    buf: BytesMut,
}

impl Client {
    pub fn new(io: DuplexStream) -> Self {
        let limits = ScanLimits::after_login(&Limits::default());
        Self {
            io,
            name: String::new(),
            jid: String::new(),
            features: String::new(),
            scanner: Scanner::new(Framing::Stream, limits),
            buf: BytesMut::new(),
        }
    }

    pub async fn send(&mut self, xml: &str) {
        self.io.write_all(xml.as_bytes()).await.unwrap();
    }

    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(f) = self.scanner.next(&mut self.buf).unwrap() {
                return Some(f);
            }
            let n = timeout(PATIENCE, self.io.read_buf(&mut self.buf))
                .await
                .expect("the server says nothing")
                .ok()?;
            if n == 0 {
                return None;
            }
        }
    }

    pub async fn next(&mut self) -> Stanza {
        match self.frame().await {
            Some(Frame::Stanza(s)) => s,
            other => panic!("expected a stanza, got {other:?}"),
        }
    }

    pub async fn header(&mut self) -> StreamHeader {
        match self.frame().await {
            Some(Frame::Open(h)) => h,
            other => panic!("expected a header, got {other:?}"),
        }
    }

    pub async fn open(&mut self) -> StreamHeader {
        self.send(&format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}' version='1.0'>"
        ))
        .await;
        self.header().await
    }

    pub async fn restart(&mut self) {
        self.scanner.restart();
        self.open().await;
    }

    pub async fn bind(&mut self, resource: &str) {
        self.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"
        ))
        .await;
        let r = self.next().await;
        let jid = r
            .root()
            .child("bind", "urn:ietf:params:xml:ns:xmpp-bind")
            .and_then(|b| {
                b.child_text("jid", "urn:ietf:params:xml:ns:xmpp-bind")
                    .map(String::from)
            });
        self.jid = jid.unwrap_or_else(|| panic!("not bound: {}", text(&r)));
    }

    /// Sends a request and returns its answer; anything else that comes first is an error.
    pub async fn request(&mut self, xml: &str) -> Stanza {
        self.send(xml).await;
        self.next().await
    }

    /// Sends a ping: what comes before its answer is returned, so that silence can be checked without waiting.
    pub async fn sync(&mut self) -> Vec<Stanza> {
        self.send("<iq type='get' id='sync-ping'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        let mut out = Vec::new();
        loop {
            let s = self.next().await;
            if s.id().as_deref() == Some("sync-ping") {
                return out;
            }
            out.push(s);
        }
    }

    /// Nothing came.
    pub async fn quiet(&mut self) {
        let got = self.sync().await;
        assert!(
            got.is_empty(),
            "unexpected: {:?}",
            got.iter().map(text).collect::<Vec<_>>()
        );
    }

    /// The next message.
    pub async fn message(&mut self) -> Stanza {
        loop {
            let s = self.next().await;
            if s.root().name() == "message" {
                return s;
            }
        }
    }

    /// The stream ends with this error.
    pub async fn ends_with(&mut self, condition: &str) {
        loop {
            match self.frame().await {
                Some(Frame::Stanza(s)) if s.root().name() == "error" => {
                    assert!(
                        s.root().has(condition, "urn:ietf:params:xml:ns:xmpp-streams"),
                        "expected {condition}: {}",
                        text(&s)
                    );
                    break;
                }
                Some(_) => {}
                None => panic!("the stream ended without {condition}"),
            }
        }
        while let Some(f) = self.frame().await {
            assert!(matches!(f, Frame::Close));
        }
    }
}

pub fn body(s: &Stanza) -> String {
    s.root()
        .child_text("body", "jabber:client")
        .unwrap_or_default()
        .into_owned()
}

pub fn condition(s: &Stanza) -> String {
    let of = |e: Element<'_>| {
        e.children()
            .find(|c| c.in_ns("urn:ietf:params:xml:ns:xmpp-stanzas") && c.name() != "text")
            .map(|c| c.name().to_owned())
    };
    s.root()
        .child("error", "jabber:client")
        .and_then(of)
        .unwrap_or_else(|| panic!("no error: {}", text(s)))
}

impl Client {
    /// [`Client::frame`], but a broken end is an end.
    pub async fn frame_lossy(&mut self) -> Option<Frame> {
        loop {
            match self.scanner.next(&mut self.buf) {
                Ok(Some(f)) => return Some(f),
                Ok(None) => {}
                Err(_) => return None,
            }
            let n = timeout(PATIENCE, self.io.read_buf(&mut self.buf))
                .await
                .ok()?
                .ok()?;
            if n == 0 {
                return None;
            }
        }
    }

    /// Nothing came but `<r/>`.
    pub async fn quiet_sm(&mut self) {
        let got = self.sync().await;
        assert!(
            got.iter().all(|s| s.root().name() == "r"),
            "unexpected: {:?}",
            got.iter().map(text).collect::<Vec<_>>()
        );
    }
}

impl Client {
    /// The server's next words are a new header.
    pub fn expect_restart(&mut self) {
        self.scanner.restart();
    }
}
