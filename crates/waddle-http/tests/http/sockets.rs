//! Real sockets: TLS, limits, WebSockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::support::{Setup, open, open_with};
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _, handshake::client::Request};
use waddle_http::{HttpServer, TlsConfig};

const WAIT: Duration = Duration::from_secs(10);

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn certificate(name: &str) -> (TlsConfig, rustls::RootCertStore) {
    let key = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let cert = key.cert.der().clone();
    let der = rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], der)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert).unwrap();
    (Arc::new(ArcSwap::from_pointee(config)), roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn tls_get(
    addr: SocketAddr,
    name: &'static str,
    roots: rustls::RootCertStore,
) -> std::io::Result<String> {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from(name).unwrap();
    let tcp = TcpStream::connect(addr).await?;
    let mut s = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    s.write_all(b"GET /healthz HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    s.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn tls_with_a_certificate_that_changes() {
    let t = open().await;
    let (tls, roots) = certificate("a.test");
    let server = HttpServer::start(
        t.config.clone(),
        t.deps.clone(),
        vec![listener().await],
        Some((vec![listener().await], Arc::clone(&tls))),
    )
    .unwrap();
    let addr = server.tls_addresses()[0];
    // one that never finishes its handshake holds up nobody
    let _silent = TcpStream::connect(addr).await.unwrap();
    let mut rubbish = TcpStream::connect(addr).await.unwrap();
    rubbish.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let text = timeout(WAIT, tls_get(addr, "a.test", roots.clone()))
        .await
        .unwrap()
        .unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("ok\n"),
        "{text}"
    );

    let (other, other_roots) = certificate("b.test");
    tls.store(other.load_full());
    assert!(
        timeout(WAIT, tls_get(addr, "b.test", other_roots))
            .await
            .unwrap()
            .is_ok()
    );
    assert!(
        timeout(WAIT, tls_get(addr, "a.test", roots))
            .await
            .unwrap()
            .is_err()
    );

    server.shutdown(Duration::from_secs(1)).await;
    assert!(TcpStream::connect(addr).await.is_err(), "closed");
}

#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let t = open_with(|http, _| http.limits.connections_per_address = 2).await;
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener().await], None).unwrap();
    let addr = server.plain_addresses()[0];
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut s = TcpStream::connect(addr).await.unwrap();
        s.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut buf = [0; 12];
        timeout(WAIT, s.read_exact(&mut buf)).await.unwrap().unwrap();
        assert_eq!(&buf, b"HTTP/1.1 200");
        held.push(s);
    }
    let mut third = TcpStream::connect(addr).await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(WAIT, third.read_to_end(&mut rest)).await.unwrap();
    assert!(closed.is_err() || rest.is_empty(), "closed without an answer");
    drop(held);
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let t = open().await;
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener().await], None).unwrap();
    let mut s = TcpStream::connect(server.plain_addresses()[0]).await.unwrap();
    s.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let line = format!("x-filler: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    while sent < 1 << 20 && s.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    let mut answer = Vec::new();
    let _ = timeout(WAIT, s.read_to_end(&mut answer)).await.unwrap();
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_refusal_keeps_the_connection_of_whose_body_comes_behind_its_head() {
    let t = open().await;
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener().await], None).unwrap();
    let mut s = TcpStream::connect(server.plain_addresses()[0]).await.unwrap();
    for (path, status) in [
        ("/api/v1/nothing", "404"),
        ("/api/v1/waddles", "401"),
        ("/healthz", "405"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
        );
        s.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        let early = timeout(Duration::from_millis(100), s.read_exact(&mut first)).await;
        assert!(early.is_err(), "{path}: answered before the request was there");
        s.write_all(b"{}").await.unwrap();
        let answer = one_answer(&mut s).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    s.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(one_answer(&mut s).await.starts_with("HTTP/1.1 200"));
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_long_body_is_not_waited_for() {
    let t = open_with(|http, _| http.limits.http_small_body_bytes = 1).await;
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener().await], None).unwrap();
    let mut s = TcpStream::connect(server.plain_addresses()[0]).await.unwrap();
    s.write_all(b"POST /api/v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        .await
        .unwrap();
    assert!(one_answer(&mut s).await.starts_with("HTTP/1.1 404"));
    server.shutdown(Duration::from_secs(1)).await;
}

