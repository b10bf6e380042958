//! Forms to settings and back.

use super::*;
use crate::people::Person;

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

fn settings(form: &Form, old: &RoomSettings) -> Outcome<RoomSettings> {
    Ok(read(form, old)?.settings)
}

#[test]
fn what_is_shown_reads_back() {
    let s = RoomSettings {
        title: "Lounge".to_owned(),
        lang: "de".to_owned(),
        password: Some("sesame".to_owned()),
        members_only: true,
        whois_anyone: true,
        max_occupants: 7,
        private: PrivateMessages::Participants,
        presence_of: RoleSet(RoleSet::MODERATOR),
        member_list_for: RoleSet(0),
        archive: false,
        max_history: Some(3),
        retention_days: 30,
        contacts: vec!["a@x".to_owned(), "b@x".to_owned()],
        ..RoomSettings::default()
    };
    let mut people = People::default();
    people.set("o@x".parse().unwrap(), Some(Person::new(Affiliation::Owner)));
    people.set("a@x".parse().unwrap(), Some(Person::new(Affiliation::Admin)));
    let form = form(&s, &people, 10_000);
    let max = form.get("muc#roomconfig_maxusers").unwrap();
    assert!(
        max.options.iter().any(|(_, v)| v == "7"),
        "the value is an option"
    );
    let wish = read(&form, &RoomSettings::default()).unwrap();
    assert_eq!(wish.settings, s);
    assert_eq!(wish.owners, Some(vec!["o@x".parse().unwrap()]));
    assert_eq!(wish.admins, Some(vec!["a@x".parse().unwrap()]));
}

#[test]
fn passwords() {
    let old = RoomSettings::default();
    let on = ("muc#roomconfig_passwordprotectedroom", "1");
    assert!(read(&submit(&[on]), &old).is_err());
    let set = settings(&submit(&[on, ("muc#roomconfig_roomsecret", "x")]), &old).unwrap();
    assert_eq!(set.password.as_deref(), Some("x"));
    let off = settings(&submit(&[("muc#roomconfig_passwordprotectedroom", "0")]), &set).unwrap();
    assert_eq!(off.password, None);
    let nothing = read(&submit(&[]), &set).unwrap();
    assert_eq!(nothing.settings, set, "an empty form changes nothing");
    assert_eq!((nothing.owners, nothing.admins), (None, None));
}

#[test]
fn one_archive_under_two_names() {
    let old = RoomSettings::default();
    for fields in [
        [
            ("muc#roomconfig_enablelogging", "0"),
            ("muc#roomconfig_enablearchiving", "1"),
        ],
        [
            ("muc#roomconfig_enablelogging", "1"),
            ("muc#roomconfig_enablearchiving", "0"),
        ],
    ] {
        assert!(!settings(&submit(&fields), &old).unwrap().archive, "{fields:?}");
    }
}

#[test]
fn refused_values() {
    let old = RoomSettings::default();
    for (var, value) in [
        ("muc#roomconfig_persistentroom", "maybe"),
        ("muc#roomconfig_whois", "nobody"),
        ("muc#roomconfig_maxusers", "-1"),
        ("muc#roomconfig_roomname", &"x".repeat(101)),
        ("muc#roomconfig_allowpm", "sometimes"),
        ("muc#roomconfig_presencebroadcast", "everybody"),
        ("muc#roomconfig_getmemberlist", "x"),
        ("muc#maxhistoryfetch", "many"),
        ("muc#roomconfig_roomowners", "@"),
        ("muc#roomconfig_roomadmins", "x.example"),
        ("muc#roominfo_contactjid", "a b@x"),
    ] {
        assert!(read(&submit(&[(var, value)]), &old).is_err(), "{var}");
    }
    let unknown = submit(&[("muc#roomconfig_pubsub", "xmpp:x")]);
    assert_eq!(settings(&unknown, &old).unwrap(), old);
}
