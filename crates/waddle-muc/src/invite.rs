//! Invitations through the room and their refusals ([XEP-0045 §7.8.2]). Direct ones (XEP-0249) do not pass here.
//!
//! [XEP-0045 §7.8.2]: https://xmpp.org/extensions/xep-0045.html#invite-mediated

use waddle_core::{BareJid, ChannelId, Jid, Timestamp, UserId, WaddleId};
use waddle_stanza::{Class, Element, Outgoing, XmlWriter, ns};

use crate::{
    affiliations::{Change, Draft},
    api::{Arrived, Deps},
    error::{self, Outcome},
    manage,
    room::{Kind, Room, members_only},
    silence,
    standing::{Affiliation, Role},
    state::{Effect, Effects},
};

/// Invitations in one message at the most.
const MOST: usize = 20;

/// Lets whoever is invited to a channel into its waddle when they come: an invite of their own, where the inviter may
/// make one. Who may enter anyway needs none. Gives those who are to be told.
pub(crate) async fn invite(
    deps: &Deps,
    waddle: WaddleId,
    channel: ChannelId,
    inbound: &Arrived,
    told: Vec<(Jid, Outgoing)>,
) -> (Vec<(Jid, Outgoing)>, Outcome) {
    let mut tell = Vec::with_capacity(told.len());
    for (to, item) in told {
        if let Err(why) = let_in(deps, waddle, channel, &inbound.sender.user, &to).await {
            return (tell, Err(why));
        }
        tell.push((to, item));
    }
    (tell, Ok(()))
}

async fn let_in(deps: &Deps, waddle: WaddleId, channel: ChannelId, by: &UserId, to: &Jid) -> Outcome {
    let Some(user) = manage::user_of(&deps.storage, &deps.domain, &to.bare()).await? else {
        // Nobody's address: the message is answered as any other to it.
        return Ok(());
    };
    let access = deps.community.access(waddle).await.map_err(manage::refusal)?;
    if access.channel_allows(channel, "join", &user) {
        return Ok(());
    }
    if !access.waddle_allows("invite", by) {
        return Err(error::forbidden(
            "whom you invite may not enter, and you may not invite to this waddle",
        ));
    }
    if access.channel(channel).is_none_or(|c| c.private) {
        return Err(error::not_allowed(
            "this channel is private; whoever manages it gives them access, once they are members",
        ));
    }
    let invited = deps.community.invite_person(by, waddle, &user).await;
    invited.map_err(manage::refusal)
}

/// Whoever was invited comes: whether they are a member now.
pub(crate) async fn welcome(deps: &Deps, waddle: WaddleId, inbound: &Arrived) -> Outcome {
    let user = &inbound.sender.user;
    match deps.community.accept_personal_invite(user, waddle).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(members_only()),
        Err(e) => Err(manage::refusal(e)),
    }
}

