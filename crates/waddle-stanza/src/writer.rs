//! The one way XML is made here: a writer that escapes (XML 1.0 §2.4, §3.3.3).

use std::fmt::Display;

use bytes::Bytes;

use crate::{
    Class, Element, Outgoing,
    chars::{TEXT, VALUE, is, is_char},
    ns,
};

/// Writes well-formed XML. Names are the program's own; values and texts may be anything: what XML cannot
/// hold (NUL, control characters, U+FFFE) becomes U+FFFD.
///
/// ```
/// # use waddle_stanza::XmlWriter;
/// let mut w = XmlWriter::new();
/// w.open_ns("message", "jabber:client").attr("to", "a@b");
/// w.leaf("body", "1 < 2");
/// assert_eq!(w.finish(), "<message xmlns=\"jabber:client\" to=\"a@b\"><body>1 &lt; 2</body></message>");
/// ```
#[derive(Debug, Default, Clone)]
pub struct XmlWriter {
    buf: Vec<u8>,
    /// Where the names of the open elements stand.
    open: Vec<(u32, u16)>,
    /// Whether the last start tag still lacks its `>`.
    tag: bool,
}

impl XmlWriter {
    /// An empty document.
    pub fn new() -> Self {
        Self::with_capacity(256)
    }

    /// An empty document with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            buf: Vec::with_capacity(bytes),
            open: Vec::new(),
            tag: false,
        }
    }

    fn end_tag_start(&mut self) {
        if self.tag {
            self.buf.push(b'>');
            self.tag = false;
        }
    }

    /// Opens an element in the namespace that is in scope.
    pub fn open(&mut self, name: &str) -> &mut Self {
        debug_assert!(
            !name.is_empty() && !name.contains([' ', '<', '>', '"', '\'', '&', '/', '=']),
            "{name:?} is no name"
        );
        self.end_tag_start();
        self.buf.push(b'<');
        self.open.push((self.buf.len() as u32, name.len() as u16));
        self.buf.extend_from_slice(name.as_bytes());
        self.tag = true;
        self
    }

    /// Opens an element and declares its namespace as the default.
    pub fn open_ns(&mut self, name: &str, ns: &str) -> &mut Self {
        self.open(name).attr("xmlns", ns)
    }

    /// Adds an attribute to the element just opened.
    pub fn attr(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.tag, "an attribute belongs to a start tag");
        if !self.tag {
            return self;
        }
        self.buf.push(b' ');
        self.buf.extend_from_slice(name.as_bytes());
        self.buf.extend_from_slice(b"=\"");
        escape_value(&mut self.buf, value);
        self.buf.push(b'"');
        self
    }

    /// Adds an attribute if there is a value.
    pub fn attr_opt(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds an attribute whose value is written as it displays.
    pub fn attr_display(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.attr(name, &value.to_string())
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.end_tag_start();
            escape_text(&mut self.buf, text);
        }
        self
    }

    /// Closes the innermost open element.
    pub fn close(&mut self) -> &mut Self {
        let Some((at, len)) = self.open.pop() else {
            return self;
        };
        if self.tag {
            self.buf.extend_from_slice(b"/>");
            self.tag = false;
        } else {
            self.buf.extend_from_slice(b"</");
            let at = at as usize;
            self.buf.extend_from_within(at..at + usize::from(len));
            self.buf.push(b'>');
        }
        self
    }

    /// An element in the namespace in scope with nothing but a text.
    pub fn leaf(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name).text(text).close()
    }

    /// An empty element with its namespace.
    pub fn empty(&mut self, name: &str, ns: &str) -> &mut Self {
        self.open_ns(name, ns).close()
    }

    /// Copies a parsed element with everything in it, adding the namespace declarations that it inherited.
    pub fn copy(&mut self, element: Element<'_>) -> &mut Self {
        self.end_tag_start();
        element.write_self_contained(&mut self.buf);
        self
    }

    /// Adds an outgoing stanza whole, for `<forwarded/>`.
    pub fn stanza(&mut self, stanza: &Outgoing) -> &mut Self {
        self.end_tag_start();
        self.buf.extend_from_slice(&stanza.head);
        self.buf.extend_from_slice(&stanza.tail);
        self
    }

    /// Adds bytes that are known to be complete, self-contained XML: what this writer or the scanner made.
    pub fn trusted(&mut self, xml: &[u8]) -> &mut Self {
        self.end_tag_start();
        self.buf.extend_from_slice(xml);
        self
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing is written yet.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Closes what is open and returns the bytes.
    pub fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        self.buf.into()
    }

    /// Ends the last start tag but closes nothing: a `<stream:stream>` header stays open.
    pub fn finish_open(mut self) -> Bytes {
        self.end_tag_start();
        self.buf.into()
    }

    /// Closes what is open and makes it an item of an outbox.
    pub fn outgoing(self, class: Class) -> Outgoing {
        Outgoing::whole(self.finish(), class)
    }

    /// Starts a `<message xmlns="jabber:client"/>`.
    pub fn message() -> Self {
        Self::stanza_head("message")
    }

    /// Starts a `<presence xmlns="jabber:client"/>`.
    pub fn presence() -> Self {
        Self::stanza_head("presence")
    }

    /// Starts an `<iq xmlns="jabber:client"/>`.
    pub fn iq() -> Self {
        Self::stanza_head("iq")
    }

    fn stanza_head(name: &str) -> Self {
        let mut w = Self::new();
        w.open_ns(name, ns::CLIENT);
        w
    }
}

