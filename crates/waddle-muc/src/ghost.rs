//! Ghosts ([XEP-0045 §17.3, §11.1]): a client that what the room sends does not reach any more is taken out (333).
//! One that believes to be in, but is not, is told so (§7.2.16).
//!
//! [XEP-0045 §17.3, §11.1]: https://xmpp.org/extensions/xep-0045.html#impl-service-ghosts

use waddle_core::Jid;
use waddle_stanza::{Class, Condition, StanzaError, XmlWriter, ns};

use crate::{
    api::Arrived,
    room::Room,
    show::{Departure, write_occupant_id},
    state::Effects,
};

/// Whether an error says that its sender cannot be reached.
fn is_lost(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::Gone
            | Condition::ItemNotFound
            | Condition::JidMalformed
            | Condition::RecipientUnavailable
            | Condition::Redirect
            | Condition::RemoteServerNotFound
            | Condition::RemoteServerTimeout
            | Condition::ServiceUnavailable
    )
}

impl Room {
    /// Something that the room sent came back.
    pub(crate) fn bounced(&mut self, inbound: &Arrived, fx: &mut Effects) {
        let root = inbound.stanza.root();
        let error = root
            .children()
            .find(|c| c.name() == "error")
            .map(StanzaError::read);
        // An error that does not say what is wrong says that nothing arrives.
        if error.is_none_or(|e| is_lost(e.kind)) {
            let d = Departure {
                codes: &["333"],
                reason: Some("messages do not arrive"),
                ..Departure::default()
            };
            self.session_leaves(&inbound.sender.jid, d, None, true, fx);
        }
    }

    /// Tells a client that thinks it is in the room as `address` that it is not.
    pub(crate) fn not_here(&self, inbound: &Arrived, address: &Jid, fx: &mut Effects) {
        let sender = &inbound.sender;
        let standing = self.standing(&sender.user, &sender.jid.bare());
        let mut w = XmlWriter::presence();
        w.attr("from", address.as_str())
            .attr("to", sender.jid.as_str())
            .attr("type", "unavailable");
        write_occupant_id(&mut w, &self.occupant_id(&sender.user));
        w.open_ns("x", ns::MUC_USER)
            .open("item")
            .attr("affiliation", standing.affiliation.as_str())
            .attr("role", "none")
            .leaf("reason", "you are not in this room; join it again")
            .close();
        for code in ["110", "307", "333"] {
            w.open("status").attr("code", code).close();
        }
        w.close();
        fx.reply(sender, w.outgoing(Class::Presence));
    }
}
