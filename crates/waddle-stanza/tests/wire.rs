//! What a peer may and may not send: RFC 6120 §4 and §11, RFC 7395 §3, and the limits.

#![expect(clippy::panic, reason = "tests")]

use bytes::BytesMut;
use waddle_stanza::{Frame, Framing, Kind, ScanLimits, Scanner, Stanza, StreamError, StreamHeader, ns};

const LIMITS: ScanLimits = ScanLimits {
    stanza_bytes: 262_144,
    elements: 4096,
    depth: 64,
    attributes: 64,
};
const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xml:lang='en' \
                      xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// Everything up to the end of the bytes or the first error, fed in pieces of `step` bytes.
fn feed(framing: Framing, bytes: &[u8], step: usize) -> (Vec<Frame>, Option<StreamError>) {
    let mut s = Scanner::new(framing, LIMITS);
    let mut buf = BytesMut::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(step) {
        buf.extend_from_slice(piece);
        loop {
            match s.next(&mut buf) {
                Ok(Some(f)) => frames.push(f),
                Ok(None) => break,
                Err(e) => return (frames, Some(e)),
            }
        }
    }
    (frames, None)
}

fn error(content: &[u8]) -> StreamError {
    let all = [HEADER.as_bytes(), content].concat();
    let (_, whole) = feed(Framing::Stream, &all, all.len());
    let (_, bytewise) = feed(Framing::Stream, &all, 1);
    assert_eq!(whole, bytewise, "{:?}", String::from_utf8_lossy(content));
    whole.unwrap_or_else(|| panic!("accepted: {:?}", String::from_utf8_lossy(content)))
}

fn first_error(bytes: &[u8]) -> StreamError {
    let (_, whole) = feed(Framing::Stream, bytes, bytes.len().max(1));
    let (_, bytewise) = feed(Framing::Stream, bytes, 1);
    assert_eq!(whole, bytewise, "{:?}", String::from_utf8_lossy(bytes));
    whole.unwrap_or_else(|| panic!("accepted: {:?}", String::from_utf8_lossy(bytes)))
}

fn stanzas(content: &str) -> Vec<Stanza> {
    let all = [HEADER, content].concat();
    let (frames, e) = feed(Framing::Stream, all.as_bytes(), all.len());
    assert_eq!(e, None, "{content:?}");
    let stanza = |f| match f {
        Frame::Stanza(s) => Some(s),
        _ => None,
    };
    frames.into_iter().filter_map(stanza).collect()
}

#[test]
fn a_stream() {
    let all = [
        HEADER,
        " \n<message to='a'/>\t<iq/><presence></presence >  </stream:stream >\n",
    ]
    .concat();
    let (frames, e) = feed(Framing::Stream, all.as_bytes(), 1);
    assert_eq!(e, None);
    let Frame::Open(h) = &frames[0] else {
        panic!("{frames:?}")
    };
    let expected = StreamHeader {
        to: Some("example.com".into()),
        from: None,
        lang: Some("en".into()),
        version: "1.0".into(),
        id: None,
        namespace: ns::CLIENT,
    };
    assert_eq!(*h, expected);
    let kinds: Vec<_> = frames
        .iter()
        .map(|f| match f {
            Frame::Open(_) => None,
            Frame::Stanza(s) => Some(s.kind()),
            Frame::Close => Some(Kind::Other),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            None,
            Some(Kind::Message),
            Some(Kind::Iq),
            Some(Kind::Presence),
            Some(Kind::Other)
        ]
    );
    let after = [all.as_str(), "<message/>"].concat();
    assert_eq!(first_error(after.as_bytes()), StreamError::NotWellFormed);
}

