//! Uploaded files (XEP-0363): slots that were promised, files that are stored, what is to be removed.
//!
//! Quotas are decided in the transaction that promises the slot, so that two requests cannot both take the last
//! byte. The sums stand in `file_totals`, kept by triggers: their cost does not grow with the number of files.

use std::time::Duration;

use waddle_core::{Timestamp, UserId};

use crate::{Conn, Result, Row, Tx, params};

/// The time over which uploads count.
const DAY: Duration = Duration::from_secs(86_400);

/// Where a file is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is a slot, and no file yet.
    Promised,
    /// It is there.
    Stored,
    /// It is gone for everybody; its bytes are still to be removed.
    Removed,
    /// Its bytes are gone; it counts for the day's quota.
    Counted,
}

impl State {
    fn number(self) -> u8 {
        match self {
            Self::Promised => 0,
            Self::Stored => 1,
            Self::Removed => 2,
            Self::Counted => 3,
        }
    }
}

/// A row of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The random part of its address.
    pub id: String,
    /// Who asked for the slot.
    pub owner: UserId,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Its content type.
    pub kind: String,
    /// `message`, `profile` or `ephemeral`.
    pub purpose: String,
    /// Where it is in its life.
    pub state: State,
    /// SHA-256 of what allows the upload.
    pub token: Vec<u8>,
    /// When the slot was given.
    pub at: Timestamp,
    /// When an upload must have begun.
    pub put_until: Timestamp,
    /// When it goes.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of its contents.
    pub digest: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, owner, name, size, kind, purpose, state, token, at, put_until, expires_at, digest";

fn file(r: &Row<'_>) -> Result<FileRow> {
    Ok(FileRow {
        id: r.get(0)?,
        owner: r.get(1)?,
        name: r.get(2)?,
        size: r.get(3)?,
        kind: r.get(4)?,
        purpose: r.get(5)?,
        state: match r.get::<u8>(6)? {
            0 => State::Promised,
            1 => State::Stored,
            2 => State::Removed,
            _ => State::Counted,
        },
        token: r.get(7)?,
        at: r.get(8)?,
        put_until: r.get(9)?,
        expires_at: r.get(10)?,
        digest: r.get(11)?,
    })
}

/// How much may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Bytes that an account may upload in 24 hours.
    pub daily: u64,
    /// Bytes of an account's files.
    pub account: u64,
    /// Bytes of an account's files with the purpose `profile`.
    pub profile: u64,
    /// Files of an account, those of the last day included.
    pub files: usize,
    /// Slots of an account that are not used yet.
    pub slots: usize,
    /// Bytes of all files.
    pub server: u64,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Too much in one day.
    Daily,
    /// The account's files take all it may have.
    Account,
    /// Too many files.
    Files,
    /// Too many slots wait for their upload.
    Slots,
    /// All files together take all there may be.
    Server,
}

