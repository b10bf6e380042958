//! Slash commands that bots offer in a waddle.

use serde::Serialize;
use waddle_core::{BotId, Timestamp};

use crate::{Conn, Result, Row, Tx};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlashCommand {
    /// What is typed after the slash, once in its waddle.
    pub name: String,
    /// Who answers.
    pub bot: BotId,
    /// What it does.
    pub description: String,
    /// What it takes, as JSON.
    #[serde(skip)]
    pub options: String,
    /// When it was registered.
    pub made_at: Timestamp,
}

fn command(row: &Row<'_>) -> Result<SlashCommand> {
    Ok(SlashCommand {
        name: row.get(0)?,
        bot: row.get(1)?,
        description: row.get(2)?,
        options: row.get(3)?,
        made_at: row.get(4)?,
    })
}

/// The commands by name; bounded by their limit.
pub fn list(conn: &Conn) -> Result<Vec<SlashCommand>> {
    conn.query(
        "SELECT name, bot, description, options, made_at FROM slash_commands ORDER BY name LIMIT 10000",
        (),
        command,
    )
}

/// One command.
pub fn get(conn: &Conn, name: &str) -> Result<Option<SlashCommand>> {
    conn.query_opt(
        "SELECT name, bot, description, options, made_at FROM slash_commands WHERE name = ?1",
        (name,),
        command,
    )
}

/// How many there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM slash_commands", (), |r| r.get(0))
}

/// Enters a command, or changes the one of its name.
pub fn put(tx: &mut Tx, c: &SlashCommand) -> Result<()> {
    tx.execute(
        "INSERT INTO slash_commands (name, bot, description, options, made_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (name) DO UPDATE SET bot = excluded.bot, description = excluded.description, \
         options = excluded.options",
        (&c.name, c.bot, &c.description, &c.options, c.made_at),
    )
    .map(drop)
}

/// Takes a command out.
pub fn delete(tx: &mut Tx, name: &str) -> Result<()> {
    tx.execute_one("DELETE FROM slash_commands WHERE name = ?1", (name,))
}

/// Takes out all commands of a bot; answers how many.
pub fn delete_of(tx: &mut Tx, bot: BotId) -> Result<u64> {
    tx.execute("DELETE FROM slash_commands WHERE bot = ?1", (bot,))
}
