//! Presence sent to the room ([XEP-0045 §7.2, §7.6, §7.7, §7.14]): entering, a new nickname, a new status, leaving.
//!
//! [XEP-0045 §7.2, §7.6, §7.7, §7.14]: https://xmpp.org/extensions/xep-0045.html#enter

use waddle_core::{Jid, Timestamp};
use waddle_stanza::{Stanza, ns};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    nick,
    occupants::Session,
    room::{Kind, Room},
    show::Departure,
    silence, stamp,
    state::Effects,
};

impl Room {
    /// A presence stanza.
    pub(crate) fn presence(&mut self, inbound: &Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        self.judge();
        let decent = self.decent(inbound);
        let inbound = &*decent;
        let stanza = &inbound.stanza;
        match stanza.type_().as_deref() {
            None => {}
            Some("unavailable") => {
                self.leave(inbound, fx);
                return Ok(());
            }
            Some("error") => {
                self.bounced(inbound, fx);
                return Ok(());
            }
            Some("probe" | "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed") => return Ok(()),
            Some(_) => return Err(error::bad_request("there is no such type of presence")),
        }
        let to = stanza
            .to()
            .ok()
            .flatten()
            .ok_or_else(|| error::jid_malformed("this is no address"))?;
        let Some(wanted) = to.resource() else {
            return Err(error::jid_malformed(
                "enter a room with a nickname: room@service/nickname",
            ));
        };
        let entering = stanza.root().child("x", ns::MUC);
        let here = self.occupants.of_session(&inbound.sender.jid);
        if here.is_some_and(|i| self.occupants.at(i).is_out) {
            return Err(error::forbidden("you may not be in this room any more"));
        }
        match (here, entering) {
            (Some(i), None) if &*self.occupants.at(i).nick == wanted => {
                self.update(i, inbound, fx);
                Ok(())
            }
            (Some(i), None) => self.rename(i, inbound, wanted, fx),
            // Somebody who enters again has lost track: they are shown everything anew.
            (Some(i), Some(x)) if &*self.occupants.at(i).nick == wanted => {
                self.occupants
                    .add_session(i, Session::of(&inbound.sender, &inbound.stanza));
                self.welcome_back(i, inbound, x, now, fx);
                Ok(())
            }
            (Some(i), Some(_)) => self.rename(i, inbound, wanted, fx),
            (None, Some(x)) => self.enter(inbound, wanted, x, now, fx),
            (None, None) => {
                self.may_look(&inbound.sender)?;
                let address = self.address(wanted)?;
                self.not_here(inbound, &address, fx);
                Ok(())
            }
        }
    }

    /// A new status of an occupant.
    fn update(&mut self, i: usize, inbound: &Arrived, fx: &mut Effects) {
        self.occupants
            .add_session(i, Session::of(&inbound.sender, &inbound.stanza));
        let o = self.occupants.at_mut(i);
        o.presence = inbound.stanza.clone();
        o.shown = [None, None];
        self.announce(i, &[], fx);
    }

    /// A new nickname of an occupant, for all their clients here.
    fn rename(&mut self, i: usize, inbound: &Arrived, wanted: &str, fx: &mut Effects) -> Outcome {
        let o = self.occupants.at(i);
        // One nickname after the other is a way of speaking.
        if let Some(why) = self.policy().and_then(|p| silence::timed_out(p, &o.user)) {
            return Err(error::forbidden(why));
        }
        let (key, address) = self.check_nick(wanted, &o.bare, Some(i))?;
        self.screen_nick(&o.user, wanted)?;
        let nick = address.resource().unwrap_or(wanted).to_owned();
        let d = Departure {
            codes: &["303"],
            new_nick: Some(&nick),
            ..Departure::default()
        };
        self.tell_departure(self.occupants.at(i), d, None, fx);
        self.occupants.rename(i, nick.as_str().into(), key, address);
        self.occupants
            .add_session(i, Session::of(&inbound.sender, &inbound.stanza));
        self.occupants.at_mut(i).presence = inbound.stanza.clone();
        self.announce(i, &[], fx);
        Ok(())
    }

