//! What people read in a message and which addresses they follow: what the rules of a waddle are held against
//! (`specs/moderation.md`, "Rules"). What is there beyond what is looked at is said, so that nothing passes unread.

use std::borrow::Cow;

use smallvec::SmallVec;
use waddle_stanza::{Content, Element, Stanza, XmlWriter, ns};

/// XEP-0066: links beside a text.
const OOB: &str = "jabber:x:oob";
/// XEP-0071: formatted text.
const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
/// XEP-0444: reactions.
const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0372: mentions, and files of XEP-0385.
const REFERENCE: &str = "urn:xmpp:reference:0";
/// XEP-0382: what hides a text is a text too.
const SPOILER: &str = "urn:xmpp:spoiler:0";
/// XEP-0004.
const FORMS: &str = "jabber:x:data";
/// XEP-0511: what a link leads to.
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
/// Texts of one message.
const PARTS: usize = 256;
/// Depth of elements within one another.
const DEPTH: usize = 16;
/// Attributes that people read or follow.
const SHOWN: [&str; 7] = ["href", "src", "target", "uri", "alt", "title", "label"];
/// Elements of formatted text that part no words.
const INLINE: [&str; 16] = [
    "a", "b", "i", "u", "s", "em", "strong", "span", "code", "font", "tt", "small", "big", "sub", "sup", "q",
];

/// What is read of a message.
#[derive(Debug, Default)]
pub(crate) struct Legible<'a> {
    /// The texts.
    pub texts: SmallVec<[Cow<'a, str>; 4]>,
    /// For each, which child of the message it is in; never descending.
    of: SmallVec<[usize; 4]>,
    /// Whether there is more than is looked at.
    pub too_much: bool,
    left: usize,
}

fn is_line(c: Element<'_>) -> bool {
    matches!((c.name(), c.ns()), ("body" | "subject", ns::CLIENT))
}

impl<'a> Legible<'a> {
    /// Reads a message, up to so many bytes of text.
    pub fn of(message: Element<'a>, bytes: usize) -> Self {
        let mut read = Self {
            left: bytes,
            ..Self::default()
        };
        for (n, c) in message.children().enumerate() {
            match (c.name(), c.ns()) {
                ("body" | "subject", ns::CLIENT) => read.push(n, c.text()),
                ("x", OOB) | ("reactions", REACTIONS) => {
                    c.children().for_each(|part| read.push(n, part.text()));
                }
                ("x", ns::CONFERENCE) => read.invitation(n, c),
                ("x", ns::MUC_USER) => c.children().for_each(|part| {
                    part.children().for_each(|said| read.push(n, said.text()));
                }),
                ("html", XHTML_IM)
                | ("x", FORMS)
                | ("spoiler", SPOILER)
                | ("Description", RDF)
                | ("apply-to", ns::FASTEN) => {
                    let mut text = String::new();
                    read.flat(n, c, DEPTH, &mut text);
                    read.push(n, text.into());
                }
                ("file-sharing", _) => read.files(n, c, DEPTH),
                // Whom it mentions is an address of XMPP; anything else is a link.
                ("reference", REFERENCE)
                    if c.attr("type").is_none_or(|t| t != "mention")
                        || c.attr("uri").is_some_and(|u| !u.starts_with("xmpp:")) =>
                {
                    read.files(n, c, DEPTH);
                }
                _ => {}
            }
        }
        read
    }

    fn push(&mut self, n: usize, text: Cow<'a, str>) {
        if self.texts.len() == PARTS || text.len() > self.left {
            self.too_much = true;
            return;
        }
        self.left -= text.len();
        self.of.push(n);
        self.texts.push(text);
    }

    /// An invitation into a room (XEP-0249), as the link that it is.
    fn invitation(&mut self, n: usize, e: Element<'a>) {
        if let Some(room) = e.attr("jid") {
            self.push(n, ["xmpp:", &room, "?join"].concat().into());
        }
        for name in ["reason", "password"] {
            if let Some(text) = e.attr(name) {
                self.push(n, text);
            }
        }
    }

    /// All text of an element as one, words as they are shown.
    fn flat(&mut self, n: usize, e: Element<'a>, depth: usize, out: &mut String) {
        if depth == 0 {
            self.too_much = true;
            return;
        }
        for name in SHOWN {
            if let Some(text) = e.attr(name) {
                self.push(n, text);
            }
        }
        for node in e.nodes() {
            match node {
                Content::Text(text) => out.push_str(&text),
                Content::Element(c) => {
                    let gap = if INLINE.contains(&c.name()) { "" } else { " " };
                    out.push_str(gap);
                    self.flat(n, c, depth - 1, out);
                    out.push_str(gap);
                }
            }
        }
    }

    /// Names, descriptions and addresses of files.
    fn files(&mut self, n: usize, e: Element<'a>, depth: usize) {
        if depth == 0 {
            self.too_much = true;
            return;
        }
        for name in ["target", "uri"] {
            if let Some(text) = e.attr(name) {
                self.push(n, text);
            }
        }
        if matches!(e.name(), "name" | "desc") {
            self.push(n, e.text());
        }
        for c in e.children() {
            self.files(n, c, depth - 1);
        }
    }