#[test]
fn restart() {
    let mut s = Scanner::new(Framing::Stream, LIMITS);
    let mut buf = BytesMut::from(
        [HEADER, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\n"]
            .concat()
            .as_bytes(),
    );
    assert!(matches!(s.next(&mut buf), Ok(Some(Frame::Open(_)))));
    assert!(matches!(s.next(&mut buf), Ok(Some(Frame::Stanza(_)))));
    s.restart();
    buf.extend_from_slice(HEADER.as_bytes());
    assert!(matches!(s.next(&mut buf), Ok(Some(Frame::Open(_)))));
    buf.extend_from_slice(HEADER.as_bytes());
    assert_eq!(
        s.next(&mut buf).unwrap_err(),
        StreamError::RestrictedXml,
        "no restart was agreed"
    );
    assert_eq!(
        s.next(&mut buf).unwrap_err(),
        StreamError::RestrictedXml,
        "and it stays so"
    );
    let second = "<stream:stream xmlns='jabber:client' version='1.0'>";
    assert_eq!(error(second.as_bytes()), StreamError::BadFormat);
}

#[test]
fn headers() {
    let open = |attrs: &str| ["<stream:stream ", attrs, ">"].concat();
    const NS: &str = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
    for (bytes, e) in [
        (
            open("xmlns='jabber:client' xmlns:stream='urn:x' version='1.0'"),
            StreamError::InvalidNamespace,
        ),
        (
            open("xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"),
            StreamError::InvalidNamespace,
        ),
        (
            open("xmlns='urn:x' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"),
            StreamError::InvalidNamespace,
        ),
        (
            open("xmlns='jabber:client' version='1.0'"),
            StreamError::NotWellFormed,
        ),
        (open(NS), StreamError::UnsupportedVersion),
        (
            open(&[NS, " version='0.9'"].concat()),
            StreamError::UnsupportedVersion,
        ),
        (
            open(&[NS, " version='one'"].concat()),
            StreamError::UnsupportedVersion,
        ),
        (
            "<stream xmlns='jabber:client' version='1.0'>".into(),
            StreamError::BadNamespacePrefix,
        ),
        (
            "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' version='1.0'>"
                .into(),
            StreamError::BadNamespacePrefix,
        ),
        (["<stream:foo ", NS, ">"].concat(), StreamError::BadFormat),
        (
            ["<stream:stream ", NS, " version='1.0'/>"].concat(),
            StreamError::BadFormat,
        ),
        ("<message/>".into(), StreamError::InvalidNamespace),
        ("GET / HTTP/1.1\r\n".into(), StreamError::NotWellFormed),
        ("\u{FEFF}<?xml version='1.0'?>".into(), StreamError::NotWellFormed),
        (" <?xml version='1.0'?>".into(), StreamError::RestrictedXml),
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]>".into(),
            StreamError::RestrictedXml,
        ),
        (
            "<?xml version='1.0' encoding='UTF-16'?>".into(),
            StreamError::UnsupportedEncoding,
        ),
        (
            ["<?xml version='1.0'", &" ".repeat(300)].concat(),
            StreamError::NotWellFormed,
        ),
        ("\u{16}\u{3}\u{1}".into(), StreamError::NotWellFormed),
    ] {
        assert_eq!(first_error(bytes.as_bytes()), e, "{bytes}");
    }
    for ok in ["1.0", "1.1", "2.0", "01.0"] {
        let bytes = open(&[NS, " version='", ok, "'"].concat());
        assert!(
            matches!(feed(Framing::Stream, bytes.as_bytes(), 7).0[..], [Frame::Open(_)]),
            "{ok}"
        );
    }
    let server = "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                  xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><message/>";
    let (frames, e) = feed(Framing::Stream, server.as_bytes(), 1);
    assert_eq!(e, None);
    assert!(
        matches!(&frames[..], [Frame::Open(h), Frame::Stanza(s)] if h.namespace == ns::SERVER && s.kind() == Kind::Message)
    );
}

