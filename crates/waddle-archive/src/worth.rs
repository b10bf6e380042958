//! Which messages are for the archive ([XEP-0313 §5.1.2], [XEP-0334]).
//!
//! What people said and what belongs to it is kept: text, files, encrypted content, corrections, reactions,
//! retractions, receipts and markers. What only mattered at the moment is not: chat states, requests for receipts.
//!
//! [XEP-0313 §5.1.2]: https://xmpp.org/extensions/xep-0313.html#business-storeret-user-archives
//! [XEP-0334]: https://xmpp.org/extensions/xep-0334.html

use waddle_stanza::{Element, ns};

/// Elements that make a message worth keeping; without a name any of that namespace.
const CONTENT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("subject", ns::CLIENT),
    ("html", "http://jabber.org/protocol/xhtml-im"),
    ("received", ns::RECEIPTS),
    // XEP-0333: `markable` only asks.
    ("received", ns::MARKERS),
    ("displayed", ns::MARKERS),
    ("acknowledged", ns::MARKERS),
    ("", ns::RETRACT),
    ("", ns::FASTEN),
    ("", ns::CONFERENCE),
    ("reactions", "urn:xmpp:reactions:0"),
    ("replace", "urn:xmpp:message-correct:0"),
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("", "urn:xmpp:openpgp:0"),
    ("x", "jabber:x:encrypted"),
    ("x", "jabber:x:oob"),
    ("", "urn:xmpp:sfs:0"),
    ("", "urn:xmpp:sims:1"),
    ("", "urn:xmpp:reference:0"),
    ("attach-to", "urn:xmpp:message-attaching:1"),
    ("", "urn:xmpp:jingle-message:0"),
];

/// Whether a message is for the archive. The hints of XEP-0334 go before everything, and of two that contradict each
/// other the one that keeps less.
pub fn is_kept(message: Element<'_>) -> bool {
    let mut content = false;
    for c in message.children() {
        if c.in_ns(ns::HINTS) {
            match c.name() {
                "no-store" | "no-permanent-store" => return false,
                "store" => content = true,
                _ => {}
            }
        }
        content = content || is_content(c);
    }
    content
}

/// Whether a message says something to people, whatever its hints are: more than that it was read or received.
pub fn is_said(message: Element<'_>) -> bool {
    let quiet = |c: Element<'_>| [ns::MARKERS, ns::RECEIPTS].iter().any(|n| c.in_ns(n));
    message.children().any(|c| is_content(c) && !quiet(c))
}

fn is_content(child: Element<'_>) -> bool {
    CONTENT
        .iter()
        .any(|(name, ns)| child.in_ns(ns) && (name.is_empty() || *name == child.name()))
}

#[cfg(test)]
mod tests {
    use waddle_stanza::Stanza;

    use super::*;

    #[test]
    fn hints_take_nothing_from_what_is_said() {
        for (xml, said) in [
            ("<body>hi</body><no-store xmlns='urn:xmpp:hints'/>", true),
            (
                "<x xmlns='jabber:x:oob'/><no-permanent-store xmlns='urn:xmpp:hints'/>",
                true,
            ),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", false),
            ("<received xmlns='urn:xmpp:receipts' id='1'/>", false),
            (
                "<game xmlns='urn:example'/><store xmlns='urn:xmpp:hints'/>",
                false,
            ),
        ] {
            let message = ["<message xmlns='jabber:client'>", xml, "</message>"].concat();
            let message = Stanza::parse(message.into()).unwrap();
            assert_eq!(is_said(message.root()), said, "{xml}");
        }
    }

    #[test]
    fn what_is_kept() {
        for (xml, kept) in [
            ("<body>hi</body>", true),
            ("<body/>", true),
            ("", false),
            (
                "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
                false,
            ),
            (
                "<active xmlns='http://jabber.org/protocol/chatstates'/><body>hi</body>",
                true,
            ),
            ("<request xmlns='urn:xmpp:receipts'/>", false),
            ("<received xmlns='urn:xmpp:receipts' id='1'/>", true),
            ("<markable xmlns='urn:xmpp:chat-markers:0'/>", false),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true),
            ("<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", true),
            ("<retract xmlns='urn:xmpp:message-retract:1' id='1'/>", true),
            ("<encrypted xmlns='urn:xmpp:omemo:2'/>", true),
            ("<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>", false),
            ("<file-sharing xmlns='urn:xmpp:sfs:0'/>", true),
            ("<game xmlns='urn:example'/>", false),
            ("<game xmlns='urn:example'/><store xmlns='urn:xmpp:hints'/>", true),
            ("<body>hi</body><no-store xmlns='urn:xmpp:hints'/>", false),
            (
                "<body>hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
                false,
            ),
            ("<body>hi</body><no-copy xmlns='urn:xmpp:hints'/>", true),
            (
                "<store xmlns='urn:xmpp:hints'/><no-store xmlns='urn:xmpp:hints'/>",
                false,
            ),
        ] {
            let message = ["<message xmlns='jabber:client'>", xml, "</message>"].concat();
            let message = Stanza::parse(message.into()).unwrap();
            assert_eq!(is_kept(message.root()), kept, "{xml}");
        }
    }
}
