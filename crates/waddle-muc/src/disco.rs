//! What a room says about itself ([XEP-0045 §6.4, §6.5, §7.12], XEP-0128).
//!
//! [XEP-0045 §6.4, §6.5, §7.12]: https://xmpp.org/extensions/xep-0045.html#disco-roominfo

use waddle_stanza::{
    Class, Element,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    room::{Kind, Room},
    standing::Role,
    state::Effects,
};

/// The node that tells the nickname reserved for the asker.
const RESERVED: &str = "x-roomuser-item";
/// Occupants listed at the most.
const MOST: usize = 200;

impl Room {
    /// disco#info.
    pub(crate) fn disco_info(&mut self, inbound: &Arrived, query: Element<'_>, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let node = query.attr("node").filter(|n| !n.is_empty());
        let info = match node.as_deref() {
            None => self.info(),
            Some(RESERVED) => self.reserved(inbound),
            Some(_) => return Err(error::item_not_found("a room has no such node")),
        };
        let mut w = inbound.stanza.result(None);
        info.write(&mut w);
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    fn info(&self) -> DiscoInfo {
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
            "http://jabber.org/protocol/muc#stable_id",
            ns::MUC_REQUEST,
            either(s.members_only, "muc_membersonly", "muc_open"),
            either(s.moderated, "muc_moderated", "muc_unmoderated"),
            either(s.password.is_some(), "muc_passwordprotected", "muc_unsecured"),
            either(s.persistent, "muc_persistent", "muc_temporary"),
            either(s.public, "muc_public", "muc_hidden"),
            either(s.whois_anyone, "muc_nonanonymous", "muc_semianonymous"),
        ];
        if s.archive {
            features.extend([
                ns::MAM,
                ns::MAM_EXTENDED,
                ns::RETRACT_TOMBSTONE,
                ns::MODERATE,
            ]);
        }
        let field = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
        let mut form = Form::of_type(FormKind::Result, ns::MUC_ROOMINFO)
            .field(field("muc#roominfo_description", "Description").value(s.description.as_str()))
            .field(field("muc#roominfo_occupants", "Occupants").value(self.occupants.len().to_string()));
        if let Some(subject) = self.subject.as_ref().filter(|t| !t.text.is_empty()) {
            form = form.field(field("muc#roominfo_subject", "Subject").value(subject.text.as_str()));
        }
        let may_change = s.change_subject && !matches!(self.kind, Kind::Channel(_));
        form = form
            .field(
                Field::new("muc#roominfo_changesubject", FieldKind::Boolean)
                    .label("Participants may change the subject")
                    .flag(may_change),
            )
            .field(
                Field::new("muc#maxhistoryfetch", FieldKind::TextSingle)
                    .label("Messages of history at the most")
                    .value(self.limits.muc_history.to_string()),
            );
        DiscoInfo {
            node: None,
            identities: vec![Identity::new("conference", "text", self.title())],
            features: features.into_iter().map(str::to_owned).collect(),
            forms: vec![form],
        }
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

    /// disco#items: who is in, for those who are in too.
    pub(crate) fn disco_items(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let mut items = DiscoItems::default();
        let here = self.occupants.of_session(&inbound.sender.jid);
        if here.is_some_and(|i| self.occupants.at(i).role > Role::None) {
            items.items = self
                .occupants
                .iter()
                .take(MOST)
                .map(|o| DiscoItem {
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
