//! A scanned top-level element: its bytes and their structure.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use waddle_core::{Jid, JidError};

use crate::{
    Class, Element, HeadBuilder, Rewrite, ScanLimits, StreamError, XmlWriter,
    lexer::{Lexer, Scope, Step},
    ns,
    tape::{AttrNode, ElementNode, Name, Node, NsRef},
};

/// What an element at the stream's top level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `<message/>`
    Message,
    /// `<presence/>`
    Presence,
    /// `<iq/>`
    Iq,
    /// Anything else: SASL, stream management, errors.
    Other,
}

/// A whole element from the wire, checked: cheap to clone, sliced without copying.
#[derive(Clone)]
pub struct Stanza {
    bytes: Bytes,
    tape: Arc<[Node]>,
    inherited: NsRef,
    kind: Kind,
}

impl Stanza {
    pub(crate) fn new(bytes: Bytes, tape: &[Node], inherited: NsRef) -> Self {
        let kind = match tape.first() {
            Some(Node::Element(e)) if is_content(e.ns, &bytes) => match e.name.local(&bytes) {
                b"message" => Kind::Message,
                b"presence" => Kind::Presence,
                b"iq" => Kind::Iq,
                _ => Kind::Other,
            },
            _ => Kind::Other,
        };
        Self {
            bytes,
            tape: tape.into(),
            inherited,
            kind,
        }
    }

    /// Reads bytes that were stored or written here: one element, nothing around it, at most 64 MiB.
    pub fn parse(bytes: Bytes) -> Result<Self, StreamError> {
        let scope = Scope {
            default: Some(NsRef::CLIENT),
            ..Scope::default()
        };
        let mut lexer = Lexer::default();
        if bytes.len() > ScanLimits::OWN.stanza_bytes {
            return Err(StreamError::PolicyViolation);
        }
        match lexer.run(&bytes, &scope, &ScanLimits::OWN, false)? {
            Step::Done(end) if end == bytes.len() => Ok(Self::new(bytes, &lexer.tape, NsRef::CLIENT)),
            _ => Err(StreamError::NotWellFormed),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The class of an outgoing stanza made from it.
    pub fn class(&self) -> Class {
        match self.kind {
            Kind::Message => Class::Message,
            Kind::Presence => Class::Presence,
            Kind::Iq => Class::Iq,
            Kind::Other => Class::Nonza,
        }
    }

    /// The element itself.
    pub fn root(&self) -> Element<'_> {
        Element::new(&self.bytes, &self.tape, 0, self.inherited).unwrap_or_else(|| {
            // A tape starts with its outermost element; this keeps the type total.
            static EMPTY: Bytes = Bytes::from_static(b"<a/>");
            static NODES: [Node; 1] = [Node::Element(ElementNode {
                name: Name {
                    start: 1,
                    prefix: 0,
                    len: 1,
                },
                ns: NsRef::NONE,
                content: 4,
                end: 4,
                next: 1,
                attrs: 0,
            })];
            #[expect(clippy::expect_used, reason = "a constant with an element in front")]
            Element::new(&EMPTY, &NODES, 0, NsRef::NONE).expect("constant")
        })
    }

    /// The bytes as they came. They may lack `xmlns="jabber:client"`: what is sent or stored is made by
    /// [`Stanza::head`].
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn attr_nodes(&self) -> impl Iterator<Item = &AttrNode> {
        self.tape.iter().skip(1).map_while(|n| match n {
            Node::Attr(a) => Some(a),
            _ => None,
        })
    }

    /// `id`.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.root().attr("id")
    }

    /// `type`.
    pub fn type_(&self) -> Option<Cow<'_, str>> {
        self.root().attr("type")
    }

    /// Whether `type` is `t`.
    pub fn is_type(&self, t: &str) -> bool {
        self.type_().is_some_and(|have| have == t)
    }

    /// `to`, prepared.
    pub fn to(&self) -> Result<Option<Jid>, JidError> {
        self.root().attr("to").map(|s| s.parse()).transpose()
    }

    /// `from`, prepared.
    pub fn from(&self) -> Result<Option<Jid>, JidError> {
        self.root().attr("from").map(|s| s.parse()).transpose()
    }

    /// `xml:lang`.
    pub fn lang(&self) -> Option<Cow<'_, str>> {
        self.root().lang()
    }

    /// The first child element: the payload of an IQ request.
    pub fn payload(&self) -> Option<Element<'_>> {
        self.root().children().next()
    }

    /// Whether it is an `<iq/>` of type `get` or `set`, which must be answered.
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Iq && (self.is_type("get") || self.is_type("set"))
    }

    /// Whether an error may be sent back: not to an error, nor to the result of an IQ (RFC 6120 §8.3.1).
    pub fn may_bounce(&self) -> bool {
        match self.kind {
            Kind::Message | Kind::Presence => !self.is_type("error"),
            Kind::Iq => !self.is_type("error") && !self.is_type("result"),
            Kind::Other => false,
        }
    }

    /// Starts a copy with another top tag and the same content.
    pub fn head(&self) -> HeadBuilder<'_> {
        HeadBuilder::new(self, None)
    }

    /// Starts a change of what is in it: children stripped, bytes appended.
    pub fn rewrite(&self) -> Rewrite<'_> {
        Rewrite::new(self)
    }

    /// Starts the answer to an IQ: an open `<iq type="result"/>` to its sender, from `from` or else from whom it was
    /// sent to; [`XmlWriter::outgoing`] ends it.
    pub fn result(&self, from: Option<&str>) -> XmlWriter {
        let root = self.root();
        let mut w = XmlWriter::iq();
        w.attr("type", "result")
            .attr_opt("id", root.attr("id").as_deref());
        w.attr_opt("from", from.or(root.attr("to").as_deref()));
        w.attr_opt("to", root.attr("from").as_deref());
        w
    }
}

fn is_content(reference: NsRef, bytes: &[u8]) -> bool {
    reference == NsRef::CLIENT
        || reference == NsRef::SERVER
        || [ns::CLIENT, ns::SERVER, ns::COMPONENT]
            .iter()
            .any(|n| n.as_bytes() == reference.bytes(bytes))
}

impl fmt::Debug for Stanza {
    /// Kind and size only: what people write to each other is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind, self.bytes.len())
    }
}
