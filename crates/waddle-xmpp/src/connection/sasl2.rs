//! The words of [XEP-0388](https://xmpp.org/extensions/xep-0388.html) Extensible SASL Profile, with what may come along:
//! Bind 2 (XEP-0386), FAST (XEP-0484), stream management (XEP-0198).

use bytes::Bytes;
use waddle_stanza::{
    Element, XmlWriter, ns,
    sasl::{HtBinding, SaslError, decode},
    sm::SmRequest,
};

/// Longest text of a client about itself, in bytes.
const TEXT: usize = 256;

/// What a client sends.
#[derive(Debug)]
pub enum Sasl2Request {
    /// `<authenticate/>`: the mechanism, the initial response, and what is wanted besides.
    Authenticate(String, Option<Vec<u8>>, Box<Wish>),
    /// `<response/>`
    Response(Vec<u8>),
    /// `<abort/>`
    Abort,
}

/// What a client wants to have when it is logged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The identifier of the installation.
    pub client: Option<String>,
    /// The program.
    pub software: Option<String>,
    /// What it runs on.
    pub device: Option<String>,
    /// The session to resume, and how many stanzas of it the client has handled.
    pub resume: Option<(String, u32)>,
    /// A resource.
    pub bind: Option<BindWish>,
    /// A token for this mechanism.
    pub token: Option<HtBinding>,
    /// That it logs in with a token.
    pub fast: Option<FastWish>,
}

/// What is wanted of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindWish {
    /// What its name begins with.
    pub tag: Option<String>,
    /// Copies of messages (XEP-0280).
    pub carbons: bool,
    /// Stream management: whether resumable, and for how many seconds at the most.
    pub sm: Option<(bool, Option<u64>)>,
    /// That nobody looks (XEP-0352).
    pub inactive: bool,
}

/// How a token is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FastWish {
    /// How often it was.
    pub count: Option<u32>,
    /// Whether this is the last time.
    pub invalidate: bool,
}

impl Sasl2Request {
    /// Reads an element in [`ns::SASL2`]; `None`: it is no request.
    pub fn read(e: Element<'_>) -> Option<Result<Self, SaslError>> {
        if !e.in_ns(ns::SASL2) {
            return None;
        }
        Some(match e.name() {
            "authenticate" => {
                let Some(mechanism) = e.attr("mechanism") else {
                    return Some(Err(SaslError::InvalidMechanism));
                };
                let initial = e.child_text("initial-response", ns::SASL2);
                let initial = initial.map(|t| decode(t.trim())).transpose();
                initial.map(|i| Self::Authenticate(mechanism.into_owned(), i, Box::new(Wish::read(e))))
            }
            "response" => decode(e.text().trim()).map(Self::Response),
            "abort" => Ok(Self::Abort),
            _ => return None,
        })
    }
}

fn short(text: impl Into<String>) -> Option<String> {
    let text = text.into();
    (!text.is_empty() && text.len() <= TEXT).then_some(text)
}

