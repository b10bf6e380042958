//! Members and bans of a waddle.

use serde::Serialize;
use waddle_core::{InviteId, Timestamp, UserId};

use super::words::words;
use crate::{Conn, Result, Row, Tx};

words! {
    /// What somebody is in a waddle; each role contains the ones before it.
    Role {
        /// Reads and writes.
        Member = "member",
        /// Also keeps order and invites.
        Moderator = "moderator",
        /// Also manages channels, devices, feeds and roles below.
        Admin = "admin",
        /// Also manages admins and owners, and may delete the waddle.
        Owner = "owner",
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// By which invite, if by one.
    pub invite: Option<InviteId>,
}

/// Somebody who may not come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Who.
    pub user: UserId,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// By whom; nobody for the server's operator.
    pub by: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// When it ends; never where it is left out.
    pub expires_at: Option<Timestamp>,
    /// What whoever banned them called them, in lower case, where that is not who they are.
    pub named: Option<String>,
}

fn member(row: &Row<'_>) -> Result<Member> {
    Ok(Member {
        user: row.get(0)?,
        role: row.get(1)?,
        joined_at: row.get(2)?,
        invite: row.get(3)?,
    })
}

/// One page of the members, by their joining.
pub fn list(conn: &Conn, offset: usize, limit: usize) -> Result<Vec<Member>> {
    conn.query(
        "SELECT user, role, joined_at, invite FROM members ORDER BY joined_at, user LIMIT ?2 OFFSET ?1",
        (offset, limit),
        member,
    )
}

/// Where a page of members begins: behind this one.
pub type MembersAfter = (Timestamp, UserId);

/// One page of the members, or of those of one role, by their joining, behind `after`.
pub fn page(
    conn: &Conn,
    role: Option<Role>,
    after: Option<&MembersAfter>,
    limit: usize,
) -> Result<Vec<Member>> {
    let (at, user) = after.map_or((Timestamp(i64::MIN), String::new()), |(at, u)| {
        (*at, u.to_string())
    });
    match role {
        Some(role) => conn.query(
            "SELECT user, role, joined_at, invite FROM members \
             WHERE role = ?1 AND (joined_at, user) > (?2, ?3) ORDER BY joined_at, user LIMIT ?4",
            (role, at, user, limit),
            member,
        ),
        None => conn.query(
            "SELECT user, role, joined_at, invite FROM members \
             WHERE (joined_at, user) > (?1, ?2) ORDER BY joined_at, user LIMIT ?3",
            (at, user, limit),
            member,
        ),
    }
}

/// Every member and role; bounded by the limit on members.
pub fn roles(conn: &Conn) -> Result<Vec<(UserId, Role)>> {
    conn.query("SELECT user, role FROM members", (), |r| {
        Ok((r.get(0)?, r.get(1)?))
    })
}

/// One member.
pub fn get(conn: &Conn, user: &UserId) -> Result<Option<Member>> {
    conn.query_opt(
        "SELECT user, role, joined_at, invite FROM members WHERE user = ?1",
        (user,),
        member,
    )
}

/// How many members there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT member_count FROM waddle", (), |r| r.get(0))
}

/// How many owners there are.
pub fn owners(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM members WHERE role = 'owner'", (), |r| {
        r.get(0)
    })
}

/// Enters a member; a conflict where they are one already.
pub fn insert(tx: &mut Tx, m: &Member) -> Result<()> {
    tx.execute(
        "INSERT INTO members (user, role, joined_at, invite) VALUES (?1, ?2, ?3, ?4)",
        (&m.user, m.role, m.joined_at, m.invite),
    )
    .map(drop)
}

/// Changes a member's role.
pub fn set_role(tx: &mut Tx, user: &UserId, role: Role) -> Result<()> {
    tx.execute_one("UPDATE members SET role = ?2 WHERE user = ?1", (user, role))
}

/// Takes a member out; whether they were one.
pub fn delete(tx: &mut Tx, user: &UserId) -> Result<bool> {
    Ok(tx.execute("DELETE FROM members WHERE user = ?1", (user,))? > 0)
}

/// One page of the bans, the newest first.
pub fn bans(conn: &Conn, offset: usize, limit: usize) -> Result<Vec<Ban>> {
    conn.query(
        "SELECT user, reason, banned_by, banned_at, expires_at, named FROM bans \
         ORDER BY banned_at DESC, user LIMIT ?2 OFFSET ?1",
        (offset, limit),
        ban_row,
    )
}

/// One page of the bans, the newest first, behind `after`.
pub fn bans_page(conn: &Conn, after: Option<&MembersAfter>, limit: usize) -> Result<Vec<Ban>> {
    let (at, user) = after.map_or((Timestamp(i64::MAX), String::new()), |(at, u)| {
        (*at, u.to_string())
    });
    conn.query(
        "SELECT user, reason, banned_by, banned_at, expires_at, named FROM bans \
         WHERE banned_at < ?1 OR (banned_at = ?1 AND user > ?2) ORDER BY banned_at DESC, user LIMIT ?3",
        (at, user, limit),
        ban_row,
    )
}

fn ban_row(r: &Row<'_>) -> Result<Ban> {
    Ok(Ban {
        user: r.get(0)?,
        reason: r.get(1)?,
        by: r.get(2)?,
        at: r.get(3)?,
        expires_at: r.get(4)?,
        named: r.get(5)?,
    })
}

/// One person's ban.
pub fn ban(conn: &Conn, user: &UserId) -> Result<Option<Ban>> {
    conn.query_opt(
        "SELECT user, reason, banned_by, banned_at, expires_at, named FROM bans WHERE user = ?1",
        (user,),
        ban_row,
    )
}

/// The newest ban of somebody who was called so.
pub fn ban_by_name(conn: &Conn, named: &str) -> Result<Option<UserId>> {
    conn.query_opt(
        "SELECT user FROM bans WHERE named = ?1 ORDER BY banned_at DESC, user LIMIT 1",
        (named,),
        |r| r.get(0),
    )
}

/// Those whose ban is over, at most `limit`.
pub fn due_bans(conn: &Conn, now: Timestamp, limit: usize) -> Result<Vec<UserId>> {
    conn.query(
        "SELECT user FROM bans WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
        (now, limit),
        |r| r.get(0),
    )
}

/// Whether somebody is banned.
pub fn is_banned(conn: &Conn, user: &UserId) -> Result<bool> {
    Ok(conn
        .query_opt("SELECT 1 FROM bans WHERE user = ?1", (user,), |r| r.get::<i64>(0))?
        .is_some())
}

/// How many bans there are.
pub fn count_bans(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT ban_count FROM waddle", (), |r| r.get(0))
}

/// Enters a ban, or the newer one in its place.
pub fn put_ban(tx: &mut Tx, b: &Ban) -> Result<()> {
    tx.execute(
        "INSERT INTO bans (user, reason, banned_by, banned_at, expires_at, named) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (user) DO UPDATE SET reason = excluded.reason, banned_by = excluded.banned_by, \
         banned_at = excluded.banned_at, expires_at = excluded.expires_at, named = coalesce(excluded.named, named)",
        (
            &b.user,
            b.reason.as_deref(),
            b.by.as_ref(),
            b.at,
            b.expires_at,
            b.named.as_deref(),
        ),
    )
    .map(drop)
}

/// Lifts a ban; whether there was one.
pub fn delete_ban(tx: &mut Tx, user: &UserId) -> Result<bool> {
    Ok(tx.execute("DELETE FROM bans WHERE user = ?1", (user,))? > 0)
}
