//! What a waddle wants of its messages.

use crate::{Conn, Result, Tx};

/// Whether previews of links are wanted; they are, unless somebody said otherwise.
pub fn wants_previews(conn: &Conn) -> Result<bool> {
    let wanted = conn.query_opt("SELECT previews FROM message_settings WHERE one = 1", (), |r| {
        r.get(0)
    })?;
    Ok(wanted.unwrap_or(true))
}

/// Sets whether previews of links are wanted.
pub fn set_previews_wanted(tx: &mut Tx, wanted: bool) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO message_settings (one, previews) VALUES (1, ?1)",
        (wanted,),
    )
    .map(drop)
}
