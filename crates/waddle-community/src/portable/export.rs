//! Writing a waddle into one file, out of one state of it, while it is used.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufWriter, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ahash::AHashSet;
use waddle_core::{Timestamp, WaddleId};
use waddle_storage::{
    StorageError, Value,
    portable::{Snapshot, Table},
    repo::{channels, waddles},
};

use super::{
    EXPORT_VERSION, Exported,
    format::{About, Head, Line, Lines, failed, row},
    policy::{ARCHIVE, Fate, Holds, WADDLE, fate},
};
use crate::{Actor, Community, Error, On, Result};

impl Community {
    /// Writes a waddle with everything that travels into the new file `to`, which only this process's user can read.
    /// Needs `waddle#export`; it is in the audit log.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Export`] where the file exists or cannot be written.
    pub async fn export(&self, actor: impl Into<Actor>, id: WaddleId, to: &Path) -> Result<Exported> {
        let file = new_file(to)?;
        let done = self.export_into(actor, id, file).await;
        if done.is_err()
            && let Err(e) = std::fs::remove_file(to)
        {
            tracing::warn!(error = %e, "what was written of an export stays");
        }
        done.map(|(exported, _)| exported)
    }

    /// The same into a file without a name, open at its start: it is gone when it is closed.
    ///
    /// # Errors
    /// [`Error::Limit`] while `limits.waddle_exports` of them are being written.
    pub async fn export_file(&self, actor: impl Into<Actor>, id: WaddleId) -> Result<(Exported, File)> {
        let max = self.limits().waddle_exports;
        let _place = self.exports().try_acquire().map_err(|_| Error::Limit {
            what: "exports at a time",
            max,
        })?;
        let path = self.storage().scratch(&format!("{}.export", WaddleId::new()))?;
        let file = new_file(&path)?;
        std::fs::remove_file(&path).map_err(|e| failed("preparing", &e))?;
        let (exported, mut file) = self.export_into(actor, id, file).await?;
        file.rewind().map_err(|e| failed("reading", &e))?;
        Ok((exported, file))
    }

    async fn export_into(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        file: File,
    ) -> Result<(Exported, File)> {
        let (server, now) = (self.domain().to_owned(), self.now());
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "export")?;
            d.audit("waddle.export", &format!("waddle:{id}"), "", None)
        })
        .await?;
        self.storage()
            .snapshot(id, move |s| write(s, &server, now, file))
            .await
    }
}

fn new_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::Export(format!("{}: {e}", path.display()).into()))
}

fn write(s: &Snapshot, server: &str, now: Timestamp, file: File) -> Result<(Exported, File)> {
    let (waddle, _) = waddles::own(s)?.ok_or(StorageError::NotFound)?;
    let mut out = Lines::new(BufWriter::with_capacity(1 << 18, file));
    out.write(&Head {
        waddle_export: EXPORT_VERSION,
        server: server.to_owned(),
        exported_at: now,
        waddle: About {
            id: waddle.id.to_string(),
            slug: waddle.slug.to_string(),
            name: waddle.name,
        },
        migrations: s.migrations()?,
    })?;
    let mut failure = None;
    s.people(|person| {
        let person = person.to_owned();
        failure = out.write(&Line::Person { person }).err();
        failure.clone().map_or(Ok(()), |_| Err(StorageError::Closed))
    })
    .map_err(|e| failure.take().unwrap_or(e.into()))?;
    let there: AHashSet<String> = channels::list(s, waddle.id)?
        .iter()
        .map(|c| format!("channel:{}", c.id))
        .collect();
    let mut rows = BTreeMap::new();
    // The waddle itself comes last: what has it is whole.
    let (last, tables): (Vec<_>, Vec<_>) = s.tables()?.into_iter().partition(|t| t.name == WADDLE);
    for table in tables.iter().chain(&last) {
        let Fate::Kept(holds) = fate(&table.name) else {
            continue;
        };
        let logins = holds.iter().filter(|(_, what)| *what == Holds::Login);
        let logins: Vec<usize> = logins
            .filter_map(|(name, _)| table.columns.iter().position(|c| c == name))
            .collect();
        let mut count = 0;
        s.rows(table, |mut values| {
            for at in &logins {
                if let Some(value) = values.get_mut(*at) {
                    *value = Value::Null;
                }
            }
            if !belongs(table, &values, &there) {
                return Ok(());
            }
            count += 1;
            out.write(&Line::Row {
                table: table.name.clone(),
                row: row(table, values),
            })
        })?;
        rows.insert(table.name.clone(), count);
    }
    let (bytes, out) = out.end(&rows)?;
    let file = out.into_inner().map_err(|e| failed("writing", e.error()))?;
    (&file)
        .flush()
        .and_then(|()| file.sync_all())
        .map_err(|e| failed("writing", &e))?;
    Ok((Exported { bytes, rows }, file))
}

/// Whether a row is of a channel that is there: messages of deleted ones are on their way out.
fn belongs(table: &Table, values: &[Value], channels: &AHashSet<String>) -> bool {
    let key = table.columns.iter().position(|c| c == ARCHIVE);
    match key.and_then(|i| values.get(i)) {
        Some(Value::Text(key)) => channels.contains(key),
        _ => true,
    }
}
