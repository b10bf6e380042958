//! Retracted messages: [XEP-0424](https://xmpp.org/extensions/xep-0424.html) by their author,
//! [XEP-0425](https://xmpp.org/extensions/xep-0425.html) by a moderator; requests, announcements, tombstones.
//!
//! The forms of the first versions, which were fastened to a message (XEP-0422), are read, and written beside the
//! present ones where a moderator acts: clients in the field know the one or the other.

use bytes::Bytes;
use waddle_core::Timestamp;

use crate::{Class, Element, Outgoing, Stanza, XmlWriter, ns};

/// XEP-0424 before version 0.4.
const RETRACT_0: &str = "urn:xmpp:message-retract:0";
/// XEP-0425 before version 0.3.
const MODERATE_0: &str = "urn:xmpp:message-moderate:0";

/// An author's wish that a message be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retract {
    /// Which: in rooms the room's identifier, elsewhere the `id` that it was sent with.
    pub id: String,
    /// Whether it came in the old form.
    pub legacy: bool,
}

impl Retract {
    /// The wish that a message carries.
    pub fn of(message: Element<'_>) -> Option<Self> {
        if let Some(r) = message.child("retract", ns::RETRACT) {
            return Some(Self {
                id: r.attr("id")?.into_owned(),
                legacy: false,
            });
        }
        let fastened = message
            .children()
            .find(|c| c.is("apply-to", ns::FASTEN) && c.has("retract", RETRACT_0))?;
        Some(Self {
            id: fastened.attr("id")?.into_owned(),
            legacy: true,
        })
    }
}

/// Whether a child of a message says that a moderator acted, or that a message is gone: only the room and the archive
/// may say so (XEP-0425 §5).
pub fn is_forged(child: Element<'_>) -> bool {
    (child.is("retract", ns::RETRACT) && child.has("moderated", ns::MODERATE))
        || (child.is("apply-to", ns::FASTEN) && child.has("moderated", MODERATE_0))
        || child.is("retracted", ns::RETRACT)
        || child.is("retracted", RETRACT_0)
}

/// A moderator's wish that a message be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moderate {
    /// Which: the room's identifier.
    pub id: String,
    /// Why.
    pub reason: Option<String>,
}

impl Moderate {
    /// The wish, where this payload of an IQ is one.
    pub fn of(payload: Element<'_>) -> Option<Self> {
        let reason = |e: Element<'_>, ns| {
            let text = e.child_text("reason", ns)?;
            Some(text.into_owned()).filter(|t| !t.is_empty())
        };
        if payload.is("moderate", ns::MODERATE) {
            payload.child("retract", ns::RETRACT)?;
            return Some(Self {
                id: payload.attr("id")?.into_owned(),
                reason: reason(payload, ns::MODERATE),
            });
        }
        if !payload.is("apply-to", ns::FASTEN) {
            return None;
        }
        let inner = payload.child("moderate", MODERATE_0)?;
        inner.child("retract", RETRACT_0)?;
        Some(Self {
            id: payload.attr("id")?.into_owned(),
            reason: reason(inner, MODERATE_0),
        })
    }
}

/// Who moderated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moderated {
    /// Their address in the room.
    pub by: Option<String>,
    /// Their identifier there (XEP-0421).
    pub occupant_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Moderated {
    /// `<moderated/>` and `<reason/>`, within an element of XEP-0424.
    fn write(&self, w: &mut XmlWriter) {
        w.open_ns("moderated", ns::MODERATE)
            .attr_opt("by", self.by.as_deref());
        if let Some(id) = &self.occupant_id {
            w.open_ns("occupant-id", ns::OCCUPANT_ID).attr("id", id).close();
        }
        w.close();
        if let Some(reason) = &self.reason {
            w.leaf("reason", reason);
        }
    }
}

/// What a room tells everybody when a moderator retracted a message; without `to`.
pub fn announcement(room: &str, message_id: &str, target: &str, moderated: &Moderated) -> Outgoing {
    let mut w = XmlWriter::message();
    w.attr("from", room)
        .attr("type", "groupchat")
        .attr("id", message_id);
    w.open_ns("retract", ns::RETRACT).attr("id", target);
    moderated.write(&mut w);
    w.close();
    w.open_ns("apply-to", ns::FASTEN).attr("id", target);
    w.open_ns("moderated", MODERATE_0)
        .attr_opt("by", moderated.by.as_deref());
    w.empty("retract", RETRACT_0);
    if let Some(reason) = &moderated.reason {
        w.leaf("reason", reason);
    }
    w.outgoing(Class::Message)
}

