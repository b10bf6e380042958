//! From bytes to frames: streams over TCP ([RFC 6120 §4](https://www.rfc-editor.org/rfc/rfc6120#section-4)) and
//! WebSocket messages ([RFC 7395 §3](https://www.rfc-editor.org/rfc/rfc7395#section-3)).

use bytes::{Buf, Bytes, BytesMut};
use waddle_core::Limits;

use crate::{
    Stanza, StreamError, StreamHeader,
    chars::{WS, is},
    header,
    lexer::{Lexer, Scope, Step},
    ns,
    tape::{Node, NsRef},
};

use StreamError::{BadFormat, BadNamespacePrefix, InvalidNamespace, NotWellFormed, PolicyViolation};

/// How frames are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A `<stream:stream>` that stays open, stanzas inside it; bytes come in any pieces.
    Stream,
    /// `<open/>`, `<close/>` and stanzas, each whole in one WebSocket message.
    WebSocket,
}

/// Bounds on one element at the stream's top level; more is `policy-violation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Bytes.
    pub stanza_bytes: usize,
    /// Elements, itself included.
    pub elements: usize,
    /// Depth; 1 is an element without children.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
}

impl ScanLimits {
    /// What holds before authentication.
    pub fn before_login(limits: &Limits) -> Self {
        Self {
            stanza_bytes: limits.xmpp_stanza_bytes_before_login,
            elements: limits.xmpp_elements_before_login,
            depth: limits.xmpp_depth,
            attributes: limits.xmpp_attributes,
        }
    }

    /// What holds after authentication.
    pub fn after_login(limits: &Limits) -> Self {
        Self {
            stanza_bytes: limits.xmpp_stanza_bytes,
            elements: limits.xmpp_elements,
            ..Self::before_login(limits)
        }
    }

    /// Bounds that only keep offsets and counts in their types, for bytes of our own.
    pub(crate) const OWN: Self = Self {
        stanza_bytes: 64 << 20,
        elements: 1 << 22,
        depth: 1 << 12,
        attributes: 1 << 12,
    };

    fn capped(self) -> Self {
        Self {
            stanza_bytes: self.stanza_bytes.min(Self::OWN.stanza_bytes),
            elements: self.elements.min(Self::OWN.elements),
            depth: self.depth.min(Self::OWN.depth),
            attributes: self.attributes.min(Self::OWN.attributes),
        }
    }
}

/// What a peer sends.
#[derive(Debug, Clone)]
pub enum Frame {
    /// The stream begins, or begins anew after a restart.
    Open(StreamHeader),
    /// A whole element: a stanza or anything else at that level.
    Stanza(Stanza),
    /// The stream ends.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the first byte: an XML declaration may come.
    Prolog,
    /// Before the stream header.
    Header,
    /// Between and in stanzas.
    Content,
    /// After the end of the stream.
    Closed,
}

/// Cuts a peer's bytes into frames and checks every one of them.
///
/// After an error the stream is to be closed; the scanner then says the same error again.
#[derive(Debug)]
pub struct Scanner {
    framing: Framing,
    limits: ScanLimits,
    stage: Stage,
    lexer: Lexer,
    scope: Scope,
    failed: Option<StreamError>,
    /// Whether white space of an earlier stream may come before the XML declaration.
    restarted: bool,
}

/// A smaller stanza is copied: as a slice it would keep the whole read buffer alive for as long as it waits in some
/// queue, whose bound in bytes would then mean little.
const COPY_BELOW: usize = 4096;

/// The longest XML declaration, in bytes.
const MAX_DECLARATION: usize = 256;

impl Scanner {
    /// A scanner that waits for the start of a stream.
    pub fn new(framing: Framing, limits: ScanLimits) -> Self {
        Self {
            framing,
            limits: limits.capped(),
            stage: Stage::Prolog,
            lexer: Lexer::default(),
            scope: Scope::default(),
            failed: None,
            restarted: false,
        }
    }

