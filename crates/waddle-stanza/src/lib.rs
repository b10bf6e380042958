//! XMPP as values: framing and strict XML, stanzas, errors, SASL and stream management. No I/O, no clock.
//!
//! # From the wire
//! [`Scanner::next`] takes a [`Frame`] from the front of a `BytesMut`: [`Frame::Open`] with a [`StreamHeader`],
//! [`Frame::Stanza`], [`Frame::Close`]; `None`: more bytes are needed; `Err`: the [`StreamError`] to send and close
//! with. [`Scanner::restart`] after STARTTLS and authentication, [`Scanner::set_limits`] after authentication.
//! A [`Stanza`] is one `Bytes` and a tape of its structure, both shared by clones; [`Stanza::parse`] reads stored
//! bytes. [`Stanza::root`] gives an [`Element`], a `Copy` cursor: `is(name, ns)`, `attr`, `child(name, ns)`,
//! `children()`, `text()`.
//!
//! What is self-contained: a stanza uses the default namespace of the stream (`jabber:client` also where a WebSocket
//! message declares none) and prefixes that it declares itself. A prefix declared on the stream header is refused with
//! `bad-namespace-prefix`; `stream:` is allowed in the stream's own elements (`<stream:error/>`) only.
//!
//! # To the wire
//! [`Stanza::head`] puts a new top tag with `xmlns="jabber:client"` around the bytes as they came and yields an
//! [`Outgoing`] (`head` and shared `tail`, an item of an outbox):
//! ```
//! # use waddle_stanza::*;
//! let s = Stanza::parse("<message to='b@x'><body>hi</body><delay xmlns='urn:xmpp:delay'/></message>".into())?;
//! let out = s.head().from("a@x/1").default_lang(Some("en")).build();
//! assert_eq!(out.concat(), "<message xmlns=\"jabber:client\" from=\"a@x/1\" to='b@x' xml:lang=\"en\"><body>hi</body>\
//!     <delay xmlns='urn:xmpp:delay'/></message>");
//! // strip what is forged, append what is ours, once; then one small head per recipient
//! let mut id = XmlWriter::new();
//! id.open_ns("stanza-id", ns::SID).attr("by", "r@muc.x").attr("id", "1").close();
//! let payload = s.rewrite().strip(|e| e.is("delay", ns::DELAY)).append(&id.finish()).finish();
//! let template = payload.head().from("r@muc.x/nick").template();
//! assert!(template.for_to("b@x/1").concat().ends_with(b"<stanza-id xmlns=\"urn:xmpp:sid:0\" by=\"r@muc.x\" id=\"1\"/></message>"));
//! # Ok::<(), StreamError>(())
//! ```
//! Everything else is written by [`XmlWriter`], which escapes: `XmlWriter::iq()`, `open_ns(name, ns)`, `attr`, `text`,
//! `leaf`, `close`, [`XmlWriter::copy`] for a parsed element, `outgoing(class)`. [`Stanza::result`] starts the answer
//! to an IQ, [`StanzaError::reply_to`] makes the error (`None` where none may be sent), [`StreamError::to_bytes`] the
//! stream error, [`StreamHeader::to_bytes`] and [`stream_close`] the stream's ends.
//!
//! # Protocols as values
//! [`sasl`]: `SaslRequest::read`, `Plain::parse`, `ScramServer::start(..)?.challenge(salt, n).finish(last, keys)`,
//! `login_name`, `check_authzid`. [`sm`]: `SmState` (counters and bounded queue), `SmRequest::read`, answers.
//! [`forms`], [`rsm`], [`mam`], [`disco`] (and caps), [`Delay`], [`forward`] (and carbons), [`sid`]: `read` from an
//! [`Element`], `write` into an [`XmlWriter`].

pub mod ns;

mod chars;
mod delay;
mod element;
mod head;
mod header;
mod lexer;
mod outgoing;
mod rewrite;
mod scanner;
mod stanza;
mod stanza_error;
mod stream_error;
mod tape;
mod urgency;
mod writer;

pub mod disco;
pub mod forms;
pub mod forward;
pub mod mam;
pub mod retract;
pub mod rsm;
pub mod sasl;
pub mod sid;
pub mod sm;
pub mod validate;

pub use delay::Delay;
pub use element::{Attr, Children, Content, Element};
pub use head::{HeadBuilder, HeadTemplate};
pub use header::{StreamHeader, stream_close};
pub use outgoing::{Class, Outgoing};
pub use rewrite::{Payload, Rewrite};
pub use scanner::{Frame, Framing, ScanLimits, Scanner};
pub use stanza::{Kind, Stanza};
pub use stanza_error::{Condition, ErrorType, StanzaError};
pub use stream_error::StreamError;
pub use writer::XmlWriter;