    /// Whether somebody may carry a nickname here: its key and the address with it.
    pub(crate) fn check_nick(
        &self,
        wanted: &str,
        bare: &waddle_core::BareJid,
        holder: Option<usize>,
    ) -> Outcome<(String, Jid)> {
        let key = nick::key(wanted, self.limits.muc_nick_bytes)
            .map_err(|e| error::not_acceptable(e.to_string()))?;
        if nick::is_marked(&key) {
            return Err(error::not_acceptable(nick::NickError::Marked.to_string()));
        }
        let taken = || error::conflict("somebody else has this nickname, or one that looks like it");
        if let Some(at) = self.occupants.of_key(&key)
            && Some(at) != holder
            && (holder.is_some() || self.occupants.at(at).bare != *bare)
        {
            return Err(taken());
        }
        if let Kind::Plain(p) = &self.kind
            && p.people.holder(&key).is_some_and(|holder| holder != bare)
        {
            return Err(taken());
        }
        Ok((key, self.address(wanted)?))
    }

    /// A client leaves.
    fn leave(&mut self, inbound: &Arrived, fx: &mut Effects) {
        let status = inbound.stanza.root().child("status", ns::CLIENT);
        let id = inbound.stanza.id();
        let d = Departure {
            id: id.as_deref(),
            ..Departure::default()
        };
        self.session_leaves(&inbound.sender.jid, d, status, true, fx);
    }

    /// A client's connection is over.
    pub(crate) fn session_ended(&mut self, jid: &Jid, fx: &mut Effects) {
        self.session_leaves(jid, Departure::default(), None, false, fx);
    }

    /// A client is out; with the last one of a person goes the occupant.
    pub(crate) fn session_leaves(
        &mut self,
        jid: &Jid,
        mut d: Departure<'_>,
        status: Option<waddle_stanza::Element<'_>>,
        listens: bool,
        fx: &mut Effects,
    ) {
        let Some(i) = self.occupants.of_session(jid) else {
            return;
        };
        self.judge();
        let affiliation = self.occupants.at(i).affiliation;
        let Some((session, gone)) = self.occupants.remove_session(jid) else {
            return;
        };
        self.relay_ends(jid, fx);
        let Some(mut gone) = gone else {
            // The person stays with another client, and is what that one said last.
            let o = self.occupants.at_mut(i);
            if let Some(other) = o.sessions.last()
                && o.presence.bytes() == session.presence.bytes()
                && !same_status(&other.presence, &session.presence)
            {
                o.presence = other.presence.clone();
                self.announce(i, &[], fx);
            }
            if listens {
                d.affiliation = Some(affiliation);
                crate::show::tell_one(self.occupants.at(i), &session, d, fx);
            }
            return;
        };
        if !listens {
            gone.sessions.clear();
        }
        // A room that was never opened goes with its maker (§10.1.3). They are told of their leaving and not of the
        // end of the room: clients that wait for the one (§7.14) are known to hang at the other.
        self.tell_departure(&gone, d, status, fx);
        self.last_has_left(fx);
    }

    /// Takes out every client whose outbox is closed.
    pub fn sweep(&mut self, fx: &mut Effects) {
        let closed: Vec<Jid> = self
            .occupants
            .iter()
            .flat_map(|o| &o.sessions)
            .filter(|s| s.outbox.is_closed())
            .map(|s| s.jid.clone())
            .collect();
        for jid in closed {
            self.session_ended(&jid, fx);
        }
    }
}

/// Whether two presences say the same to others.
fn same_status(a: &Stanza, b: &Stanza) -> bool {
    let said = |s: &Stanza| -> Vec<bytes::Bytes> {
        let children = s.root().children().filter(|c| !stamp::is_forged_presence(*c));
        children.map(|c| c.raw()).collect()
    };
    said(a) == said(b)
}
