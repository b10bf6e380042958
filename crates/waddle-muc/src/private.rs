//! Private messages between occupants ([XEP-0045 §7.5]).
//!
//! [XEP-0045 §7.5]: https://xmpp.org/extensions/xep-0045.html#privatemessage

use waddle_stanza::{XmlWriter, ns};
use waddle_storage::repo::rooms::PrivateMessages;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    fan::Fan,
    room::Room,
    show::write_occupant_id,
    silence, stamp,
    standing::Role,
    state::Effects,
};

impl Room {
    /// A message to one occupant.
    pub(crate) fn private(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        let i = self.occupant_of(&inbound.sender)?;
        self.refresh_presence(i)?;
        let to = inbound.stanza.to().ok().flatten();
        let to = to.ok_or_else(|| error::jid_malformed("this is no address"))?;
        self.is_short(&inbound.stanza)?;
        self.judge();
        let target = self.named(&to)?;
        let (from, target) = (self.occupants.at(i), self.occupants.at(target));
        let least = match self.settings.private {
            PrivateMessages::Anyone => Role::Visitor,
            PrivateMessages::Participants => Role::Participant,
            PrivateMessages::Moderators => Role::Moderator,
            PrivateMessages::Nobody => {
                return Err(error::forbidden("private messages are switched off in this room"));
            }
        };
        // Moderators may be answered by everybody.
        if from.role < least && target.role < Role::Moderator {
            return Err(error::forbidden("you may not send private messages in this room"));
        }
        if target.role < Role::Moderator
            && let Some(why) = self.policy().and_then(|p| silence::timed_out(p, &from.user))
        {
            return Err(error::forbidden(why));
        }
        let mut passed = self.screen(&from.user, &inbound.stanza, fx)?;
        let stanza = passed.covered.take().unwrap_or_else(|| inbound.stanza.clone());
        passed.stored(None, fx);
        let mut w = XmlWriter::with_capacity(160);
        write_occupant_id(&mut w, &from.stable_id);
        w.empty("x", ns::MUC_USER);
        let payload = stanza
            .rewrite()
            .strip(|child| stamp::is_forged(child, &self.at))
            .append(&w.finish())
            .finish();
        let fan = Fan::new(payload.head().from(from.address.as_str()).no_to().build());
        for s in &target.sessions {
            fx.push(&s.outbox, fan.to(&s.to), false);
        }
        Ok(())
    }

    /// Like [`Room::refresh`], for what even visitors may do.
    fn refresh_presence(&mut self, i: usize) -> Outcome {
        let o = self.occupants.at(i);
        if o.revision != self.revision() && !self.standing(&o.user, &o.bare).join {
            return Err(error::forbidden("you may not be in this room any more"));
        }
        Ok(())
    }
}