/// Sums over `file_totals`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files, promised ones included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What an account has, or all together.
pub fn totals(conn: &Conn, owner: Option<&UserId>) -> Result<Totals> {
    let owner = owner.map(ToString::to_string).unwrap_or_default();
    let found = conn.query_opt(
        "SELECT files, bytes FROM file_totals WHERE owner = ?1",
        (owner,),
        |r| {
            Ok(Totals {
                files: r.get(0)?,
                bytes: r.get(1)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// Gives a slot, or says what is full and, where that is known, when it would be given. `grace` is how long an
/// upload that has begun may take.
pub fn promise(
    tx: &mut Tx,
    new: &FileRow,
    quotas: &Quotas,
    grace: Duration,
) -> Result<std::result::Result<(), (Full, Option<Timestamp>)>> {
    if let Some(full) = what_is_full(tx, new, quotas)? {
        return Ok(Err(full));
    }
    tx.execute(
        "INSERT INTO files (id, owner, name, size, kind, purpose, state, token, at, put_until, expires_at, due_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11)",
        params![
            &new.id,
            &new.owner,
            &new.name,
            new.size,
            &new.kind,
            &new.purpose,
            &new.token,
            new.at,
            new.put_until,
            new.expires_at,
            new.put_until.plus(grace)
        ],
    )?;
    Ok(Ok(()))
}

fn what_is_full(conn: &Conn, new: &FileRow, quotas: &Quotas) -> Result<Option<(Full, Option<Timestamp>)>> {
    let since = new.at.minus(DAY);
    // the day's files, oldest first: when one is a day old its bytes are free again
    let (mut day, mut files) = (Vec::new(), 0);
    conn.each(
        "SELECT size, at FROM files WHERE owner = ?1 AND at > ?2 ORDER BY at LIMIT ?3",
        params![&new.owner, since, quotas.files],
        |r| {
            day.push((r.get::<u64>(0)?, r.get::<Timestamp>(1)?));
            files += 1;
            Ok(true)
        },
    )?;
    if files >= quotas.files {
        return Ok(Some((Full::Files, day.first().map(|(_, at)| at.plus(DAY)))));
    }
    let used: u64 = day.iter().map(|(size, _)| size).sum();
    if let Some(over) = over(used, new.size, quotas.daily) {
        let when = freed(day.iter().map(|(size, at)| (*size, at.plus(DAY))), over);
        return Ok(Some((Full::Daily, when)));
    }
    let (waiting, first) = conn.query_one(
        "SELECT count(*), min(put_until) FROM files WHERE owner = ?1 AND at > ?2 AND state = 0 AND put_until > ?3",
        (&new.owner, since, new.at),
        |r| Ok((r.get::<usize>(0)?, r.get::<Option<Timestamp>>(1)?)),
    )?;
    if waiting >= quotas.slots {
        return Ok(Some((Full::Slots, first)));
    }
    let own = totals(conn, Some(&new.owner))?;
    if own.files >= quotas.files as u64 {
        return Ok(Some((
            Full::Files,
            first_to_go(conn, &new.owner, 1, quotas.files)?,
        )));
    }
    if let Some(over) = over(own.bytes, new.size, quotas.account) {
        let when = first_to_go(conn, &new.owner, over, quotas.files)?;
        return Ok(Some((Full::Account, when)));
    }
    if new.purpose == "profile" {
        let used = conn.query_one(
            "SELECT coalesce(sum(size), 0) FROM files WHERE owner = ?1 AND state < 2 AND purpose = 'profile'",
            (&new.owner,),
            |r| r.get::<u64>(0),
        )?;
        if over(used, new.size, quotas.profile).is_some() {
            return Ok(Some((Full::Account, None)));
        }
    }
    if over(totals(conn, None)?.bytes, new.size, quotas.server).is_some() {
        return Ok(Some((Full::Server, None)));
    }
    Ok(None)
}

/// How many bytes too many it would be.
fn over(used: u64, more: u64, most: u64) -> Option<u64> {
    used.saturating_add(more)
        .checked_sub(most)
        .filter(|over| *over > 0)
}

/// When so many bytes are free again.
fn freed(sizes: impl Iterator<Item = (u64, Timestamp)>, over: u64) -> Option<Timestamp> {
    let mut sum = 0_u64;
    sizes
        .into_iter()
        .find(|(size, _)| {
            sum = sum.saturating_add(*size);
            sum >= over
        })
        .map(|(_, when)| when)
}

/// When enough of an account's files will have expired.
fn first_to_go(conn: &Conn, owner: &UserId, over: u64, most: usize) -> Result<Option<Timestamp>> {
    let sizes = conn.query(
        "SELECT size, expires_at FROM files WHERE owner = ?1 AND state < 2 AND expires_at IS NOT NULL \
         ORDER BY expires_at LIMIT ?2",
        (owner, most),
        |r| Ok((r.get::<u64>(0)?, r.get::<Timestamp>(1)?)),
    )?;
    Ok(freed(sizes.into_iter(), over))
}

/// A file by its id, whatever its state.
pub fn get(conn: &Conn, id: &str) -> Result<Option<FileRow>> {
    let sql = ["SELECT ", COLUMNS, " FROM files WHERE id = ?1"].concat();
    conn.query_opt(&sql, (id,), file)
}

/// An account's stored files, newest first, those before `before`.
pub fn of_owner(conn: &Conn, owner: &UserId, before: Timestamp, limit: usize) -> Result<Vec<FileRow>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM files WHERE owner = ?1 AND state = 1 AND at < ?2 ORDER BY at DESC LIMIT ?3",
    ]
    .concat();
    conn.query(&sql, params![owner, before, limit], file)
}

/// The bytes are in the store: from now on the file is served. `false` where the slot is gone.
pub fn stored(tx: &mut Tx, id: &str, digest: &[u8]) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE files SET state = 1, digest = ?2, due_at = expires_at WHERE id = ?1 AND state = 0",
        (id, digest),
    )?;
    Ok(changed > 0)
}

/// Takes a file from everybody; the sweep removes its bytes. `false` where there is none, or it is not `owner`'s.
pub fn remove(tx: &mut Tx, id: &str, owner: Option<&UserId>) -> Result<bool> {
    let now = tx.now();
    let owner = owner.map(ToString::to_string);
    let changed = tx.execute(
        "UPDATE files SET state = 2, due_at = ?2 WHERE id = ?1 AND state < 2 AND (?3 IS NULL OR owner = ?3)",
        (id, now, owner),
    )?;
    Ok(changed > 0)
}

/// Takes all of an account's files from everybody.
pub fn remove_all(tx: &mut Tx, owner: &UserId) -> Result<u64> {
    let now = tx.now();
    tx.execute(
        "UPDATE files SET state = 2, due_at = ?2 WHERE owner = ?1 AND state < 2",
        (owner, now),
    )
}

/// What the sweep has to do, first things first: files whose time is over are taken from everybody here, and the
/// answer is whose bytes must be removed. Rows that nothing needs any more are deleted.
pub fn due(tx: &mut Tx, limit: usize) -> Result<(Vec<FileRow>, bool)> {
    let now = tx.now();
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM files WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
    ]
    .concat();
    let rows = tx.query(&sql, params![now, limit], file)?;
    let more = rows.len() == limit;
    let mut bytes = Vec::new();
    for row in rows {
        match row.state {
            State::Counted => {
                tx.execute("DELETE FROM files WHERE id = ?1", (&row.id,))?;
            }
            State::Removed => bytes.push(row),
            State::Promised | State::Stored => {
                let removed = State::Removed.number();
                tx.execute("UPDATE files SET state = ?2 WHERE id = ?1", (&row.id, removed))?;
                bytes.push(row);
            }
        }
    }
    Ok((bytes, more))
}

