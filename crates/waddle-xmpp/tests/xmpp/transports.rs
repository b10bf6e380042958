//! STARTTLS, direct TLS, channel binding, WebSocket; and tokio-xmpp, a client that nobody here wrote
//! (RFC 6120 §5, XEP-0368, RFC 7395, RFC 9266, XEP-0440).

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{DOMAIN, World, body, world, world_with};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures::{Sink, Stream, StreamExt as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use waddle_core::{Limits, Secret};
use waddle_stanza::{
    Frame, Framing, ScanLimits, Scanner, Stanza,
    sasl::{ScramClient, ScramHash},
};

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
     to='waddle.test' version='1.0'>";

struct Tls {
    world: World,
    roots: Arc<rustls::RootCertStore>,
}

async fn tls() -> Tls {
    let key = rcgen::generate_simple_self_signed([DOMAIN.to_owned()]).unwrap();
    let cert = CertificateDer::from(key.cert.der().to_vec());
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], private)
        .unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let world = world_with(
        |_| {},
        |c| {
            c.tls = Some(Arc::new(config));
            c.listen = vec![any];
            c.listen_tls = vec![any];
        },
    )
    .await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert).unwrap();
    Tls {
        world,
        roots: Arc::new(roots),
    }
}

impl Tls {
    fn connector(&self, alpn: &[&str]) -> TlsConnector {
        self.connector_of(alpn, rustls::DEFAULT_VERSIONS)
    }

    fn connector_of(
        &self,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut c = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        c.alpn_protocols = alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(c))
    }

    async fn direct(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.world.server.listening().tls[0]).await?;
        self.connector(alpn)
            .connect(ServerName::try_from(DOMAIN).unwrap(), tcp)
            .await
    }
}

struct Wire<S> {
    io: S,
    scanner: Scanner,
    buf: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(io: S) -> Self {
        Self {
            io,
            scanner: Scanner::new(Framing::Stream, ScanLimits::after_login(&Limits::default())),
            buf: BytesMut::new(),
        }
    }

