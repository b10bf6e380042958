//! Roles of a waddle's own making. Their permissions and members are tuples (`specs/permissions.md`).

use serde::Serialize;
use waddle_core::{RoleId, Timestamp, UserId};

use super::words::words;
use crate::{Conn, Result, Row, Tx};

words! {
    /// What a custom role can be given on its waddle: the relation of this name.
    Permission {
        /// Make invites.
        Invite = "invite",
        /// Kick, and give the steps of the ladder below one's own.
        ManageMembers = "manage_members",
        /// Ban.
        Ban = "ban",
        /// Time out.
        Timeout = "timeout",
        /// Moderate every channel: take back others' messages, purge.
        Moderate = "moderate",
        /// Pin messages.
        Pin = "pin",
        /// Mention everyone.
        MentionEveryone = "mention_everyone",
        /// Write without waiting in slow mode.
        BypassSlowMode = "bypass_slow_mode",
        /// Read and settle reports.
        ReviewReports = "review_reports",
        /// Make and change channels and categories.
        CreateChannel = "create_channel",
        /// Make, change and give custom roles below one's own.
        ManageRoles = "manage_roles",
        /// Make devices.
        ManageDevices = "manage_devices",
        /// Bind feeds.
        ManageFeeds = "manage_feeds",
        /// Make webhooks.
        ManageWebhooks = "manage_webhooks",
        /// Add bots.
        ManageBots = "manage_bots",
        /// Set word and link rules.
        ManageRules = "manage_rules",
        /// Change the waddle itself.
        Configure = "configure",
        /// Read the audit log.
        ReadAudit = "read_audit",
        /// Export the waddle.
        Export = "export",
    }
}

/// The row of a custom role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleRow {
    /// Its identifier.
    pub id: RoleId,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub colour: Option<String>,
    /// Its place, from 1 on without gaps; a higher one stands above.
    pub position: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

fn role(row: &Row<'_>) -> Result<RoleRow> {
    Ok(RoleRow {
        id: row.get(0)?,
        name: row.get(1)?,
        colour: row.get(2)?,
        position: row.get(3)?,
        created_at: row.get(4)?,
    })
}

/// All custom roles, the highest first; bounded by the limit on roles.
pub fn list(conn: &Conn) -> Result<Vec<RoleRow>> {
    conn.query(
        "SELECT id, name, colour, position, created_at FROM roles ORDER BY position DESC, id",
        (),
        role,
    )
}

/// Enters a role.
pub fn insert(tx: &mut Tx, r: &RoleRow) -> Result<()> {
    tx.execute(
        "INSERT INTO roles (id, name, colour, position, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (r.id, &r.name, r.colour.as_deref(), r.position, r.created_at),
    )
    .map(drop)
}

/// Changes name, colour and place of a role.
pub fn update(tx: &mut Tx, r: &RoleRow) -> Result<()> {
    tx.execute_one(
        "UPDATE roles SET name = ?2, colour = ?3, position = ?4 WHERE id = ?1",
        (r.id, &r.name, r.colour.as_deref(), r.position),
    )
}

/// Takes a role out.
pub fn delete(tx: &mut Tx, id: RoleId) -> Result<()> {
    tx.execute_one("DELETE FROM roles WHERE id = ?1", (id,))
}

/// One page of who has a role, by their identifiers, behind `after`.
pub fn members(conn: &Conn, id: RoleId, after: Option<&UserId>, limit: usize) -> Result<Vec<UserId>> {
    let object = ["role:", &id.to_string()].concat();
    let after = after.map_or_else(|| "user:".to_owned(), UserId::subject);
    conn.query(
        "SELECT substr(subject, 6) FROM tuples \
         WHERE object = ?1 AND relation = 'member' AND subject > ?2 ORDER BY subject LIMIT ?3",
        (object, after, limit),
        |r| r.get(0),
    )
}
