//! Restoring a whole backup while no server runs (mission line 48); one waddle alone is
//! [`Storage::restore_waddle`](crate::Storage::restore_waddle).

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use waddle_core::{Slug, SystemClock, WaddleId};

use crate::{
    Result, StorageError,
    conn::{Conn, Mode},
    disk,
    repo::waddles,
};

/// Replaces the databases in `dir` by those of the backup `from`: `server.db` and `waddles/<id>.db`. Waddles that
/// are not in the backup are removed. All copies are made and checked first; a bad one changes nothing.
///
/// Returns how many waddles were restored.
///
/// # Errors
/// [`StorageError::Locked`] while a server runs on `dir`, [`StorageError::NotFound`] where `from` is no backup,
/// [`StorageError::Corrupt`] for a bad copy.
pub fn restore_all(dir: &Path, from: &Path) -> Result<usize> {
    disk::private_dir(&dir.join("waddles"))?;
    let lock = disk::lock(dir)?;
    if !from.join("server.db").is_file() {
        return Err(StorageError::NotFound);
    }
    let mut copies = vec![(PathBuf::from("server.db"), None)];
    for name in databases(&from.join("waddles"))? {
        copies.push((Path::new("waddles").join(&name), Some(name)));
    }
    for (name, _) in &copies {
        copy_checked(&from.join(name), &staged(&dir.join(name)))?;
    }
    for name in databases(&dir.join("waddles"))? {
        if !copies.iter().any(|(_, n)| n.as_ref() == Some(&name)) {
            disk::remove_database(&dir.join("waddles").join(name))?;
        }
    }
    for (name, _) in &copies {
        let path = dir.join(name);
        disk::remove_log(&path)?;
        disk::rename(&staged(&path), &path)?;
    }
    drop(lock);
    Ok(copies.len() - 1)
}

/// The waddle of this slug in a backup, and its copy.
///
/// # Errors
/// [`StorageError::NotFound`] where the backup has none of that slug.
pub fn find_waddle(from: &Path, slug: &Slug) -> Result<(WaddleId, PathBuf)> {
    let dir = from.join("waddles");
    for name in databases(&dir)? {
        let path = dir.join(&name);
        let database: Arc<str> = path.display().to_string().into();
        let own =
            Conn::open(&path, Mode::Look, database, Arc::new(SystemClock)).and_then(|c| waddles::slug(&c));
        // A bad copy may be of another waddle: it is no reason not to find this one.
        match own {
            Ok(Some((id, own))) if own == *slug => return Ok((id, path)),
            _ => {}
        }
    }
    Err(StorageError::NotFound)
}

fn staged(path: &Path) -> PathBuf {
    path.with_extension("restore")
}

/// The names of the databases in a folder; none where there is no folder.
fn databases(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StorageError::io("reading", dir, &e)),
    };
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    Ok(names
        .filter(|n| Path::new(n).extension().is_some_and(|e| e == "db"))
        .collect())
}

fn copy_checked(from: &Path, to: &Path) -> Result<()> {
    disk::remove_database(to)?;
    let mut source = File::open(from).map_err(|e| StorageError::io("opening", from, &e))?;
    io::copy(&mut source, &mut disk::private_file(to)?).map_err(|e| StorageError::io("copying", from, &e))?;
    let name: Arc<str> = from.display().to_string().into();
    let found = {
        let conn = Conn::open(to, Mode::Write, name.clone(), Arc::new(SystemClock))?;
        conn.query_one("PRAGMA integrity_check(1)", (), |r| r.get::<String>(0))?
    };
    if found == "ok" {
        return disk::remove_log(to);
    }
    disk::remove_database(to)?;
    Err(StorageError::Corrupt {
        database: name,
        detail: found.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig, repo::meta::Meta};
    use waddle_core::WaddleId;

    #[tokio::test]
    async fn a_backup_replaces_what_came_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let backup = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let (kept, later) = (WaddleId::new(), WaddleId::new());
        storage.create_waddle(kept).await.unwrap();
        Meta(&storage.server())
            .set("name", "before".into())
            .await
            .unwrap();
        storage.backup_server(backup.path()).await.unwrap();
        storage
            .backup_waddle(kept, backup.path().join("waddles"))
            .await
            .unwrap();
        Meta(&storage.server()).set("name", "after".into()).await.unwrap();
        storage.create_waddle(later).await.unwrap();
        let locked = restore_all(dir.path(), backup.path()).unwrap_err();
        assert!(matches!(locked, StorageError::Locked(_)), "{locked}");
        storage.close().await;

        assert_eq!(restore_all(dir.path(), backup.path()).unwrap(), 1);
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        assert_eq!(storage.waddles().await.unwrap(), [kept]);
        assert_eq!(
            Meta(&storage.server()).get("name").await.unwrap().as_deref(),
            Some("before")
        );
        storage.close().await;

        std::fs::write(backup.path().join("server.db"), "no database").unwrap();
        assert!(restore_all(dir.path(), backup.path()).is_err());
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        assert_eq!(
            Meta(&storage.server()).get("name").await.unwrap().as_deref(),
            Some("before")
        );
        assert!(
            restore_all(
                tempfile::tempdir().unwrap().path(),
                dir.path().join("x").as_path()
            )
            .is_err()
        );
        storage.close().await;
    }
}
