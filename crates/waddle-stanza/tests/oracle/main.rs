//! The scanner against rxml on mutated stanzas: they differ in the five classes of ADR 0002 and nowhere else.

#![expect(clippy::unwrap_used, reason = "tests")]

mod compare;

use std::collections::BTreeMap;

use compare::{Known, Verdict, compare};

const SEEDS: &[&str] = &[
    "<message to='romeo@example.net/orchard' from=\"juliet@example.com/balcony\" type='chat' id='a1' xml:lang='en'>\
     <body>Art thou not Romeo, &amp; a Montague?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    "<iq type='set' id='x&#x31;'><query xmlns='jabber:iq:roster'><item jid='a@b' name='A &quot;B&quot;'><group>F</group></item></query></iq>",
    "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><show>dnd</show></presence>",
    "<p:x xmlns:p='urn:p' xmlns:q='urn:q' p:a='1' q:a='2' a='3'><q:y xmlns:q='urn:r' q:b=''/><y xmlns=''/>t]]t</p:x>",
    "<message><body><![CDATA[<not> & a ]] tag]]></body><thread>\u{e9}\u{20ac}\u{1F427}</thread></message>",
    "<a b='1' c=\"'\" d='&lt;&#9;' >\r\n<e />\t</a >",
    "<\u{e9}l\u{3b5}.m-1 \u{4e00}='\u{10FFFD}'>&gt;&apos;</\u{e9}l\u{3b5}.m-1>",
];

const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "&",
    ";",
    "'",
    "\"",
    "=",
    " ",
    ":",
    "!",
    "?",
    "]",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<?x y?>",
    "&lt;",
    "&#x41;",
    "&#0;",
    "&nbsp;",
    "xmlns='urn:z'",
    " xmlns:p='urn:q'",
    " xmlns:xml='http://www.w3.org/XML/1998/namespace'",
    " xmlns:z=''",
    "\r",
    "\n",
    "\t",
    "\0",
    "\u{1}",
    "\u{7F}",
    "\u{85}",
    "\u{FFFD}",
    "\u{FFFE}",
    "\u{FF21}",
    "\u{300}",
    "\u{37E}",
    "xml:",
    "p:",
    "q:",
    "xmlns",
    "xmlns:",
    "<a>",
    "</a>",
    "<a/>",
    " a='1'",
    " p:a='1'",
    "<!DOCTYPE a>",
    "&amp",
    "-",
    ".",
    "1",
];

/// A small generator of numbers, the same on every run (Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }
}

fn mutate(n: &mut Numbers) -> Vec<u8> {
    let mut b = SEEDS[n.below(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..=n.below(3) {
        let at = n.below(b.len() + 1);
        let to = (at + n.below(8)).min(b.len());
        match n.below(6) {
            0 => drop(b.drain(at..to)),
            1 | 2 => drop(b.splice(at..at, PIECES[n.below(PIECES.len())].bytes())),
            3 => drop(b.splice(at..to, PIECES[n.below(PIECES.len())].bytes())),
            4 => {
                let from = n.below(b.len() + 1);
                let copy = b[from..(from + n.below(24)).min(b.len())].to_vec();
                drop(b.splice(at..at, copy));
            }
            _ => {
                if let Some(x) = b.get_mut(at) {
                    *x ^= 1 << n.below(8);
                }
            }
        }
    }
    b
}

#[test]
fn seeds_are_accepted() {
    for s in SEEDS {
        assert_eq!(compare(s.as_bytes()), Verdict::BothAccept, "{s}");
    }
}

#[test]
fn twenty_thousand_mutations() {
    let mut n = Numbers(7);
    let (mut accepted, mut refused, mut known, mut bugs) = (0, 0, BTreeMap::new(), Vec::new());
    for _ in 0..20_000 {
        let m = mutate(&mut n);
        match compare(&m) {
            Verdict::BothAccept => accepted += 1,
            Verdict::BothRefuse => refused += 1,
            Verdict::Differ(class) => *known.entry(class).or_insert(0) += 1,
            Verdict::Bug(why) => bugs.push([&why, ": ", &String::from_utf8_lossy(&m)].concat()),
        }
    }
    assert!(
        bugs.is_empty(),
        "{} bugs: {:#?}",
        bugs.len(),
        &bugs[..bugs.len().min(12)]
    );
    // Enough of each, or the mutations say nothing.
    assert!(
        accepted > 2_000 && refused > 5_000,
        "{accepted} {refused} {known:?}"
    );
}

/// Each class exists: one document of it, and what the two say.
#[test]
fn the_five_classes() {
    for (content, class) in [
        ("<a xmlns='urn:a' xmlns='urn:b'/>", Known::TwiceXmlns),
        ("<a xmlns='urn:&amp;'/>", Known::ReferenceInXmlns),
        ("<a b='1\r2'/>", Known::CrInAttribute),
        ("<a><![CDATA[]\r]]></a>", Known::CrInCdata),
        ("<\u{FF21}/>", Known::FfxxInName),
    ] {
        assert_eq!(compare(content.as_bytes()), Verdict::Differ(class), "{content:?}");
    }
}

#[test]
fn references_of_eight_digits() {
    for (content, verdict) in [
        ("<a>&#x00000041;</a>", Verdict::BothAccept),
        ("<a>&#1114109;</a>", Verdict::BothAccept),
        ("<a b='&#000000065;'/>", Verdict::BothRefuse),
    ] {
        assert_eq!(compare(content.as_bytes()), verdict, "{content}");
    }
}
