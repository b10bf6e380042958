//! Streams that go wrong, and how bytes are split (RFC 6120 §4, §5, §6; checklist *XMPP wire*, *SASL/login*).

use crate::support::{Client, DOMAIN, World, body, text, world, world_with};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::AsyncWriteExt as _;
use waddle_core::Secret;
use waddle_stanza::sasl::{ScramClient, ScramHash};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams' to='waddle.test' version='1.0'>";

async fn fails(w: &World, xml: &str, condition: &str) {
    let mut c = w.raw();
    c.send(xml).await;
    c.header().await;
    c.ends_with(condition).await;
}

#[tokio::test]
async fn headers() {
    let w = world().await;
    for (xml, condition) in [
        (HEADER.replace("waddle.test", "elsewhere.example"), "host-unknown"),
        (HEADER.replace("to='waddle.test' ", ""), "host-unknown"),
        (HEADER.replace(" version='1.0'>", ">"), "unsupported-version"),
        (
            HEADER.replace(" version='1.0'>", " version='0.9'>"),
            "unsupported-version",
        ),
        (
            HEADER.replace("jabber:client", "jabber:server"),
            "invalid-namespace",
        ),
        (HEADER.replace("jabber:client", "urn:x"), "invalid-namespace"),
        (
            HEADER.replace("http://etherx.jabber.org/streams", "urn:x"),
            "invalid-namespace",
        ),
        ("<!DOCTYPE x>".to_owned() + HEADER, "restricted-xml"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "not-well-formed"),
    ] {
        fails(&w, &xml, condition).await;
    }
}

#[tokio::test]
async fn before_login() {
    let w = world().await;
    let big = format!("{HEADER}<message><body>{}</body></message>", "x".repeat(20_000));
    let many = format!("{HEADER}<message>{}</message>", "<a/>".repeat(40));
    for (xml, condition) in [
        (
            format!("{HEADER}<message to='a@waddle.test'><body>x</body></message>"),
            "not-authorized",
        ),
        (
            format!("{HEADER}<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"),
            "not-authorized",
        ),
        (big, "policy-violation"),
        (many, "policy-violation"),
        (format!("{HEADER}<!-- c -->"), "restricted-xml"),
        (format!("{HEADER}<a></b>"), "not-well-formed"),
        (
            format!(
                "{HEADER}{}</stream:stream>",
                HEADER.replace("<?xml version='1.0'?>", "")
            ),
            "not-authorized",
        ),
    ] {
        fails(&w, &xml, condition).await;
    }
}

#[tokio::test]
async fn after_login() {
    let w = world_with(|l| l.xmpp_stanza_bytes = 100_000, |_| {}).await;
    w.account("bob").await;
    let deep = "<a xmlns='urn:x'>".repeat(100);
    let attributes = (0..100)
        .map(|i| format!(" a{i}='x'"))
        .collect::<Vec<_>>()
        .concat();
    for (xml, condition) in [
        (
            "<message from='eve@waddle.test/x' to='bob@waddle.test'/>".to_owned(),
            "invalid-from",
        ),
        (
            "<message from='bob@other.example' to='bob@waddle.test'/>".to_owned(),
            "invalid-from",
        ),
        (
            "<message from='' to='bob@waddle.test'/>".to_owned(),
            "invalid-from",
        ),
        (
            format!("<message>{}</message>", "x".repeat(200_000)),
            "policy-violation",
        ),
        (format!("<message>{deep}"), "policy-violation"),
        (format!("<message{attributes}/>"), "policy-violation"),
        ("<message>&undefined;</message>".to_owned(), "restricted-xml"),
        ("<message>\u{1}</message>".to_owned(), "not-well-formed"),
        ("<foo xmlns='urn:x'/>".to_owned(), "unsupported-stanza-type"),
        ("<x:message/>".to_owned(), "not-well-formed"),
        (
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>".to_owned(),
            "unsupported-stanza-type",
        ),
    ] {
        let mut c = w.client("bob", "x").await;
        c.send(&xml).await;
        c.ends_with(condition).await;
    }
}

#[tokio::test]
async fn a_stanza_before_bind_and_a_second_login() {
    let w = world().await;
    w.account("bob").await;
    let mut c = w.login("bob").await;
    c.send("<presence/>").await;
    c.ends_with("not-authorized").await;
    let mut c = w.login("bob").await;
    c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
        .await;
    c.ends_with("not-authorized").await;
}

