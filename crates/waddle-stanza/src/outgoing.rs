//! What is sent: stanzas with another top tag around the bytes they came in.
//!
//! Every stanza that leaves is self-contained: its top tag carries `xmlns="jabber:client"`, so the same bytes go to
//! TCP, WebSocket, archive and `<forwarded/>`.

use bytes::{BufMut, Bytes, BytesMut};
use waddle_outbox::Weight;

use crate::{
    Element, Stanza, StreamError,
    chars::{VALUE, is},
    ns,
    tape::{NsRef, slice},
    writer::escape_value,
};

/// What an outgoing item is, for counters, stream management and drop rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// `<message/>`
    Message,
    /// `<presence/>`
    Presence,
    /// `<iq/>`
    Iq,
    /// Anything that stream management does not count.
    Nonza,
}

impl Class {
    /// Whether stream management counts it (XEP-0198 §4).
    pub fn is_stanza(self) -> bool {
        self != Self::Nonza
    }
}

/// An item of an outbox: a head of its own and a tail that may be shared with other recipients.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The first bytes, usually the top tag.
    pub head: Bytes,
    /// The rest.
    pub tail: Bytes,
    /// What it is.
    pub class: Class,
}

impl Outgoing {
    /// Bytes in one piece.
    pub fn whole(bytes: Bytes, class: Class) -> Self {
        Self {
            head: bytes,
            tail: Bytes::new(),
            class,
        }
    }

    /// Something that is no stanza.
    pub fn nonza(bytes: Bytes) -> Self {
        Self::whole(bytes, Class::Nonza)
    }

    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes in one piece: for a WebSocket message, the archive, a test. Copies unless there is one piece already.
    pub fn concat(&self) -> Bytes {
        if self.tail.is_empty() {
            return self.head.clone();
        }
        if self.head.is_empty() {
            return self.tail.clone();
        }
        let mut b = BytesMut::with_capacity(self.len());
        b.put_slice(&self.head);
        b.put_slice(&self.tail);
        b.freeze()
    }

    /// Scans what is to be sent, for whoever receives it within the server.
    pub fn to_stanza(&self) -> Result<Stanza, StreamError> {
        Stanza::parse(self.concat())
    }
}

impl Weight for Outgoing {
    fn weight(&self) -> usize {
        self.len()
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum Field<'a> {
    #[default]
    Keep,
    Drop,
    Set(&'a str),
}

/// Builds a top tag. What is not set stays as it came, other attributes too.
#[derive(Debug, Clone)]
#[must_use]
pub struct HeadBuilder<'a> {
    stanza: &'a Stanza,
    /// Content and end tag; `None` as they came.
    tail: Option<Bytes>,
    to: Field<'a>,
    from: Field<'a>,
    id: Field<'a>,
    type_: Field<'a>,
    default_lang: Option<&'a str>,
}

impl<'a> HeadBuilder<'a> {
    pub(crate) fn new(stanza: &'a Stanza) -> Self {
        Self {
            stanza,
            tail: None,
            to: Field::Keep,
            from: Field::Keep,
            id: Field::Keep,
            type_: Field::Keep,
            default_lang: None,
        }
    }

    /// Sets `to`.
    pub fn to(mut self, to: &'a str) -> Self {
        self.to = Field::Set(to);
        self
    }
    /// Removes `to`.
    pub fn no_to(mut self) -> Self {
        self.to = Field::Drop;
        self
    }
    /// Sets `from`.
    pub fn from(mut self, from: &'a str) -> Self {
        self.from = Field::Set(from);
        self
    }
    /// Removes `from`.
    pub fn no_from(mut self) -> Self {
        self.from = Field::Drop;
        self
    }
    /// Sets `id`.
    pub fn id(mut self, id: &'a str) -> Self {
        self.id = Field::Set(id);
        self
    }
    /// Removes `id`.
    pub fn no_id(mut self) -> Self {
        self.id = Field::Drop;
        self
    }
    /// Sets `type`.
    pub fn attr_type(mut self, t: &'a str) -> Self {
        self.type_ = Field::Set(t);
        self
    }
    /// Removes `type`.
    pub fn no_type(mut self) -> Self {
        self.type_ = Field::Drop;
        self
    }
    /// Sets `xml:lang` where the stanza has none (RFC 6120 §8.1.5: the stream's default).
    pub fn default_lang(mut self, lang: Option<&'a str>) -> Self {
        self.default_lang = lang;
        self
    }