    async fn send(&mut self, xml: &str) {
        self.io.write_all(xml.as_bytes()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    async fn stanza(&mut self) -> Stanza {
        loop {
            match self.scanner.next(&mut self.buf).unwrap() {
                Some(Frame::Stanza(s)) => return s,
                Some(Frame::Close) => panic!("closed"),
                Some(Frame::Open(_)) => continue,
                None => {}
            }
            let n = tokio::time::timeout(Duration::from_secs(10), self.io.read_buf(&mut self.buf))
                .await
                .unwrap()
                .unwrap();
            assert!(n > 0, "closed");
        }
    }
}

fn features(s: &Stanza) -> String {
    String::from_utf8_lossy(s.bytes()).into_owned()
}

async fn scram_plus(w: &mut Wire<TlsStream<TcpStream>>, flip: bool) -> Stanza {
    let (_, c) = w.io.get_ref();
    let mut data = c
        .export_keying_material([0_u8; 32], b"EXPORTER-Channel-Binding", Some(&[]))
        .unwrap();
    if flip {
        data[0] ^= 1;
    }
    scram_bound(w, "tls-exporter", &data).await
}

/// SCRAM bound to the server's certificate (RFC 5929 §4), whose signature is of SHA-256.
async fn scram_end_point(w: &mut Wire<TlsStream<TcpStream>>) -> Stanza {
    let (_, c) = w.io.get_ref();
    let data = ring::digest::digest(&ring::digest::SHA256, &c.peer_certificates().unwrap()[0]);
    scram_bound(w, "tls-server-end-point", data.as_ref()).await
}

async fn scram_bound(w: &mut Wire<TlsStream<TcpStream>>, name: &str, data: &[u8]) -> Stanza {
    let hash = ScramHash::Sha256;
    let mut scram = ScramClient::new(hash, "bob", Secret::new("secret"), Some((name, data)), "abc");
    let first = STANDARD.encode(scram.first());
    w.send(&format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256-PLUS'>{first}</auth>"
    ))
    .await;
    let challenge = w.stanza().await;
    let last = scram
        .answer(&STANDARD.decode(challenge.root().text().as_ref()).unwrap())
        .unwrap();
    w.send(&format!(
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>",
        STANDARD.encode(last)
    ))
    .await;
    w.stanza().await
}

#[tokio::test]
async fn starttls_forgets_what_was_sent_before_it() {
    let t = tls().await;
    t.world.account("bob").await;
    let tcp = TcpStream::connect(t.world.server.listening().starttls[0])
        .await
        .unwrap();
    let mut w = Wire::new(tcp);
    w.send(HEADER).await;
    let f = features(&w.stanza().await);
    assert!(f.contains("<required/>") && !f.contains("mechanisms"), "{f}");
    w.send(&format!(
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>"
    ))
    .await;
    assert_eq!(w.stanza().await.root().name(), "proceed");
    assert!(w.buf.is_empty(), "nothing behind <proceed/>");
    let stream = t
        .connector(&[])
        .connect(ServerName::try_from(DOMAIN).unwrap(), w.io)
        .await
        .unwrap();
    let mut w = Wire::new(stream);
    w.send(HEADER).await;
    let f = features(&w.stanza().await);
    assert!(
        f.contains("PLAIN") && f.contains("SCRAM-SHA-512-PLUS") && f.contains("tls-exporter"),
        "{f}"
    );
    assert!(!f.contains("starttls"));
    assert_eq!(
        scram_plus(&mut w, true).await.root().name(),
        "failure",
        "another channel"
    );
    assert_eq!(scram_plus(&mut w, false).await.root().name(), "success");
}

#[tokio::test]
async fn direct_tls_and_its_alpn() {
    let t = tls().await;
    t.world.account("bob").await;
    for alpn in [&["xmpp-client"][..], &[]] {
        let mut w = Wire::new(t.direct(alpn).await.unwrap());
        w.send(HEADER).await;
        let offered = features(&w.stanza().await);
        assert!(offered.contains("SCRAM-SHA-256-PLUS") && offered.contains("HT-SHA-256-ENDP"));
        let both = "<channel-binding type=\"tls-exporter\"/><channel-binding type=\"tls-server-end-point\"/>";
        assert!(offered.contains(both), "{offered}");
        assert_eq!(scram_end_point(&mut w).await.root().name(), "success");
    }
    // TLS 1.2 binds to the certificate only.
    let tcp = TcpStream::connect(t.world.server.listening().tls[0])
        .await
        .unwrap();
    let old = t.connector_of(&[], &[&rustls::version::TLS12]);
    let mut w = Wire::new(
        old.connect(ServerName::try_from(DOMAIN).unwrap(), tcp)
            .await
            .unwrap(),
    );
    w.send(HEADER).await;
    let offered = features(&w.stanza().await);
    assert!(
        offered.contains("SCRAM-SHA-512-PLUS") && !offered.contains("tls-exporter"),
        "{offered}"
    );
    assert_eq!(scram_end_point(&mut w).await.root().name(), "success");
    assert!(t.direct(&["h2"]).await.is_err());
    // what is no TLS at all is closed, and the next one served
    let mut tcp = TcpStream::connect(t.world.server.listening().tls[0])
        .await
        .unwrap();
    tcp.write_all(HEADER.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let _ = tcp.read_to_end(&mut rest).await;
    assert!(t.direct(&["xmpp-client"]).await.is_ok());
}

#[derive(Clone)]
struct Connector {
    address: SocketAddr,
    tls: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl tokio_xmpp::connect::ServerConnector for Connector {
    type Stream = BufStream<TlsStream<TcpStream>>;

    async fn connect(
        &self,
        jid: &tokio_xmpp::jid::Jid,
        ns: &'static str,
        timeouts: tokio_xmpp::xmlstream::Timeouts,
    ) -> Result<
        (
            tokio_xmpp::xmlstream::PendingFeaturesRecv<Self::Stream>,
            sasl::common::ChannelBinding,
        ),
        tokio_xmpp::Error,
    > {
        let tcp = TcpStream::connect(self.address).await?;
        let tls = self
            .tls
            .connect(ServerName::try_from(DOMAIN).unwrap(), tcp)
            .await?;
        let header = tokio_xmpp::xmlstream::StreamHeader {
            to: Some(jid.domain().as_str().into()),
            from: None,
            id: None,
        };
        let stream =
            tokio_xmpp::xmlstream::initiate_stream(BufStream::new(tls), ns, header, timeouts).await?;
        Ok((stream, sasl::common::ChannelBinding::None))
    }
}

#[tokio::test]
async fn tokio_xmpp_logs_in_talks_and_leaves() {
    use tokio_xmpp::{
        Client, Event,
        jid::Jid,
        parsers::{
            message::{Lang, Message},
            presence::Presence,
        },
    };
    let t = tls().await;
    t.world.account("alice").await;
    t.world.account("bob").await;
    let mut bob = t.world.online("bob", "raw").await;
    let connector = Connector {
        address: t.world.server.listening().tls[0],
        tls: t.connector(&["xmpp-client"]),
    };
    let jid: Jid = "alice@waddle.test/tokio".parse().unwrap();
    let mut alice = Client::new_with_connector(jid, "secret", connector, Default::default());
    let online = tokio::time::timeout(Duration::from_secs(10), alice.next())
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(online, Event::Online { .. }), "{online:?}");
    alice.send_stanza(Presence::available().into()).await.unwrap();
    let to: Jid = "bob@waddle.test".parse().unwrap();
    let mut m = Message::chat(Some(to));
    m.bodies.insert(Lang::default(), "hello".to_owned());
    alice.send_stanza(m.into()).await.unwrap();
    assert_eq!(body(&bob.message().await), "hello");
    bob.send("<message to='alice@waddle.test/tokio' type='chat'><body>and back</body></message>")
        .await;
    loop {
        let e = tokio::time::timeout(Duration::from_secs(10), alice.next())
            .await
            .unwrap()
            .unwrap();
        if let Event::Stanza(tokio_xmpp::Stanza::Message(m)) = e {
            assert_eq!(m.bodies.values().next().unwrap(), "and back");
            break;
        }
    }
    alice.send_end().await.unwrap();
}

/// The two ends of a WebSocket in memory.
struct Frames {
    from: mpsc::UnboundedReceiver<String>,
    to: mpsc::UnboundedSender<String>,
}

impl waddle_xmpp::TextFrames for Frames {}
impl Stream for Frames {
    type Item = std::io::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.from.poll_recv(cx).map(|m| m.map(|m| Ok(Bytes::from(m))))
    }
}
impl Sink<Bytes> for Frames {
    type Error = std::io::Error;
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn start_send(self: Pin<&mut Self>, item: Bytes) -> std::io::Result<()> {
        let text = String::from_utf8(item.to_vec()).map_err(std::io::Error::other)?;
        self.to.send(text).map_err(std::io::Error::other)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn websocket_frames() {
    let w = world().await;
    w.account("bob").await;
    let (to_server, from) = mpsc::unbounded_channel();
    let (to, mut from_server) = mpsc::unbounded_channel();
    let peer = waddle_xmpp::Peer {
        address: [127, 0, 0, 1].into(),
        transport: "websocket",
        secure: true,
    };
    assert!(w.server.serve_websocket(Frames { from, to }, peer));
    const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='waddle.test' version='1.0'/>";
    let send = |s: &str| to_server.send(s.to_owned()).unwrap();
    send(OPEN);
    let open = from_server.recv().await.unwrap();
    assert!(open.starts_with("<open ") && open.contains("id=\""), "{open}");
    let f = from_server.recv().await.unwrap();
    assert!(
        f.starts_with("<stream:features xmlns:stream") && f.contains("PLAIN") && !f.contains("starttls"),
        "{f}"
    );
    send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>");
    assert!(from_server.recv().await.unwrap().starts_with("<success"));
    send(OPEN);
    assert!(from_server.recv().await.unwrap().starts_with("<open "));
    assert!(from_server.recv().await.unwrap().contains("<bind "));
    send("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    let bound = from_server.recv().await.unwrap();
    assert!(
        bound.starts_with("<iq xmlns=\"jabber:client\"") && bound.contains("<jid>bob@waddle.test/"),
        "{bound}"
    );
    send("<presence xmlns='jabber:client'/>");
    assert!(from_server.recv().await.unwrap().starts_with("<presence "));
    send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    assert!(from_server.recv().await.unwrap().starts_with("<close "));
    assert!(from_server.recv().await.is_none());
}
