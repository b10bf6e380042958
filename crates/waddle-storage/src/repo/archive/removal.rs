//! Archives whose owner is gone: condemned in the owner's last transaction, emptied a part at a time, taken up again
//! after a crash.

use waddle_core::MessageId;

use super::{ArchiveKey, remove};
use crate::{Db, Result, Tx};

/// Messages that one write removes at the most.
const CHUNK: usize = 1_000;

/// What happens to the note on an archive that is empty now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It stays until the next time: somebody may still be writing to the archive.
    Keep,
    /// It goes: nobody writes there any more.
    Forget,
}

/// Notes that what an archive holds now is to go; [`finish_removals`] does it.
pub fn condemn(tx: &mut Tx, archive: &ArchiveKey, afterwards: Afterwards) -> Result<()> {
    let below = match afterwards {
        Afterwards::Keep => MessageId(i64::MAX),
        Afterwards::Forget => tx.next_message_id()?,
    };
    tx.execute(
        "INSERT OR REPLACE INTO archive_removals (archive, below) VALUES (?1, ?2)",
        (archive, below),
    )
    .map(drop)
}

/// Empties the condemned archives.
pub async fn finish_removals(db: &Db, afterwards: Afterwards) -> Result<()> {
    let condemned = db
        .read(|c| {
            c.query(
                "SELECT archive, below FROM archive_removals ORDER BY archive",
                (),
                |r| Ok((ArchiveKey(r.get::<String>(0)?.into()), r.get::<MessageId>(1)?)),
            )
        })
        .await?;
    for (archive, below) in condemned {
        let mut full = true;
        while full {
            let archive = archive.clone();
            full = db
                .write(move |tx| {
                    let full = remove(tx, &archive, Some(below), CHUNK)? == CHUNK as u64;
                    if !full && afterwards == Afterwards::Forget {
                        tx.execute("DELETE FROM archive_removals WHERE archive = ?1", (&archive,))?;
                    }
                    Ok(full)
                })
                .await?;
        }
    }
    Ok(())
}
