//! Top tags: a stanza goes on with another one around the bytes as they came (ADR 0002).

use bytes::Bytes;

use crate::{
    Class, Outgoing, Stanza,
    chars::{VALUE, is},
    ns,
    tape::{AttrNode, NsRef, slice},
    writer::escape_value,
};

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
    namespace: &'static str,
}

impl<'a> HeadBuilder<'a> {
    /// A top tag around `tail`, content and end tag, or around what the stanza holds.
    pub(crate) fn new(stanza: &'a Stanza, tail: Option<Bytes>) -> Self {
        Self {
            stanza,
            tail,
            to: Field::Keep,
            from: Field::Keep,
            id: Field::Keep,
            type_: Field::Keep,
            default_lang: None,
            namespace: ns::CLIENT,
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
    /// Removes `type`.
    pub fn no_type(mut self) -> Self {
        self.type_ = Field::Drop;
        self
    }
    /// Puts it into the namespace of another kind of stream, such as [`ns::COMPONENT`].
    pub fn namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = namespace;
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
        // A stanza of another kind of stream becomes one of jabber:client, as what it inherits does.
        let kind_ns = root
            .attr("xmlns")
            .is_none_or(|v| root.node().name.prefix == 0 && self.replaces(v.as_bytes()));
        if kind_ns {
            out.extend_from_slice(b" xmlns=\"");
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b'"');
        }
        if root.node().ns == NsRef::STREAMS {
            out.extend_from_slice(b" xmlns:stream=\"http://etherx.jabber.org/streams\"");
        }
    }

    /// Whether this default namespace is one of another kind of stream.
    fn replaces(&self, namespace: &[u8]) -> bool {
        [ns::CLIENT, ns::SERVER, ns::COMPONENT]
            .iter()
            .any(|n| *n != self.namespace && n.as_bytes() == namespace)
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
                    let replaced = self.replaces(a.value_bytes(bytes));
                    !(replaced && self.stanza.root().node().name.prefix == 0)
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

impl AttrNode {
    fn value_bytes(self, bytes: &[u8]) -> &[u8] {
        slice(bytes, self.start, self.len)
    }
}
