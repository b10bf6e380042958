//! The configuration form of a plain room ([XEP-0045 §10.2, §16.5.3]): settings to form and back.
//!
//! [XEP-0045 §10.2, §16.5.3]: https://xmpp.org/extensions/xep-0045.html#roomconfig

#[cfg(test)]
mod tests;

use waddle_core::BareJid;
use waddle_stanza::{
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};
use waddle_storage::repo::rooms::{PrivateMessages, RoleSet, RoomSettings};

use crate::{
    error::{self, Outcome},
    people::People,
    standing::Affiliation,
};

/// Characters of a room's name at the most.
const NAME: usize = 100;
/// Characters of a description at the most.
const DESCRIPTION: usize = 1_000;
/// Bytes of a password at the most.
const PASSWORD: usize = 1_000;
/// Our own field: no registered one says how long messages are kept (XEP-0068 §3.4).
pub(crate) const RETENTION: &str = "x-archive_days";
/// Characters of a language tag at the most.
const LANG: usize = 35;
/// Contacts at the most.
const CONTACTS: usize = 20;

const ROLES: [(&str, u8, &str); 3] = [
    ("moderator", RoleSet::MODERATOR, "Moderators"),
    ("participant", RoleSet::PARTICIPANT, "Participants"),
    ("visitor", RoleSet::VISITOR, "Visitors"),
];

const PRIVATE: [(&str, PrivateMessages, &str); 4] = [
    ("anyone", PrivateMessages::Anyone, "Everybody"),
    ("participants", PrivateMessages::Participants, "Who has voice"),
    ("moderators", PrivateMessages::Moderators, "Moderators"),
    ("none", PrivateMessages::Nobody, "Nobody"),
];

/// What a submitted form asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The settings from then on.
    pub settings: RoomSettings,
    /// All owners, where the form has them.
    pub owners: Option<Vec<BareJid>>,
    /// All admins, where the form has them.
    pub admins: Option<Vec<BareJid>>,
}

fn flag(var: &str, label: &str, on: bool) -> Field {
    Field::new(var, FieldKind::Boolean).label(label).flag(on)
}

fn text(var: &str, label: &str, value: &str) -> Field {
    Field::new(var, FieldKind::TextSingle).label(label).value(value)
}

fn roles(var: &str, label: &str, set: RoleSet) -> Field {
    let mut field = Field::new(var, FieldKind::ListMulti).label(label);
    for (word, bit, shown) in ROLES {
        field = field.option(Some(shown), word);
        if set.has(bit) {
            field = field.value(word);
        }
    }
    field
}

fn jids<'a>(var: &str, label: &str, list: impl Iterator<Item = &'a str>) -> Field {
    let field = Field::new(var, FieldKind::JidMulti).label(label);
    list.fold(field, Field::value)
}

/// The word for who may send private messages.
pub(crate) fn private_word(private: PrivateMessages) -> &'static str {
    PRIVATE
        .iter()
        .find(|(_, p, _)| *p == private)
        .map_or("anyone", |p| p.0)
}