    /// The message with these texts in the place of its own. Of what is no body or subject, whatever differs goes, and
    /// formatted text, which says the same once more.
    pub fn covered(&self, message: &Stanza, texts: &[String]) -> Option<Stanza> {
        let mut w = XmlWriter::new();
        for (n, c) in message.root().children().enumerate().filter(|(_, c)| is_line(*c)) {
            w.open(c.name());
            if let Some(lang) = c.attr_ns("lang", ns::XML) {
                w.attr("xml:lang", &lang);
            }
            w.text(texts.get(self.of.binary_search(&n).ok()?)?).close();
        }
        let all = self.of.iter().zip(self.texts.iter().zip(texts));
        let mut changed = all.filter(|(_, (was, is))| was != is).map(|(n, _)| *n).peekable();
        let mut at = 0;
        let gone = |c: Element<'_>| {
            let mut differs = false;
            while changed.next_if(|n| *n <= at).is_some() {
                differs = true;
            }
            at += 1;
            differs || is_line(c) || c.is("html", XHTML_IM)
        };
        let payload = message.rewrite().strip(gone).append(&w.finish()).finish();
        payload.head().build().to_stanza().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 10_000;

    fn message(xml: &str) -> Stanza {
        let mut w = XmlWriter::message();
        w.attr("type", "groupchat").trusted(xml.as_bytes());
        w.outgoing(waddle_stanza::Class::Message).to_stanza().unwrap()
    }

    #[test]
    fn all_that_people_read_is_looked_at() {
        let m = message(
            "<body>one</body><body xml:lang='de'>eins</body><x xmlns='jabber:x:oob'><url>https://two</url></x>\
             <html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>th<b>re</b>e<br/>\
             <a href='https://four'>five</a></body></html>\
             <reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>six</reaction></reactions>\
             <spoiler xmlns='urn:xmpp:spoiler:0'>seven</spoiler>\
             <reference xmlns='urn:xmpp:reference:0' type='data' uri='https://eight'><media-sharing xmlns='urn:xmpp:sims:1'>\
             <file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><name>nine</name></file></media-sharing></reference>\
             <reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:no@x'/><thread>no</thread>\
             <reference xmlns='urn:xmpp:reference:0' type='mention' uri='https://ten'/>\
             <x xmlns='jabber:x:conference' jid='r@eleven' reason='twelve'/>\
             <x xmlns='http://jabber.org/protocol/muc#user'><decline to='a@b'><reason>thirteen</reason></decline></x>",
        );
        let read = Legible::of(m.root(), BYTES);
        for want in [
            "one",
            "eins",
            "https://two",
            "https://four",
            "six",
            "seven",
            "https://eight",
            "nine",
            "https://ten",
            "xmpp:r@eleven?join",
            "twelve",
            "thirteen",
        ] {
            assert!(read.texts.iter().any(|t| t == want), "{want}: {:?}", read.texts);
        }
        assert!(
            read.texts
                .iter()
                .any(|t| t.split_whitespace().eq(["three", "five"])),
            "{:?}",
            read.texts
        );
        assert!(!read.texts.iter().any(|t| t.contains("no")) && !read.too_much);
    }

    #[test]
    fn nothing_passes_unread() {
        let before = "<x xmlns='a'/>".repeat(4_000);
        let m = message(&[&before, "<body>here</body>"].concat());
        let read = Legible::of(m.root(), BYTES);
        assert!(read.texts.iter().any(|t| t == "here") && !read.too_much);
        let deep = |n: usize| ["<p>".repeat(n), "x".to_owned(), "</p>".repeat(n)].concat();
        let html = |inner: &str| {
            [
                "<html xmlns='http://jabber.org/protocol/xhtml-im'>",
                inner,
                "</html>",
            ]
            .concat()
        };
        for (xml, over) in [
            ("<body/>".repeat(PARTS), false),
            ("<body/>".repeat(PARTS + 1), true),
            (["<body>", &"x".repeat(BYTES), "</body>"].concat(), false),
            (
                ["<body>", &"x".repeat(BYTES), "</body><subject>y</subject>"].concat(),
                true,
            ),
            (html(&deep(DEPTH - 1)), false),
            (html(&deep(DEPTH)), true),
            (
                [
                    "<x xmlns='jabber:x:oob'>",
                    &"<url>a</url>".repeat(PARTS + 1),
                    "</x>",
                ]
                .concat(),
                true,
            ),
        ] {
            assert_eq!(
                Legible::of(message(&xml).root(), BYTES).too_much,
                over,
                "{}",
                &xml[..40]
            );
        }
    }

    #[test]
    fn what_is_covered_takes_the_place_of_what_was_said() {
        let m = message(
            "<active xmlns='http://jabber.org/protocol/chatstates'/><body xml:lang='en'>darn it</body><thread>t</thread>\
             <html xmlns='http://jabber.org/protocol/xhtml-im'/>\
             <x xmlns='jabber:x:oob'><url>https://good</url></x><x xmlns='jabber:x:oob'><url>https://darn</url></x>",
        );
        let read = Legible::of(m.root(), BYTES);
        let texts: Vec<String> = read.texts.iter().map(|t| t.replace("darn", "****")).collect();
        let covered = read.covered(&m, &texts).unwrap();
        let root = covered.root();
        let body = root.child("body", ns::CLIENT).unwrap();
        assert_eq!((&*body.text(), body.lang().as_deref()), ("**** it", Some("en")));
        assert!(root.has("thread", ns::CLIENT) && !root.has("html", XHTML_IM));
        assert_eq!(root.children().filter(|c| c.is("body", ns::CLIENT)).count(), 1);
        let urls: Vec<_> = root.children().filter(|c| c.is("x", OOB)).collect();
        assert_eq!(
            (urls.len(), &*urls[0].child_text("url", OOB).unwrap()),
            (1, "https://good")
        );
    }
}
