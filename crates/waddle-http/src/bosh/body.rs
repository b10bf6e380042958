//! The `<body/>` around stanzas: [XEP-0124 §7, §10](https://xmpp.org/extensions/xep-0124.html#session) and
//! [XEP-0206](https://xmpp.org/extensions/xep-0206.html).

use std::borrow::Cow;

use bytes::Bytes;
use waddle_stanza::{Element, Stanza, XmlWriter, ns};

/// The namespace of the wrapper.
pub const BOSH: &str = "http://jabber.org/protocol/httpbind";
/// The namespace of XMPP's attributes of it.
pub const XBOSH: &str = "urn:xmpp:xbosh";

/// What one POST brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrapper {
    /// The session; none to begin one.
    pub sid: Option<String>,
    /// The request's number.
    pub rid: Option<u64>,
    /// The domain.
    pub to: Option<String>,
    /// Who the client says it is.
    pub from: Option<String>,
    /// Language.
    pub lang: Option<String>,
    /// `wait`: seconds that an answer may take.
    pub wait: Option<u64>,
    /// `hold`: requests that may wait.
    pub hold: Option<u64>,
    /// `ver` as major and minor number.
    pub version: Option<(u32, u32)>,
    /// `pause`: seconds that the client will be silent.
    pub pause: Option<u64>,
    /// Whether the client ends the session.
    pub terminate: bool,
    /// Whether the stream begins anew.
    pub restart: bool,
    /// The last answer that the client has, of those without a gap; in the first request, that it will tell.
    pub ack: Option<u64>,
    /// The key of this request.
    pub key: Option<String>,
    /// The end of a new sequence of keys.
    pub new_key: Option<String>,
    /// The stanzas, each complete.
    pub payloads: Vec<Bytes>,
}

/// Largest `rid`: what JavaScript's numbers hold.
const RID_MAX: u64 = 9_007_199_254_740_991;

impl Wrapper {
    /// Reads a request; nothing where it is no BOSH.
    pub fn read(bytes: Bytes) -> Option<Self> {
        let text = std::str::from_utf8(&bytes).ok()?;
        let mut inner = text.trim();
        if let Some(rest) = inner.strip_prefix("<?xml") {
            inner = rest.split_once("?>")?.1.trim_start();
        }
        let parsed = Stanza::parse(bytes.slice_ref(inner.as_bytes())).ok()?;
        let root = parsed.root();
        if !root.is("body", BOSH) {
            return None;
        }
        let text = |name| root.attr(name).map(Cow::into_owned);
        let number = |name| match root.attr(name) {
            None => Some(None),
            Some(v) if !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()) => {
                Some(Some(v.parse::<u64>().unwrap_or(u64::MAX)))
            }
            Some(_) => None,
        };
        let version = |v: String| {
            let (major, minor) = v.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        Some(Self {
            sid: text("sid"),
            rid: number("rid")?.filter(|r| *r <= RID_MAX),
            to: text("to"),
            from: text("from"),
            lang: root.lang().map(Cow::into_owned),
            wait: number("wait")?,
            hold: number("hold")?,
            version: text("ver").and_then(version),
            pause: number("pause")?,
            terminate: root.attr("type").is_some_and(|t| t == "terminate"),
            restart: root
                .attr_ns("restart", XBOSH)
                .is_some_and(|r| r == "true" || r == "1"),
            ack: number("ack")?,
            key: text("key"),
            new_key: text("newkey"),
            payloads: root.children().map(complete).collect(),
        })
    }
}

/// A child as a stanza of its own. What has no namespace but the wrapper's is XMPP's (XEP-0206 §3, old clients).
fn complete(e: Element<'_>) -> Bytes {
    if !e.in_ns(BOSH) || e.attr("xmlns").is_some() {
        return e.to_bytes();
    }
    let raw = e.raw();
    let name = 1 + e.name().len();
    if raw.get(1..name) != Some(e.name().as_bytes()) {
        return e.to_bytes();
    }
    [
        &raw[..name],
        b" xmlns=\"",
        ns::CLIENT.as_bytes(),
        b"\"",
        &raw[name..],
    ]
    .concat()
    .into()
}

/// Why a session ends: the terminal binding conditions (§17.2) that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The request cannot be understood.
    BadRequest,
    /// The domain is not served here.
    HostUnknown,
    /// No domain was named.
    ImproperAddressing,
    /// The server cannot take it.
    InternalServerError,
    /// No such session, or a request that is out of its window.
    ItemNotFound,
    /// The client asks too often or for too much.
    PolicyViolation,
    /// The stream ended with an error, which is in the body.
    RemoteStreamError,
}

impl Condition {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::ItemNotFound => "item-not-found",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteStreamError => "remote-stream-error",
        }
    }
}

/// Begins an answer.
pub fn open() -> XmlWriter {
    let mut w = XmlWriter::with_capacity(256);
    w.open_ns("body", BOSH).attr("xmlns:stream", ns::STREAMS);
    w
}

/// An answer that ends the session.
pub fn terminate(why: Option<Condition>, payloads: &[Bytes]) -> Bytes {
    let mut w = open();
    w.attr("type", "terminate")
        .attr_opt("condition", why.map(Condition::name));
    for p in payloads {
        w.trusted(p);
    }
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Wrapper> {
        Wrapper::read(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn wrappers() {
        let w = read(
            "<?xml version='1.0'?>\n <body xmlns='http://jabber.org/protocol/httpbind' rid='7' sid='s' \
             xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true' ver='1.10'><presence/>\
             <message xmlns='jabber:client' to='a'><body>x</body></message></body>\n",
        )
        .unwrap();
        assert_eq!(
            (w.rid, w.sid.as_deref(), w.restart, w.version),
            (Some(7), Some("s"), true, Some((1, 10)))
        );
        assert_eq!(w.payloads[0], "<presence xmlns=\"jabber:client\"/>");
        let second = std::str::from_utf8(&w.payloads[1]).unwrap();
        assert!(
            second.starts_with("<message ") && second.ends_with(" to='a'><body>x</body></message>"),
            "{second}"
        );
        let end = read("<body xmlns='http://jabber.org/protocol/httpbind' type='terminate'/>").unwrap();
        assert!(end.terminate && end.rid.is_none());
        for bad in [
            "",
            "x",
            "<body/>",
            "<body xmlns='http://jabber.org/protocol/httpbind'>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='-1'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind'/><x/>",
            "<message xmlns='http://jabber.org/protocol/httpbind'/>",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let far =
            read("<body xmlns='http://jabber.org/protocol/httpbind' rid='99999999999999999999'/>").unwrap();
        assert_eq!(far.rid, None);
    }
}