fn replacement(c: char) -> &'static [u8] {
    match c {
        '<' => b"&lt;",
        '>' => b"&gt;",
        '&' => b"&amp;",
        '"' => b"&quot;",
        '\t' => b"&#9;",
        '\n' => b"&#10;",
        '\r' => b"&#13;",
        _ => "\u{FFFD}".as_bytes(),
    }
}

fn escape(out: &mut Vec<u8>, s: &str, plain: impl Fn(u8) -> bool, keep: impl Fn(char) -> bool) {
    let bytes = s.as_bytes();
    let mut from = 0;
    let mut i = 0;
    while i < bytes.len() {
        if plain(bytes[i]) {
            i += 1;
            continue;
        }
        let Some(c) = s[i..].chars().next() else { break };
        if !keep(c) {
            out.extend_from_slice(&bytes[from..i]);
            out.extend_from_slice(replacement(c));
            from = i + c.len_utf8();
        }
        i += c.len_utf8();
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Escapes text; `>` too, so that `]]>` cannot arise.
pub(crate) fn escape_text(out: &mut Vec<u8>, s: &str) {
    escape(
        out,
        s,
        |b| is(b, TEXT) && b != b'>',
        |c| is_char(c) && !matches!(c, '<' | '>' | '&' | '\r'),
    );
}

/// Escapes a value between double quotes.
pub(crate) fn escape_value(out: &mut Vec<u8>, s: &str) {
    escape(
        out,
        s,
        |b| is(b, VALUE),
        |c| is_char(c) && !matches!(c, '<' | '&' | '"' | '\t' | '\n' | '\r'),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut w = XmlWriter::new();
        w.open("a")
            .attr("b", "<&>'\"\t\r\n\u{0}\u{FFFE}é")
            .attr_opt("c", None);
        w.text("]]> <&>'\"\t\r\n\u{1}é").empty("x", "urn:y");
        assert_eq!(
            w.finish(),
            "<a b=\"&lt;&amp;>'&quot;&#9;&#13;&#10;\u{FFFD}\u{FFFD}é\">]]&gt; &lt;&amp;&gt;'\"\t&#13;\n\u{FFFD}é<x xmlns=\"urn:y\"/></a>"
        );
    }

    #[test]
    fn nesting() {
        let mut w = XmlWriter::new();
        w.open("a")
            .open("b")
            .text("")
            .close()
            .leaf("c", "d")
            .close()
            .close();
        assert_eq!(w.finish(), "<a><b/><c>d</c></a>");
        let mut w = XmlWriter::new();
        w.open("stream:stream").attr("v", "1");
        assert_eq!(w.finish_open(), "<stream:stream v=\"1\">");
    }
}