/// The form, filled with the present settings.
pub(crate) fn form(s: &RoomSettings, people: &People, most_occupants: usize) -> Form {
    let mut max = Field::new("muc#roomconfig_maxusers", FieldKind::ListSingle)
        .label("Occupants at the most")
        .value(s.max_occupants.to_string())
        .option(Some("As the server allows"), "0");
    let chosen = (s.max_occupants != 0).then_some(s.max_occupants as usize);
    let mut offered: Vec<usize> = [10, 20, 50, 100, 500, 1_000].into_iter().chain(chosen).collect();
    offered.sort_unstable();
    offered.dedup();
    for n in offered.into_iter().filter(|n| *n <= most_occupants) {
        max = max.option(None, &n.to_string());
    }
    let who = Field::new("muc#roomconfig_whois", FieldKind::ListSingle)
        .label("Who sees real addresses")
        .value(if s.whois_anyone { "anyone" } else { "moderators" })
        .option(Some("Moderators"), "moderators")
        .option(Some("Everybody"), "anyone");
    let mut private = Field::new("muc#roomconfig_allowpm", FieldKind::ListSingle)
        .label("Who may send private messages")
        .value(private_word(s.private));
    for (word, _, shown) in PRIVATE {
        private = private.option(Some(shown), word);
    }
    let of = |wanted| {
        let mut list: Vec<&str> = people
            .iter()
            .filter(|(_, p)| p.affiliation == wanted)
            .map(|(jid, _)| jid.as_str())
            .collect();
        list.sort_unstable();
        list
    };
    let history = s.max_history.map(|n| n.to_string()).unwrap_or_default();
    Form::of_type(FormKind::Form, ns::MUC_ROOMCONFIG)
        .title("Room configuration")
        .field(text("muc#roomconfig_roomname", "Name", &s.title))
        .field(text("muc#roomconfig_roomdesc", "Description", &s.description))
        .field(text("muc#roomconfig_lang", "Language", &s.lang))
        .field(flag(
            "muc#roomconfig_persistentroom",
            "Stays when everybody has left",
            s.persistent,
        ))
        .field(flag("muc#roomconfig_publicroom", "Listed", s.public))
        .field(flag("muc#roomconfig_membersonly", "Members only", s.members_only))
        .field(flag(
            "muc#roomconfig_allowinvites",
            "Members may invite",
            s.allow_invites,
        ))
        .field(flag(
            "muc#roomconfig_moderatedroom",
            "Newcomers have no voice",
            s.moderated,
        ))
        .field(flag(
            "muc#roomconfig_passwordprotectedroom",
            "Asks for a password",
            s.password.is_some(),
        ))
        .field(
            Field::new("muc#roomconfig_roomsecret", FieldKind::TextPrivate)
                .label("Password")
                .value(s.password.clone().unwrap_or_default()),
        )
        .field(who)
        .field(private)
        .field(max)
        .field(flag(
            "muc#roomconfig_changesubject",
            "Participants may change the subject",
            s.change_subject,
        ))
        .field(roles(
            "muc#roomconfig_presencebroadcast",
            "Whose presence everybody sees",
            s.presence_of,
        ))
        .field(roles(
            "muc#roomconfig_getmemberlist",
            "Who may read the list of members",
            s.member_list_for,
        ))
        .field(text(
            RETENTION,
            "Days that messages are kept; 0 as the server does",
            &s.retention_days.to_string(),
        ))
        .field(flag(
            "muc#roomconfig_enablelogging",
            "Keeps messages for everybody who may enter",
            s.archive,
        ))
        .field(flag(
            "muc#roomconfig_enablearchiving",
            "Keeps messages (the same as above)",
            s.archive,
        ))
        .field(text(
            "muc#maxhistoryfetch",
            "Messages that a newcomer gets at the most",
            &history,
        ))
        .field(jids(
            "muc#roominfo_contactjid",
            "Whom to ask about the room",
            s.contacts.iter().map(String::as_str),
        ))
        .field(jids(
            "muc#roomconfig_roomadmins",
            "Admins",
            of(Affiliation::Admin).into_iter(),
        ))
        .field(jids(
            "muc#roomconfig_roomowners",
            "Owners",
            of(Affiliation::Owner).into_iter(),
        ))
}

fn read_roles(f: &Field, var: &str) -> Outcome<RoleSet> {
    f.values.iter().try_fold(RoleSet(0), |set, word| {
        let found = ROLES.iter().find(|(w, ..)| w == word);
        let (_, bit, _) = found.ok_or_else(|| none_of(var))?;
        Ok(RoleSet(set.0 | bit))
    })
}

fn read_jids(f: &Field, var: &str) -> Outcome<Vec<BareJid>> {
    let mut list: Vec<BareJid> = Vec::with_capacity(f.values.len());
    for value in f.values.iter().filter(|v| !v.trim().is_empty()) {
        let jid: waddle_core::Jid = value
            .trim()
            .parse()
            .map_err(|_| error::not_acceptable([var, " has something that is no address"].concat()))?;
        if jid.local().is_none() {
            return Err(error::not_acceptable(
                [var, " has an address that is nobody's"].concat(),
            ));
        }
        list.push(jid.bare());
    }
    Ok(list)
}

