//! Forwarded stanzas ([XEP-0297](https://xmpp.org/extensions/xep-0297.html)) and message carbons
//! ([XEP-0280](https://xmpp.org/extensions/xep-0280.html)).

use crate::{Class, Delay, Element, Outgoing, XmlWriter, ns};

/// Writes `<forwarded/>` around a self-contained stanza: what [`Outgoing`] holds or what was stored of it.
pub fn write(w: &mut XmlWriter, delay: Option<&Delay>, stanza: &[u8]) {
    w.open_ns("forwarded", ns::FORWARD);
    if let Some(delay) = delay {
        delay.write(w);
    }
    w.trusted(stanza).close();
}

/// Reads `<forwarded/>`: the delay and the stanza in it.
pub fn read(e: Element<'_>) -> Option<(Option<Delay>, Element<'_>)> {
    if !e.is("forwarded", ns::FORWARD) {
        return None;
    }
    let stanza = e.children().find(|c| c.in_ns(ns::CLIENT))?;
    Some((Delay::within(e, None), stanza))
}

/// Which way the copied message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carbon {
    /// To another of the user's sessions.
    Received,
    /// From another of the user's sessions.
    Sent,
}

impl Carbon {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
        }
    }

    /// The copy of `message` for one session: `from` is the user's bare JID, `to` the session's full JID, `type_` that
    /// of the message (XEP-0280 §6.1: the wrapper has the type of the copied message).
    pub fn wrap(self, from: &str, to: &str, type_: Option<&str>, message: &Outgoing) -> Outgoing {
        let mut w = XmlWriter::with_capacity(message.len() + from.len() + to.len() + 192);
        w.open_ns("message", ns::CLIENT)
            .attr("from", from)
            .attr("to", to)
            .attr_opt("type", type_);
        w.open_ns(self.name(), ns::CARBONS);
        w.open_ns("forwarded", ns::FORWARD).stanza(message);
        w.outgoing(Class::Message)
    }

    /// Reads the wrapper in a message: the way and the copied message. Who may send one is the reader's to check.
    pub fn read(message: Element<'_>) -> Option<(Self, Element<'_>)> {
        let e = message.children().find(|c| c.in_ns(ns::CARBONS))?;
        let way = match e.name() {
            "received" => Self::Received,
            "sent" => Self::Sent,
            _ => return None,
        };
        Some((way, read(e.child("forwarded", ns::FORWARD)?)?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    #[test]
    fn carbon() {
        let s = Stanza::parse("<message type='chat' from='x@y/z'><body>a</body></message>".into()).unwrap();
        let out = s.head().to("a@b/1").build();
        let copy = Carbon::Received
            .wrap("a@b", "a@b/2", Some("chat"), &out)
            .to_stanza()
            .unwrap();
        assert_eq!(copy.type_().as_deref(), Some("chat"));
        let (way, inner) = Carbon::read(copy.root()).unwrap();
        assert_eq!(
            (way, inner.attr("to").as_deref()),
            (Carbon::Received, Some("a@b/1"))
        );
        assert_eq!(inner.child_text("body", ns::CLIENT).as_deref(), Some("a"));
        assert!(Carbon::read(s.root()).is_none());
    }

    #[test]
    fn forwarded() {
        let s = Stanza::parse("<message id='1'/>".into()).unwrap().head().build();
        let mut w = XmlWriter::message();
        let delay = Delay::at("2026-01-02T03:04:05Z".parse().unwrap());
        write(&mut w, Some(&delay), &s.concat());
        let outer = Stanza::parse(w.finish()).unwrap();
        let (d, inner) = read(outer.payload().unwrap()).unwrap();
        assert_eq!((d, inner.attr("id").as_deref()), (Some(delay), Some("1")));
    }
}