/// A UUID, as XEP-0388 §2.3 wants it.
fn is_uuid(s: &str) -> bool {
    s.len() == 36
        && s.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn yes(value: &str) -> bool {
    matches!(value, "1" | "true")
}

impl Wish {
    fn read(e: Element<'_>) -> Self {
        let agent = e.child("user-agent", ns::SASL2);
        let about = |name| agent.and_then(|a| a.child_text(name, ns::SASL2)).and_then(short);
        let resume = e.child("resume", ns::SM).and_then(SmRequest::read);
        let token = e.child("request-token", ns::FAST);
        Self {
            client: agent
                .and_then(|a| a.attr("id"))
                .map(|id| id.to_ascii_lowercase())
                .filter(|id| is_uuid(id)),
            software: about("software"),
            device: about("device"),
            resume: match resume {
                Some(SmRequest::Resume { h, previd }) => Some((previd, h)),
                _ => None,
            },
            bind: e.child("bind", ns::BIND2).map(BindWish::read),
            token: token
                .and_then(|t| t.attr("mechanism"))
                .and_then(|m| HtBinding::from_mechanism(&m)),
            fast: e.child("fast", ns::FAST).map(|f| FastWish {
                count: f.attr("count").and_then(|c| c.trim().parse().ok()),
                invalidate: f.attr("invalidate").is_some_and(|i| yes(i.trim())),
            }),
        }
    }

    /// What the account's owner reads in the list of their tokens.
    pub fn label(&self) -> String {
        match (&self.software, &self.device) {
            (Some(s), Some(d)) => [s, " on ", d].concat(),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "a client".to_owned(),
        }
    }
}

impl BindWish {
    fn read(e: Element<'_>) -> Self {
        let sm = e.child("enable", ns::SM).and_then(SmRequest::read);
        Self {
            tag: e.child_text("tag", ns::BIND2).and_then(short),
            carbons: e.has("enable", ns::CARBONS),
            sm: match sm {
                Some(SmRequest::Enable { resume, max }) => Some((resume, max)),
                _ => None,
            },
            inactive: e.has("inactive", ns::CSI),
        }
    }
}

/// `<challenge/>`
pub(super) fn challenge(message: &[u8]) -> Bytes {
    let mut w = XmlWriter::with_capacity(96 + message.len() * 2);
    w.open_ns("challenge", ns::SASL2).text(&base64(message));
    w.finish()
}

/// `<failure/>`
pub(super) fn failure(e: SaslError, text: Option<&str>) -> Bytes {
    let mut w = XmlWriter::with_capacity(192);
    w.open_ns("failure", ns::SASL2).empty(e.name(), ns::SASL);
    if let Some(text) = text {
        w.leaf("text", text);
    }
    w.finish()
}

/// `<success/>` for `identity`, with what was achieved besides, from a writer.
pub(super) fn success(data: &[u8], identity: &str, more: &[u8]) -> Bytes {
    let mut w = XmlWriter::with_capacity(256 + more.len());
    w.open_ns("success", ns::SASL2);
    if !data.is_empty() {
        w.leaf("additional-data", &base64(data));
    }
    w.leaf("authorization-identifier", identity);
    w.trusted(more);
    w.finish()
}

fn base64(message: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::Stanza;

    fn read(xml: &'static str) -> Sasl2Request {
        let s = Stanza::parse(xml.into()).unwrap();
        Sasl2Request::read(s.root()).unwrap().unwrap()
    }

    #[test]
    fn wishes() {
        let Sasl2Request::Authenticate(mechanism, initial, wish) = read(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='X'><initial-response>YQ==</initial-response>\
             <user-agent id='D4565FA7-4d72-4749-b3d3-740edbf87770'><software>S</software><device>D</device></user-agent>\
             <resume xmlns='urn:xmpp:sm:3' previd='p' h='3'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>\
             <fast xmlns='urn:xmpp:fast:0' count='7' invalidate='true'/>\
             <bind xmlns='urn:xmpp:bind:0'><tag>T</tag><enable xmlns='urn:xmpp:carbons:2'/>\
             <enable xmlns='urn:xmpp:sm:3' resume='1' max='9'/><inactive xmlns='urn:xmpp:csi:0'/></bind></authenticate>",
        ) else {
            panic!()
        };
        assert_eq!((mechanism.as_str(), initial.as_deref()), ("X", Some(&b"a"[..])));
        assert_eq!(
            *wish,
            Wish {
                client: Some("d4565fa7-4d72-4749-b3d3-740edbf87770".into()),
                software: Some("S".into()),
                device: Some("D".into()),
                resume: Some(("p".into(), 3)),
                bind: Some(BindWish {
                    tag: Some("T".into()),
                    carbons: true,
                    sm: Some((true, Some(9))),
                    inactive: true,
                }),
                token: Some(HtBinding::None),
                fast: Some(FastWish {
                    count: Some(7),
                    invalidate: true
                }),
            }
        );
        assert_eq!(wish.label(), "S on D");
    }

    #[test]
    fn what_makes_no_sense_is_not_wished() {
        let Sasl2Request::Authenticate(_, initial, wish) = read(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='X'><initial-response/><user-agent id='me'><software/></user-agent>\
             <resume xmlns='urn:xmpp:sm:3'/><request-token xmlns='urn:xmpp:fast:0' mechanism='PLAIN'/></authenticate>",
        ) else {
            panic!()
        };
        assert_eq!(initial, Some(Vec::new()), "an empty one is one");
        assert_eq!(*wish, Wish::default());
        assert_eq!(wish.label(), "a client");
    }
}
