//! Waddles: the list in the server database, the one row in each waddle's own, and who is in which.

use serde::{Deserialize, Serialize};
use waddle_core::{ChannelId, Slug, Timestamp, UserId, WaddleId};

use super::{bots, members::Role, words::words};
use crate::{Conn, FromColumn, IntoValue, Result, Row, Tx, Value};

words! {
    /// Who sees a waddle.
    Visibility {
        /// Its members.
        Private = "private",
        /// Everybody, and everybody may read its open channels.
        Public = "public",
        /// Everybody sees that it exists; members alone read.
        Restricted = "restricted",
    }
}

words! {
    /// Where a waddle is between being made and being gone.
    State {
        /// Its slug is taken; its database may not be complete.
        Making = "making",
        /// It is there.
        Live = "live",
        /// It is being deleted.
        Deleting = "deleting",
    }
}

/// What its people decide about a waddle as a whole; what is missing in a stored one has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct WaddleSettings {
    /// Whether the archive of its open channels can be read on the web, where it is public.
    pub public_archive: bool,
    /// Whether search engines may show that archive.
    pub indexed: bool,
    /// What whoever asks to join is asked; up to 200 characters.
    pub join_question: String,
    /// What whoever was banned or timed out is told about appeals; up to 1,000 characters.
    pub appeal: String,
}

impl Default for WaddleSettings {
    fn default() -> Self {
        Self {
            public_archive: true,
            indexed: true,
            join_question: String::new(),
            appeal: String::new(),
        }
    }
}

impl IntoValue for &WaddleSettings {
    fn into_value(self) -> Value {
        Value::Text(serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned()))
    }
}
impl FromColumn for WaddleSettings {
    const EXPECTED: &'static str = "settings";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Text(t) => serde_json::from_str(&t).ok(),
            _ => None,
        }
    }
}

/// A community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waddle {
    /// Its identifier.
    pub id: WaddleId,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name, 2 to 100 characters.
    pub name: String,
    /// What it is about, up to 1,000 characters.
    pub description: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// When it was made.
    pub created_at: Timestamp,
    /// The address of its picture.
    pub icon: Option<String>,
    /// The address of its banner.
    pub banner: Option<String>,
    /// Its settings.
    pub settings: WaddleSettings,
}

impl Waddle {
    /// What a search looks into: slug, name and description in lower case.
    fn search_text(&self) -> String {
        [self.slug.as_str(), &self.name, &self.description]
            .join("\n")
            .to_lowercase()
    }
}

/// The revisions of one waddle's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions {
    /// Of its tuples.
    pub tuples: u64,
    /// Of its members.
    pub members: u64,
}

const COLUMNS: &str = "id, slug, name, description, visibility, created_at, icon, banner, settings";

fn waddle(row: &Row<'_>) -> Result<Waddle> {
    Ok(Waddle {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        visibility: row.get(4)?,
        created_at: row.get(5)?,
        icon: row.get(6)?,
        banner: row.get(7)?,
        settings: row.get(8)?,
    })
}

/// Server: every waddle and its state; bounded by the limit on waddles.
pub fn list(conn: &Conn) -> Result<Vec<(Waddle, State)>> {
    let sql = ["SELECT ", COLUMNS, ", state FROM waddles ORDER BY id"].concat();
    conn.query(&sql, (), |r| Ok((waddle(r)?, r.get(9)?)))
}

/// Where a page of found waddles begins: behind the one with so many members.
pub type FoundAfter = (u64, WaddleId);

/// Server: waddles that everybody may know of whose slug, name or description has every one of `words` (in lower
/// case), the largest first, behind `after`; with the number of their members.
pub fn find(
    conn: &Conn,
    words: &[String],
    after: Option<FoundAfter>,
    limit: usize,
) -> Result<Vec<(WaddleId, u64)>> {
    let (members, id) = after.map_or((u64::MAX, String::new()), |(m, id)| (m, id.to_string()));
    let mut sql = "SELECT id, member_count FROM waddles INDEXED BY waddles_found \
         WHERE visibility <> 'private' AND state = 'live' \
         AND (member_count < ?1 OR (member_count = ?1 AND id > ?2))"
        .to_owned();
    let mut params = vec![members.into_value(), id.into_value(), limit.into_value()];
    for word in words {
        params.push(word.into_value());
        sql.push_str(" AND instr(search, ?");
        sql.push_str(&params.len().to_string());
        sql.push_str(") > 0");
    }
    sql.push_str(" ORDER BY member_count DESC, id LIMIT ?3");
    conn.query(&sql, params, |r| Ok((r.get(0)?, r.get(1)?)))
}

/// Server: how many members a waddle has, as the index shows.
pub fn member_count(conn: &Conn, id: WaddleId) -> Result<u64> {
    conn.query_one("SELECT member_count FROM waddles WHERE id = ?1", (id,), |r| {
        r.get(0)
    })
}

