//! How far a change of tuples reaches: whose rights, and in which channels, so that nobody else is checked again.

use waddle_core::ChannelId;
use waddle_permissions::{Changes, Object, Subject, Tuple, TupleStore};

use crate::{Channels, Users};

/// Relations of a waddle that decide something in its channels.
const FELT_IN_CHANNELS: [&str; 12] = [
    "owner",
    "admin",
    "moderator",
    "member",
    "banned",
    "timed_out",
    "guest",
    "create_channel",
    "moderate",
    "pin",
    "mention_everyone",
    "bypass_slow_mode",
];

/// Whom and what the changes concern, as the store stands before them. Members of roles are named up to `named`.
pub(crate) fn of(changes: &Changes, store: &TupleStore, named: usize) -> (Users, Channels) {
    let mut users = Some(ahash::AHashSet::new());
    let mut channels = Some(Vec::new());
    let mut roles = ahash::AHashSet::new();
    for t in changes.writes.iter().chain(&changes.deletes) {
        if let Some(found) = &mut users
            && !whom(t, store, named, found)
        {
            users = None;
        }
        // A role that goes with all its members is looked at once.
        let new = &*t.object.kind != "role" || roles.insert(&t.object.id);
        if let Some(found) = &mut channels
            && new
            && !places(t, store, found)
        {
            channels = None;
        }
    }
    (
        users.map_or(Users::All, |found| Users::Some(found.into_iter().collect())),
        channels.map_or(Channels::All, |mut found| {
            found.sort_unstable();
            found.dedup();
            Channels::Some(found)
        }),
    )
}

/// Adds the users that a tuple concerns; `false` where it may be anybody.
fn whom(
    t: &Tuple,
    store: &TupleStore,
    named: usize,
    found: &mut ahash::AHashSet<waddle_core::UserId>,
) -> bool {
    if &*t.relation == "parent" && &*t.object.kind == "role" {
        return true;
    }
    match &t.subject {
        Subject::Object(o) if &*o.kind == "user" => add(o, found) && found.len() <= named,
        Subject::Userset(o, relation) if &*o.kind == "role" && &**relation == "member" => {
            let mut members = store.subjects(o.as_ref(), "member");
            members.all(|s| matches!(&s, Subject::Object(o) if add(o, found)) && found.len() <= named)
        }
        _ => false,
    }
}

fn add(o: &Object, found: &mut ahash::AHashSet<waddle_core::UserId>) -> bool {
    o.id.parse().map(|user| found.insert(user)).is_ok()
}

/// Adds the channels in which a tuple counts; `false` where it may be any.
fn places(t: &Tuple, store: &TupleStore, found: &mut Vec<ChannelId>) -> bool {
    match &*t.object.kind {
        "channel" => match t.object.id.parse() {
            Ok(id) => {
                found.push(id);
                true
            }
            Err(_) => false,
        },
        "waddle" => !FELT_IN_CHANNELS.contains(&&*t.relation),
        "role" => {
            let of_role = store.tuples_of(t.object.as_ref());
            of_role
                .iter()
                .filter(|of| &*of.object.kind != "role")
                .all(|of| places(of, store, found))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use waddle_core::UserId;
    use waddle_permissions::{StoreLimits, waddle_schema};

    use super::*;

    fn store(tuples: &[&str]) -> TupleStore {
        let mut store = TupleStore::new(
            waddle_schema(),
            StoreLimits::from(&waddle_core::Limits::default()),
        );
        let writes = tuples.iter().map(|t| t.parse().unwrap()).collect();
        store
            .apply(&Changes {
                writes,
                ..Changes::default()
            })
            .unwrap();
        store
    }

    fn reach(store: &TupleStore, tuples: &[&str], named: usize) -> (Users, Channels) {
        let writes = tuples.iter().map(|t| t.parse().unwrap()).collect();
        let changes = Changes {
            writes,
            ..Changes::default()
        };
        of(&changes, store, named)
    }

    #[test]
    fn a_change_reaches_no_further_than_it_must() {
        let c = ChannelId::new();
        let of_channel = format!("channel:{c}#writer@role:r#member");
        let store = store(&[
            "role:r#member@user:local:ann",
            "role:r#member@user:local:bob",
            "role:quiet#member@user:local:ann",
            &of_channel,
            "waddle:w#invite@role:quiet#member",
        ]);
        let named = |(users, channels): (Users, Channels)| {
            let Users::Some(mut users) = users else {
                return (None, channels);
            };
            users.sort();
            (Some(users), channels)
        };
        let (ann, bob) = (UserId::local("ann"), UserId::local("bob"));

        // A permission that no room asks for.
        let got = named(reach(&store, &["waddle:w#ban@role:r#member"], 10));
        assert_eq!(
            got,
            (Some(vec![ann.clone(), bob.clone()]), Channels::Some(vec![]))
        );
        // One that they ask for.
        let got = named(reach(&store, &["waddle:w#moderate@role:r#member"], 10));
        assert_eq!(got, (Some(vec![ann, bob]), Channels::All));
        // More members than are named.
        assert_eq!(
            reach(&store, &["waddle:w#ban@role:r#member"], 1),
            (Users::All, Channels::Some(vec![]))
        );
        // A role is felt where it is given something.
        let eve = UserId::local("eve");
        let got = named(reach(&store, &["role:r#member@user:local:eve"], 10));
        assert_eq!(got, (Some(vec![eve.clone()]), Channels::Some(vec![c])));
        let got = named(reach(&store, &["role:quiet#member@user:local:eve"], 10));
        assert_eq!(got, (Some(vec![eve]), Channels::Some(vec![])));
        // Everybody.
        assert_eq!(
            reach(&store, &["waddle:w#guest@user:*"], 10),
            (Users::All, Channels::All)
        );
    }
}
