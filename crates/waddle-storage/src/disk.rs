//! Files and folders of the data directory: private modes, durable renames, the lock.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{Result, StorageError};

/// Makes a folder that only its owner can enter (0700), and those above it.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| StorageError::io("creating", path, &e))
}

/// Makes an empty file that only its owner can read (0600); SQLite gives the same mode to what it puts beside.
pub(crate) fn private_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StorageError::io("creating", path, &e))
}

/// Takes the lock of the data directory; it ends with the process or when the file is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("storage.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| StorageError::io("opening", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked(dir.display().to_string().into())),
        Err(TryLockError::Error(e)) => Err(StorageError::io("locking", &path, &e)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::io("removing", path, &e)),
        _ => Ok(()),
    }
}

/// The length of a database's write-ahead log.
pub(crate) fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(beside(path, "-wal")).map_or(0, |m| m.len())
}

/// Removes a database's write-ahead log and shared memory.
pub(crate) fn remove_log(path: &Path) -> Result<()> {
    remove(&beside(path, "-wal"))?;
    remove(&beside(path, "-shm"))
}

/// Removes a database and what SQLite keeps beside it.
pub(crate) fn remove_database(path: &Path) -> Result<()> {
    remove(path)?;
    remove_log(path)?;
    remove(&beside(path, "-journal"))
}

/// Puts a finished file in its place; it is on the disk when this returns.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    let synced = File::open(from).and_then(|f| f.sync_all());
    synced.map_err(|e| StorageError::io("writing", from, &e))?;
    std::fs::rename(from, to).map_err(|e| StorageError::io("renaming", from, &e))?;
    sync_parent(to)
}

/// Removes what was never finished, as after a power cut: databases on their way into their place, and files that were
/// needed for a moment. Only for who has the lock of the directory.
pub(crate) fn clear_leftovers(dir: &Path) {
    clear(dir, |name| name.starts_with("server.") && is_half_made(name));
    clear(&dir.join("waddles"), is_half_made);
    clear(&dir.join("scratch"), |_| true);
}

/// Whether a database of this name, or what SQLite keeps beside it, is on its way into its place.
fn is_half_made(name: &str) -> bool {
    [".new", ".restore"].iter().any(|kind| {
        let end = name.rfind(kind).map(|at| &name[at + kind.len()..]);
        matches!(end, Some("" | "-wal" | "-shm" | "-journal"))
    })
}

/// Removes the files of a folder whose names are such.
fn clear(folder: &Path, wanted: impl Fn(&str) -> bool) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(&wanted) {
            continue;
        }
        let path = entry.path();
        match remove(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "removed what was never finished"),
            Err(error) => tracing::warn!(%error, "what was never finished stays"),
        }
    }
}

/// Makes changes of names in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| StorageError::io("writing", dir, &e))
}
