//! Properties: any split gives the same result; a new top tag leaves the content alone; what is written can be read.

#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::BytesMut;
use proptest::prelude::*;
use waddle_stanza::{Class, Element, Frame, Framing, ScanLimits, Scanner, Stanza, XmlWriter, ns};

const HEADER: &str = "<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:o='u'>";
const PIECES: &[&str] = &[
    "<message>",
    "</message>",
    "<iq a='b'",
    "/>",
    ">",
    " c=\"d\"",
    "<p:x xmlns:p='urn:p' p:a='1'>",
    "</p:x>",
    "text",
    "&amp;",
    "&#x41;",
    "&",
    ";",
    "]]>",
    "<![CDATA[",
    "]",
    "<!--",
    "<?",
    "\u{e9}\u{1F427}",
    " ",
    "\r\n",
    "<o:x/>",
    "<stream:error/>",
    "</stream:stream>",
    "xmlns=''",
    "'",
    "<a>",
    "</a>",
    "<",
];

/// Everything that comes out, as text, and the bytes of each stanza.
fn run(pieces: &[&[u8]]) -> Vec<String> {
    let limits = ScanLimits {
        stanza_bytes: 200,
        elements: 6,
        depth: 4,
        attributes: 3,
    };
    let mut s = Scanner::new(Framing::Stream, limits);
    let mut buf = BytesMut::new();
    let mut out = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match s.next(&mut buf) {
                Ok(Some(Frame::Open(h))) => out.push(h.version),
                Ok(Some(Frame::Stanza(s))) => out.push(String::from_utf8(s.bytes().to_vec()).unwrap()),
                Ok(Some(Frame::Close)) => out.push("close".to_owned()),
                Ok(None) => break,
                Err(e) => {
                    out.push(e.to_string());
                    return out;
                }
            }
        }
    }
    out
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        (
            prop::sample::select(PIECES),
            prop::option::weighted(0.1, any::<u8>()),
        ),
        0..24,
    )
    .prop_map(|parts| {
        let mut b = HEADER.as_bytes().to_vec();
        for (piece, byte) in parts {
            b.extend_from_slice(piece.as_bytes());
            b.extend(byte);
        }
        b
    })
}

/// A text of characters that XML has, among them those that must be escaped.
fn text() -> impl Strategy<Value = String> + Clone {
    prop::collection::vec(prop_oneof![3 => any::<char>(), 2 => prop::sample::select(vec!['<', '>', '&', '"', '\'', '\r', '\n', '\t', ']', ' '])], 0..12)
        .prop_map(|v| v.into_iter().collect())
}

fn allowed(s: &str) -> String {
    let ok = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}'));
    s.chars().map(|c| if ok(c) { c } else { '\u{FFFD}' }).collect()
}

fn name() -> impl Strategy<Value = String> + Clone {
    "[a-z][a-z0-9.-]{0,5}"
}

#[derive(Debug, Clone)]
struct Tree {
    name: String,
    ns: Option<String>,
    attrs: Vec<(String, String)>,
    text: String,
    children: Vec<Tree>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let node = (
        name(),
        prop::option::of("urn:[a-z]{1,4}"),
        prop::collection::btree_map("a[a-z]{1,4}", text(), 0..4),
        text(),
    );
    let leaf = node.clone().prop_map(|(name, ns, attrs, text)| Tree {
        name,
        ns,
        attrs: attrs.into_iter().collect(),
        text,
        children: Vec::new(),
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (node.clone(), prop::collection::vec(inner, 0..4)).prop_map(|((name, ns, attrs, text), children)| {
            Tree {
                name,
                ns,
                attrs: attrs.into_iter().collect(),
                text,
                children,
            }
        })
    })
}

fn write(t: &Tree, w: &mut XmlWriter) {
    match &t.ns {
        Some(ns) => w.open_ns(&t.name, ns),
        None => w.open(&t.name),
    };
    for (k, v) in &t.attrs {
        w.attr(k, v);
    }
    w.text(&t.text);
    for c in &t.children {
        write(c, w);
    }
    w.close();
}

