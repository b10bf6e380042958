//! Who is in which waddle and which channels it has, in the server database: derived, after the waddle's own commit.
//!
//! Both sides carry the revision of the members. A crash between the two commits leaves the index behind; it
//! is made anew when the waddle opens, or with the next change, whichever comes first.

use waddle_core::{UserId, WaddleId};
use waddle_storage::{
    Db,
    repo::{channels, members, waddles},
};

use crate::{Result, Role};

/// Enters the changes of one commit (no role: not a member any more) into the index.
pub(crate) async fn advance(
    server: &Db,
    own: &Db,
    id: WaddleId,
    changes: Vec<(UserId, Option<Role>)>,
    to: u64,
) -> Result<()> {
    let in_step = server
        .write(move |tx| {
            if !waddles::advance_index(tx, id, to - 1, to)? {
                return Ok(false);
            }
            for (user, role) in &changes {
                match role {
                    Some(role) => waddles::index_put(tx, id, user, *role)?,
                    None => waddles::index_remove(tx, id, user)?,
                }
            }
            Ok(true)
        })
        .await?;
    if !in_step {
        rebuild(server, own, id, to).await?;
    }
    Ok(())
}

/// Makes the index of one waddle anew.
pub(crate) async fn rebuild(server: &Db, own: &Db, id: WaddleId, revision: u64) -> Result<()> {
    let entered = rebuild_with(server, own, id, revision, None).await?;
    tracing::info!(waddle = %id, members = entered, "membership index made anew");
    Ok(())
}

/// Makes the index of a waddle that is new here: for members who belong to more than `most` waddles it takes no place
/// until they join themselves. The caller lets nobody enter another one meanwhile.
pub(crate) async fn build(server: &Db, own: &Db, id: WaddleId, revision: u64, most: usize) -> Result<()> {
    rebuild_with(server, own, id, revision, Some(most))
        .await
        .map(drop)
}

async fn rebuild_with(
    server: &Db,
    own: &Db,
    id: WaddleId,
    revision: u64,
    most: Option<usize>,
) -> Result<usize> {
    let (members, channels) = own
        .read(|conn| Ok((members::roles(conn)?, channels::ids(conn)?)))
        .await?;
    let count = members.len();
    server
        .write(move |tx| {
            waddles::index_replace(tx, id, &members, revision)?;
            waddles::place_channels(tx, id, &channels)?;
            let Some(max) = most else { return Ok(()) };
            let unasked = waddles::unask_overfull(tx, id, max)?;
            if unasked > 0 {
                tracing::info!(waddle = %id, unasked, "members who are in as many waddles as they may join themselves");
            }
            Ok(())
        })
        .await?;
    Ok(count)
}
