//! Tuples written as such, by who manages roles: the same changes that the other operations make, under the same rules.
//!
//! Only what narrows or widens rights below the writer's own may be written: overrides of channels, members and
//! permissions of custom roles, rules of topics, devices and feeds, and who may publish. The ladder of roles, bans,
//! parents of things and what opens a channel have operations of their own, which keep rows and tuples together.

use waddle_core::{ChannelId, RoleId, WaddleId};
use waddle_permissions::{Subject, Tuple};
use waddle_storage::repo::{members, tuples};

use super::{custom_roles, overrides, reason};
use crate::{Actor, Community, Error, Grantee, On, Permission, Result, change::Draft, facts};

/// What a list of tuples did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The revision from then on.
    pub revision: u64,
    /// Tuples that came.
    pub written: usize,
    /// Tuples that went.
    pub deleted: usize,
}

const REFUSED: Error = Error::Invalid {
    field: "tuples",
    why: "only overrides of channels, members and permissions of custom roles, rules of topics, devices and feeds, \
          and publishers are written here; everything else has an address of its own",
};

/// One tuple by the rules of the operation that it belongs to.
fn put(d: &mut Draft<'_>, t: &Tuple, there: bool) -> Result<()> {
    let of_waddle = t.object == facts::waddle(d.waddle());
    match (&*t.object.kind, &t.subject) {
        ("channel", _) => {
            let channel: ChannelId = t.object.id.parse().map_err(|_| Error::NotFound("channel"))?;
            let (whom, grant) = facts::as_override(t).ok_or(REFUSED)?;
            if let (Grantee::User(user), true) = (&whom, there && !grant.denies())
                && members::get(d.tx, user)?.is_none()
            {
                return Err(Error::NotFound("member"));
            }
            overrides::put(d, channel, &whom, grant, there)
        }
        ("role", Subject::Object(user)) if &*t.relation == "member" && &*user.kind == "user" => {
            let role: RoleId = t.object.id.parse().map_err(|_| Error::NotFound("role"))?;
            let user = user.id.parse().map_err(|_| Error::NotFound("member"))?;
            custom_roles::put_member(d, &user, role, there)
        }
        ("waddle", Subject::Userset(role, members))
            if of_waddle
                && &*role.kind == "role"
                && &**members == "member"
                && &*t.relation != "publisher" =>
        {
            let role: RoleId = role.id.parse().map_err(|_| Error::NotFound("role"))?;
            let permission: Permission = t.relation.parse().map_err(|_| REFUSED)?;
            custom_roles::put_permission(d, role, permission, there)
        }
        ("waddle", subject) if of_waddle && &*t.relation == "publisher" => {
            d.require(On::Waddle, "manage_devices")?;
            known(d, subject)?;
            set(d, t, there)
        }
        ("topic", subject) => {
            d.require(On::Waddle, "manage_feeds")?;
            if &*t.relation == "parent" {
                if *subject != Subject::Object(facts::waddle(d.waddle())) {
                    return Err(Error::NotFound("waddle"));
                }
            } else {
                known(d, subject)?;
            }
            set(d, t, there)
        }
        (kind @ ("device" | "feed"), subject)
            if matches!(&*t.relation, "viewer" | "controller" | "manager") =>
        {
            d.require(On::Other(kind, &t.object.id), "configure")?;
            known(d, subject)?;
            set(d, t, there)
        }
        _ => Err(REFUSED),
    }
}

/// Whom a tuple names is somebody of this waddle: a member, a custom role, or all who have a role of the ladder.
fn known(d: &mut Draft<'_>, subject: &Subject) -> Result<()> {
    match subject {
        Subject::Object(o) if &*o.kind == "user" => {
            let user = o.id.parse().map_err(|_| Error::NotFound("member"))?;
            members::get(d.tx, &user)?
                .map(drop)
                .ok_or(Error::NotFound("member"))
        }
        Subject::Userset(o, _) if &*o.kind == "role" => {
            let role: RoleId = o.id.parse().map_err(|_| Error::NotFound("role"))?;
            d.access.role(role).map(drop).ok_or(Error::NotFound("role"))
        }
        Subject::Userset(o, _) if *o == facts::waddle(d.waddle()) => Ok(()),
        _ => Err(REFUSED),
    }
}

fn set(d: &mut Draft<'_>, t: &Tuple, there: bool) -> Result<()> {
    if d.access.read().store.contains(t) == there {
        return Ok(());
    }
    d.set(t.clone(), there);
    let action = if there { "tuple.write" } else { "tuple.delete" };
    let detail = format!("{} on {}", t.relation, t.object);
    d.audit(action, &t.subject.to_string(), &detail, None)
}

/// Object, relation and subject of tuples, those that are wanted.
type Filter = (Option<String>, Option<String>, Option<String>);

impl Community {
    /// One page of the tuples that have these parts, in their order, behind `after`.
    pub async fn tuples(
        &self,
        id: WaddleId,
        (object, relation, subject): Filter,
        after: Option<tuples::Parts>,
        limit: usize,
    ) -> Result<Vec<tuples::Parts>> {
        let db = self.db(id).await?;
        let parts = move |conn: &waddle_storage::Conn| {
            let (o, r, s) = (object.as_deref(), relation.as_deref(), subject.as_deref());
            tuples::page(conn, o, r, s, after.as_ref(), limit)
        };
        Ok(db.read(parts).await?)
    }

    /// Deletes and writes tuples, all of them or none. Needs `waddle#manage_roles`, and for each what its own
    /// operation needs; each that has an effect is a line in the audit log.
    pub async fn write_tuples(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        writes: Vec<Tuple>,
        deletes: Vec<Tuple>,
        why: Option<&str>,
    ) -> Result<Written> {
        reason(why)?;
        let (max, count) = (self.limits().permission_write, writes.len() + deletes.len());
        if count > max {
            return Err(Error::Limit {
                what: "tuples in one request",
                max,
            });
        }
        let why = why.map(str::to_owned);
        let (written, deleted) = self
            .change(id, actor.into(), move |d| {
                d.require(On::Waddle, Permission::ManageRoles.as_str())?;
                let mut done = (0, 0);
                for (t, there) in deletes
                    .iter()
                    .map(|t| (t, false))
                    .chain(writes.iter().map(|t| (t, true)))
                {
                    d.access.read().store.accepts(t).map_err(|e| {
                        // What the schema does not know cannot be there to be deleted.
                        if there {
                            Error::Unwritable(e)
                        } else {
                            Error::NotFound("tuple")
                        }
                    })?;
                    if writes.contains(t) && deletes.contains(t) {
                        return Err(Error::Invalid {
                            field: "tuples",
                            why: "one of them is to be written and deleted at once",
                        });
                    }
                    let counts = d.access.read().store.contains(t) != there;
                    put(d, t, there)?;
                    if counts {
                        let n = if there { &mut done.0 } else { &mut done.1 };
                        *n += 1;
                    }
                }
                if let (Some(why), true) = (why, done != (0, 0)) {
                    let target = format!("waddle:{}", d.waddle());
                    let detail = format!("{} written, {} deleted", done.0, done.1);
                    d.audit("tuples.write", &target, &detail, Some(&why))?;
                }
                Ok(done)
            })
            .await?;
        Ok(Written {
            revision: self.access(id).await?.revision(),
            written,
            deleted,
        })
    }
}
