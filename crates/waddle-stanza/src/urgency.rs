//! What may wait while a client says that nobody looks ([XEP-0352](https://xmpp.org/extensions/xep-0352.html)).
//!
//! Presence, typing and notifications of state may; whatever would make a phone ring may not.

use std::hash::BuildHasher;

use waddle_outbox::Urgency;

use crate::{Class, Element, Outgoing, Stanza, ns};

/// Children of a message that somebody is to see at once.
const URGENT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("openpgp", "urn:xmpp:openpgp:0"),
    ("x", "jabber:x:conference"),
    ("x", "jabber:x:data"),
    ("result", ns::MAM),
    ("request", "urn:xmpp:http-auth"),
    ("captcha", "urn:xmpp:captcha"),
];

/// Namespaces of calls (XEP-0353, XEP-0166).
const CALLS: &[&str] = &["urn:xmpp:jingle-message:0", "urn:xmpp:call-invites:0"];

/// Whether `item` may wait, and what later one replaces it.
pub(crate) fn of(item: &Outgoing) -> Urgency {
    if !matches!(item.class, Class::Message | Class::Presence) {
        return Urgency::Now;
    }
    let Ok(stanza) = item.to_stanza() else {
        return Urgency::Now;
    };
    let later = match item.class {
        Class::Presence => presence(&stanza),
        _ => message(stanza.root()),
    };
    match later {
        None => Urgency::Now,
        Some(Replaces::Nothing) => Urgency::Later(None),
        Some(Replaces::Older(kind)) => {
            let from = stanza.root().attr("from");
            Urgency::Later(Some(keys().hash_one((kind, from.as_deref()))))
        }
    }
}

/// What an item that may wait does to older ones of its sender.
enum Replaces {
    Nothing,
    /// Those of the same kind say nothing any more.
    Older(&'static str),
}

/// Keyed anew in each process, so that nobody can make up two addresses with the same key.
fn keys() -> &'static std::collections::hash_map::RandomState {
    static KEYS: std::sync::OnceLock<std::collections::hash_map::RandomState> = std::sync::OnceLock::new();
    KEYS.get_or_init(Default::default)
}

fn presence(stanza: &Stanza) -> Option<Replaces> {
    if !matches!(stanza.type_().as_deref(), None | Some("unavailable")) {
        return None;
    }
    match stanza.root().child("x", ns::MUC_USER) {
        // One's own presence in a room ends joining; other status codes tell of kicks, bans and names.
        Some(x) if x.has("status", ns::MUC_USER) || x.has("destroy", ns::MUC_USER) => None,
        _ => Some(Replaces::Older("presence")),
    }
}

fn message(root: Element<'_>) -> Option<Replaces> {
    if root.attr("type").as_deref() == Some("error") {
        return None;
    }
    let carbon = root
        .children()
        .find(|c| c.in_ns(ns::CARBONS))
        .and_then(|c| c.child("forwarded", ns::FORWARD))
        .and_then(|f| f.child("message", ns::CLIENT));
    if let Some(inner) = carbon {
        return message(inner).map(|_| Replaces::Nothing);
    }
    let urgent = |c: Element<'_>| {
        URGENT.iter().any(|(name, ns)| c.is(name, ns))
            || CALLS.iter().any(|ns| c.in_ns(ns))
            || c.is("x", ns::MUC_USER)
                && c.children()
                    .any(|i| matches!(i.name(), "invite" | "decline" | "status"))
    };
    if root.children().any(urgent) {
        return None;
    }
    let only_typing = root.children().all(|c| {
        c.in_ns(ns::CHAT_STATES)
            || c.in_ns(ns::HINTS)
            || c.is("thread", ns::CLIENT)
            || c.in_ns(ns::OCCUPANT_ID)
    });
    Some(if only_typing {
        Replaces::Older("typing")
    } else {
        Replaces::Nothing
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn urgency(xml: &'static str) -> Urgency {
        let bytes = Bytes::from_static(xml.as_bytes());
        let class = Stanza::parse(bytes.clone()).unwrap().class();
        of(&Outgoing::whole(bytes, class))
    }

    #[test]
    fn what_rings_goes_out_at_once() {
        for now in [
            "<iq type='get' id='1'/>",
            "<message type='error'/>",
            "<message><body>hi</body></message>",
            "<message><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>",
            "<message><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>",
            "<message><x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x></message>",
            "<message><result xmlns='urn:xmpp:mam:2'/></message>",
            "<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client'><body>x</body></message></forwarded></received></message>",
            "<presence type='subscribe'/>",
            "<presence><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>",
        ] {
            assert_eq!(urgency(now), Urgency::Now, "{now}");
        }
    }

    #[test]
    fn state_waits_and_the_newest_of_a_sender_is_enough() {
        let a = urgency("<presence from='a@b/c'/>");
        assert!(matches!(a, Urgency::Later(Some(_))));
        assert_eq!(urgency("<presence from='a@b/c' type='unavailable'/>"), a);
        assert_ne!(urgency("<presence from='a@b/d'/>"), a);
        let typing = urgency(
            "<message from='a@b/c'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        );
        assert!(matches!(typing, Urgency::Later(Some(_))) && typing != a);
        assert_eq!(
            urgency(
                "<message type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>"
            ),
            Urgency::Later(None)
        );
        assert_eq!(
            urgency("<message><received xmlns='urn:xmpp:receipts' id='1'/></message>"),
            Urgency::Later(None)
        );
    }
}
