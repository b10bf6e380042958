//! The strict scanner of one element (ADR 0002): XML 1.0 and Namespaces in XML 1.0, less what
//! [RFC 6120 §11.1](https://www.rfc-editor.org/rfc/rfc6120#section-11.1) forbids.
//!
//! A state machine that stops anywhere and goes on where it stopped: every decision depends on the bytes up to the
//! one that decides it and on nothing else, so the result is the same however they arrive, and no byte is looked at
//! more often than the longest look-ahead (16 bytes).

mod namespaces;

use crate::{
    ScanLimits, StreamError,
    chars::{self, CLASS, Decoded, NAME, START, TEXT, VALUE, WS, is},
    tape::{AttrNode, ElementNode, Name, Node, NsRef, TextKind},
};

use StreamError::{NotWellFormed, PolicyViolation, RestrictedXml, UnsupportedEncoding};

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

    /// Goes on in `w`, which starts at the element's `<` and has grown since the last call. `head`: stop behind the
    /// outermost start tag.
    pub(crate) fn run(
        &mut self,
        w: &[u8],
        scope: &Scope,
        limits: &ScanLimits,
        head: bool,
    ) -> Result<Step, StreamError> {
        let mut i = self.pos;
        macro_rules! more {
            () => {{
                self.pos = i;
                return Ok(Step::More);
            }};
        }
        macro_rules! at {
            () => {
                match w.get(i) {
                    Some(&b) => b,
                    None => more!(),
                }
            };
        }
        loop {
            match self.state {
                State::Start => {
                    if at!() != b'<' {
                        return Err(NotWellFormed);
                    }
                    i += 1;
                    self.state = State::Lt;
                }
                State::Lt => match at!() {
                    b'/' => {
                        i += 1;
                        self.begin_name(i, State::EndName);
                    }
                    b'!' => self.state = State::Bang,
                    b'?' => return Err(RestrictedXml),
                    _ => {
                        if self.elements >= limits.elements || self.open.len() >= limits.depth {
                            return Err(PolicyViolation);
                        }
                        self.elements += 1;
                        self.begin_name(i, State::ElementName);
                    }
                },
                State::Bang => {
                    const CDATA: &[u8] = b"![CDATA[";
                    let have = &w[i..w.len().min(i + CDATA.len())];
                    if !CDATA.starts_with(have) {
                        return Err(RestrictedXml);
                    }
                    if have.len() < CDATA.len() {
                        more!();
                    }
                    if self.open.is_empty() {
                        return Err(NotWellFormed);
                    }
                    i += CDATA.len();
                    self.mark = i;
                    self.dirty = false;
                    self.state = State::Cdata;
                }
                State::Cdata => {
                    while i < w.len() && CLASS[w[i] as usize] & TEXT != 0 {
                        i += 1;
                    }
                    match at!() {
                        b']' => {
                            let have = &w[i..w.len().min(i + 3)];
                            if have == b"]]>" {
                                self.push_text(i, true);
                                i += 3;
                                self.mark = i;
                                self.dirty = false;
                                self.state = State::Text;
                            } else if b"]]>".starts_with(have) {
                                more!();
                            } else {
                                i += 1;
                            }
                        }
                        b'<' | b'&' => i += 1,
                        b'\r' => {
                            self.dirty = true;
                            i += 1;
                        }
                        b => match wide(w, i, b)? {
                            Some(n) => i += n,
                            None => more!(),
                        },
                    }
                }
                State::Text => {
                    while i < w.len() && CLASS[w[i] as usize] & TEXT != 0 {
                        i += 1;
                    }
                    match at!() {
                        b'<' => {
                            self.push_text(i, false);
                            i += 1;
                            self.state = State::Lt;
                        }
                        b'&' => match chars::reference(&w[i..])? {
                            Some((_, n)) => {
                                self.dirty = true;
                                i += n;
                            }
                            None => more!(),
                        },
                        b']' => {
                            let have = &w[i..w.len().min(i + 3)];
                            if have == b"]]>" {
                                return Err(NotWellFormed);
                            }
                            if b"]]>".starts_with(have) {
                                more!();
                            }
                            i += 1;
                        }
                        b'\r' => {
                            self.dirty = true;
                            i += 1;
                        }
                        b => match wide(w, i, b)? {
                            Some(n) => i += n,
                            None => more!(),
                        },
                    }
                }
                State::ElementName => {
                    if !self.name(w, &mut i)? {
                        more!();
                    }
                    self.element = self.tape.len();
                    let name = self.take_name(i);
                    self.tape.push(Node::Element(ElementNode {
                        name,
                        ns: NsRef::NONE,
                        content: 0,
                        end: 0,
                        next: 0,
                        attrs: 0,
                    }));
                    self.spaced = false;
                    self.state = State::InTag;
                }
                State::InTag => {
                    while i < w.len() && CLASS[w[i] as usize] & WS != 0 {
                        i += 1;
                        self.spaced = true;
                    }
                    match at!() {
                        b'>' => {
                            i += 1;
                            self.end_start_tag(w, i, scope, limits)?;
                            self.open.push(self.element as u32);
                            if head && self.open.len() == 1 {
                                return Ok(Step::Open(i));
                            }
                            self.mark = i;
                            self.dirty = false;
                            self.state = State::Text;
                        }
                        b'/' => {
                            i += 1;
                            self.state = State::Slash;
                        }
                        _ if !self.spaced => return Err(NotWellFormed),
                        _ => {
                            if self.tape.len() - self.element > limits.attributes {
                                return Err(PolicyViolation);
                            }
                            self.begin_name(i, State::AttrName);
                        }
                    }
                }
                State::Slash => {
                    if at!() != b'>' {
                        return Err(NotWellFormed);
                    }
                    i += 1;
                    self.end_start_tag(w, i, scope, limits)?;
                    if self.end_element(self.element, i) {
                        return Ok(Step::Done(i));
                    }
                    self.mark = i;
                    self.dirty = false;
                    self.state = State::Text;
                }
                State::AttrName => {
                    if !self.name(w, &mut i)? {
                        more!();
                    }
                    self.attr = self.take_name(i);
                    self.state = State::Equals;
                }
                State::Equals => {
                    while i < w.len() && CLASS[w[i] as usize] & WS != 0 {
                        i += 1;
                    }
                    if at!() != b'=' {
                        return Err(NotWellFormed);
                    }
                    i += 1;
                    self.state = State::Quote;
                }
                State::Quote => {
                    while i < w.len() && CLASS[w[i] as usize] & WS != 0 {
                        i += 1;
                    }
                    match at!() {
                        b @ (b'"' | b'\'') => self.quote = b,
                        _ => return Err(NotWellFormed),
                    }
                    i += 1;
                    self.mark = i;
                    self.dirty = false;
                    self.state = State::Value;
                }
                State::Value => {
                    while i < w.len() && CLASS[w[i] as usize] & VALUE != 0 {
                        i += 1;
                    }
                    match at!() {
                        b if b == self.quote => {
                            self.push_attr(w, i)?;
                            i += 1;
                            self.spaced = false;
                            self.state = State::InTag;
                        }
                        b'"' | b'\'' => i += 1,
                        b'&' => match chars::reference(&w[i..])? {
                            Some((_, n)) => {
                                self.dirty = true;
                                i += n;
                            }
                            None => more!(),
                        },
                        b'\t' | b'\n' | b'\r' => {
                            self.dirty = true;
                            i += 1;
                        }
                        b => match wide(w, i, b)? {
                            Some(n) => i += n,
                            None => more!(),
                        },
                    }
                }
                State::EndName => {
                    if !self.name(w, &mut i)? {
                        more!();
                    }
                    let name = &w[self.mark..i];
                    let expected = match self.open.last().map(|&e| self.tape[e as usize]) {
                        Some(Node::Element(e)) => e.name.qname(w),
                        _ if scope.stream => b"stream:stream",
                        _ => return Err(NotWellFormed),
                    };
                    if name != expected {
                        return Err(NotWellFormed);
                    }
                    self.state = State::EndTag;
                }
                State::EndTag => {
                    while i < w.len() && CLASS[w[i] as usize] & WS != 0 {
                        i += 1;
                    }
                    if at!() != b'>' {
                        return Err(NotWellFormed);
                    }
                    i += 1;
                    let Some(element) = self.open.pop() else {
                        return Ok(Step::Close(i));
                    };
                    if self.end_element(element as usize, i) {
                        return Ok(Step::Done(i));
                    }
                    self.mark = i;
                    self.dirty = false;
                    self.state = State::Text;
                }
            }
        }
    }

    fn begin_name(&mut self, i: usize, state: State) {
        self.mark = i;
        self.part = i;
        self.colon = 0;
        self.state = state;
    }

    /// Reads on in a name; whether its end is reached.
    fn name(&mut self, w: &[u8], i: &mut usize) -> Result<bool, StreamError> {
        let limit = self.mark + MAX_NAME + 1;
        let cut = w.len() > limit;
        let w = &w[..w.len().min(limit)];
        while let Some(&b) = w.get(*i) {
            let class = CLASS[b as usize];
            if class & NAME != 0 {
                if *i == self.part && class & START == 0 {
                    return Err(NotWellFormed);
                }
                *i += 1;
            } else if b == b':' {
                if self.colon != 0 || *i == self.mark {
                    return Err(NotWellFormed);
                }
                self.colon = *i;
                *i += 1;
                self.part = *i;
            } else if b >= 0x80 {
                match chars::decode(&w[*i..]) {
                    Decoded::Char(c, n) => {
                        if !(chars::is_start(c) || *i != self.part && chars::is_name(c)) {
                            return Err(NotWellFormed);
                        }
                        *i += n;
                    }
                    Decoded::Invalid => return Err(UnsupportedEncoding),
                    Decoded::Incomplete => break,
                }
            } else if *i == self.part {
                return Err(NotWellFormed);
            } else {
                return Ok(true);
            }
        }
        if cut { Err(PolicyViolation) } else { Ok(false) }
    }

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

/// A byte outside the tables: the length of the character that starts here, `None` if it is not whole yet.
#[inline]
fn wide(w: &[u8], i: usize, b: u8) -> Result<Option<usize>, StreamError> {
    if b < 0x80 {
        return if is(b, WS) {
            Ok(Some(1))
        } else {
            Err(NotWellFormed)
        };
    }
    match chars::decode(&w[i..]) {
        Decoded::Char(c, len) if chars::is_char(c) => Ok(Some(len)),
        Decoded::Char(..) => Err(NotWellFormed),
        Decoded::Incomplete => Ok(None),
        Decoded::Invalid => Err(UnsupportedEncoding),
    }
}
