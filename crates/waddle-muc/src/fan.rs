//! A stanza for many: written once, only its `to` differs (`adrs/0001-actors-and-outboxes.md`).

use bytes::Bytes;
use waddle_core::{Jid, Timestamp};
use waddle_stanza::{Class, Outgoing, XmlWriter, ns};

/// A stanza without `to`, in two parts: its start tag without the `>`, and everything behind that.
#[derive(Debug, Clone)]
pub struct Fan {
    start: Bytes,
    tail: Bytes,
    class: Class,
}

/// The `to` of one recipient as it stands in a start tag, escaped once, with the `>` behind.
#[derive(Debug, Clone)]
pub struct ToAttr(Bytes);

impl ToAttr {
    /// Prepares an address.
    pub fn new(jid: &Jid) -> Self {
        let mut w = XmlWriter::with_capacity(jid.as_str().len() + 16);
        w.open("x").attr("to", jid.as_str());
        // `<x to="…">` without its first two bytes.
        Self(w.finish_open().slice(2..))
    }
}

impl Fan {
    /// Takes what was made without a `to`; it is complete XML.
    pub fn new(whole: Outgoing) -> Self {
        let Outgoing { head, tail, class } = whole;
        if head.ends_with(b"/>") && tail.is_empty() {
            let name = match class {
                Class::Presence => &b"</presence>"[..],
                Class::Iq => b"</iq>",
                Class::Message | Class::Nonza => b"</message>",
            };
            return Self {
                start: head.slice(..head.len() - 2),
                tail: Bytes::from_static(name),
                class,
            };
        }
        if tail.is_empty() {
            let end = start_tag_end(&head).unwrap_or(head.len() - 1);
            return Self {
                start: head.slice(..end),
                tail: head.slice(end + 1..),
                class,
            };
        }
        Self {
            start: head.slice(..head.len() - 1),
            tail,
            class,
        }
    }

    /// A message that the archive kept, to be sent again.
    pub fn stored(xml: Bytes) -> Option<Self> {
        (start_tag_end(&xml).is_some() && xml.ends_with(b">"))
            .then(|| Self::new(Outgoing::whole(xml, Class::Message)))
    }

    /// The stanza for one recipient.
    pub fn to(&self, to: &ToAttr) -> Outgoing {
        let mut head = Vec::with_capacity(self.start.len() + to.0.len());
        head.extend_from_slice(&self.start);
        head.extend_from_slice(&to.0);
        Outgoing {
            head: head.into(),
            tail: self.tail.clone(),
            class: self.class,
        }
    }

    /// The same stanza with one more child: `xml` is a complete element.
    #[must_use]
    pub fn with(&self, xml: &[u8]) -> Self {
        // The end tag is last, and it is the last that has a `<`.
        let end = self
            .tail
            .iter()
            .rposition(|b| *b == b'<')
            .unwrap_or(self.tail.len());
        let mut tail = Vec::with_capacity(self.tail.len() + xml.len());
        tail.extend_from_slice(&self.tail[..end]);
        tail.extend_from_slice(xml);
        tail.extend_from_slice(&self.tail[end..]);
        Self {
            tail: tail.into(),
            ..self.clone()
        }
    }

    /// The stanza for one recipient, marked as sent by `from` at an earlier time (XEP-0203).
    pub fn delayed(&self, to: &ToAttr, from: &str, at: Timestamp) -> Outgoing {
        let mut w = XmlWriter::with_capacity(128);
        w.open_ns("delay", ns::DELAY)
            .attr("from", from)
            .attr_display("stamp", at)
            .close();
        self.with(&w.finish()).to(to)
    }

    /// The whole stanza without a `to`, as the archive keeps it.
    pub fn whole(&self) -> Bytes {
        let mut all = Vec::with_capacity(self.size());
        all.extend_from_slice(&self.start);
        all.push(b'>');
        all.extend_from_slice(&self.tail);
        all.into()
    }

    /// Its length on the wire, apart from `to`.
    pub fn size(&self) -> usize {
        self.start.len() + 1 + self.tail.len()
    }
}

/// Where the `>` of the first start tag stands; quotes are honoured.
fn start_tag_end(xml: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (i, &b) in xml.iter().enumerate() {
        match (quote, b) {
            (None, b'>') => return (i > 0 && xml[0] == b'<').then_some(i),
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(o: &Outgoing) -> String {
        String::from_utf8(o.concat().to_vec()).unwrap()
    }

    fn fan() -> Fan {
        let mut w = XmlWriter::message();
        w.attr("from", "r@m/a>\"b")
            .attr("type", "groupchat")
            .leaf("body", "hi & bye");
        Fan::new(w.outgoing(Class::Message))
    }

    #[test]
    fn one_tail_many_heads() {
        let fan = fan();
        let to = ToAttr::new(
            &"o'brien\u{e9}@x/\"q\""
                .parse()
                .unwrap_or_else(|_| "a@x/\"q\"".parse().unwrap()),
        );
        let out = fan.to(&to);
        assert_eq!(
            text(&out),
            "<message xmlns=\"jabber:client\" from=\"r@m/a>&quot;b\" type=\"groupchat\" \
             to=\"a@x/&quot;q&quot;\"><body>hi &amp; bye</body></message>"
        );
        assert!(text(&fan.delayed(&to, "r@m", Timestamp(0))).ends_with(
            "</body><delay xmlns=\"urn:xmpp:delay\" from=\"r@m\" stamp=\"1970-01-01T00:00:00Z\"/></message>"
        ));
    }

    #[test]
    fn stored_and_back() {
        let fan = fan();
        let again = Fan::stored(fan.whole()).unwrap();
        let to = ToAttr::new(&"a@b/c".parse().unwrap());
        assert_eq!(text(&again.to(&to)), text(&fan.to(&to)));
        assert!(Fan::stored(Bytes::from_static(b"nonsense")).is_none());
    }

    #[test]
    fn without_content() {
        let whole = Outgoing::whole(Bytes::from_static(b"<presence from=\"r@m/a\"/>"), Class::Presence);
        let fan = Fan::new(whole).with(b"<x/>");
        let to = ToAttr::new(&"a@b/c".parse().unwrap());
        assert_eq!(
            text(&fan.to(&to)),
            "<presence from=\"r@m/a\" to=\"a@b/c\"><x/></presence>"
        );
    }
}