async fn failure(c: &mut Client, mechanism: &str, message: &[u8]) -> String {
    let message = STANDARD.encode(message);
    let f = c
        .request(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{message}</auth>"
        ))
        .await;
    assert_eq!(f.root().name(), "failure", "{}", text(&f));
    f.root().children().next().unwrap().name().to_owned()
}

#[tokio::test]
async fn failed_logins_and_their_limit() {
    let w = world().await;
    w.account("bob").await;
    let mut c = w.raw();
    c.open().await;
    c.next().await;
    for (mechanism, message, condition) in [
        ("PLAIN", &b"\0bob\0wrong"[..], "not-authorized"),
        ("PLAIN", b"bob@waddle.test\0secret", "malformed-request"),
        ("PLAIN", b"alice@waddle.test\0bob\0secret", "invalid-authzid"),
        ("X-NONE", b"", "invalid-mechanism"),
        (
            "SCRAM-SHA-256-PLUS",
            b"p=tls-exporter,,n=bob,r=x",
            "invalid-mechanism",
        ),
        // What guesses nothing has counted half.
        ("PLAIN", b"\0bob\0wrong", "not-authorized"),
        ("PLAIN", b"\0bob\0wrong", "not-authorized"),
    ] {
        assert_eq!(failure(&mut c, mechanism, message).await, condition);
    }
    c.ends_with("policy-violation").await;
}

#[tokio::test]
async fn plain_is_never_taken_without_tls() {
    let w = world_with(|_| {}, |c| c.allow_plaintext = true).await;
    w.account("bob").await;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let peer = waddle_xmpp::Peer {
        address: [127, 0, 0, 1].into(),
        transport: "tcp",
        secure: false,
    };
    assert!(w.server.serve_stream(theirs, peer));
    let mut c = Client::new(ours);
    c.open().await;
    let f = c.next().await;
    assert!(text(&f).contains("SCRAM-SHA-256<") && !text(&f).contains("PLAIN") && !text(&f).contains("PLUS"));
    assert_eq!(
        failure(&mut c, "PLAIN", b"\0bob\0secret").await,
        "encryption-required"
    );
}

#[tokio::test]
async fn scram_with_each_hash() {
    let w = world().await;
    w.account("bob").await;
    for hash in ScramHash::ALL {
        let mut c = w.raw();
        c.open().await;
        c.next().await;
        for (password, ok) in [("wrong", false), ("secret", true)] {
            let mut scram = ScramClient::new(hash, "bob", Secret::new(password), None, "nonce");
            let first = STANDARD.encode(scram.first());
            let challenge = c
                .request(&format!(
                    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{}'>{first}</auth>",
                    hash.mechanism(false)
                ))
                .await;
            assert_eq!(challenge.root().name(), "challenge", "{}", text(&challenge));
            let last = scram
                .answer(&STANDARD.decode(challenge.root().text().as_ref()).unwrap())
                .unwrap();
            let last = STANDARD.encode(last);
            let end = c
                .request(&format!(
                    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>"
                ))
                .await;
            assert_eq!(
                end.root().name(),
                if ok { "success" } else { "failure" },
                "{}",
                text(&end)
            );
            if ok {
                scram
                    .verify(&STANDARD.decode(end.root().text().as_ref()).unwrap())
                    .unwrap();
            }
        }
        c.restart().await;
        c.next().await;
        c.bind("x").await;
        assert_eq!(c.jid, format!("bob@{DOMAIN}/x"));
    }
}

#[tokio::test]
async fn bytes_split_everywhere_mean_the_same() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("bob").await;
    let mut b = w.online("bob", "x").await;
    let stanza = "<message to='bob@waddle.test/x' type='chat'><body>ä&lt;<![CDATA[<&]]></body></message>";
    for at in 1..stanza.len() {
        use tokio::io::AsyncWriteExt as _;
        let (one, two) = stanza.as_bytes().split_at(at);
        b.io.write_all(one).await.unwrap();
        // the server looks at the first part alone
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        b.io.write_all(two).await.unwrap();
        assert_eq!(body(&b.message().await), "ä<<&", "split at {at}");
    }
    for byte in stanza.as_bytes() {
        use tokio::io::AsyncWriteExt as _;
        b.io.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(body(&b.message().await), "ä<<&");
}