/// The next answer of a connection that is kept: its head and as much body as it says.
async fn one_answer(s: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let head = loop {
        let mut byte = [0];
        timeout(WAIT, s.read_exact(&mut byte)).await.unwrap().unwrap();
        text.push(byte[0]);
        if text.ends_with(b"\r\n\r\n") {
            break String::from_utf8(text).unwrap();
        }
    };
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    timeout(WAIT, s.read_exact(&mut body)).await.unwrap().unwrap();
    head
}

/// A server whose doors echo, and its address.
async fn echo(t: &mut Setup) -> (HttpServer, SocketAddr) {
    t.deps.xmpp = Some(Arc::new(|mut socket, peer| {
        assert!(peer.addr.is_loopback() && !peer.secure);
        tokio::spawn(async move {
            while let Some(Ok(text)) = socket.next().await {
                if socket.send(text).await.is_err() {
                    break;
                }
            }
        });
        true
    }));
    t.deps.mqtt = Some(Arc::new(|io, _| {
        tokio::spawn(async move {
            let (mut r, mut w) = tokio::io::split(io);
            let _ = tokio::io::copy(&mut r, &mut w).await;
        });
        true
    }));
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener().await], None).unwrap();
    let addr = server.plain_addresses()[0];
    (server, addr)
}

fn request(addr: SocketAddr, path: &str, protocol: &str) -> Request {
    let mut r = format!("ws://{addr}{path}").into_client_request().unwrap();
    r.headers_mut()
        .insert("sec-websocket-protocol", protocol.parse().unwrap());
    r
}

type Ws = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn connect(
    addr: SocketAddr,
    path: &str,
    protocol: &str,
) -> Result<Ws, tokio_tungstenite::tungstenite::Error> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    let (ws, answer) = tokio_tungstenite::client_async(request(addr, path, protocol), tcp).await?;
    assert_eq!(
        answer.headers()["sec-websocket-protocol"],
        protocol.split(',').next_back().unwrap().trim()
    );
    Ok(ws)
}

async fn next(ws: &mut Ws) -> Option<Message> {
    loop {
        match timeout(WAIT, ws.next()).await.unwrap() {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(m)) => return Some(m),
            _ => return None,
        }
    }
}

#[tokio::test]
async fn xmpp_takes_text_and_mqtt_takes_bytes() {
    let mut t = open().await;
    let (server, addr) = echo(&mut t).await;
    let mut x = connect(addr, "/xmpp-websocket", "chat, xmpp").await.unwrap();
    x.send(Message::Ping(Bytes::new())).await.unwrap();
    x.send(Message::text("<open/> \u{1f427}")).await.unwrap();
    assert_eq!(next(&mut x).await, Some(Message::text("<open/> \u{1f427}")));
    x.send(Message::binary(vec![1])).await.unwrap();
    assert!(
        !matches!(next(&mut x).await, Some(Message::Text(_) | Message::Binary(_))),
        "binary ends it"
    );

    for protocol in ["mqtt", "mqttv3.1"] {
        let mut m = connect(addr, "/mqtt", protocol).await.unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for part in sent.chunks(7_777) {
            m.send(Message::binary(part.to_vec())).await.unwrap();
        }
        let mut got = Vec::new();
        while got.len() < sent.len() {
            match next(&mut m).await {
                Some(Message::Binary(b)) => got.extend_from_slice(&b),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(got, sent);
        m.send(Message::text("text")).await.unwrap();
        assert!(!matches!(
            next(&mut m).await,
            Some(Message::Text(_) | Message::Binary(_))
        ));
    }
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn websockets_that_are_refused() {
    use tokio_tungstenite::tungstenite::Error;
    let mut t = open_with(|http, _| http.limits.xmpp_stanza_bytes = 1_000).await;
    let (_server, addr) = echo(&mut t).await;
    for (path, protocol) in [
        ("/xmpp-websocket", "mqtt"),
        ("/mqtt", "xmpp"),
        ("/xmpp-websocket", "xmppx"),
    ] {
        match connect(addr, path, protocol).await {
            Err(Error::Http(r)) => assert_eq!(r.status(), 400, "{path} {protocol}"),
            other => panic!("{path} {protocol}: {other:?}"),
        }
    }
    let mut x = connect(addr, "/xmpp-websocket", "xmpp").await.unwrap();
    x.send(Message::text("y".repeat(1_000))).await.unwrap();
    assert!(matches!(next(&mut x).await, Some(Message::Text(_))));
    let _ = x.send(Message::text("y".repeat(1_001))).await;
    assert!(!matches!(next(&mut x).await, Some(Message::Text(_))), "too large");

    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain
        .write_all(b"GET /xmpp-websocket HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    plain.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 426") && text.contains("application/problem+json"),
        "{text}"
    );
}
