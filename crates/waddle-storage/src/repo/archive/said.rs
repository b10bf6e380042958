//! Direct messages by what their author called them (XEP-0424 §5.1 names a message by its `id`).

use super::{ArchiveKey, Archived, archived};
use crate::{Conn, Result, params};

/// Messages of one name that are looked at, the newest: an author may give the same one again and again.
const SAME: usize = 64;

/// What the index holds: FNV-1a of author and identifier. Others may share it, so both are compared as well.
pub(in crate::repo) fn hash(author: &str, id: &str) -> i64 {
    let bytes = author.bytes().chain([0]).chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash.cast_signed()
}

/// The messages of an author that may have been sent with this `id`, in an archive and between its owner and `peer`
/// (a bare JID); the newest first. Whether its stanza has that `id` is for the caller to see. It reads the entries of the
/// archive's index, not its messages, so that keeping a message costs no index of its own.
pub fn said(conn: &Conn, archive: &ArchiveKey, peer: &str, author: &str, id: &str) -> Result<Vec<Archived>> {
    conn.query(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza \
         FROM archive INDEXED BY archive_page \
         WHERE archive = ?1 AND peer = ?2 AND said = ?3 AND author = ?4 ORDER BY id DESC LIMIT ?5",
        params![archive, peer, hash(author, id), author, SAME],
        archived,
    )
}

/// The newest message that `peer` (a bare JID) sent with this `id` to the owner of an archive, among the last that were
/// exchanged with anybody.
pub fn said_by_peer(conn: &Conn, archive: &ArchiveKey, peer: &str, id: &str) -> Result<Option<Archived>> {
    let recent = conn.query(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza, said FROM archive \
         INDEXED BY archive_page WHERE archive = ?1 AND peer = ?2 ORDER BY id DESC LIMIT ?3",
        params![archive, peer, SAME],
        |row| Ok((archived(row)?, row.get::<Option<i64>>(10)?)),
    )?;
    let named =
        |(m, said): &(Archived, Option<i64>)| m.author.as_deref().is_some_and(|a| *said == Some(hash(a, id)));
    Ok(recent.into_iter().find(named).map(|(m, _)| m))
}
