//! Writing `<stream:features/>` (RFC 6120 §4.3.2).

use waddle_stanza::{Class, Outgoing, XmlWriter, ns};

use super::effects::Offer;
use crate::server::Server;

/// The features of an offer, self-contained.
pub(super) fn write(server: &Server, offer: &Offer) -> Outgoing {
    let mut w = XmlWriter::with_capacity(1024);
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
    if offer.channel_binding {
        w.open_ns("sasl-channel-binding", ns::SASL_CB)
            .open("channel-binding")
            .attr("type", "tls-exporter")
            .close()
            .close();
    }
    if offer.register {
        w.empty("register", ns::REGISTER_FEATURE);
    }
    if offer.bind {
        w.open_ns("bind", ns::BIND).open("required").close().close();
        w.open_ns("session", ns::SESSION).open("optional").close().close();
        server.registry.stream_features(server, &mut w);
    }
    w.close();
    w.outgoing(Class::Nonza)
}