#[test]
fn forbidden_and_broken_xml() {
    use StreamError::{BadNamespacePrefix, NotWellFormed, RestrictedXml, UnsupportedEncoding};
    for (content, e) in [
        (&b"<!-- x -->"[..], RestrictedXml),
        (b"<message><!-- x --></message>", RestrictedXml),
        (b"<?php x?>", RestrictedXml),
        (b"<message><?x y?></message>", RestrictedXml),
        (b"<!DOCTYPE x>", RestrictedXml),
        (b"<message>&nbsp;</message>", RestrictedXml),
        (b"<message a='&foo;'/>", RestrictedXml),
        (b"<?xml version='1.0'?>", RestrictedXml),
        (b"<![CDATA[x]]>", NotWellFormed),
        (b"text", NotWellFormed),
        (b"<message>]]></message>", NotWellFormed),
        (b"<message>&#0;</message>", NotWellFormed),
        (b"<message>&#xD800;</message>", NotWellFormed),
        (b"<message>\0</message>", NotWellFormed),
        (b"<message>\x0B</message>", NotWellFormed),
        (b"<message><![CDATA[\x01]]></message>", NotWellFormed),
        (b"<message a='\x1F'/>", NotWellFormed),
        ("<message>\u{FFFE}</message>".as_bytes(), NotWellFormed),
        ("<message a='\u{FFFF}'/>".as_bytes(), NotWellFormed),
        (b"<message>& </message>", NotWellFormed),
        (b"<message a='<'/>", NotWellFormed),
        (b"<message a=b/>", NotWellFormed),
        (b"<message a/>", NotWellFormed),
        (b"<message a='1'b='2'/>", NotWellFormed),
        (b"<message a='1' a='2'/>", NotWellFormed),
        (
            b"<message xmlns:p='urn:x' xmlns:q='urn:x' p:a='1' q:a='2'/>",
            NotWellFormed,
        ),
        (
            b"<message xmlns='jabber:client' xmlns='jabber:client'/>",
            NotWellFormed,
        ),
        (b"<message></iq>", NotWellFormed),
        (b"<message></message x>", NotWellFormed),
        (b"</message>", NotWellFormed),
        (b"<1a/>", NotWellFormed),
        (b"< a/>", NotWellFormed),
        (b"<a / >", NotWellFormed),
        (b"<a:b:c/>", NotWellFormed),
        (b"<:a/>", NotWellFormed),
        (b"<a:/>", NotWellFormed),
        (b"<p:a/>", NotWellFormed),
        (b"<a p:b=''/>", NotWellFormed),
        (b"<a xmlns:p=''/>", NotWellFormed),
        (b"<a xmlns:xml='urn:x'/>", NotWellFormed),
        (
            b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
            NotWellFormed,
        ),
        (
            b"<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
            NotWellFormed,
        ),
        (b"<a xmlns:xmlns='urn:x'/>", NotWellFormed),
        (b"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", NotWellFormed),
        (b"<xmlns:a/>", NotWellFormed),
        (b"<message>\xFF</message>", UnsupportedEncoding),
        (b"<message>\xC0\xAF</message>", UnsupportedEncoding),
        (b"<message>\xED\xA0\x80</message>", UnsupportedEncoding),
        (b"<message>\xF4\x90\x80\x80</message>", UnsupportedEncoding),
        (b"<mess\xE4ge/>", UnsupportedEncoding),
        (b"<message><stream:error/></message>", BadNamespacePrefix),
        (b"<message stream:a=''/>", BadNamespacePrefix),
    ] {
        assert_eq!(error(content), e, "{:?}", String::from_utf8_lossy(content));
    }
}

#[test]
fn prefixes_of_the_header_are_refused_in_stanzas() {
    let all = "<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
               xmlns:p='urn:p'><p:a/>";
    assert_eq!(first_error(all.as_bytes()), StreamError::BadNamespacePrefix);
    let s = &stanzas(
        "<stream:error><bad-format xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><stream:x/></stream:error>",
    )[0];
    assert!(s.root().is("error", ns::STREAMS));
    assert!(
        Stanza::parse(s.root().to_bytes())
            .unwrap()
            .root()
            .is("error", ns::STREAMS),
        "self-contained"
    );
    assert_eq!(s.kind(), Kind::Other);
}

#[test]
fn what_is_legal_arrives() {
    let s = &stanzas(
        "<message\tto = 'a&amp;b'\n from=\"it's\" xml:lang='de' xmlns:q='urn:q' q:r='\u{e9}'><body>a&lt;b<![CDATA[<&]] ]]>\r\n\u{1F427}&#x41;</body>\
         <x xmlns='urn:x'><y/><q:z/></x><n xmlns=''/></message>",
    )[0];
    let r = s.root();
    assert_eq!(r.attr("to").unwrap(), "a&b");
    assert_eq!(r.attr("from").unwrap(), "it's");
    assert_eq!(r.attr_ns("r", "urn:q").unwrap(), "\u{e9}");
    assert_eq!(r.attr("r"), None);
    assert_eq!(s.lang().unwrap(), "de");
    assert_eq!(r.child_text("body", ns::CLIENT).unwrap(), "a<b<&]] \n\u{1F427}A");
    let x = r.child("x", "urn:x").unwrap();
    assert!(x.has("y", "urn:x") && x.has("z", "urn:q") && r.has("n", ""));
    assert_eq!(
        x.child("z", "urn:q").unwrap().to_bytes(),
        "<q:z xmlns=\"urn:x\" xmlns:q='urn:q'/>".replace('"', "'")
    );
    let c = &stanzas("<c:iq xmlns:c='jabber:client' type='get' id='1'/>")[0];
    assert!(c.kind() == Kind::Iq && c.is_request());
}

