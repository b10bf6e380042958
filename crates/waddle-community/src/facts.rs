//! The tuples that operations write (`specs/permissions.md`, "Tuples").

use std::fmt;

use waddle_core::{BindingId, ChannelId, DeviceId, RoleId, UserId, WaddleId};
use waddle_permissions::{Object, Subject, Tuple};

use crate::{ChannelGrant, ChannelKind, Grantee, Permission, Role};

fn object(kind: &str, id: impl fmt::Display) -> Object {
    Object {
        kind: kind.into(),
        id: id.to_string().into(),
    }
}

pub(crate) fn waddle(id: WaddleId) -> Object {
    object("waddle", id)
}

pub(crate) fn channel(id: ChannelId) -> Object {
    object("channel", id)
}

pub(crate) fn device(id: DeviceId) -> Object {
    object("device", id)
}

pub(crate) fn feed(id: BindingId) -> Object {
    object("feed", id)
}

pub(crate) fn user(id: &UserId) -> Object {
    object("user", id)
}

/// `waddle:<id>#<role>@user:<user>`
pub(crate) fn role(w: WaddleId, who: &UserId, role: Role) -> Tuple {
    Tuple::new(waddle(w), role.as_str(), Subject::Object(user(who)))
}

/// `waddle:<id>#banned@user:<user>`
pub(crate) fn banned(w: WaddleId, who: &UserId) -> Tuple {
    Tuple::new(waddle(w), "banned", Subject::Object(user(who)))
}

/// `waddle:<id>#guest@user:*`: the waddle is public.
pub(crate) fn public(w: WaddleId) -> Tuple {
    Tuple::new(waddle(w), "guest", Subject::Wildcard("user".into()))
}

/// `waddle:<id>#publisher@user:<user>`, or of all members
pub(crate) fn publisher(w: WaddleId, who: Option<&UserId>) -> Tuple {
    let subject = match who {
        Some(who) => Subject::Object(user(who)),
        None => Subject::Userset(waddle(w), "member".into()),
    };
    Tuple::new(waddle(w), "publisher", subject)
}

/// `channel:<id>#parent@waddle:<id>`
pub(crate) fn channel_parent(c: ChannelId, w: WaddleId) -> Tuple {
    Tuple::new(channel(c), "parent", Subject::Object(waddle(w)))
}

/// What opens a channel to its waddle, and whether it is to be there for this kind of channel.
pub(crate) fn openness(c: ChannelId, w: WaddleId, kind: ChannelKind, private: bool) -> [(Tuple, bool); 2] {
    let all =
        |relation: &str, of: &str| Tuple::new(channel(c), relation, Subject::Userset(waddle(w), of.into()));
    [
        (all("viewer", "viewer"), !private),
        (all("writer", "member"), !private && kind == ChannelKind::Text),
    ]
}

/// `waddle:<id>#timed_out@user:<user>`
pub(crate) fn timed_out(w: WaddleId, who: &UserId) -> Tuple {
    Tuple::new(waddle(w), "timed_out", Subject::Object(user(who)))
}

pub(crate) fn custom_role(id: RoleId) -> Object {
    object("role", id)
}

fn role_members(id: RoleId) -> Subject {
    Subject::Userset(custom_role(id), "member".into())
}

/// `role:<id>#parent@waddle:<id>`
pub(crate) fn role_parent(r: RoleId, w: WaddleId) -> Tuple {
    Tuple::new(custom_role(r), "parent", Subject::Object(waddle(w)))
}

/// `role:<id>#member@user:<user>`
pub(crate) fn role_member(r: RoleId, who: &UserId) -> Tuple {
    Tuple::new(custom_role(r), "member", Subject::Object(user(who)))
}

/// `waddle:<id>#<permission>@role:<id>#member`
pub(crate) fn role_permission(w: WaddleId, r: RoleId, p: Permission) -> Tuple {
    Tuple::new(waddle(w), p.as_str(), role_members(r))
}

/// `channel:<id>#<relation>@user:<user>` or `@role:<id>#member`
pub(crate) fn grant(c: ChannelId, whom: &Grantee, grant: ChannelGrant) -> Tuple {
    let subject = match whom {
        Grantee::User(who) => Subject::Object(user(who)),
        Grantee::Role(role) => role_members(*role),
    };
    Tuple::new(channel(c), grant.relation(), subject)
}

/// Whom and what a channel's tuple of one person or role is about.
pub(crate) fn as_override(t: &Tuple) -> Option<(Grantee, ChannelGrant)> {
    let grant = ChannelGrant::of_relation(&t.relation)?;
    let whom = match &t.subject {
        Subject::Object(o) if &*o.kind == "user" => Grantee::User(o.id.parse().ok()?),
        Subject::Userset(o, r) if &*o.kind == "role" && &**r == "member" => Grantee::Role(o.id.parse().ok()?),
        _ => return None,
    };
    Some((whom, grant))
}

/// The tuples of a device whose credential stands.
pub(crate) fn device_tuples(d: DeviceId, w: WaddleId) -> Vec<Tuple> {
    let principal = || Subject::Object(user(&UserId::device(d)));
    vec![
        Tuple::new(device(d), "parent", Subject::Object(waddle(w))),
        Tuple::new(device(d), "viewer", Subject::Userset(waddle(w), "member".into())),
        Tuple::new(device(d), "principal", principal()),
        Tuple::new(waddle(w), "device", principal()),
    ]
}

/// `feed:<id>#parent@channel:<id>`
pub(crate) fn feed_parent(b: BindingId, c: ChannelId) -> Tuple {
    Tuple::new(feed(b), "parent", Subject::Object(channel(c)))
}

/// Whether a tuple about a user goes when they leave. Bans, mutes and timeouts stay, so that nobody shakes them off.
pub(crate) fn goes_with_member(t: &Tuple) -> bool {
    let about = &*t.object.kind;
    matches!(t.subject, Subject::Object(_))
        && !matches!(&*t.relation, "banned" | "muted" | "timed_out")
        && matches!(about, "waddle" | "role" | "channel" | "device" | "feed" | "topic")
}
