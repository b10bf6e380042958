//! [XEP-0215](https://xmpp.org/extensions/xep-0215.html) External Service Discovery: STUN and TURN servers, TURN with
//! credentials for a limited time, and this server's MQTT listeners.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::RwLock;
use ring::hmac;
use std::sync::Arc;
use waddle_core::{Secret, Timestamp};
use waddle_stanza::{Condition, StanzaError, XmlWriter};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};

/// The namespace.
pub const EXTDISCO: &str = "urn:xmpp:extdisco:2";

/// Services of one request for credentials; more is a bad request.
const ASKED: usize = 32;

/// External services.
pub struct ExternalServices;

/// How a client logs in to a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Not at all, or with the account's own password or token.
    #[default]
    Own,
    /// Everybody with the same words.
    Fixed {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// With words for a limited time, made from a secret that the service shares
    /// ([TURN REST](https://datatracker.ietf.org/doc/html/draft-uberti-behave-turn-rest-00)).
    Limited {
        /// The shared secret.
        secret: Secret,
        /// How long the words hold, in seconds.
        seconds: u64,
    },
}

/// A service outside XMPP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalService {
    /// `stun`, `stuns`, `turn`, `turns`, `mqtt` or `mqtts`.
    pub kind: String,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: String,
    /// How to log in.
    pub access: Access,
}

impl ExternalService {
    /// Reads a STUN or TURN URI ([RFC 7064](https://www.rfc-editor.org/rfc/rfc7064),
    /// [RFC 7065](https://www.rfc-editor.org/rfc/rfc7065)), such as `turn:turn.example.org:3478?transport=udp`.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let (kind, rest) = uri.split_once(':')?;
        let secure = match kind {
            "stun" | "turn" => false,
            "stuns" | "turns" => true,
            _ => return None,
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match (query, secure) {
            ("", false) => "udp",
            ("", true) => "tcp",
            (q, _) => q
                .strip_prefix("transport=")
                .filter(|t| matches!(*t, "udp" | "tcp"))?,
        };
        let (host, port) = match place.rsplit_once(':') {
            // the colons of an IPv6 address are in brackets
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (place, if secure { 5349 } else { 3478 }),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        (!host.is_empty() && host.chars().all(allowed)).then(|| Self {
            kind: kind.to_owned(),
            host: host.to_owned(),
            port,
            transport: transport.to_owned(),
            access: Access::Own,
        })
    }

    /// A listener of ours for MQTT.
    pub fn mqtt(host: &str, port: u16, tls: bool) -> Self {
        Self {
            kind: if tls { "mqtts" } else { "mqtt" }.to_owned(),
            host: host.to_owned(),
            port,
            transport: "tcp".to_owned(),
            access: Access::Own,
        }
    }

    fn write(&self, w: &mut XmlWriter, who: &str, now: Timestamp) {
        w.open("service")
            .attr("type", &self.kind)
            .attr("host", &self.host)
            .attr_display("port", self.port)
            .attr("transport", &self.transport);
        match &self.access {
            Access::Own => {}
            Access::Fixed { username, password } => {
                w.attr("username", username).attr("password", password.expose());
                w.attr("restricted", "true");
            }
            Access::Limited { secret, seconds } => {
                let (username, password, expires) = limited(secret, *seconds, who, now);
                w.attr("username", &username).attr("password", &password);
                w.attr_display("expires", expires).attr("restricted", "true");
            }
        }
        w.close();
    }
}

/// Words that hold for `seconds` at the least. Whole minutes, so that what is asked twice is answered alike.
fn limited(secret: &Secret, seconds: u64, who: &str, now: Timestamp) -> (String, String, Timestamp) {
    let end = (now.secs() + i64::try_from(seconds).unwrap_or(i64::MAX / 2)) / 60 * 60 + 60;
    let username = [&end.to_string(), ":", who].concat();
    // what TURN servers compute; HMAC does not suffer from the collisions of SHA-1
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    let password = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    (username, password, Timestamp(end.saturating_mul(1_000_000)))
}

/// The services that clients are told about; they may change while the server runs.
#[derive(Debug, Default)]
pub struct External(RwLock<Arc<[ExternalService]>>);

impl External {
    /// Replaces them.
    pub fn set(&self, services: Vec<ExternalService>) {
        *self.0.write() = services.into();
    }

