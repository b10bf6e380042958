//! What a room says about itself ([XEP-0045 §6.4, §6.5, §7.12], XEP-0128, XEP-0486, XEP-0502).
//!
//! [XEP-0045 §6.4, §6.5, §7.12]: https://xmpp.org/extensions/xep-0045.html#disco-roominfo

use waddle_core::Timestamp;
use waddle_stanza::{
    Class, Element,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    forms::{Field, FieldKind, Form, FormKind},
    mam, ns,
};

use crate::{
    api::Arrived,
    avatar, config,
    error::{self, Outcome},
    hats, register,
    room::{Kind, Room},
    standing::Role,
    state::Effects,
};

/// The node that tells the nickname reserved for the asker.
const RESERVED: &str = "x-roomuser-item";
/// The node that would tell what a room strips from stanzas.
const TRAFFIC: &str = "http://jabber.org/protocol/muc#traffic";
/// Spaces (XEP-0503).
const SPACES: &str = "urn:xmpp:spaces:0";
/// Occupants listed at the most.
const MOST: usize = 200;

impl Room {
    /// disco#info.
    pub(crate) fn disco_info(
        &mut self,
        inbound: &Arrived,
        query: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        self.may_look(&inbound.sender)?;
        let node = query.attr("node").filter(|n| !n.is_empty());
        let info = match node.as_deref() {
            None => self.info(now),
            Some(RESERVED) => self.reserved(inbound),
            // Nothing is stripped for its namespace (§17.1.1).
            Some(TRAFFIC) => return Err(error::unserved("this room passes everything on")),
            Some(_) => return Err(error::item_not_found("a room has no such node")),
        };
        let mut w = inbound.stanza.result(None);
        info.write(&mut w);
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    fn info(&mut self, now: Timestamp) -> DiscoInfo {
        let form = self.room_info(now);
        let s = &self.settings;
        let either = |yes: bool, a: &'static str, b: &'static str| if yes { a } else { b };
        let mut features = vec![
            ns::MUC,
            ns::DISCO_INFO,
            ns::DISCO_ITEMS,
            ns::PING,
            ns::MUC_SELF_PING,
            ns::OCCUPANT_ID,
            ns::SID,
            ns::RETRACT,
            mam::FULLTEXT,
            "http://jabber.org/protocol/muc#stable_id",
            ns::MUC_ROOMINFO,
            avatar::VCARD,
            hats::HATS,
            either(s.members_only, "muc_membersonly", "muc_open"),
            either(s.moderated, "muc_moderated", "muc_unmoderated"),
            either(s.password.is_some(), "muc_passwordprotected", "muc_unsecured"),
            either(s.persistent, "muc_persistent", "muc_temporary"),
            either(s.public, "muc_public", "muc_hidden"),
            either(s.whois_anyone, "muc_nonanonymous", "muc_semianonymous"),
        ];
        if matches!(self.kind, Kind::Plain(_)) {
            features.extend([
                ns::MUC_REQUEST,
                ns::MUC_ROOMCONFIG,
                register::MUC_REGISTER,
                ns::REGISTER,
            ]);
        }
        if matches!(self.kind, Kind::Channel(_)) {
            features.push(ns::MUC_ROOMCONFIG);
            features.push(SPACES);
            if !s.members_only {
                features.extend([register::MUC_REGISTER, ns::REGISTER]);
            }
        }
        if s.archive {
            features.extend([ns::MAM, ns::MAM_EXTENDED, ns::RETRACT_TOMBSTONE, ns::MODERATE]);
        }
        DiscoInfo {
            node: None,
            identities: vec![Identity::new("conference", "text", self.title())],
            features: features.into_iter().map(str::to_owned).collect(),
            forms: std::iter::once(form).chain(self.space()).collect(),
        }
    }

    /// The space that a channel belongs to (XEP-0503 §5.5): its waddle.
    fn space(&self) -> Option<Form> {
        Some(
            Form::of_type(FormKind::Result, SPACES)
                .field(Field::new("parent", FieldKind::TextSingle).value(self.space_uri()?)),
        )
    }

    fn space_uri(&self) -> Option<String> {
        let (Kind::Channel(_), Some((waddle, _))) = (&self.kind, self.jid.local()?.split_once('.')) else {
            return None;
        };
        let domain = self.jid.domain().strip_prefix("muc.")?;
        Some(["xmpp:spaces.", domain, "?;node=", waddle].concat())
    }

    fn room_info(&mut self, now: Timestamp) -> Form {
        // Only where anybody may come and see (XEP-0502 §7).
        let s = &self.settings;
        let lively = (s.persistent && s.public && !s.members_only && s.password.is_none())
            .then(|| self.activity.per_hour(now))
            .flatten();
        let s = &self.settings;
        let field = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
        let flag = |var: &str, label: &str, on| Field::new(var, FieldKind::Boolean).label(label).flag(on);
        let multi = |var: &str, label: &str, kind, values: &[String]| {
            let field = Field::new(var, kind).label(label);
            values.iter().fold(field, Field::value)
        };
        let may_change = s.change_subject && !matches!(self.kind, Kind::Channel(_));
        let most = s.max_history.map_or(self.limits.muc_history, |n| n as usize);
        let mut form = Form::of_type(FormKind::Result, ns::MUC_ROOMINFO)
            .field(field("muc#roomconfig_roomname", "Name").value(self.title()))
            .field(field("muc#roominfo_description", "Description").value(s.description.as_str()))
            .field(field("muc#roominfo_occupants", "Occupants").value(self.occupants.len().to_string()));
        if let Some(space) = self.space_uri() {
            form = form.field(field("muc#roomconfig_pubsub", "Its waddle as a node").value(space));
        }
        if let Some(subject) = self.subject.as_ref().filter(|t| !t.text.is_empty()) {
            form = form.field(field("muc#roominfo_subject", "Subject").value(subject.text.as_str()));
        }
        if !s.lang.is_empty() {
            form = form.field(field("muc#roominfo_lang", "Language").value(s.lang.as_str()));
        }
        if !s.contacts.is_empty() {
            form = form.field(multi(
                "muc#roominfo_contactjid",
                "Whom to ask about the room",
                FieldKind::JidMulti,
                &s.contacts,
            ));
        }
        if let Some(avatar) = self.avatar.as_ref().filter(|a| !a.hashes.is_empty()) {
            form = form.field(multi(
                "muc#roominfo_avatarhash",
                "Avatar hash",
                FieldKind::TextMulti,
                &avatar.hashes,
            ));
        }
        if let Some(lively) = lively {
            form = form.field(
                field("{urn:xmpp:muc-activity}message-activity", "Messages per hour")
                    .value(((lively * 100.0).round() / 100.0).to_string()),
            );
        }
        let changes = "Participants may change the subject";
        form.field(flag("muc#roominfo_subjectmod", changes, may_change))
            .field(flag("muc#roominfo_changesubject", changes, may_change))
            .field(flag("muc#roomconfig_changesubject", changes, may_change))
            .field(flag(
                "muc#roomconfig_allowinvites",
                "Members may invite",
                s.allow_invites,
            ))
            .field(
                field("muc#roomconfig_allowpm", "Who may send private messages")
                    .value(config::private_word(s.private)),
            )
            .field(
                field("muc#maxhistoryfetch", "Messages of history at the most")
                    .value(most.min(self.limits.muc_history).to_string()),
            )
    }

    /// The name that people read.
    pub(crate) fn title(&self) -> &str {
        if self.settings.title.is_empty() {
            self.jid.local().unwrap_or_default()
        } else {
            &self.settings.title
        }
    }

    fn reserved(&self, inbound: &Arrived) -> DiscoInfo {
        let bare = inbound.sender.jid.bare();
        let nick = match &self.kind {
            Kind::Plain(p) => p.people.get(&bare).and_then(|p| p.nick.clone()),
            _ => None,
        };
        DiscoInfo {
            node: Some(RESERVED.to_owned()),
            identities: nick
                .map(|nick| Identity::new("conference", "text", &nick))
                .into_iter()
                .collect(),
            ..DiscoInfo::default()
        }
    }

    /// disco#items: who is in. Those who are in may know, and everybody where the room is listed and open to all.
    pub(crate) fn disco_items(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let s = &self.settings;
        let open = matches!(self.kind, Kind::Plain(_))
            && s.public
            && !s.members_only
            && s.password.is_none()
            && self
                .standing(&inbound.sender.user, &inbound.sender.jid.bare())
                .join;
        let here = self.occupants.of_session(&inbound.sender.jid);
        let moderator = here.is_some_and(|i| self.occupants.at(i).role == Role::Moderator);
        let mut items = DiscoItems::default();
        if open || here.is_some() {
            items.items = self
                .occupants
                .iter()
                .enumerate()
                .filter(|(i, o)| o.public || moderator || here == Some(*i))
                .take(MOST)
                .map(|(_, o)| DiscoItem {
                    jid: o.address.to_string(),
                    node: None,
                    name: None,
                })
                .collect();
        }
        let mut w = inbound.stanza.result(None);
        items.write(&mut w);
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }
}