fn none_of(var: &str) -> error::Refusal {
    error::not_acceptable([var, " has a value that is none of the options"].concat())
}

/// What a submitted form asks for; what it leaves out stays.
pub(crate) fn read(form: &Form, old: &RoomSettings) -> Outcome<Wish> {
    let mut s = old.clone();
    let (mut protect, mut secret) = (None, None);
    let (mut owners, mut admins) = (None, None);
    for f in &form.fields {
        let var = f.var.as_deref().unwrap_or_default();
        let value = f.values.first().map_or("", String::as_str);
        let flag = || match value {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(error::not_acceptable([var, " is 0 or 1"].concat())),
        };
        let wrong = || none_of(var);
        match var {
            "muc#roomconfig_roomname" => s.title = bounded(value, NAME, var)?,
            "muc#roomconfig_roomdesc" => s.description = bounded(value, DESCRIPTION, var)?,
            "muc#roomconfig_lang" => s.lang = bounded(value.trim(), LANG, var)?,
            "muc#roomconfig_persistentroom" => s.persistent = flag()?,
            "muc#roomconfig_publicroom" => s.public = flag()?,
            "muc#roomconfig_membersonly" => s.members_only = flag()?,
            "muc#roomconfig_allowinvites" => s.allow_invites = flag()?,
            "muc#roomconfig_moderatedroom" => s.moderated = flag()?,
            "muc#roomconfig_passwordprotectedroom" => protect = Some(flag()?),
            "muc#roomconfig_roomsecret" => secret = Some(bounded(value, PASSWORD, var)?),
            "muc#roomconfig_whois" => {
                s.whois_anyone = match value {
                    "anyone" => true,
                    "moderators" => false,
                    _ => return Err(wrong()),
                }
            }
            "muc#roomconfig_allowpm" => {
                let found = PRIVATE.iter().find(|(word, ..)| *word == value);
                s.private = found.ok_or_else(wrong)?.1;
            }
            "muc#roomconfig_maxusers" => {
                s.max_occupants = match value {
                    "" | "none" => 0,
                    n => n.parse().map_err(|_| wrong())?,
                }
            }
            "muc#roomconfig_changesubject" => s.change_subject = flag()?,
            "muc#roomconfig_presencebroadcast" => s.presence_of = read_roles(f, var)?,
            "muc#roomconfig_getmemberlist" => s.member_list_for = read_roles(f, var)?,
            "muc#maxhistoryfetch" => {
                s.max_history = match value.trim() {
                    "" => None,
                    n => Some(n.parse().map_err(|_| wrong())?),
                }
            }
            RETENTION => s.retention_days = value.trim().parse().map_err(|_| wrong())?,
            "muc#roominfo_contactjid" => {
                let list = read_jids(f, var)?;
                if list.len() > CONTACTS {
                    return Err(error::not_acceptable([var, " has too many addresses"].concat()));
                }
                s.contacts = list.iter().map(ToString::to_string).collect();
            }
            "muc#roomconfig_roomowners" => owners = Some(read_jids(f, var)?),
            "muc#roomconfig_roomadmins" => admins = Some(read_jids(f, var)?),
            // One setting under several names: the one that differs from what is, counts.
            "muc#roomconfig_enablearchiving" | "muc#roomconfig_enablelogging" | "mam" => {
                let on = flag()?;
                if on != old.archive {
                    s.archive = on;
                }
            }
            // Fields of other servers' forms mean nothing here.
            _ => {}
        }
    }
    let secret = secret.filter(|s| !s.is_empty()).or_else(|| old.password.clone());
    s.password = match protect {
        Some(true) => Some(secret.ok_or_else(|| error::not_acceptable("a protected room needs a password"))?),
        Some(false) => None,
        None => old.password.as_ref().and(secret),
    };
    Ok(Wish {
        settings: s,
        owners,
        admins,
    })
}

fn bounded(value: &str, most: usize, var: &str) -> Outcome<String> {
    if value.chars().count() > most {
        return Err(error::not_acceptable([var, " is too long"].concat()));
    }
    Ok(value.to_owned())
}