impl Room {
    /// `<x/>` with invitations, or with the refusal of one.
    pub(crate) fn mediate(
        &mut self,
        inbound: &Arrived,
        x: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        if let Some(decline) = x.child("decline", ns::MUC_USER) {
            return self.decline(inbound, decline, fx);
        }
        let i = self.occupant_of(&inbound.sender)?;
        self.refresh(i)?;
        let o = self.occupants.at(i);
        if o.role < Role::Participant {
            return Err(error::forbidden("you may read here but not invite"));
        }
        self.may_give_reason(inbound, fx)?;
        let plain_members_only = matches!(self.kind, Kind::Plain(_)) && self.settings.members_only;
        if plain_members_only && o.affiliation < Affiliation::Admin && !self.settings.allow_invites {
            return Err(error::forbidden("only admins may invite to this room"));
        }
        let from = inbound.sender.jid.clone();
        let mut invited: Vec<(Element<'_>, Jid)> = Vec::new();
        for invite in x.children().filter(|c| c.is("invite", ns::MUC_USER)).take(MOST) {
            let to: Jid = invite
                .attr("to")
                .and_then(|to| to.parse().ok())
                .ok_or_else(|| error::jid_malformed("an invitation has a to with the address of a person"))?;
            if to.local().is_none() {
                return Err(error::jid_malformed("an invitation goes to a person"));
            }
            // One person hears of it once.
            if !invited.iter().any(|(_, other)| other.bare_str() == to.bare_str()) {
                invited.push((invite, to));
            }
        }
        if invited.is_empty() {
            return Err(error::bad_request("there is no invitation in it"));
        }
        let mut told = Vec::new();
        let new_members = self.new_members(invited.iter().map(|(_, to)| to.bare()))?;
        for (invite, to) in &invited {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", to.as_str());
            w.open_ns("x", ns::MUC_USER)
                .open("invite")
                .attr("from", from.bare_str());
            if let Some(reason) = invite.child_text("reason", ns::MUC_USER) {
                w.leaf("reason", &reason);
            }
            if let Some(thread) = invite.child("continue", ns::MUC_USER).map(|c| c.attr("thread")) {
                w.open("continue").attr_opt("thread", thread.as_deref()).close();
            }
            w.close();
            if let Some(password) = &self.settings.password {
                w.leaf("password", password);
            }
            w.close();
            told.push((to.clone(), w.outgoing(Class::Message)));
        }
        if matches!(self.kind, Kind::Channel(_)) {
            fx.rest.push(Effect::Invite(Box::new(inbound.clone()), told));
            return Ok(());
        }
        let out = |(to, item)| Effect::Outside(to, item);
        fx.rest.extend(told.into_iter().map(out));
        self.admit_invited(new_members, now, fx);
        Ok(())
    }

    /// Who is invited to a room for members becomes one (§9.5), unless they are on its lists already.
    fn new_members(&self, invited: impl Iterator<Item = BareJid>) -> Outcome<Vec<Change>> {
        let Kind::Plain(p) = &self.kind else {
            return Ok(Vec::new());
        };
        if !self.settings.members_only {
            return Ok(Vec::new());
        }
        let mut draft = Draft::new(&p.people);
        for jid in invited {
            match p.people.affiliation(&jid) {
                Affiliation::None => draft.set(jid, Affiliation::Member, None, None)?,
                Affiliation::Outcast => {
                    return Err(error::not_allowed("who is invited is banned from this room"));
                }
                _ => {}
            }
        }
        draft.check(self.limits.muc_affiliations)?;
        Ok(draft.changes)
    }

    fn admit_invited(&mut self, new: Vec<Change>, now: Timestamp, fx: &mut Effects) {
        if new.is_empty() {
            return;
        }
        let rows = Draft::rows(&new);
        let then = move |room: &mut Room, result: crate::state::WriteResult, _, _: &mut Effects| {
            if let (Ok(_), Kind::Plain(p)) = (result, &mut room.kind) {
                for c in new {
                    p.people.set(c.jid, c.person);
                }
            }
        };
        self.save_people(rows, Box::new(then), now, fx);
    }

    /// What is said with an invitation or its refusal is said like anything else.
    fn may_give_reason(&self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        if self
            .screen(&inbound.sender.user, &inbound.stanza, fx)?
            .covered
            .is_some()
        {
            return Err(error::against_rules(
                "a rule of this waddle does not let this reason pass",
            ));
        }
        Ok(())
    }

    fn decline(&mut self, inbound: &Arrived, decline: Element<'_>, fx: &mut Effects) -> Outcome {
        let sender = &inbound.sender;
        self.may_look(sender)?;
        if self.standing(&sender.user, &sender.jid.bare()).affiliation == Affiliation::Outcast {
            return Err(error::forbidden("you are banned from this room"));
        }
        if let Some(why) = self.policy().and_then(|p| silence::timed_out(p, &sender.user)) {
            return Err(error::forbidden(why));
        }
        self.may_give_reason(inbound, fx)?;
        let to: Jid = decline
            .attr("to")
            .and_then(|to| to.parse().ok())
            .ok_or_else(|| error::jid_malformed("a refusal has a to with the address of who invited"))?;
        // Only to somebody who is here: a room is no way to write to strangers.
        let bare = to.bare();
        let Some(o) = self.occupants.iter().find(|o| o.bare == bare) else {
            return Err(error::item_not_found(
                "who invited you is not in the room any more",
            ));
        };
        for s in &o.sessions {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", s.jid.as_str());
            w.open_ns("x", ns::MUC_USER)
                .open("decline")
                .attr("from", inbound.sender.jid.bare_str());
            if let Some(reason) = decline.child_text("reason", ns::MUC_USER) {
                w.leaf("reason", &reason);
            }
            fx.push(&s.outbox, w.outgoing(Class::Message), false);
        }
        Ok(())
    }
}
