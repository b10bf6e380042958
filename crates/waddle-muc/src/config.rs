//! The configuration form of a plain room ([XEP-0045 §10.2]): settings to form and back.
//!
//! [XEP-0045 §10.2]: https://xmpp.org/extensions/xep-0045.html#roomconfig

use waddle_stanza::{
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};
use waddle_storage::repo::rooms::RoomSettings;

use crate::error::{self, Outcome};

/// Characters of a room's name at the most.
const NAME: usize = 100;
/// Characters of a description at the most.
const DESCRIPTION: usize = 1_000;
/// Bytes of a password at the most.
const PASSWORD: usize = 1_000;

/// The form, filled with the present settings.
pub(crate) fn form(s: &RoomSettings, most_occupants: usize) -> Form {
    let flag = |var: &str, label: &str, on| Field::new(var, FieldKind::Boolean).label(label).flag(on);
    let text = |var: &str, label: &str, value: &str| {
        Field::new(var, FieldKind::TextSingle).label(label).value(value)
    };
    let mut max = Field::new("muc#roomconfig_maxusers", FieldKind::ListSingle)
        .label("Occupants at the most")
        .value(s.max_occupants.to_string())
        .option(Some("as the server allows"), "0");
    for n in [10, 50, 100, 500, 1_000]
        .into_iter()
        .filter(|n| *n <= most_occupants)
    {
        max = max.option(None, &n.to_string());
    }
    let who = Field::new("muc#roomconfig_whois", FieldKind::ListSingle)
        .label("Who sees real addresses")
        .value(if s.whois_anyone { "anyone" } else { "moderators" })
        .option(Some("Moderators"), "moderators")
        .option(Some("Everybody"), "anyone");
    let private = Field::new("muc#roomconfig_allowpm", FieldKind::ListSingle)
        .label("Who may send private messages")
        .value(if s.allow_private { "anyone" } else { "moderators" })
        .option(Some("Everybody"), "anyone")
        .option(Some("Moderators"), "moderators");
    Form::of_type(FormKind::Form, ns::MUC_ROOMCONFIG)
        .title("Room configuration")
        .field(text("muc#roomconfig_roomname", "Name", &s.title))
        .field(text("muc#roomconfig_roomdesc", "Description", &s.description))
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
        .field(flag(
            "muc#roomconfig_enablearchiving",
            "Keeps messages",
            s.archive,
        ))
}

/// The settings after a submitted form; what it leaves out stays.
pub(crate) fn read(form: &Form, old: &RoomSettings) -> Outcome<RoomSettings> {
    let mut s = old.clone();
    let mut protect = None;
    let mut secret = None;
    for f in &form.fields {
        let var = f.var.as_deref().unwrap_or_default();
        let value = f.values.first().map_or("", String::as_str);
        let flag = || match value {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(error::not_acceptable([var, " is 0 or 1"].concat())),
        };
        let wrong = || error::not_acceptable([var, " has a value that is none of the options"].concat());
        match var {
            "muc#roomconfig_roomname" => s.title = bounded(value, NAME, var)?,
            "muc#roomconfig_roomdesc" => s.description = bounded(value, DESCRIPTION, var)?,
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
                s.allow_private = match value {
                    "anyone" | "participants" => true,
                    "moderators" | "none" => false,
                    _ => return Err(wrong()),
                }
            }
            "muc#roomconfig_maxusers" => {
                s.max_occupants = match value {
                    "" | "none" => 0,
                    n => n.parse().map_err(|_| wrong())?,
                }
            }
            "muc#roomconfig_changesubject" => s.change_subject = flag()?,
            "muc#roomconfig_enablearchiving" | "muc#roomconfig_enablelogging" | "mam" => s.archive = flag()?,
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
    Ok(s)
}

fn bounded(value: &str, most: usize, var: &str) -> Outcome<String> {
    if value.chars().count() > most {
        return Err(error::not_acceptable([var, " is too long"].concat()));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(fields: &[(&str, &str)]) -> Form {
        fields.iter().fold(
            Form::of_type(FormKind::Submit, ns::MUC_ROOMCONFIG),
            |f, (var, value)| {
                f.field(Field {
                    var: Some((*var).to_owned()),
                    values: vec![(*value).to_owned()],
                    ..Field::default()
                })
            },
        )
    }

    #[test]
    fn what_is_shown_reads_back() {
        let s = RoomSettings {
            title: "Lounge".to_owned(),
            password: Some("sesame".to_owned()),
            members_only: true,
            whois_anyone: true,
            max_occupants: 50,
            ..RoomSettings::default()
        };
        assert_eq!(read(&form(&s, 10_000), &RoomSettings::default()).unwrap(), s);
    }

    #[test]
    fn passwords() {
        let old = RoomSettings::default();
        let on = ("muc#roomconfig_passwordprotectedroom", "1");
        assert!(read(&submit(&[on]), &old).is_err());
        let set = read(&submit(&[on, ("muc#roomconfig_roomsecret", "x")]), &old).unwrap();
        assert_eq!(set.password.as_deref(), Some("x"));
        let off = read(&submit(&[("muc#roomconfig_passwordprotectedroom", "0")]), &set).unwrap();
        assert_eq!(off.password, None);
        assert_eq!(
            read(&submit(&[]), &set).unwrap(),
            set,
            "an empty form changes nothing"
        );
    }

    #[test]
    fn refused_values() {
        let old = RoomSettings::default();
        for (var, value) in [
            ("muc#roomconfig_persistentroom", "maybe"),
            ("muc#roomconfig_whois", "nobody"),
            ("muc#roomconfig_maxusers", "-1"),
            ("muc#roomconfig_roomname", &"x".repeat(101)),
        ] {
            assert!(read(&submit(&[(var, value)]), &old).is_err(), "{var}");
        }
        assert_eq!(
            read(&submit(&[("muc#roomconfig_lang", "de")]), &old).unwrap(),
            old
        );
    }
}
