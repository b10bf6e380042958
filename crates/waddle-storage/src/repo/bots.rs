//! Bots: accounts that a waddle or a person owns (`specs/integrations.md`).

use waddle_core::{BotId, Timestamp, UserId, WaddleId};

use super::accounts;
use crate::{Conn, Result, Row, Tx, params};

/// A bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotRow {
    /// Its identifier.
    pub id: BotId,
    /// The part before `@` of its JID.
    pub localpart: String,
    /// What it is called.
    pub name: String,
    /// The waddle that owns it.
    pub waddle: Option<WaddleId>,
    /// The person who owns it, where no waddle does.
    pub owner: Option<UserId>,
    /// What it is for.
    pub description: String,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What its tokens may do, as JSON.
    pub scopes: String,
    /// Where slash commands go.
    pub callback: Option<String>,
    /// The sealed secret that signs them.
    pub secret: Option<Vec<u8>>,
    /// Who made it.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
}

const COLUMNS: &str = "b.id, a.localpart, coalesce(a.display_name, a.localpart), b.waddle, b.owner, b.description, \
     b.avatar_url, b.scopes, b.callback, b.secret, b.made_by, b.made_at FROM bots b JOIN accounts a ON a.id = b.account";

fn bot(r: &Row<'_>) -> Result<BotRow> {
    Ok(BotRow {
        id: r.get(0)?,
        localpart: r.get(1)?,
        name: r.get(2)?,
        waddle: r.get(3)?,
        owner: r.get(4)?,
        description: r.get(5)?,
        avatar_url: r.get(6)?,
        scopes: r.get(7)?,
        callback: r.get(8)?,
        secret: r.get(9)?,
        made_by: r.get(10)?,
        made_at: r.get(11)?,
    })
}

/// Makes a bot with its account, under the first of `localparts` that was nobody's; nothing where all are taken.
pub fn insert(tx: &mut Tx, b: &BotRow, localparts: &[String]) -> Result<Option<String>> {
    let user = UserId::bot(b.id);
    for localpart in localparts {
        let taken =
            accounts::find(tx, "a.localpart", localpart)?.is_some() || accounts::is_retired(tx, localpart)?;
        if taken {
            continue;
        }
        let row = accounts::add_local(tx, &user, localpart, false, None)?;
        set_name(tx, b.id, &b.name)?;
        tx.execute(
            "INSERT INTO bots (id, account, waddle, owner, description, avatar_url, scopes, callback, secret, made_by, \
             made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                b.id,
                row.id,
                b.waddle,
                b.owner.as_ref(),
                &b.description,
                b.avatar_url.as_deref(),
                &b.scopes,
                b.callback.as_deref(),
                b.secret.clone(),
                b.made_by.as_ref(),
                b.made_at,
            ],
        )?;
        return Ok(Some(localpart.clone()));
    }
    Ok(None)
}

fn set_name(tx: &mut Tx, id: BotId, name: &str) -> Result<()> {
    let user = UserId::bot(id);
    tx.execute_one(
        "UPDATE accounts SET display_name = ?2 WHERE user_id = ?1",
        (&user, name),
    )
}

/// Changes what people set.
pub fn update(tx: &mut Tx, b: &BotRow) -> Result<()> {
    set_name(tx, b.id, &b.name)?;
    tx.execute_one(
        "UPDATE bots SET description = ?2, avatar_url = ?3, scopes = ?4, callback = ?5, secret = ?6 WHERE id = ?1",
        params![
            b.id,
            &b.description,
            b.avatar_url.as_deref(),
            &b.scopes,
            b.callback.as_deref(),
            b.secret.clone(),
        ],
    )
}

/// One bot.
pub fn get(conn: &Conn, id: BotId) -> Result<Option<BotRow>> {
    let sql = ["SELECT ", COLUMNS, " WHERE b.id = ?1"].concat();
    conn.query_opt(&sql, (id,), bot)
}

/// The bots of a waddle; bounded by their limit.
pub fn of_waddle(conn: &Conn, waddle: WaddleId) -> Result<Vec<BotRow>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " WHERE b.waddle = ?1 ORDER BY b.id LIMIT 10000",
    ]
    .concat();
    conn.query(&sql, (waddle,), bot)
}

/// The bots of a person; bounded by their limit.
pub fn of_owner(conn: &Conn, owner: &UserId) -> Result<Vec<BotRow>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " WHERE b.owner = ?1 ORDER BY b.id LIMIT 10000",
    ]
    .concat();
    conn.query(&sql, (owner,), bot)
}

/// A bot and whose it is: a waddle's, or a person's.
pub type Owned = (BotId, Option<WaddleId>, Option<UserId>);

/// All bots behind one of them, with their owners.
pub fn all(conn: &Conn, after: Option<BotId>, limit: usize) -> Result<Vec<Owned>> {
    conn.query(
        "SELECT id, waddle, owner FROM bots WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2",
        (after, limit),
        |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
    )
}

/// With the account of their owner: no bot of theirs logs in any more.
pub(super) fn silence_owned(tx: &mut Tx, owner: &UserId) -> Result<()> {
    tx.execute(
        "DELETE FROM credentials WHERE account IN (SELECT account FROM bots WHERE owner = ?1)",
        (owner,),
    )
    .map(drop)
}

/// The same with their waddle.
pub(super) fn silence_of_waddle(tx: &mut Tx, waddle: WaddleId) -> Result<()> {
    tx.execute(
        "DELETE FROM credentials WHERE account IN (SELECT account FROM bots WHERE waddle = ?1)",
        (waddle,),
    )
    .map(drop)
}

/// What a bot may do, as JSON; nothing where there is none, or where its owner's account is disabled.
pub fn scopes(conn: &Conn, id: BotId) -> Result<Option<String>> {
    conn.query_opt(
        "SELECT b.scopes FROM bots b LEFT JOIN accounts o ON o.user_id = b.owner \
         WHERE b.id = ?1 AND coalesce(o.disabled, 0) = 0",
        (id,),
        |r| r.get(0),
    )
}

/// Whether somebody is hidden from web-readable archives.
pub fn is_hidden(conn: &Conn, user: &str) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM archive_hidden WHERE user = ?1",
        (user,),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Those of `users` who are hidden from web-readable archives.
pub fn hidden_of(conn: &Conn, users: &[String]) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for user in users {
        if is_hidden(conn, user)? {
            out.push(user.clone());
        }
    }
    Ok(out)
}

/// Hides somebody from web-readable archives, or shows them again.
pub fn set_hidden(tx: &mut Tx, user: &UserId, hidden: bool) -> Result<()> {
    let now = tx.now();
    if hidden {
        tx.execute(
            "INSERT OR IGNORE INTO archive_hidden (user, hidden_at) VALUES (?1, ?2)",
            (user, now),
        )
    } else {
        tx.execute("DELETE FROM archive_hidden WHERE user = ?1", (user,))
    }
    .map(drop)
}
