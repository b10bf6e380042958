//! The configuration of a channel in a stock client ([XEP-0045 §10.2]): the form shows the channel, and what is
//! submitted is a change of the channel, made by the community, with its rights and its line in the audit log. What
//! follows in the room comes back as an event.
//!
//! [XEP-0045 §10.2]: https://xmpp.org/extensions/xep-0045.html#roomconfig

use waddle_community::{Channel, ChannelChange, ChannelKind, Community, Visibility, Waddle};
use waddle_core::{ChannelId, WaddleId};
use waddle_stanza::{
    Class, Outgoing,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use crate::{
    api::Arrived,
    config::RETENTION,
    error::{self, Outcome},
    manage::refusal,
};

/// Our own fields: no registered ones say these things (XEP-0068 §3.4).
const PRIVATE: &str = "x-private";
const SLOW_MODE: &str = "x-slow_mode_seconds";
const EXPIRE: &str = "x-expire_seconds";
const WEB_ARCHIVE: &str = "x-public_archive";

/// What somebody wants of a channel's configuration.
#[derive(Debug)]
pub enum Wanted {
    /// The form.
    Form,
    /// What a submitted one says.
    Change(Form),
    /// The subject: the channel's topic.
    Topic(String),
    /// To become a member of its waddle.
    Join,
}

/// Who sees a channel's room: it is open to all who see the waddle, to its members, or to those who are given it.
fn members_only(waddle: &Waddle, channel: &Channel) -> bool {
    channel.private || waddle.visibility != Visibility::Public
}

fn number(var: &str, label: &str, value: u32) -> Field {
    Field::new(var, FieldKind::TextSingle)
        .label(label)
        .value(value.to_string())
}

fn flag(var: &str, label: &str, on: bool) -> Field {
    Field::new(var, FieldKind::Boolean).label(label).flag(on)
}

/// One line is one line; more of them come one by one.
fn topic(topic: &str) -> Field {
    let kind = if topic.contains('\n') {
        FieldKind::TextMulti
    } else {
        FieldKind::TextSingle
    };
    let field = Field::new("muc#roomconfig_roomdesc", kind).label("What it is about");
    topic.split('\n').fold(field, Field::value)
}

/// The form, filled with the channel as it is.
fn form(waddle: &Waddle, c: &Channel) -> Form {
    Form::of_type(FormKind::Form, ns::MUC_ROOMCONFIG)
        .title("Channel configuration")
        .field(
            Field::new("muc#roomconfig_roomname", FieldKind::TextSingle)
                .label("Name")
                .value(c.name.as_str()),
        )
        .field(topic(&c.topic))
        .field(flag(
            "muc#roomconfig_moderatedroom",
            "For announcements: moderators write, everybody reads",
            c.kind == ChannelKind::Announcement,
        ))
        .field(flag(
            "muc#roomconfig_membersonly",
            "Members only",
            members_only(waddle, c),
        ))
        .field(flag(
            PRIVATE,
            "Private: only for those members who are given it",
            c.private,
        ))
        .field(number(
            SLOW_MODE,
            "Seconds that a person waits between two messages; 0 for none",
            c.slow_mode_seconds,
        ))
        .field(number(
            RETENTION,
            "Days that messages are kept; 0 as the server does",
            c.retention_days,
        ))
        .field(number(
            EXPIRE,
            "Seconds after which a message disappears; 0 for never",
            c.expire_seconds,
        ))
        .field(flag(
            WEB_ARCHIVE,
            "Can be read on the web, where it is open and its waddle public",
            c.public_archive,
        ))
}

/// What a submitted form changes; what it leaves out stays.
fn read(form: &Form, waddle: &Waddle, now: &Channel) -> Outcome<ChannelChange> {
    let mut change = ChannelChange::default();
    for f in &form.fields {
        let var = f.var.as_deref().unwrap_or_default();
        let value = f.values.first().map_or("", String::as_str);
        let flag = || match value {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(error::not_acceptable([var, " is 0 or 1"].concat())),
        };
        let number = || {
            let wrong = || error::not_acceptable([var, " is a whole number"].concat());
            value.trim().parse::<u32>().map_err(|_| wrong())
        };
        match var {
            "muc#roomconfig_roomname" => change.name = Some(value.to_owned()),
            // A text of several lines comes in several values.
            "muc#roomconfig_roomdesc" => change.topic = Some(f.values.join("\n")),
            "muc#roomconfig_moderatedroom" => {
                change.kind = Some(if flag()? {
                    ChannelKind::Announcement
                } else {
                    ChannelKind::Text
                });
            }
            // The one of the two that differs from what is, counts.
            "muc#roomconfig_membersonly" => {
                let on = flag()?;
                if on != members_only(waddle, now) {
                    if !on && waddle.visibility != Visibility::Public {
                        return Err(error::not_acceptable(
                            "only channels of a public waddle can be open to everybody; change the waddle",
                        ));
                    }
                    change.private = Some(on);
                }
            }
            PRIVATE => {
                let on = flag()?;
                if on != now.private {
                    change.private = Some(on);
                }
            }
            SLOW_MODE => change.slow_mode_seconds = Some(number()?),
            RETENTION => change.retention_days = Some(number()?),
            EXPIRE => change.expire_seconds = Some(number()?),
            WEB_ARCHIVE => change.public_archive = Some(flag()?),
            "muc#roomconfig_passwordprotectedroom" if flag()? => {
                return Err(error::not_acceptable(
                    "a channel has no password; make it private and give it to people",
                ));
            }
            // Fields of other servers' forms, and what a channel has no choice of.
            _ => {}
        }
    }
    Ok(change)
}

/// Answers with the form, or makes the change.
pub(crate) async fn serve(
    community: &Community,
    waddle: WaddleId,
    channel: ChannelId,
    inbound: &Arrived,
    wanted: Wanted,
) -> Outcome<Outgoing> {
    let gone = || error::item_not_found("there is no such channel in this waddle");
    let row = community.waddle_by_id(waddle).ok_or_else(gone)?;
    let found = community.channel(waddle, channel).await.map_err(refusal)?;
    let now = found.ok_or_else(gone)?;
    let change = match wanted {
        Wanted::Form => {
            let mut w = inbound.stanza.result(None);
            w.open_ns("query", ns::MUC_OWNER);
            form(&row, &now).write(&mut w);
            return Ok(w.outgoing(Class::Iq));
        }
        Wanted::Change(form) => read(&form, &row, &now)?,
        Wanted::Join => {
            let joined = community.join_waddle(&inbound.sender.user, waddle).await;
            joined.map_err(refusal)?;
            return Ok(inbound.stanza.result(None).outgoing(Class::Iq));
        }
        Wanted::Topic(topic) => ChannelChange {
            topic: Some(topic),
            ..ChannelChange::default()
        },
    };
    let actor = &inbound.sender.user;
    let done = community.update_channel(actor, waddle, channel, change).await;
    done.map_err(refusal)?;
    Ok(inbound.stanza.result(None).outgoing(Class::Iq))
}

#[cfg(test)]
mod tests {
    use waddle_community::WaddleSettings;
    use waddle_core::Timestamp;

    use super::*;

    fn scene(visibility: Visibility, private: bool) -> (Waddle, Channel) {
        let waddle = Waddle {
            id: WaddleId::new(),
            slug: "w".parse().unwrap(),
            name: "W".into(),
            description: String::new(),
            visibility,
            created_at: Timestamp(0),
            icon: None,
            banner: None,
            settings: WaddleSettings::default(),
        };
        let channel = Channel {
            id: ChannelId::new(),
            waddle: waddle.id,
            slug: "c".parse().unwrap(),
            name: "C".into(),
            topic: "first\nsecond".into(),
            kind: ChannelKind::Text,
            private,
            category: None,
            position: 0,
            slow_mode_seconds: 5,
            retention_days: 0,
            expire_seconds: 0,
            public_archive: true,
            created_at: Timestamp(0),
        };
        (waddle, channel)
    }

    fn submitted(fields: &[(&str, &str)]) -> Form {
        let form = Form::of_type(FormKind::Submit, ns::MUC_ROOMCONFIG);
        fields.iter().fold(form, |form, (var, value)| {
            form.field(Field::new(var, FieldKind::TextSingle).value(*value))
        })
    }

    #[test]
    fn a_form_sent_back_unchanged_changes_nothing() {
        for visibility in [Visibility::Private, Visibility::Restricted, Visibility::Public] {
            for private in [false, true] {
                let (w, c) = scene(visibility, private);
                let change = read(&form(&w, &c), &w, &c).unwrap();
                assert_eq!(change.private, None, "{visibility} {private}");
                assert_eq!(change.topic.as_deref(), Some("first\nsecond"));
                assert_eq!(change.kind, Some(ChannelKind::Text));
                assert_eq!(change.slow_mode_seconds, Some(5));
                assert_eq!(change.public_archive, Some(true));
            }
        }
    }

    #[test]
    fn openness_has_two_names() {
        let members_only = |on| submitted(&[("muc#roomconfig_membersonly", on)]);
        let (w, c) = scene(Visibility::Public, false);
        assert_eq!(read(&members_only("1"), &w, &c).unwrap().private, Some(true));
        let (w, c) = scene(Visibility::Public, true);
        assert_eq!(read(&members_only("0"), &w, &c).unwrap().private, Some(false));
        let (w, c) = scene(Visibility::Private, false);
        assert!(read(&members_only("0"), &w, &c).is_err());
        assert_eq!(
            read(&submitted(&[(PRIVATE, "1")]), &w, &c).unwrap().private,
            Some(true)
        );
    }

    #[test]
    fn what_cannot_be() {
        let (w, c) = scene(Visibility::Public, false);
        for bad in [
            (SLOW_MODE, "soon"),
            (RETENTION, "-1"),
            (EXPIRE, ""),
            (WEB_ARCHIVE, "yes"),
            ("muc#roomconfig_passwordprotectedroom", "1"),
        ] {
            assert!(read(&submitted(&[bad]), &w, &c).is_err(), "{bad:?}");
        }
        let other = submitted(&[("muc#roomconfig_persistentroom", "0"), ("x-else", "y")]);
        assert_eq!(read(&other, &w, &c).unwrap(), ChannelChange::default());
    }
}
