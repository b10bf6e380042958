//! The strict scanner of one element (ADR 0002): XML 1.0 and Namespaces in XML 1.0, less what
//! [RFC 6120 §11.1](https://www.rfc-editor.org/rfc/rfc6120#section-11.1) forbids.
//!
//! A state machine that stops anywhere and goes on where it stopped: every decision depends on the bytes up to the
//! one that decides it and on nothing else, so the result is the same however they arrive, and no byte is looked at
//! more often than the longest look-ahead (12 bytes).

mod machine;
mod namespaces;

use crate::{
    StreamError,
    tape::{AttrNode, Name, Node, NsRef, TextKind},
};

/// The longest name of an element or attribute, in bytes; more is `policy-violation`.
pub(crate) const MAX_NAME: usize = 1024;
/// The most namespace declarations in scope; more is `policy-violation`.
pub(crate) const MAX_BINDINGS: usize = 128;

/// What is in scope around the element.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// The default namespace; `None` where there is none.
    pub(crate) default: Option<NsRef>,
    /// Whether `stream:` is declared.
    pub(crate) stream: bool,
    /// Other prefixes that the stream header declared.
    pub(crate) refused: Vec<Box<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Lt,
    Bang,
    Cdata,
    ElementName,
    InTag,
    Slash,
    AttrName,
    Equals,
    Quote,
    Value,
    EndName,
    EndTag,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    /// The start tag of the outermost element ends here.
    Open(usize),
    /// The element ends here.
    Done(usize),
    /// An end tag of the stream, without a start tag in sight, ends here.
    Close(usize),
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    /// Range of the prefix; empty for the default namespace.
    prefix: (u32, u16),
    ns: NsRef,
    depth: u32,
}

#[derive(Debug)]
pub(crate) struct Lexer {
    pos: usize,
    state: State,
    /// Start of the name, value or text that is being read.
    mark: usize,
    /// Position of the colon in the name; 0 where there is none.
    colon: usize,
    /// Start of the part of the name after the colon, or of the name.
    part: usize,
    quote: u8,
    dirty: bool,
    /// Whether white space stands before the next attribute.
    spaced: bool,
    attr: Name,
    /// Tape index of the element whose start tag is being read.
    element: usize,
    elements: usize,
    pub(crate) tape: Vec<Node>,
    open: Vec<u32>,
    bindings: Vec<Binding>,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            pos: 0,
            state: State::Start,
            mark: 0,
            colon: 0,
            part: 0,
            quote: 0,
            dirty: false,
            spaced: false,
            attr: Name {
                start: 0,
                prefix: 0,
                len: 0,
            },
            element: 0,
            elements: 0,
            tape: Vec::new(),
            open: Vec::new(),
            bindings: Vec::new(),
        }
    }
}

/// Nodes of scratch memory that are kept from one stanza to the next.
const KEEP_NODES: usize = 256;

impl Lexer {
    /// Forgets the element; keeps a little memory for the next one.
    pub(crate) fn reset(&mut self) {
        self.pos = 0;
        self.state = State::Start;
        self.elements = 0;
        self.tape.clear();
        self.open.clear();
        self.bindings.clear();
        if self.tape.capacity() > KEEP_NODES {
            self.tape = Vec::new();
        }
    }

    /// Gives back all scratch memory.
    pub(crate) fn shrink(&mut self) {
        if self.pos == 0 {
            self.tape = Vec::new();
            self.open = Vec::new();
            self.bindings = Vec::new();
        }
    }

    /// Whether nothing of an element has been seen.
    pub(crate) fn is_fresh(&self) -> bool {
        self.pos == 0
    }

    #[inline]
    fn take_name(&self, end: usize) -> Name {
        Name {
            start: self.mark as u32,
            prefix: if self.colon == 0 {
                0
            } else {
                (self.colon - self.mark) as u16
            },
            len: (end - self.mark) as u16,
        }
    }

    #[inline]
    fn push_text(&mut self, end: usize, cdata: bool) {
        if end > self.mark {
            let kind = match (cdata, self.dirty) {
                (false, false) => TextKind::Clean,
                (false, true) => TextKind::Dirty,
                (true, false) => TextKind::Cdata,
                (true, true) => TextKind::DirtyCdata,
            };
            self.tape.push(Node::Text {
                start: self.mark as u32,
                len: (end - self.mark) as u32,
                kind,
            });
        }
    }

    #[inline]
    fn push_attr(&mut self, w: &[u8], end: usize) -> Result<(), StreamError> {
        let name = self.attr;
        let (start, len) = (self.mark as u32, (end - self.mark) as u32);
        let mut ns = NsRef::NONE;
        if name.prefix == 5 && name.prefix(w) == b"xmlns" {
            ns = NsRef::XMLNS;
            self.declare(w, (name.start + 6, name.len - 6), NsRef { start, len })?;
        } else if name.prefix == 0 && name.len == 5 && name.qname(w) == b"xmlns" {
            self.declare(w, (name.start, 0), NsRef { start, len })?;
        }
        self.tape.push(Node::Attr(AttrNode {
            name,
            ns,
            start,
            len,
            dirty: self.dirty,
        }));
        Ok(())
    }

    /// Ends an element behind `i`; whether it was the outermost.
    #[inline]
    fn end_element(&mut self, element: usize, i: usize) -> bool {
        let next = self.tape.len() as u32;
        if let Node::Element(e) = &mut self.tape[element] {
            e.end = i as u32;
            e.next = next;
        }
        let depth = self.open.len() as u32;
        while self.bindings.last().is_some_and(|b| b.depth >= depth) {
            self.bindings.pop();
        }
        self.open.is_empty()
    }
}