fn same(t: &Tree, e: Element<'_>, inherited: &str) {
    let ns = t.ns.as_deref().unwrap_or(inherited);
    assert!(e.is(&t.name, ns), "{e:?} is not {} in {ns}", t.name);
    for (k, v) in &t.attrs {
        assert_eq!(e.attr(k).unwrap(), allowed(v));
    }
    assert_eq!(e.text(), allowed(&t.text));
    assert_eq!(e.children().count(), t.children.len());
    for (t, e) in t.children.iter().zip(e.children()) {
        same(t, e, ns);
        // what is copied elsewhere means the same there
        let alone = Stanza::parse(e.to_bytes()).unwrap();
        assert!(alone.root().is(&t.name, e.ns()));
        assert_eq!(alone.root().children().count(), t.children.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_split_is_the_same(bytes in soup(), mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = run(&[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&run(&single), &whole);
        let mut at: Vec<usize> = cuts.drain(..).map(|i| i.index(bytes.len() + 1)).collect();
        at.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for a in at {
            pieces.push(&bytes[from..a]);
            from = a;
        }
        pieces.push(&bytes[from..]);
        prop_assert_eq!(&run(&pieces), &whole);
        // a prefix never says more than the whole
        let half = run(&[&bytes[..bytes.len() / 2]]);
        prop_assert!(whole.starts_with(&half));
    }

    #[test]
    fn what_is_written_is_read(t in tree()) {
        let mut w = XmlWriter::new();
        write(&t, &mut w);
        let s = Stanza::parse(w.finish()).unwrap();
        same(&t, s.root(), ns::CLIENT);
    }

    #[test]
    fn a_new_head_keeps_the_content(
        children in prop::collection::vec(tree(), 0..4),
        other in prop::option::of(text()),
        to in text(),
        from in text(),
        kind in prop::sample::select(vec!["message", "iq", "presence"]),
    ) {
        let mut w = XmlWriter::new();
        w.open(kind).attr("to", "old").attr("id", "i&1").attr_opt("other", other.as_deref());
        for c in &children {
            write(c, &mut w);
        }
        let s = Stanza::parse(w.finish()).unwrap();
        let out = s.head().to(&to).from(&from).no_type().default_lang(Some("en")).build();
        prop_assert!(out.head.starts_with(["<", kind, " xmlns=\"jabber:client\" to="].concat().as_bytes()));
        prop_assert_eq!(out.class, s.class());
        prop_assert!(out.class != Class::Nonza);
        let back = out.to_stanza().unwrap();
        let r = back.root();
        prop_assert_eq!(r.attr("to").unwrap(), allowed(&to));
        prop_assert_eq!(r.attr("from").unwrap(), allowed(&from));
        prop_assert_eq!(r.attr("id").unwrap(), "i&1");
        prop_assert_eq!(r.attr("other").map(String::from), other.as_deref().map(allowed));
        prop_assert_eq!(back.lang().unwrap(), "en");
        prop_assert_eq!(r.children().count(), children.len());
        for (t, e) in children.iter().zip(r.children()) {
            same(t, e, ns::CLIENT);
            prop_assert_eq!(e.raw(), s.root().children().nth(children.iter().position(|c| std::ptr::eq(c, t)).unwrap()).unwrap().raw());
        }
        let shared = s.rewrite().finish();
        prop_assert_eq!(shared.head().from(&from).template().for_to(&to).to_stanza().unwrap().root().children().count(), children.len());
        // strip every second child, append one
        let mut n = 0;
        let changed = s.rewrite().strip(|_| { n += 1; n % 2 == 0 }).append(b"<z xmlns=\"urn:z\"/>").finish();
        let back = changed.head().no_to().build().to_stanza().unwrap();
        let kept: Vec<_> = children.iter().step_by(2).collect();
        prop_assert_eq!(back.root().children().count(), kept.len() + 1);
        for (t, e) in kept.iter().zip(back.root().children()) {
            same(t, e, ns::CLIENT);
        }
        prop_assert!(back.root().has("z", "urn:z"));
        prop_assert_eq!(back.root().attr("to"), None);
    }

    /// Whatever a client sends, SASL answers and does not panic.
    #[test]
    fn sasl_survives(first in prop::collection::vec(any::<u8>(), 0..64), tail in "[ -~]{0,40}", last in prop::collection::vec(any::<u8>(), 0..64)) {
        use waddle_stanza::sasl::{ChannelBinding, Plain, ScramHash, ScramKeys, ScramServer};
        let keys = [ScramKeys { stored_key: vec![1; 20], server_key: vec![2; 20] }];
        drop(Plain::parse(&first));
        for binding in [ChannelBinding::none(), ChannelBinding::tls_exporter(&[1; 32], true)] {
            drop(ScramServer::start(ScramHash::Sha1, &binding, &first, "n"));
            let message = ["n,,n=u,r=a", &tail].concat();
            if let Ok(s) = ScramServer::start(ScramHash::Sha1, &binding, message.as_bytes(), "n") {
                prop_assert!(s.challenge(b"s", 4096).finish(&last, &keys).is_err());
            }
        }
    }
}

#[test]
fn empty_and_closed_forms() {
    let s = Stanza::parse("<presence/>".into()).unwrap();
    assert_eq!(
        s.head().to("a").build().concat(),
        "<presence xmlns=\"jabber:client\" to=\"a\"/>"
    );
    let p = s.rewrite().append(b"<x xmlns=\"u\"/>").finish();
    assert_eq!(
        p.head().build().concat(),
        "<presence xmlns=\"jabber:client\"><x xmlns=\"u\"/></presence>"
    );
    let s = Stanza::parse("<c:message xmlns:c='jabber:client' xmlns='u'><x/></c:message >".into()).unwrap();
    assert_eq!(
        s.head().build().concat(),
        "<c:message xmlns:c='jabber:client' xmlns='u'><x/></c:message >"
    );
    assert_eq!(
        s.rewrite().strip(|_| true).finish().head().build().concat(),
        "<c:message xmlns:c='jabber:client' xmlns='u'/>"
    );
}
