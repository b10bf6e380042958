//! Copies of one database while it is in use, and the way back for one waddle (mission line 41).

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use waddle_core::WaddleId;

use crate::{
    Result, Storage, StorageError,
    conn::{Conn, Mode},
    disk,
    file::DbFile,
    storage::Length,
};

/// A finished copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file: `server.db` or `<waddle>.db`.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Storage {
    /// Copies the server database as it is now into the folder `into`, replacing an older copy.
    pub async fn backup_server(&self, into: impl Into<PathBuf>) -> Result<Backup> {
        self.backup(self.server().0, into.into()).await
    }

    /// Copies the database of one waddle as it is now into the folder `into`, replacing an older copy.
    pub async fn backup_waddle(&self, id: WaddleId, into: impl Into<PathBuf>) -> Result<Backup> {
        let db = self.waddle(id).await?;
        self.backup(db.0, into.into()).await
    }

    async fn backup(&self, file: std::sync::Arc<DbFile>, into: PathBuf) -> Result<Backup> {
        self.errand(Length::Long, move || {
            disk::private_dir(&into)?;
            let name = file.path.file_name().unwrap_or_default();
            let (path, part) = (into.join(name), into.join(name).with_extension("part"));
            disk::remove_database(&part)?;
            disk::private_file(&part)?;
            let conn = Conn::open(
                &file.path,
                Mode::Write,
                file.name.clone(),
                file.shared.clock.clone(),
            )?;
            conn.query("VACUUM INTO ?1", (text(&part)?,), |_| Ok(()))?;
            drop(conn);
            disk::rename(&part, &path)?;
            let bytes = path.metadata().map_or(0, |m| m.len());
            Ok(Backup { path, bytes })
        })
        .await
    }

    /// Replaces the database of a waddle (also a fenced or a deleted one) with a copy made by
    /// [`Storage::backup_waddle`]. The copy is checked first; a bad one changes nothing.
    pub async fn restore_waddle(&self, id: WaddleId, copy: impl Into<PathBuf>) -> Result<()> {
        let (file, copy) = (self.handle(id)?.0, copy.into());
        let new = file.path.with_extension("restore");
        let checked = new.clone();
        self.errand(Length::Long, move || {
            disk::remove_database(&checked)?;
            std::io::copy(
                &mut File::open(&copy).map_err(|e| StorageError::io("opening", &copy, &e))?,
                &mut disk::private_file(&checked)?,
            )
            .map_err(|e| StorageError::io("copying", &copy, &e))?;
            file.check_copy(&checked).inspect_err(|_| {
                let _ = disk::remove_database(&checked);
            })
        })
        .await?;
        // In turn with removals, so that the handle is the one that is known now.
        let db = self.handle(id)?;
        let (file, shared) = (db.0.clone(), self.0.shared.clone());
        self.errand(Length::Short, move || {
            let restored = file.exclusively(|| {
                disk::remove_log(&file.path)?;
                disk::rename(&new, &file.path)?;
                disk::remove_log(&new)?;
                file.unfence();
                Ok(())
            });
            shared.forget(&file);
            restored
        })
        .await?;
        db.open().await
    }
}

impl DbFile {
    /// Whether a copy is whole, belongs to this waddle and fits this version.
    fn check_copy(&self, copy: &Path) -> Result<()> {
        let conn = Conn::open(copy, Mode::Write, self.name.clone(), self.shared.clock.clone())?;
        let found: String = conn.query_one("PRAGMA integrity_check(1)", (), |r| r.get(0))?;
        if found != "ok" {
            return Err(StorageError::Corrupt {
                database: self.name.clone(),
                detail: found.into(),
            });
        }
        let mut tx = self.checked(conn)?;
        tx.checkpoint()
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| StorageError::Io(format!("the path {} is not UTF-8", path.display()).into()))
}
