//! Hats of plain rooms (XEP-0317).

use crate::{Conn, Result, Tx};

/// The hats of a room and who wears them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHats {
    /// URI, title, hue (empty for none), in their order.
    pub all: Vec<(String, String, String)>,
    /// Bare JID and URI.
    pub worn: Vec<(String, String)>,
}

/// Reads them.
pub fn load(conn: &Conn, room: &str) -> Result<StoredHats> {
    Ok(StoredHats {
        all: conn.query(
            "SELECT uri, title, hue FROM room_hats WHERE room = ?1 ORDER BY position",
            (room,),
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        )?,
        worn: conn.query(
            "SELECT jid, uri FROM room_hats_worn WHERE room = ?1 ORDER BY jid, uri",
            (room,),
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?,
    })
}

/// Writes them all anew.
pub fn set(tx: &mut Tx, room: &str, hats: &StoredHats) -> Result<()> {
    tx.execute("DELETE FROM room_hats WHERE room = ?1", (room,))?;
    for (position, (uri, title, hue)) in hats.all.iter().enumerate() {
        tx.execute(
            "INSERT INTO room_hats (room, uri, position, title, hue) VALUES (?1, ?2, ?3, ?4, ?5)",
            (room, uri.as_str(), position as i64, title.as_str(), hue.as_str()),
        )?;
    }
    for (jid, uri) in &hats.worn {
        tx.execute(
            "INSERT INTO room_hats_worn (room, jid, uri) VALUES (?1, ?2, ?3)",
            (room, jid.as_str(), uri.as_str()),
        )?;
    }
    Ok(())
}