/// Server: takes the slug for a waddle that is being made.
pub fn reserve(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute(
        "INSERT INTO waddles (id, slug, name, description, visibility, created_at, state, members_revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'making', 0)",
        (w.id, &w.slug, &w.name, &w.description, w.visibility, w.created_at),
    )?;
    set_copy(tx, w)
}

/// Server: the next state.
pub fn set_state(tx: &mut Tx, id: WaddleId, state: State) -> Result<()> {
    tx.execute_one("UPDATE waddles SET state = ?2 WHERE id = ?1", (id, state))
}

/// Server: the copy of what the waddle's own database says.
pub fn set_copy(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute_one(
        "UPDATE waddles SET name = ?2, description = ?3, visibility = ?4, icon = ?5, banner = ?6, settings = ?7, \
         search = ?8 WHERE id = ?1",
        (
            w.id,
            &w.name,
            &w.description,
            w.visibility,
            w.icon.as_deref(),
            w.banner.as_deref(),
            &w.settings,
            w.search_text(),
        ),
    )
}

/// Server: forgets a waddle, who was in it, what its devices and bots log in with, and what was to be done in it.
pub fn forget(tx: &mut Tx, id: WaddleId) -> Result<()> {
    tx.execute("DELETE FROM device_credentials WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM memberships WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM unasked_memberships WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM channel_places WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM purging WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM hook_waddles WHERE waddle = ?1", (id,))?;
    bots::silence_of_waddle(tx, id)?;
    tx.execute("DELETE FROM waddles WHERE id = ?1", (id,)).map(drop)
}

/// Server: the revision of the members that the index shows.
pub fn indexed_revision(conn: &Conn, id: WaddleId) -> Result<u64> {
    conn.query_one("SELECT members_revision FROM waddles WHERE id = ?1", (id,), |r| {
        r.get(0)
    })
}

/// Server: moves the index from one revision to the next; `false` where it stood elsewhere and must be
/// made anew.
pub fn advance_index(tx: &mut Tx, id: WaddleId, from: u64, to: u64) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE waddles SET members_revision = ?3 WHERE id = ?1 AND members_revision = ?2",
        (id, from, to),
    )?;
    Ok(changed > 0)
}

/// Server: enters or corrects a membership.
pub fn index_put(tx: &mut Tx, id: WaddleId, user: &UserId, role: Role) -> Result<()> {
    tx.execute(
        "INSERT INTO memberships (user, waddle, role) VALUES (?1, ?2, ?3) \
         ON CONFLICT (user, waddle) DO UPDATE SET role = excluded.role",
        (user, id, role),
    )
    .map(drop)
}

/// Server: notes that a membership is about to be entered by somebody else, until the person says yes.
pub fn set_unasked(tx: &mut Tx, id: WaddleId, user: &UserId) -> Result<()> {
    tx.execute(
        "INSERT OR IGNORE INTO unasked_memberships (user, waddle) VALUES (?1, ?2)",
        (user, id),
    )
    .map(drop)
}

/// Server: the person belongs there by their own will.
pub fn set_asked(tx: &mut Tx, id: WaddleId, user: &UserId) -> Result<()> {
    tx.execute(
        "DELETE FROM unasked_memberships WHERE user = ?1 AND waddle = ?2",
        (user, id),
    )
    .map(drop)
}

/// Server: whether a membership waits for the person's yes.
pub fn is_unasked(conn: &Conn, id: WaddleId, user: &UserId) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM unasked_memberships WHERE user = ?1 AND waddle = ?2",
        (user, id),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Server: how many waddles a user belongs to, by their own will or in `all`; none where this one is among them.
pub fn belongs_to(conn: &Conn, user: &UserId, id: WaddleId, all: bool) -> Result<usize> {
    conn.query_one(
        "SELECT iif(coalesce(max(m.waddle = ?2), 0), 0, count(*)) FROM memberships m WHERE m.user = ?1 \
         AND (?3 OR NOT EXISTS (SELECT 1 FROM unasked_memberships u WHERE u.user = m.user AND u.waddle = m.waddle))",
        (user, id, all),
        |r| r.get(0),
    )
}

/// Server: those members of a waddle who belong to more than `max` by their own will were not asked about this one; how
/// many they are.
pub fn unask_overfull(tx: &mut Tx, id: WaddleId, max: usize) -> Result<u64> {
    tx.execute(
        "INSERT OR IGNORE INTO unasked_memberships (user, waddle) \
         SELECT m.user, m.waddle FROM memberships m WHERE m.waddle = ?1 AND (SELECT count(*) FROM memberships o \
         WHERE o.user = m.user AND NOT EXISTS (SELECT 1 FROM unasked_memberships u \
         WHERE u.user = o.user AND u.waddle = o.waddle)) > ?2",
        (id, max),
    )
}

/// Server: takes a membership out.
pub fn index_remove(tx: &mut Tx, id: WaddleId, user: &UserId) -> Result<()> {
    set_asked(tx, id, user)?;
    tx.execute(
        "DELETE FROM memberships WHERE user = ?1 AND waddle = ?2",
        (user, id),
    )
    .map(drop)
}