    fn now(&self) -> Arc<[ExternalService]> {
        self.0.read().clone()
    }
}

impl Extension for ExternalServices {
    fn xep(&self) -> Xep {
        Xep {
            number: 215,
            title: "External Service Discovery",
            version: "1.0.0",
            notes: "STUN, TURN with credentials for a limited time, MQTT",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Server => &[EXTDISCO],
            Scope::Account => &[],
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("services", EXTDISCO), ("credentials", EXTDISCO)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move { answer(&r) })
    }
}

fn answer(r: &IqRequest<'_>) -> IqResult {
    if r.target != Target::Server {
        return Err(Condition::ServiceUnavailable.into());
    }
    if r.set {
        return Err(Condition::BadRequest.into());
    }
    // credentials cost money: they are for accounts of this server
    let Some(who) = r.origin.account_name() else {
        return Err(Condition::Forbidden.into());
    };
    let (all, now) = (r.server.external.now(), r.server.now());
    let mut w = XmlWriter::new();
    if r.payload.name() == "services" {
        let kind = r.payload.attr("type");
        w.open_ns("services", EXTDISCO).attr_opt("type", kind.as_deref());
        for s in all.iter().filter(|s| kind.as_deref().is_none_or(|k| k == s.kind)) {
            s.write(&mut w, who, now);
        }
    } else {
        w.open_ns("credentials", EXTDISCO);
        let mut asked = 0;
        for wanted in r.payload.children().filter(|c| c.is("service", EXTDISCO)) {
            asked += 1;
            let (Some(host), Some(kind)) = (wanted.attr("host"), wanted.attr("type")) else {
                return Err(bad("a service has the attributes host and type"));
            };
            let port: Option<u16> = match wanted.attr("port").map(|p| p.parse()) {
                Some(Ok(port)) => Some(port),
                Some(Err(_)) => return Err(bad("port is a number")),
                None => None,
            };
            let mut found = all
                .iter()
                .filter(|s| s.host == host && s.kind == kind && port.is_none_or(|p| p == s.port))
                .peekable();
            if found.peek().is_none() {
                return Err(StanzaError::new(Condition::ItemNotFound).text("no such service is known here"));
            }
            found.for_each(|s| s.write(&mut w, who, now));
        }
        if asked == 0 || asked > ASKED {
            return Err(bad("name the services for which you need credentials"));
        }
    }
    w.close();
    Ok(Answer::Payload(w))
}

fn bad(text: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let read = |u| ExternalService::from_uri(u).map(|s| (s.kind, s.host, s.port, s.transport));
        let s = |k: &str, h: &str, p, t: &str| Some((k.to_owned(), h.to_owned(), p, t.to_owned()));
        assert_eq!(
            read("stun:stun.example.org"),
            s("stun", "stun.example.org", 3478, "udp")
        );
        assert_eq!(
            read("turns:t.example:443?transport=tcp"),
            s("turns", "t.example", 443, "tcp")
        );
        assert_eq!(read("turns:t.example"), s("turns", "t.example", 5349, "tcp"));
        assert_eq!(
            read("turn:[2001:db8::1]:9?transport=udp"),
            s("turn", "2001:db8::1", 9, "udp")
        );
        assert_eq!(read("stun:[2001:db8::1]"), s("stun", "2001:db8::1", 3478, "udp"));
        for wrong in [
            "",
            "stun:",
            "http://x",
            "turn:x:y",
            "turn:x?transport=sctp",
            "turn:a b",
            "turn:x:99999",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_for_a_limited_time() {
        let (user, password, expires) = limited(
            &Secret::new("north"),
            3600,
            "alice",
            Timestamp(1_400_000_000_000_000),
        );
        assert_eq!(user, "1400003640:alice");
        assert_eq!(expires.secs(), 1_400_003_640);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"north");
        assert!(hmac::verify(&key, user.as_bytes(), &STANDARD.decode(password).unwrap()).is_ok());
    }
}
