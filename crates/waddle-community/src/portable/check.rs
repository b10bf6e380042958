//! What an import holds rows to: anybody can write an export, and a sum over it says nothing of its maker.

use ahash::{AHashMap, AHashSet};
use waddle_core::{DeviceId, Limits, Slug, Timestamp, WaddleId};
use waddle_permissions::Subject;
use waddle_storage::{
    Tx, Value,
    repo::{channels, members, roles, tuples, waddle_devices},
};

use super::policy::{ARCHIVE, DEVICES, WADDLE};
use crate::{Error, Result, Role, Visibility, Waddle, ops::device_topics};

/// The largest number, which JSON readers agree on too. An identifier near the end of what a column holds would let no
/// other one follow.
const NUMBER: u64 = 1 << 53;
/// Bytes of a text, but of messages and what is as long as them.
const TEXT: usize = 65_536;
/// Bytes of a message.
const MESSAGE: usize = 1 << 20;
/// How far the identifiers of another server may be ahead, whose clock may once have been wrong: ten years.
const AHEAD: std::time::Duration = std::time::Duration::from_secs(10 * 365 * 86_400);
/// Characters of what everybody is shown, as in the operations that change it.
const SHOWN: &[(&str, &str, usize)] = &[
    (WADDLE, "description", 1_000),
    ("channels", "name", 100),
    ("channels", "topic", 1_000),
    ("categories", "name", 100),
    ("roles", "name", 100),
    ("bindings", "name", 1_024),
];

/// What is wrong with a row, if anything is.
pub(super) fn row(
    table: &str,
    columns: &[String],
    values: &[Value],
    now: Timestamp,
) -> Result<(), &'static str> {
    let longest = match table {
        ARCHIVE => MESSAGE,
        "mqtt_retained" | "rules" => usize::MAX,
        _ => TEXT,
    };
    for (column, value) in columns.iter().zip(values) {
        match value {
            Value::Text(t) if !names_something(table, column, t) => {
                return Err("a device or its topic is called what none is");
            }
            // A hash, whose digits mean nothing.
            Value::Integer(_) if column == "said" => {}
            Value::Integer(n) if n.unsigned_abs() > NUMBER => return Err("a number is too large"),
            Value::Integer(n)
                if table == ARCHIVE && column == "id" && !(1..=now.plus(AHEAD).micros()).contains(n) =>
            {
                return Err("a message is of the future, or of no time at all");
            }
            Value::Text(t) if t.len() > longest => return Err("a text is too long"),
            Value::Blob(b) if b.len() > longest => return Err("a value is too long"),
            Value::Text(t) => {
                let shown = SHOWN.iter().find(|(of, name, _)| *of == table && name == column);
                if shown.is_some_and(|(.., max)| t.chars().nth(*max).is_some()) {
                    return Err("a name or description is too long");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an identifier, name or topic of a device is one.
fn names_something(table: &str, column: &str, text: &str) -> bool {
    match (table, column) {
        (DEVICES, "id") | ("device_topics", "device") => text.parse::<DeviceId>().is_ok(),
        (DEVICES, "name") => text.parse::<Slug>().is_ok(),
        _ => true,
    }
}

/// Each device has topics that one can be given, and not more of them.
pub(super) fn devices(tx: &Tx, id: WaddleId, limits: &Limits) -> Result<()> {
    let mut after = None;
    loop {
        let page = waddle_devices::list(tx, id, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.name.clone());
        for device in page {
            device_topics(device.topics, limits.topics_per_device).map_err(|e| match e {
                Error::Limit { .. } => e,
                e => Error::Export(format!("the device {}: {e}", device.name).into()),
            })?;
        }
    }
}

/// Devices read at a time.
const PAGE: usize = 200;

/// How many rows of a table the server allows a waddle to have, and what it calls them.
pub(super) fn most(table: &str, l: &Limits) -> Option<(&'static str, usize)> {
    Some(match table {
        "channels" => ("channels in a waddle", l.channels_per_waddle),
        "members" => ("members in a waddle", l.members_per_waddle),
        "bans" => ("bans in a waddle", l.bans_per_waddle),
        "tuples" => ("tuples", l.permission_tuples),
        "roles" => ("roles in a waddle", l.roles_per_waddle),
        "categories" => ("categories in a waddle", l.categories_per_waddle),
        DEVICES => ("devices in a waddle", l.devices_per_waddle),
        "device_topics" => (
            "topic prefixes of devices",
            l.devices_per_waddle.saturating_mul(l.topics_per_device),
        ),
        "bindings" => ("feed bindings in a waddle", l.bindings_per_waddle),
        "timeouts" => ("timeouts in a waddle", l.timeouts_per_waddle),
        "rules" => ("rules in a waddle", l.rules_per_waddle),
        _ => return None,
    })
}

/// Whose rights nobody sees in the lists of members, roles and channels must not come along.
pub(super) fn tuples(tx: &Tx, waddle: &Waddle) -> Result<()> {
    let there = There {
        public: waddle.visibility == Visibility::Public,
        id: waddle.id.to_string(),
        roles: roles::list(tx)?.iter().map(|r| r.id.to_string()).collect(),
        channels: channels::ids(tx)?.iter().map(ToString::to_string).collect(),
        members: members::roles(tx)?
            .into_iter()
            .map(|(user, role)| (user.to_string(), role))
            .collect(),
    };
    let mut odd = None;
    tuples::each(tx, |object, relation, subject| {
        if odd.is_none() && !there.fits(object, relation, subject) {
            odd = Some([object, "#", relation, "@", subject].concat());
        }
    })?;
    odd.map_or(Ok(()), |tuple| {
        let why = format!(
            "the tuple {tuple} fits no member, role or channel of the export; was it changed by hand?"
        );
        Err(Error::Export(why.into()))
    })
}

/// What a waddle has rows of.
struct There {
    public: bool,
    id: String,
    roles: AHashSet<String>,
    channels: AHashSet<String>,
    members: AHashMap<String, Role>,
}

impl There {
    fn has(&self, kind: &str, id: &str) -> bool {
        match kind {
            "waddle" => id == self.id,
            "role" => self.roles.contains(id),
            "channel" => self.channels.contains(id),
            _ => true,
        }
    }

    fn fits(&self, object: &str, relation: &str, subject: &str) -> bool {
        let (Some((kind, id)), Ok(subject)) = (object.split_once(':'), subject.parse::<Subject>()) else {
            return false;
        };
        let member = match &subject {
            Subject::Object(o) if &*o.kind == "user" => self.members.get(&*o.id).copied(),
            _ => None,
        };
        let subject_fits = match &subject {
            Subject::Object(o) | Subject::Userset(o, _) => self.has(&o.kind, &o.id),
            Subject::Wildcard(_) => self.public,
        };
        let listed = match (kind, relation.parse::<Role>()) {
            ("waddle", Ok(step)) => member == Some(step),
            ("role", _) if relation == "member" => member.is_some(),
            // What a device may do itself it is given with a new credential.
            ("device", _) => match relation {
                "parent" => true,
                "viewer" | "controller" | "manager" => {
                    member.is_some() || matches!(subject, Subject::Userset(..))
                }
                _ => false,
            },
            _ => true,
        };
        self.has(kind, id) && subject_fits && listed
    }
}