#[test]
fn limits() {
    let over = |s: String| assert_eq!(error(s.as_bytes()), StreamError::PolicyViolation, "{}", &s[..40]);
    let fits = |s: String| assert_eq!(stanzas(&s).len(), 1);
    let body = |n: usize| ["<m>", &"x".repeat(n - 7), "</m>"].concat();
    fits(body(LIMITS.stanza_bytes));
    over(body(LIMITS.stanza_bytes + 1));
    let nested = |n: usize| ["<a>".repeat(n), "</a>".repeat(n)].concat();
    fits(nested(64));
    over(nested(65));
    over(nested(10_000));
    let children = |n: usize| ["<a>", &"<b/>".repeat(n - 1), "</a>"].concat();
    fits(children(4096));
    over(children(4097));
    over(children(60_000));
    let attrs = |n: usize| {
        let mut s = String::from("<a");
        for i in 0..n {
            s.push_str(&[" a", &i.to_string(), "=''"].concat());
        }
        s + "/>"
    };
    fits(attrs(64));
    over(attrs(65));
    over(attrs(20_000));
    let name = |n: usize| ["<", &"n".repeat(n), "/>"].concat();
    fits(name(1024));
    over(name(1025));
    over(["<a ", &"n".repeat(200_000)].concat());
    over(["<a b='", &"v".repeat(300_000)].concat());
    over(["<a>", &"v".repeat(300_000)].concat());
    over(["<a><![CDATA[", &"]".repeat(300_000)].concat());
    let declarations = |n: usize| {
        let mut s = String::new();
        for i in 0..n {
            s.push_str(
                &[
                    "<a xmlns:p",
                    &i.to_string(),
                    "='u' xmlns:q",
                    &i.to_string(),
                    "='u'>",
                ]
                .concat(),
            );
        }
        s + &"</a>".repeat(n)
    };
    fits(declarations(64));
    let three = declarations(63).replacen("<a ", "<a xmlns:r='u' xmlns:s='u' xmlns:t='u' ", 1);
    over(three);
}

#[test]
fn limits_rise_after_login() {
    let mut s = Scanner::new(
        Framing::Stream,
        ScanLimits {
            stanza_bytes: 10_000,
            elements: 32,
            ..LIMITS
        },
    );
    let mut buf = BytesMut::from(HEADER);
    assert!(matches!(s.next(&mut buf), Ok(Some(Frame::Open(_)))));
    s.set_limits(LIMITS);
    buf.extend_from_slice(["<m>", &"x".repeat(20_000), "</m>"].concat().as_bytes());
    assert!(matches!(s.next(&mut buf), Ok(Some(Frame::Stanza(_)))));
}

/// A quarter of a megabyte byte by byte, of every kind: were it not linear, this would take hours.
#[test]
fn byte_by_byte_is_linear() {
    let n = 260_000;
    for content in [
        ["<m>", &"x".repeat(n), "</m>"].concat(),
        ["<m>", &"]".repeat(n), "</m>"].concat(),
        ["<m>", &"\u{1F427}".repeat(n / 4), "</m>"].concat(),
        ["<m>", &"&lt;".repeat(n / 4), "</m>"].concat(),
        ["<m a='", &"x".repeat(n), "'/>"].concat(),
        ["<m a='", &"&#65;".repeat(n / 5), "'/>"].concat(),
        ["<m><![CDATA[", &"]".repeat(n), "]]></m>"].concat(),
        ["<m>", &"<![CDATA[]]>".repeat(n / 12), "</m>"].concat(),
        ["<m", &" ".repeat(n), "/>"].concat(),
        [
            "<m>",
            &["<", &"n".repeat(1000), "/>"].concat().repeat(n / 1003),
            "</m>",
        ]
        .concat(),
        " ".repeat(n),
    ] {
        let all = [HEADER, &content].concat();
        let (frames, e) = feed(Framing::Stream, all.as_bytes(), 1);
        assert_eq!(
            (frames.len(), e),
            (if content.starts_with(' ') { 1 } else { 2 }, None)
        );
    }
}

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";

