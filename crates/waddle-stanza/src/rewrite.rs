//! Content: children of a stanza are taken out, others appended, once for all recipients (ADR 0002).

use bytes::Bytes;

use crate::{Element, HeadBuilder, Stanza};

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
        HeadBuilder::new(&self.stanza, Some(self.tail.clone()))
    }

    /// The stanza as it was.
    pub fn original(&self) -> &Stanza {
        &self.stanza
    }
}