/// Server: makes the index of a waddle anew.
pub fn index_replace(tx: &mut Tx, id: WaddleId, members: &[(UserId, Role)], revision: u64) -> Result<()> {
    tx.execute("DELETE FROM memberships WHERE waddle = ?1", (id,))?;
    for (user, role) in members {
        index_put(tx, id, user, *role)?;
    }
    tx.execute_one(
        "UPDATE waddles SET members_revision = ?2 WHERE id = ?1",
        (id, revision),
    )
}

/// Server: of which waddle a channel is.
pub fn of_channel(conn: &Conn, channel: ChannelId) -> Result<Option<WaddleId>> {
    conn.query_opt(
        "SELECT p.waddle FROM channel_places p JOIN waddles w ON w.id = p.waddle \
         WHERE p.channel = ?1 AND w.state = 'live'",
        (channel,),
        |r| r.get(0),
    )
}

/// Server: notes of which waddle a channel is.
pub fn place_channel(tx: &mut Tx, id: WaddleId, channel: ChannelId) -> Result<()> {
    tx.execute(
        "INSERT INTO channel_places (channel, waddle) VALUES (?1, ?2) \
         ON CONFLICT (channel) DO UPDATE SET waddle = excluded.waddle",
        (channel, id),
    )
    .map(drop)
}

/// Server: forgets of which waddle a channel was.
pub fn displace_channel(tx: &mut Tx, id: WaddleId, channel: ChannelId) -> Result<()> {
    tx.execute(
        "DELETE FROM channel_places WHERE channel = ?1 AND waddle = ?2",
        (channel, id),
    )
    .map(drop)
}

/// Server: the channels of a waddle, as the index shows; bounded by the limit on channels.
pub fn placed_channels(conn: &Conn, id: WaddleId) -> Result<Vec<ChannelId>> {
    conn.query(
        "SELECT channel FROM channel_places WHERE waddle = ?1 ORDER BY channel",
        (id,),
        |r| r.get(0),
    )
}

/// Server: notes all channels of a waddle anew.
pub fn place_channels(tx: &mut Tx, id: WaddleId, channels: &[ChannelId]) -> Result<()> {
    tx.execute("DELETE FROM channel_places WHERE waddle = ?1", (id,))?;
    for channel in channels {
        place_channel(tx, id, *channel)?;
    }
    tx.execute("UPDATE waddles SET channels_placed = 1 WHERE id = ?1", (id,))
        .map(drop)
}

/// Server: the waddles whose channels the index does not show yet.
pub fn unplaced(conn: &Conn) -> Result<Vec<WaddleId>> {
    conn.query(
        "SELECT id FROM waddles WHERE state = 'live' AND channels_placed = 0",
        (),
        |r| r.get(0),
    )
}

/// Server: the waddles of a user, at most `limit`.
pub fn of_user(conn: &Conn, user: &UserId, limit: usize) -> Result<Vec<(WaddleId, Role)>> {
    conn.query(
        "SELECT m.waddle, m.role FROM memberships m JOIN waddles w ON w.id = m.waddle \
         WHERE m.user = ?1 AND w.state = 'live' ORDER BY m.waddle LIMIT ?2",
        (user, limit),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// Server: how many waddles a user owns.
pub fn owned_by(conn: &Conn, user: &UserId) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM memberships WHERE user = ?1 AND role = 'owner'",
        (user,),
        |r| r.get(0),
    )
}

/// Waddle: what it is called, in a database of any version.
pub fn slug(conn: &Conn) -> Result<Option<(WaddleId, Slug)>> {
    conn.query_opt("SELECT id, slug FROM waddle", (), |r| Ok((r.get(0)?, r.get(1)?)))
}

/// Waddle: its row and revisions, once it is complete.
pub fn own(conn: &Conn) -> Result<Option<(Waddle, Revisions)>> {
    let sql = ["SELECT ", COLUMNS, ", revision, members_revision FROM waddle"].concat();
    conn.query_opt(&sql, (), |r| {
        Ok((
            waddle(r)?,
            Revisions {
                tuples: r.get(9)?,
                members: r.get(10)?,
            },
        ))
    })
}

/// Waddle: writes its row for the first time.
pub fn insert_own(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute(
        "INSERT INTO waddle (one, id, slug, name, description, visibility, created_at, revision, members_revision) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
        (w.id, &w.slug, &w.name, &w.description, w.visibility, w.created_at),
    )?;
    update_own(tx, w)
}

/// Waddle: changes its row.
pub fn update_own(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute_one(
        "UPDATE waddle SET name = ?1, description = ?2, visibility = ?3, icon = ?4, banner = ?5, settings = ?6",
        (
            &w.name,
            &w.description,
            w.visibility,
            w.icon.as_deref(),
            w.banner.as_deref(),
            &w.settings,
        ),
    )
}

/// Waddle: notes the revisions.
pub fn set_revisions(tx: &mut Tx, r: Revisions) -> Result<()> {
    tx.execute_one(
        "UPDATE waddle SET revision = ?1, members_revision = ?2",
        (r.tuples, r.members),
    )
}