    /// The stanza with its new top tag.
    pub fn build(self) -> Outgoing {
        let mut out = Vec::with_capacity(self.capacity());
        self.write_name(&mut out);
        field(&mut out, b"to", self.to);
        self.write_rest(&mut out, matches!(self.to, Field::Keep));
        let class = self.stanza.class();
        Outgoing {
            head: out.into(),
            tail: self.into_tail(),
            class,
        }
    }

    /// The stanza ready for many recipients, each with a `to` of its own.
    pub fn template(self) -> HeadTemplate {
        let mut prefix = Vec::with_capacity(64);
        self.write_name(&mut prefix);
        prefix.extend_from_slice(b" to=\"");
        let mut suffix = Vec::with_capacity(self.capacity());
        suffix.push(b'"');
        self.write_rest(&mut suffix, false);
        let class = self.stanza.class();
        HeadTemplate {
            prefix: prefix.into(),
            suffix: suffix.into(),
            tail: self.into_tail(),
            class,
        }
    }

    fn capacity(&self) -> usize {
        let len = |f| if let Field::Set(s) = f { str::len(s) + 8 } else { 0 };
        let root = self.stanza.root();
        64 + root.node().content as usize + len(self.to) + len(self.from) + len(self.id) + len(self.type_)
    }

    fn write_name(&self, out: &mut Vec<u8>) {
        let root = self.stanza.root();
        let bytes: &[u8] = self.stanza.bytes();
        out.push(b'<');
        out.extend_from_slice(root.node().name.qname(bytes));
        // A stanza of a server stream becomes one of jabber:client, as what it inherits does.
        let kind_ns = root
            .attr("xmlns")
            .is_none_or(|v| v == ns::SERVER && root.node().name.prefix == 0);
        if kind_ns {
            out.extend_from_slice(b" xmlns=\"jabber:client\"");
        }
        if root.node().ns == NsRef::STREAMS {
            out.extend_from_slice(b" xmlns:stream=\"http://etherx.jabber.org/streams\"");
        }
    }

    fn write_rest(&self, out: &mut Vec<u8>, keep_to: bool) {
        field(out, b"from", self.from);
        field(out, b"id", self.id);
        field(out, b"type", self.type_);
        let bytes: &[u8] = self.stanza.bytes();
        let mut has_lang = false;
        for a in self.stanza.attr_nodes() {
            let keep = match a.name.qname(bytes) {
                b"to" => keep_to,
                b"from" => matches!(self.from, Field::Keep),
                b"id" => matches!(self.id, Field::Keep),
                b"type" => matches!(self.type_, Field::Keep),
                b"xmlns" => {
                    let server = a.value_bytes(bytes) == ns::SERVER.as_bytes();
                    !(server && self.stanza.root().node().name.prefix == 0)
                }
                b"xml:lang" => {
                    has_lang = true;
                    true
                }
                _ => true,
            };
            if keep {
                out.push(b' ');
                out.extend_from_slice(slice(bytes, a.name.start, a.start + a.len + 1 - a.name.start));
            }
        }
        if let (false, Some(lang)) = (has_lang, self.default_lang) {
            field(out, b"xml:lang", Field::Set(lang));
        }
        let empty = match &self.tail {
            Some(tail) => tail.is_empty(),
            None => self.stanza.root().node().content as usize == bytes.len(),
        };
        out.extend_from_slice(if empty { b"/>" } else { b">" });
    }