    /// Changes the limits, from the next byte on.
    pub fn set_limits(&mut self, limits: ScanLimits) {
        self.limits = limits.capped();
    }

    /// Expects a new stream header: after STARTTLS or authentication. The caller has dropped what it buffered if the
    /// channel changed.
    pub fn restart(&mut self) {
        self.stage = Stage::Prolog;
        self.restarted = true;
        self.lexer.reset();
        self.scope = Scope::default();
    }

    /// Gives back scratch memory; for a connection that falls idle.
    pub fn shrink(&mut self) {
        self.lexer.shrink();
    }

    /// Takes the next frame from the front of `buf`; `None` when more bytes are needed.
    ///
    /// With [`Framing::Stream`], append what arrives to `buf`, call until `None`, and take nothing out of it
    /// yourself; it never holds more than one unfinished element within the limits and what one read brought. White
    /// space between stanzas (keep-alive) is consumed. With [`Framing::WebSocket`], `buf` holds exactly one message;
    /// it is empty afterwards. A long stanza is
    /// a slice of `buf`, a short one a copy that does not keep the read buffer alive.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, StreamError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        let result = match self.framing {
            Framing::Stream => self.next_in_stream(buf),
            Framing::WebSocket => self.next_message(buf),
        };
        if let Err(e) = &result {
            self.failed = Some(e.clone());
        }
        result
    }

    fn next_in_stream(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, StreamError> {
        if self.stage == Stage::Prolog {
            if self.restarted {
                skip_blank(buf);
            }
            match header::declaration(&buf[..buf.len().min(MAX_DECLARATION)])? {
                header::Declaration::More if buf.len() >= MAX_DECLARATION => return Err(NotWellFormed),
                header::Declaration::More => return Ok(None),
                header::Declaration::Ends(n) => buf.advance(n),
            }
            self.stage = Stage::Header;
        }
        if self.lexer.is_fresh() {
            skip_blank(buf);
            if buf.is_empty() {
                return Ok(None);
            }
            if self.stage == Stage::Closed {
                return Err(NotWellFormed);
            }
        }
        let window = &buf[..buf.len().min(self.limits.stanza_bytes)];
        let header = self.stage == Stage::Header;
        match self.lexer.run(window, &self.scope, &self.limits, header)? {
            Step::More if buf.len() > self.limits.stanza_bytes => Err(PolicyViolation),
            Step::More => Ok(None),
            Step::Open(n) => {
                let header = self.open_stream(&buf[..n])?;
                buf.advance(n);
                Ok(Some(Frame::Open(header)))
            }
            Step::Done(_) if header => Err(self.no_header(buf)),
            Step::Done(n) => {
                let bytes = if n < COPY_BELOW {
                    let copy = Bytes::copy_from_slice(&buf[..n]);
                    buf.advance(n);
                    copy
                } else {
                    buf.split_to(n).freeze()
                };
                let stanza = Stanza::new(bytes, &self.lexer.tape, self.default_ns());
                self.lexer.reset();
                Ok(Some(Frame::Stanza(stanza)))
            }
            Step::Close(n) => {
                buf.advance(n);
                self.lexer.reset();
                self.stage = Stage::Closed;
                Ok(Some(Frame::Close))
            }
        }
    }

    fn default_ns(&self) -> NsRef {
        self.scope.default.unwrap_or(NsRef::CLIENT)
    }

    /// Which error an element is that stands where the stream header should.
    fn no_header(&self, w: &[u8]) -> StreamError {
        match self.lexer.tape.first() {
            Some(Node::Element(e)) if e.ns.bytes(w) == ns::STREAMS.as_bytes() => BadFormat,
            _ => InvalidNamespace,
        }
    }

    fn open_stream(&mut self, w: &[u8]) -> Result<StreamHeader, StreamError> {
        let Some(Node::Element(root)) = self.lexer.tape.first().copied() else {
            return Err(BadFormat);
        };
        let named = root.name.local(w) == b"stream";
        if root.ns.bytes(w) != ns::STREAMS.as_bytes() {
            return Err(if named && root.name.prefix == 0 {
                BadNamespacePrefix
            } else {
                InvalidNamespace
            });
        }
        if !named {
            return Err(BadFormat);
        }
        if root.name.prefix(w) != b"stream" {
            return Err(BadNamespacePrefix);
        }
        let stanza = Stanza::new(Bytes::copy_from_slice(w), &self.lexer.tape, NsRef::NONE);
        let mut scope = Scope {
            stream: true,
            ..Scope::default()
        };
        let mut namespace = ns::CLIENT;
        for a in stanza.root().attrs() {
            if a.name() == "xmlns" && a.ns().is_empty() {
                scope.default = match &*a.value() {
                    ns::CLIENT => Some(NsRef::CLIENT),
                    ns::SERVER => {
                        namespace = ns::SERVER;
                        Some(NsRef::SERVER)
                    }
                    // What a component sends is a client's stanza in all but the name (XEP-0114 §3).
                    ns::COMPONENT => {
                        namespace = ns::COMPONENT;
                        Some(NsRef::CLIENT)
                    }
                    _ => None,
                };
            } else if a.ns() == ns::XMLNS && a.name() != "stream" && a.name() != "xml" {
                scope.refused.push(a.name().as_bytes().into());
            }
        }
        if scope.default.is_none() {
            return Err(InvalidNamespace);
        }
        self.scope = scope;
        let header = StreamHeader::read(stanza.root(), namespace)?;
        self.lexer.reset();
        self.stage = Stage::Content;
        Ok(header)
    }

    fn next_message(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, StreamError> {
        if buf.is_empty() {
            return Ok(None);
        }
        let mut message = buf.split();
        if self.stage == Stage::Prolog {
            match header::declaration(&message[..message.len().min(MAX_DECLARATION)])? {
                header::Declaration::More => return Err(NotWellFormed),
                header::Declaration::Ends(n) => message.advance(n),
            }
        }
        skip_blank(&mut message);
        if message.is_empty() {
            return Ok(None);
        }
        if self.stage == Stage::Closed {
            return Err(NotWellFormed);
        }
        let scope = Scope {
            default: Some(NsRef::CLIENT),
            ..Scope::default()
        };
        let window = &message[..message.len().min(self.limits.stanza_bytes)];
        let end = match self.lexer.run(window, &scope, &self.limits, false)? {
            Step::Done(end) => end,
            _ if message.len() > self.limits.stanza_bytes => return Err(PolicyViolation),
            _ => return Err(NotWellFormed),
        };
        if message[end..].iter().any(|&b| !is(b, WS)) {
            return Err(NotWellFormed);
        }
        message.truncate(end);
        let stanza = Stanza::new(message.freeze(), &self.lexer.tape, NsRef::CLIENT);
        self.lexer.reset();
        self.message(stanza).map(Some)
    }

    fn message(&mut self, stanza: Stanza) -> Result<Frame, StreamError> {
        let root = stanza.root();
        let framing = root.ns() == ns::FRAMING;
        let opening = matches!(self.stage, Stage::Prolog | Stage::Header);
        if framing && root.has_content() {
            return Err(BadFormat);
        }
        match root.name() {
            "open" if framing && opening => {
                let header = StreamHeader::read(root, ns::CLIENT)?;
                self.stage = Stage::Content;
                Ok(Frame::Open(header))
            }
            "close" if framing && !opening => {
                self.stage = Stage::Closed;
                Ok(Frame::Close)
            }
            _ if framing => Err(BadFormat),
            _ if opening || root.is("stream", ns::STREAMS) => Err(InvalidNamespace),
            _ => Ok(Frame::Stanza(stanza)),
        }
    }
}

fn skip_blank(buf: &mut BytesMut) {
    let blank = buf.iter().take_while(|&&b| is(b, WS)).count();
    buf.advance(blank);
}
