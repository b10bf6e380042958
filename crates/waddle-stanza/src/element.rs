//! Reading a scanned element: a cursor into the tape that allocates only where a value must be unescaped.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use crate::{
    chars, ns,
    tape::{AttrNode, ElementNode, Node, NsRef, TextKind, slice},
    writer::escape_value,
};

/// An element of a [`Stanza`](crate::Stanza); `Copy`.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    bytes: &'a Bytes,
    tape: &'a [Node],
    node: ElementNode,
    at: usize,
    /// The default namespace around the outermost element.
    inherited: NsRef,
}

/// An attribute.
#[derive(Clone, Copy)]
pub struct Attr<'a> {
    bytes: &'a [u8],
    node: AttrNode,
}

/// What an element holds.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// An element.
    Element(Element<'a>),
    /// A piece of text, unescaped.
    Text(Cow<'a, str>),
}

fn text_of(bytes: &[u8]) -> &str {
    // The scanner has checked the encoding; a broken one reads as nothing.
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl<'a> Element<'a> {
    pub(crate) fn new(bytes: &'a Bytes, tape: &'a [Node], at: usize, inherited: NsRef) -> Option<Self> {
        match tape.get(at) {
            Some(&Node::Element(node)) => Some(Self {
                bytes,
                tape,
                node,
                at,
                inherited,
            }),
            _ => None,
        }
    }

    pub(crate) fn node(&self) -> &ElementNode {
        &self.node
    }

    /// The local name.
    pub fn name(&self) -> &'a str {
        text_of(self.node.name.local(self.bytes))
    }

    /// The namespace; empty where there is none.
    pub fn ns(&self) -> &'a str {
        let bytes: &'a [u8] = self.bytes;
        text_of(self.node.ns.bytes(bytes))
    }

    /// Whether this is `name` in namespace `ns`.
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.node.name.local(self.bytes) == name.as_bytes() && self.in_ns(ns)
    }

    /// Whether the namespace is `ns`.
    pub fn in_ns(&self, ns: &str) -> bool {
        self.node.ns.bytes(self.bytes) == ns.as_bytes()
    }

    /// The attributes, namespace declarations among them (in namespace [`ns::XMLNS`], `xmlns` itself in none).
    pub fn attrs(&self) -> impl Iterator<Item = Attr<'a>> + use<'a> {
        let bytes: &'a [u8] = self.bytes;
        let first = self.at + 1;
        let nodes = self
            .tape
            .get(first..first + usize::from(self.node.attrs))
            .unwrap_or_default();
        nodes.iter().filter_map(move |n| match n {
            Node::Attr(node) => Some(Attr { bytes, node: *node }),
            _ => None,
        })
    }

    /// The value of an attribute without a namespace.
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attrs()
            .find(|a| a.node.name.prefix == 0 && a.node.name.qname(a.bytes) == name.as_bytes())
            .map(|a| a.value())
    }

    /// The value of an attribute with a namespace.
    pub fn attr_ns(&self, name: &str, ns: &str) -> Option<Cow<'a, str>> {
        self.attrs()
            .find(|a| a.node.name.prefix > 0 && a.node.name.local(a.bytes) == name.as_bytes() && a.ns() == ns)
            .map(|a| a.value())
    }

    /// `xml:lang`.
    pub fn lang(&self) -> Option<Cow<'a, str>> {
        self.attr_ns("lang", ns::XML)
    }

    /// The elements in it.
    pub fn children(&self) -> Children<'a> {
        Children {
            bytes: self.bytes,
            tape: self.tape,
            at: self.first(),
            end: self.node.next as usize,
            inherited: self.inherited,
        }
    }

    /// The first child of that name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<Self> {
        self.children().find(|c| c.is(name, ns))
    }

    /// Whether there is a child of that name and namespace.
    pub fn has(&self, name: &str, ns: &str) -> bool {
        self.child(name, ns).is_some()
    }

    /// The text of the first child of that name and namespace.
    pub fn child_text(&self, name: &str, ns: &str) -> Option<Cow<'a, str>> {
        self.child(name, ns).map(|c| c.text())
    }

    /// What is in it, elements and pieces of text in their order.
    pub fn nodes(&self) -> impl Iterator<Item = Content<'a>> + use<'a> {
        let this = *self;
        let mut at = self.first();
        std::iter::from_fn(move || {
            while at < this.node.next as usize {
                let here = at;
                at += 1;
                match this.tape.get(here)? {
                    Node::Text { start, len, kind } => {
                        return Some(Content::Text(this.piece(*start, *len, *kind)));
                    }
                    Node::Element(e) => {
                        at = (e.next as usize).max(at);
                        return Element::new(this.bytes, this.tape, here, this.inherited)
                            .map(Content::Element);
                    }
                    Node::Attr(_) => {}
                }
            }
            None
        })
    }

    /// Tape index of the first node in it.
    fn first(&self) -> usize {
        self.at + 1 + usize::from(self.node.attrs)
    }

    fn piece(&self, start: u32, len: u32, kind: TextKind) -> Cow<'a, str> {
        let bytes: &'a [u8] = self.bytes;
        let raw = slice(bytes, start, len);
        match kind {
            TextKind::Clean | TextKind::Cdata => Cow::Borrowed(text_of(raw)),
            TextKind::Dirty => Cow::Owned(unescape(raw, true, false)),
            TextKind::DirtyCdata => Cow::Owned(unescape(raw, false, false)),
        }
    }

    /// Whether there are elements or text in it.
    pub fn has_content(&self) -> bool {
        self.node.next as usize > self.first()
    }

    /// The text directly in it, unescaped, pieces around elements joined.
    pub fn text(&self) -> Cow<'a, str> {
        let mut out = Cow::Borrowed("");
        for node in self.nodes() {
            if let Content::Text(piece) = node {
                if out.is_empty() {
                    out = piece;
                } else {
                    out.to_mut().push_str(&piece);
                }
            }
        }
        out
    }

    /// Its bytes as they came, start tag to end tag. Not self-contained where it inherits namespaces: to put it
    /// elsewhere use [`Element::to_bytes`] or [`XmlWriter::copy`](crate::XmlWriter::copy).
    pub fn raw(&self) -> Bytes {
        self.bytes.slice(self.start()..self.node.end as usize)
    }

    pub(crate) fn start(&self) -> usize {
        self.node.name.start as usize - 1
    }

    /// Its bytes with all namespace declarations that it needs.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.node.end as usize - self.start() + 64);
        self.write_self_contained(&mut out);
        out.into()
    }

    pub(crate) fn write_self_contained(&self, out: &mut Vec<u8>) {
        let bytes: &[u8] = self.bytes;
        let name_end = (self.node.name.start + u32::from(self.node.name.len)) as usize;
        out.extend_from_slice(&bytes[self.start()..name_end]);
        let mut declared: Vec<&[u8]> = self
            .attrs()
            .filter(Attr::is_declaration)
            .map(|a| a.node.name.qname(a.bytes))
            .collect();
        // Innermost first: the nearest declaration of each prefix is the one in scope.
        let mut ancestors = Vec::new();
        let mut at = 0;
        while at < self.at {
            match self.tape[at] {
                Node::Element(e) if e.next as usize > self.at => {
                    ancestors.push(at);
                    at += 1;
                }
                Node::Element(e) => at = (e.next as usize).max(at + 1),
                _ => at += 1,
            }
        }
        for at in ancestors.into_iter().rev() {
            let Some(e) = Self::new(self.bytes, self.tape, at, self.inherited) else {
                continue;
            };
            for a in e.attrs().filter(Attr::is_declaration) {
                let name = a.node.name.qname(bytes);
                if !declared.contains(&name) {
                    declared.push(name);
                    out.push(b' ');
                    out.extend_from_slice(a.raw());
                }
            }
        }
        if !declared.contains(&b"xmlns".as_slice()) && self.inherited != NsRef::NONE {
            out.extend_from_slice(b" xmlns=\"");
            out.extend_from_slice(self.inherited.bytes(bytes));
            out.push(b'"');
        }
        if self.node.ns == NsRef::STREAMS && self.node.name.prefix > 0 {
            out.extend_from_slice(b" xmlns:stream=\"");
            escape_value(out, ns::STREAMS);
            out.push(b'"');
        }
        out.extend_from_slice(&bytes[name_end..self.node.end as usize]);
    }
}

