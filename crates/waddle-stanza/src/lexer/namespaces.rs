//! Namespaces of a start tag: [Namespaces in XML 1.0](https://www.w3.org/TR/xml-names/).

use super::{Binding, Lexer, MAX_BINDINGS, Scope};
use crate::{
    ScanLimits, StreamError, ns,
    tape::{AttrNode, Node, NsRef, slice},
};

use StreamError::{BadNamespacePrefix, NotWellFormed, PolicyViolation};

impl Lexer {
    /// Namespaces in XML 1.0 §2.2, §3 and §5. Stricter: a namespace name holds no reference and no line break.
    pub(super) fn declare(&mut self, w: &[u8], prefix: (u32, u16), ns: NsRef) -> Result<(), StreamError> {
        if self.dirty {
            return Err(NotWellFormed);
        }
        let value = ns.bytes(w);
        let named = prefix.1 > 0;
        let name = slice(w, prefix.0, prefix.1.into());
        let is_xml = value == ns::XML.as_bytes();
        let bad = name == b"xmlns"
            || value == ns::XMLNS.as_bytes()
            || (named && value.is_empty())
            || is_xml != (name == b"xml");
        if bad {
            return Err(NotWellFormed);
        }
        if self.bindings.len() >= MAX_BINDINGS {
            return Err(PolicyViolation);
        }
        self.bindings.push(Binding {
            prefix,
            ns: if value.is_empty() { NsRef::NONE } else { ns },
            depth: self.open.len() as u32,
        });
        Ok(())
    }

    #[inline]
    fn lookup(&self, w: &[u8], prefix: &[u8]) -> Option<NsRef> {
        self.bindings
            .iter()
            .rev()
            .find(|b| {
                usize::from(b.prefix.1) == prefix.len() && slice(w, b.prefix.0, b.prefix.1.into()) == prefix
            })
            .map(|b| b.ns)
    }

    /// The namespace of a prefix. `root`: it is the outermost element's own.
    fn resolve(&self, w: &[u8], prefix: &[u8], scope: &Scope, root: bool) -> Result<NsRef, StreamError> {
        if let Some(ns) = self.lookup(w, prefix) {
            return Ok(ns);
        }
        match prefix {
            b"xml" => Ok(NsRef::XML),
            b"stream" if scope.stream => {
                // Only in the stream's own elements: a stanza is to be self-contained.
                let own = |n: &Node| matches!(n, Node::Element(e) if e.ns == NsRef::STREAMS);
                if root || self.tape.first().is_some_and(own) {
                    Ok(NsRef::STREAMS)
                } else {
                    Err(BadNamespacePrefix)
                }
            }
            _ if scope.refused.iter().any(|p| **p == *prefix) => Err(BadNamespacePrefix),
            _ => Err(NotWellFormed),
        }
    }

    /// Resolves the names of the start tag that ends at `i` and looks for duplicate attributes.
    pub(super) fn end_start_tag(
        &mut self,
        w: &[u8],
        i: usize,
        scope: &Scope,
        limits: &ScanLimits,
    ) -> Result<(), StreamError> {
        let first = self.element + 1;
        let count = self.tape.len() - first;
        if count > limits.attributes {
            return Err(PolicyViolation);
        }
        let Node::Element(mut element) = self.tape[self.element] else {
            return Err(StreamError::InternalServerError);
        };
        element.ns = if element.name.prefix == 0 {
            self.lookup(w, b"").or(scope.default).unwrap_or(NsRef::NONE)
        } else {
            self.resolve(w, element.name.prefix(w), scope, self.element == 0)?
        };
        if scope.stream
            && self.element == 0
            && element.name.qname(w) == b"stream:stream"
            && element.ns == NsRef::STREAMS
        {
            return Err(StreamError::BadFormat);
        }
        element.content = i as u32;
        element.attrs = count as u16;
        self.tape[self.element] = Node::Element(element);
        for k in first..self.tape.len() {
            let Node::Attr(mut a) = self.tape[k] else { continue };
            if a.name.prefix > 0 && a.ns != NsRef::XMLNS {
                a.ns = self.resolve(w, a.name.prefix(w), scope, false)?;
                self.tape[k] = Node::Attr(a);
            }
            for other in &self.tape[first..k] {
                if let Node::Attr(b) = other
                    && same_attr(w, &a, b)
                {
                    return Err(NotWellFormed);
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn same_attr(w: &[u8], a: &AttrNode, b: &AttrNode) -> bool {
    if a.name.prefix == 0 && b.name.prefix == 0 {
        return a.name.len == b.name.len && a.name.qname(w) == b.name.qname(w);
    }
    a.name.prefix > 0
        && b.name.prefix > 0
        && a.name.local(w) == b.name.local(w)
        && (a.ns == b.ns || a.ns.bytes(w) == b.ns.bytes(w))
}