#[tokio::test]
async fn a_silent_stream_is_closed() {
    let w = world_with(|l| l.xmpp_login_seconds = 1, |_| {}).await;
    let mut c = w.raw();
    c.open().await;
    c.next().await;
    c.ends_with("connection-timeout").await;
}

#[tokio::test]
async fn connections_of_one_address_are_limited() {
    let w = world_with(|l| l.connections_per_address = 1, |_| {}).await;
    let one = w.raw();
    let (_ours, theirs) = tokio::io::duplex(64);
    let peer = waddle_xmpp::Peer {
        address: [127, 0, 0, 1].into(),
        transport: "tcp",
        secure: true,
    };
    assert!(!w.server.serve_stream(theirs, peer));
    drop(one);
}

#[tokio::test]
async fn bytes_that_are_no_xml() {
    use tokio::io::AsyncWriteExt as _;
    let w = world().await;
    w.account("bob").await;
    let cases: [(&[u8], &str); 7] = [
        (
            b"<message><body>\xff\xfe</body></message>",
            "not-well-formed unsupported-encoding",
        ),
        (
            b"<message><body>\xed\xa0\x80</body></message>",
            "not-well-formed unsupported-encoding",
        ),
        (b"<message><body>\0</body></message>", "not-well-formed"),
        (b"<message><body>&#xFFFE;</body></message>", "not-well-formed"),
        (b"<message a='1' a='2'/>", "not-well-formed"),
        (b"<?php echo 1 ?><message/>", "restricted-xml"),
        (
            b"<message><!ENTITY x 'y'></message>",
            "restricted-xml not-well-formed",
        ),
    ];
    for (bytes, conditions) in cases {
        let mut c = w.client("bob", "x").await;
        c.io.write_all(bytes).await.unwrap();
        let mut error = None;
        while let Some(frame) = c.frame().await {
            if let waddle_stanza::Frame::Stanza(s) = frame {
                error = s.root().children().next().map(|e| e.name().to_owned());
            }
        }
        let error = error.expect("a stream error");
        assert!(
            conditions.contains(&*error),
            "{:?}: {error}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[tokio::test]
async fn a_restart_for_another_host() {
    let w = world().await;
    w.account("bob").await;
    let mut c = w.raw();
    c.open().await;
    c.next().await;
    let auth = STANDARD.encode("\0bob\0secret");
    c.request(&format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{auth}</auth>"
    ))
    .await;
    c.send(&HEADER.replace("waddle.test", "elsewhere.example")).await;
    c.expect_restart();
    c.header().await;
    c.ends_with("host-unknown").await;
}

#[tokio::test]
async fn one_byte_at_a_time_from_the_first() {
    use tokio::io::AsyncWriteExt as _;
    let w = world().await;
    w.account("bob").await;
    let mut c = w.raw();
    for b in HEADER.as_bytes() {
        c.io.write_all(&[*b]).await.unwrap();
        tokio::task::yield_now().await;
    }
    c.header().await;
    c.next().await;
    let auth = STANDARD.encode("\0bob\0secret");
    let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{auth}</auth>");
    for b in auth.as_bytes() {
        c.io.write_all(&[*b]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(c.next().await.root().name(), "success");
}

/// Writes `xml` again and again and reads nothing; how many bytes were taken until nothing more was.
async fn pour(io: &mut tokio::io::DuplexStream, xml: &str, most: usize) -> usize {
    let chunk = xml.repeat(64);
    let mut taken = 0;
    while taken < most {
        let write = io.write(chunk.as_bytes());
        match tokio::time::timeout(std::time::Duration::from_secs(1), write).await {
            Ok(n) => taken += n.unwrap(),
            Err(_) => break,
        }
    }
    taken
}

/// Each of these is answered: who does not read the answers is not read.
#[tokio::test]
async fn who_does_not_read_is_not_read() {
    let w = world().await;
    let (mut ours, theirs) = tokio::io::duplex(1 << 12);
    let peer = waddle_xmpp::Peer {
        address: [127, 0, 0, 1].into(),
        transport: "tcp",
        secure: true,
    };
    assert!(w.server.serve_stream(theirs, peer));
    ours.write_all(HEADER.as_bytes()).await.unwrap();
    let taken = pour(&mut ours, "<r xmlns='urn:xmpp:sm:3'/>", 1 << 20).await;
    assert!(taken < 200_000, "{taken}");
}
