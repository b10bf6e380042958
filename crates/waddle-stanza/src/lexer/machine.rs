//! The states of the scanner: one step for each byte that decides something.

use super::{Lexer, MAX_NAME, Scope, State, Step};
use crate::{
    ScanLimits, StreamError,
    chars::{self, CLASS, Decoded, NAME, START, TEXT, VALUE, WS, is},
    tape::{ElementNode, Node, NsRef},
};

use StreamError::{NotWellFormed, PolicyViolation, RestrictedXml, UnsupportedEncoding};

impl Lexer {
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
    #[inline]
    fn name(&mut self, w: &[u8], i: &mut usize) -> Result<bool, StreamError> {
        let limit = self.mark + MAX_NAME + 1;
        let cut = w.len() > limit;
        let w = &w[..w.len().min(limit)];
        let mut at = *i;
        while let Some(&b) = w.get(at) {
            if CLASS[b as usize] & NAME != 0 {
                if at == self.part && !is(b, START) {
                    return Err(NotWellFormed);
                }
                at += 1;
                while at < w.len() && CLASS[w[at] as usize] & NAME != 0 {
                    at += 1;
                }
            } else if b == b':' {
                if self.colon != 0 || at == self.mark {
                    return Err(NotWellFormed);
                }
                self.colon = at;
                at += 1;
                self.part = at;
            } else if b >= 0x80 {
                match chars::decode(&w[at..]) {
                    Decoded::Char(c, len) => {
                        if !(chars::is_start(c) || at != self.part && chars::is_name(c)) {
                            return Err(NotWellFormed);
                        }
                        at += len;
                    }
                    Decoded::Invalid => return Err(UnsupportedEncoding),
                    Decoded::Incomplete => break,
                }
            } else if at == self.part {
                return Err(NotWellFormed);
            } else {
                *i = at;
                return Ok(true);
            }
        }
        *i = at;
        if cut { Err(PolicyViolation) } else { Ok(false) }
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