/// The bytes are gone. What was uploaded counts until its day is over.
pub fn gone(tx: &mut Tx, id: &str) -> Result<()> {
    let since = tx.now().minus(DAY);
    let counts = tx.execute(
        "UPDATE files SET state = 3, name = '', due_at = at + ?3 \
         WHERE id = ?1 AND state = 2 AND digest IS NOT NULL AND at > ?2",
        (id, since, DAY.as_micros() as i64),
    )?;
    if counts == 0 {
        tx.execute("DELETE FROM files WHERE id = ?1 AND state = 2", (id,))?;
    }
    Ok(())
}

/// The bytes could not be removed: try again later.
pub fn later(tx: &mut Tx, id: &str, after: Duration) -> Result<()> {
    let due = tx.now().plus(after);
    tx.execute(
        "UPDATE files SET due_at = ?2 WHERE id = ?1 AND state = 2",
        (id, due),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig};

    const GRACE: Duration = Duration::from_secs(60);

    fn row(id: &str, size: u64, at: i64) -> FileRow {
        let at = Timestamp(at * 1_000_000);
        FileRow {
            id: id.into(),
            owner: UserId::local("alice"),
            name: "a.txt".into(),
            size,
            kind: "text/plain".into(),
            purpose: "message".into(),
            state: State::Promised,
            token: vec![1],
            at,
            put_until: at.plus(Duration::from_secs(300)),
            expires_at: Some(at.plus(DAY * 10)),
            digest: None,
        }
    }

    fn quotas() -> Quotas {
        Quotas {
            daily: 100,
            account: 150,
            profile: 20,
            files: 10,
            slots: 3,
            server: 180,
        }
    }

    #[tokio::test]
    async fn quotas_name_what_is_full_and_when_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        storage
            .server()
            .write(|tx| {
                let q = quotas();
                let mut ask = |row: FileRow| promise(tx, &row, &q, GRACE);
                assert_eq!(ask(row("a", 60, 1_000))?, Ok(()));
                let day_later = Timestamp(1_000_000_000).plus(DAY);
                assert_eq!(ask(row("b", 41, 1_001))?, Err((Full::Daily, Some(day_later))));
                assert_eq!(ask(row("b", 20, 1_001))?, Ok(()));
                assert_eq!(ask(row("c", 1, 1_002))?, Ok(()));
                let slot = Timestamp(1_300_000_000);
                assert_eq!(ask(row("d", 1, 1_003))?, Err((Full::Slots, Some(slot))));
                // the next day the sum of all counts
                let next = 1_000 + 86_400 + 10;
                let expiry = Timestamp(1_000_000_000).plus(DAY * 10);
                assert_eq!(ask(row("e", 70, next))?, Err((Full::Account, Some(expiry))));
                let mut other = row("f", 100, next);
                other.owner = UserId::local("bob");
                assert_eq!(ask(other)?, Err((Full::Server, None)));
                let mut face = row("g", 21, next);
                face.purpose = "profile".into();
                assert_eq!(ask(face)?, Err((Full::Account, None)));
                assert_eq!(totals(tx, None)?, Totals { files: 3, bytes: 81 });
                Ok(())
            })
            .await
            .unwrap();
        storage.close().await;
    }

    #[tokio::test]
    async fn a_file_ends_in_steps_and_its_day_still_counts() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        storage
            .server()
            .write(|tx| {
                let now = tx.now();
                let mut a = row("a", 60, 0);
                (a.at, a.expires_at) = (now, None);
                let mut b = a.clone();
                b.id = "b".into();
                assert_eq!(promise(tx, &a, &quotas(), GRACE)?, Ok(()));
                b.size = 5;
                assert_eq!(promise(tx, &b, &quotas(), GRACE)?, Ok(()));
                assert!(stored(tx, "a", b"digest")? && !stored(tx, "a", b"again")?);
                let bob = UserId::local("bob");
                assert!(!remove(tx, "a", Some(&bob))?, "not his");
                assert!(remove(tx, "a", Some(&a.owner))? && !remove(tx, "a", None)?);
                assert!(remove(tx, "b", None)?);
                assert_eq!(totals(tx, None)?, Totals::default());
                assert_eq!(totals(tx, Some(&a.owner))?, Totals::default());
                assert!(!stored(tx, "b", b"late")?, "its slot is gone");
                let (rows, more) = due(tx, 10)?;
                assert_eq!((rows.len(), more), (2, false));
                later(tx, "b", GRACE)?;
                gone(tx, "a")?;
                assert_eq!(due(tx, 10)?.0.len(), 0);
                assert_eq!(get(tx, "a")?.map(|r| r.state), Some(State::Counted));
                let mut c = a.clone();
                (c.id, c.size) = ("c".into(), 50);
                assert!(
                    promise(tx, &c, &quotas(), GRACE)?.is_err(),
                    "removed bytes count for the day"
                );
                gone(tx, "b")?;
                assert_eq!(get(tx, "b")?, None, "what never came does not");
                Ok(())
            })
            .await
            .unwrap();
        storage.close().await;
    }
}
