//! What a client may not say for the room: identifiers and delays that only the room sets ([XEP-0359 §5],
//! [XEP-0421 §4], XEP-0203).
//!
//! [XEP-0359 §5]: https://xmpp.org/extensions/xep-0359.html#security
//! [XEP-0421 §4]: https://xmpp.org/extensions/xep-0421.html#security

use waddle_archive::worth;
use waddle_core::MessageId;
use waddle_messages::facts::PINS;
use waddle_stanza::{Element, XmlWriter, ns, retract};

use crate::hats;

/// XEP-0466.
pub const EPHEMERAL: &str = "urn:xmpp:ephemeral:0";

/// Whether a child of a message for `room` claims what only the room may say. All of them are stripped, not
/// only the first.
pub fn is_forged(child: Element<'_>, room: &str) -> bool {
    if child.is("stanza-id", ns::SID)
        || child.is("occupant-id", ns::OCCUPANT_ID)
        || child.is("x", ns::MUC_USER)
        || child.in_ns(PINS)
        || retract::is_forged(child)
    {
        return true;
    }
    // A bridge may say when something was said elsewhere, in its own name.
    child.is("delay", ns::DELAY)
        && child.attr("from").is_none_or(|from| {
            let domain = room.split_once('@').map_or(room, |(_, d)| d);
            from == domain || from == room || from.split('/').next() == Some(room)
        })
}

/// Whether a child of a presence is the room's to set, or was for the room alone.
pub fn is_forged_presence(child: Element<'_>) -> bool {
    child.is("x", ns::MUC)
        || child.is("x", ns::MUC_USER)
        || child.is("occupant-id", ns::OCCUPANT_ID)
        || child.is("hats", hats::HATS)
        || child.is("stanza-id", ns::SID)
        || child.is("delay", ns::DELAY)
}

/// `<stanza-id/>` of a message in the archive of `room`.
pub fn stanza_id(id: MessageId, room: &str) -> bytes::Bytes {
    let mut w = XmlWriter::with_capacity(96);
    w.open_ns("stanza-id", ns::SID)
        .attr_display("id", id)
        .attr("by", room)
        .close();
    w.finish()
}

/// `<ephemeral/>` of a message that disappears after so many seconds (XEP-0466).
pub fn write_ephemeral(w: &mut XmlWriter, seconds: u64) {
    w.open_ns("ephemeral", EPHEMERAL)
        .attr_display("timer", seconds)
        .close();
}

/// Whether a message is for the archive (XEP-0313 §5.1.3, XEP-0334). That of a channel is its waddle's, not the author's:
/// there a hint takes nothing out of it that people read, so that all of it can be reported and moderated.
pub fn is_archived(message: Element<'_>, channel: bool) -> bool {
    worth::is_kept(message) || (channel && worth::is_said(message))
}