impl fmt::Debug for Element<'_> {
    /// Its name only: what people write to each other is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} xmlns={:?}>", self.name(), self.ns())
    }
}

impl<'a> Attr<'a> {
    /// The local name; `xmlns` for the declaration of a default namespace.
    pub fn name(&self) -> &'a str {
        text_of(self.node.name.local(self.bytes))
    }

    /// The namespace; empty where there is none.
    pub fn ns(&self) -> &'a str {
        text_of(self.node.ns.bytes(self.bytes))
    }

    /// The value, unescaped.
    pub fn value(&self) -> Cow<'a, str> {
        let raw = slice(self.bytes, self.node.start, self.node.len);
        if self.node.dirty {
            Cow::Owned(unescape(raw, true, true))
        } else {
            Cow::Borrowed(text_of(raw))
        }
    }

    pub(crate) fn is_declaration(&self) -> bool {
        self.node.ns == NsRef::XMLNS
            || (self.node.name.prefix == 0 && self.node.name.qname(self.bytes) == b"xmlns")
    }

    /// `name="value"` as it came.
    pub(crate) fn raw(&self) -> &'a [u8] {
        let n = &self.node;
        slice(self.bytes, n.name.start, n.start + n.len + 1 - n.name.start)
    }
}

impl fmt::Debug for Attr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The elements in an element.
#[derive(Clone)]
pub struct Children<'a> {
    bytes: &'a Bytes,
    tape: &'a [Node],
    at: usize,
    end: usize,
    inherited: NsRef,
}

impl fmt::Debug for Children<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Element<'a>> {
        while self.at < self.end {
            match Element::new(self.bytes, self.tape, self.at, self.inherited) {
                Some(e) => {
                    self.at = (e.node.next as usize).max(self.at + 1);
                    return Some(e);
                }
                None => self.at += 1,
            }
        }
        None
    }
}

/// XML 1.0 §2.11 (line ends), §3.3.3 (attribute values) and §4.1 (references).
fn unescape(raw: &[u8], references: bool, value: bool) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut from = 0;
    let mut i = 0;
    while i < raw.len() {
        let (c, n) = match raw[i] {
            b'&' if references => match chars::reference(&raw[i..]) {
                Ok(Some(found)) => found,
                _ => ('\u{FFFD}', 1),
            },
            b'\r' => {
                let n = if raw.get(i + 1) == Some(&b'\n') { 2 } else { 1 };
                (if value { ' ' } else { '\n' }, n)
            }
            b'\t' | b'\n' if value => (' ', 1),
            _ => {
                i += 1;
                continue;
            }
        };
        out.push_str(text_of(&raw[from..i]));
        out.push(c);
        i += n;
        from = i;
    }
    out.push_str(text_of(&raw[from..]));
    out
}
