//! Writing `<stream:features/>` (RFC 6120 §4.3.2, XEP-0388 §2.2, XEP-0440, XEP-0478).

use waddle_stanza::{Class, Outgoing, XmlWriter, ns};

use super::effects::Offer;
use crate::server::Server;

/// The features of an offer, self-contained.
pub(super) fn write(server: &Server, offer: &Offer) -> Outgoing {
    let mut w = XmlWriter::with_capacity(2048);
    w.open("stream:features").attr("xmlns:stream", ns::STREAMS);
    if let Some(required) = offer.starttls {
        w.open_ns("starttls", ns::TLS);
        if required {
            w.open("required").close();
        }
        w.close();
    }
    if !offer.mechanisms.is_empty() {
        w.open_ns("mechanisms", ns::SASL);
        for m in &offer.mechanisms {
            w.leaf("mechanism", m);
        }
        w.close();
    }
    if offer.sasl2 {
        authentication(server, offer, &mut w);
    }
    if !offer.bindings.is_empty() {
        w.open_ns("sasl-channel-binding", ns::SASL_CB);
        for name in &offer.bindings {
            w.open("channel-binding").attr("type", name).close();
        }
        w.close();
    }
    if offer.register.invited {
        w.empty("register", ns::REGISTER_TOKEN);
    }
    if offer.register.accounts {
        w.empty("register", ns::REGISTER_FEATURE);
    }
    if offer.bind {
        w.open_ns("bind", ns::BIND).open("required").close().close();
        w.open_ns("session", ns::SESSION).open("optional").close().close();
    }
    if offer.session {
        server.registry.stream_features(server, &mut w);
    } else if server.registry.has(478) {
        let l = &server.limits;
        w.open_ns("limits", ns::STREAM_LIMITS);
        w.leaf("max-bytes", &l.xmpp_stanza_bytes_before_login.to_string());
        w.leaf("idle-seconds", &l.xmpp_login_seconds.to_string());
        w.close();
    }
    w.close();
    w.outgoing(Class::Nonza)
}

/// The newer profile of SASL, with what may come along.
fn authentication(server: &Server, offer: &Offer, w: &mut XmlWriter) {
    w.open_ns("authentication", ns::SASL2);
    for m in &offer.mechanisms {
        w.leaf("mechanism", m);
    }
    w.open("inline");
    let has = |number| server.registry.has(number);
    if has(198) {
        w.empty("sm", ns::SM);
    }
    if has(386) {
        w.open_ns("bind", ns::BIND2).open("inline");
        for (number, feature) in [(280, ns::CARBONS), (352, ns::CSI), (198, ns::SM)] {
            if has(number) {
                w.open("feature").attr("var", feature).close();
            }
        }
        w.close().close();
    }
    if !offer.fast.is_empty() {
        w.open_ns("fast", ns::FAST);
        for m in &offer.fast {
            w.leaf("mechanism", m);
        }
        w.close();
    }
    w.close().close();
}