fn message(s: &mut Scanner, text: &str) -> Result<Option<Frame>, StreamError> {
    s.next(&mut BytesMut::from(text))
}

fn opened() -> Scanner {
    let mut s = Scanner::new(Framing::WebSocket, LIMITS);
    assert!(
        matches!(message(&mut s, OPEN), Ok(Some(Frame::Open(h))) if h.to.as_deref() == Some("example.com"))
    );
    s
}

#[test]
fn websocket() {
    let mut s = opened();
    let Ok(Some(Frame::Stanza(m))) = message(
        &mut s,
        " <message xmlns='jabber:client'><body>x</body></message>\n",
    ) else {
        panic!()
    };
    assert_eq!(
        (m.kind(), m.root().child_text("body", ns::CLIENT).as_deref()),
        (Kind::Message, Some("x"))
    );
    assert!(matches!(message(&mut s, "<iq/>"), Ok(Some(Frame::Stanza(i))) if i.kind() == Kind::Iq));
    assert!(matches!(message(&mut s, " "), Ok(None)), "a keep-alive");
    s.restart();
    assert!(matches!(
        message(&mut s, &["<?xml version='1.0'?>", OPEN].concat()),
        Ok(Some(Frame::Open(_)))
    ));
    assert!(matches!(
        message(
            &mut s,
            "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'></close>"
        ),
        Ok(Some(Frame::Close))
    ));
    assert_eq!(message(&mut s, "<iq/>").unwrap_err(), StreamError::NotWellFormed);
}

#[test]
fn websocket_errors() {
    for (text, e) in [
        (HEADER, StreamError::NotWellFormed),
        ("<open to='x' version='1.0'/>", StreamError::InvalidNamespace),
        (
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
            StreamError::UnsupportedVersion,
        ),
        (
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'><a/></open>",
            StreamError::BadFormat,
        ),
        (
            "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
            StreamError::BadFormat,
        ),
        ("<iq xmlns='jabber:client'/>", StreamError::InvalidNamespace),
    ] {
        let mut s = Scanner::new(Framing::WebSocket, LIMITS);
        assert_eq!(message(&mut s, text).unwrap_err(), e, "{text}");
    }
    for (text, e) in [
        (OPEN, StreamError::BadFormat),
        ("<iq>", StreamError::NotWellFormed),
        ("<iq/><iq/>", StreamError::NotWellFormed),
        ("<iq/>x", StreamError::NotWellFormed),
        ("x<iq/>", StreamError::NotWellFormed),
        ("</stream:stream>", StreamError::NotWellFormed),
        ("<stream:error/>", StreamError::NotWellFormed),
        ("<?xml version='1.0'?><iq/>", StreamError::RestrictedXml),
        (
            "<other xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
            StreamError::BadFormat,
        ),
    ] {
        assert_eq!(message(&mut opened(), text).unwrap_err(), e, "{text}");
    }
    let long = ["<m>", &"x".repeat(LIMITS.stanza_bytes), "</m>"].concat();
    assert_eq!(
        message(&mut opened(), &long).unwrap_err(),
        StreamError::PolicyViolation
    );
}

#[test]
fn stored_bytes() {
    for (bad, e) in [
        ("", StreamError::NotWellFormed),
        ("<a>", StreamError::NotWellFormed),
        ("<a/> ", StreamError::NotWellFormed),
        (" <a/>", StreamError::NotWellFormed),
        ("<a/><b/>", StreamError::NotWellFormed),
        ("<stream:a/>", StreamError::NotWellFormed),
    ] {
        assert_eq!(Stanza::parse(bad.into()).unwrap_err(), e, "{bad}");
    }
}