/// What is left of a retracted message: addresses, identifiers, and that it is gone (XEP-0424 §4, XEP-0425 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone<'a> {
    /// When it was retracted.
    pub at: Timestamp,
    /// The `id` of the message that retracted it.
    pub by_message: Option<&'a str>,
    /// Where a moderator did it.
    pub moderated: Option<&'a Moderated>,
}

impl Tombstone<'_> {
    /// The tombstone of a stanza.
    pub fn of(&self, stanza: &Stanza) -> Bytes {
        let mut w = XmlWriter::with_capacity(192);
        w.open_ns("retracted", ns::RETRACT)
            .attr_opt("id", self.by_message)
            .attr_display("stamp", self.at);
        if let Some(m) = self.moderated {
            m.write(&mut w);
        }
        w.close();
        let stays = |c: Element<'_>| c.is("occupant-id", ns::OCCUPANT_ID) || c.is("origin-id", ns::SID);
        let payload = stanza.rewrite().strip(|c| !stays(c)).append(&w.finish()).finish();
        payload.head().build().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(xml: &str) -> Stanza {
        Stanza::parse(Bytes::copy_from_slice(xml.as_bytes())).unwrap()
    }

    #[test]
    fn wishes() {
        for (xml, id, legacy) in [
            ("<retract xmlns='urn:xmpp:message-retract:1' id='a'/>", "a", false),
            (
                "<apply-to xmlns='urn:xmpp:fasten:0' id='b'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
                "b",
                true,
            ),
        ] {
            let message = parse(&["<message>", xml, "</message>"].concat());
            let id = id.to_owned();
            assert_eq!(Retract::of(message.root()), Some(Retract { id, legacy }));
        }
        for none in [
            "<retract xmlns='urn:xmpp:message-retract:1'/>",
            "<retract xmlns='urn:xmpp:message-retract:9' id='a'/>",
            "<apply-to xmlns='urn:xmpp:fasten:0' id='b'><external/></apply-to>",
            "<body>/me retracted</body>",
        ] {
            let message = parse(&["<message>", none, "</message>"].concat());
            assert_eq!(Retract::of(message.root()), None, "{none}");
        }
    }

    #[test]
    fn moderators_wishes() {
        for (xml, reason) in [
            (
                "<moderate xmlns='urn:xmpp:message-moderate:1' id='x'><retract xmlns='urn:xmpp:message-retract:1'/>\
                 <reason>spam</reason></moderate>",
                Some("spam".to_owned()),
            ),
            (
                "<apply-to xmlns='urn:xmpp:fasten:0' id='x'><moderate xmlns='urn:xmpp:message-moderate:0'>\
                 <retract xmlns='urn:xmpp:message-retract:0'/></moderate></apply-to>",
                None,
            ),
        ] {
            let id = "x".to_owned();
            assert_eq!(Moderate::of(parse(xml).root()), Some(Moderate { id, reason }));
        }
        let other = "<moderate xmlns='urn:xmpp:message-moderate:1' id='x'><edit xmlns='x:y'/></moderate>";
        assert_eq!(Moderate::of(parse(other).root()), None);
    }

    #[test]
    fn tombstones_and_announcements() {
        let said = parse(
            "<message xmlns='jabber:client' from='r@m/nick' type='groupchat' id='m'><body>secret</body>\
             <occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/><reference xmlns='urn:xmpp:reference:0' uri='secret'/></message>",
        );
        let moderated = Moderated {
            by: Some("r@m/mod".into()),
            occupant_id: Some("p".into()),
            reason: Some("a <reason>".into()),
        };
        let left = Tombstone {
            at: Timestamp(0),
            by_message: Some("w"),
            moderated: Some(&moderated),
        }
        .of(&said);
        assert_eq!(
            left,
            "<message xmlns='jabber:client' from='r@m/nick' type='groupchat' id='m'>\
             <occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/>\
             <retracted xmlns=\"urn:xmpp:message-retract:1\" id=\"w\" stamp=\"1970-01-01T00:00:00Z\">\
             <moderated xmlns=\"urn:xmpp:message-moderate:1\" by=\"r@m/mod\">\
             <occupant-id xmlns=\"urn:xmpp:occupant-id:0\" id=\"p\"/></moderated>\
             <reason>a &lt;reason&gt;</reason></retracted></message>"
        );
        let told = announcement("r@m", "w", "7", &moderated).to_stanza().unwrap();
        assert_eq!(Retract::of(told.root()).map(|r| r.id), Some("7".to_owned()));
        assert!(told.root().children().all(is_forged), "nobody else may say this");
    }
}