    fn into_tail(self) -> Bytes {
        self.tail.unwrap_or_else(|| {
            self.stanza
                .bytes()
                .slice(self.stanza.root().node().content as usize..)
        })
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: Field<'_>) {
    if let Field::Set(value) = value {
        out.push(b' ');
        out.extend_from_slice(name);
        out.extend_from_slice(b"=\"");
        escape_value(out, value);
        out.push(b'"');
    }
}

/// A stanza of which only `to` is missing: one small allocation per recipient, the tail is shared.
#[derive(Debug, Clone)]
pub struct HeadTemplate {
    prefix: Bytes,
    suffix: Bytes,
    tail: Bytes,
    class: Class,
}

impl HeadTemplate {
    /// The stanza for one recipient.
    pub fn for_to(&self, to: &str) -> Outgoing {
        let mut head = Vec::with_capacity(self.prefix.len() + to.len() + self.suffix.len());
        head.extend_from_slice(&self.prefix);
        if to.bytes().all(|b| is(b, VALUE)) {
            head.extend_from_slice(to.as_bytes());
        } else {
            escape_value(&mut head, to);
        }
        head.extend_from_slice(&self.suffix);
        Outgoing {
            head: head.into(),
            tail: self.tail.clone(),
            class: self.class,
        }
    }
}

/// Changes the content of a stanza; see [`Stanza::rewrite`].
#[derive(Debug)]
#[must_use]
pub struct Rewrite<'a> {
    stanza: &'a Stanza,
    /// Ranges of the stanza's bytes that go.
    cut: Vec<(usize, usize)>,
    append: Vec<u8>,
}

impl<'a> Rewrite<'a> {
    pub(crate) fn new(stanza: &'a Stanza) -> Self {
        Self {
            stanza,
            cut: Vec::new(),
            append: Vec::new(),
        }
    }

    /// Removes every child for which `remove` says so.
    pub fn strip(mut self, mut remove: impl FnMut(Element<'_>) -> bool) -> Self {
        for c in self.stanza.root().children() {
            if remove(c) {
                self.cut.push((c.start(), c.node().end as usize));
            }
        }
        self
    }

    /// Appends self-contained XML behind the last child: what [`XmlWriter`](crate::XmlWriter) made.
    pub fn append(mut self, xml: &[u8]) -> Self {
        self.append.extend_from_slice(xml);
        self
    }

    /// The changed content.
    pub fn finish(mut self) -> Payload {
        let bytes = self.stanza.bytes();
        let root = *self.stanza.root().node();
        let content = root.content as usize;
        if self.cut.is_empty() && self.append.is_empty() {
            return Payload {
                tail: bytes.slice(content..),
                stanza: self.stanza.clone(),
            };
        }
        let name = root.name.qname(bytes);
        // `</name>`, which may hold white space, is rewritten.
        let inner_end = if content == bytes.len() {
            content
        } else {
            bytes.iter().rposition(|&b| b == b'<').unwrap_or(content)
        };
        let mut out = Vec::with_capacity(inner_end - content + self.append.len() + name.len() + 3);
        self.cut.sort_unstable();
        let mut from = content;
        for (start, end) in self.cut {
            if start >= from {
                out.extend_from_slice(&bytes[from..start]);
                from = end;
            }
        }
        out.extend_from_slice(&bytes[from..inner_end]);
        out.extend_from_slice(&self.append);
        if !out.is_empty() {
            out.extend_from_slice(b"</");
            out.extend_from_slice(name);
            out.push(b'>');
        }
        Payload {
            tail: out.into(),
            stanza: self.stanza.clone(),
        }
    }
}

/// A stanza with changed content, ready for any number of heads; cheap to clone.
#[derive(Debug, Clone)]
pub struct Payload {
    stanza: Stanza,
    tail: Bytes,
}

impl Payload {
    /// Starts a top tag around the changed content.
    pub fn head(&self) -> HeadBuilder<'_> {
        HeadBuilder {
            tail: Some(self.tail.clone()),
            ..HeadBuilder::new(&self.stanza)
        }
    }

    /// The stanza as it was.
    pub fn original(&self) -> &Stanza {
        &self.stanza
    }
}

impl crate::tape::AttrNode {
    fn value_bytes(self, bytes: &[u8]) -> &[u8] {
        slice(bytes, self.start, self.len)
    }
}
