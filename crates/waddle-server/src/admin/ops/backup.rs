//! `backup`: consistent copies of every database, uploaded files, and the keys if asked for; or of one waddle.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use serde_json::json;

use super::{Outcome, Reply, failed};
use crate::{admin::Failure, app::App};

/// Files beside the databases without which a restored server has another identity.
pub const KEY_FILES: &[&str] = &["identity.keys", "tls-key.pem", "tls-cert.pem"];

pub async fn run(app: &App, data_dir: &Path, uploads: Option<&Path>, dir: &Path, with_keys: bool) -> Outcome {
    must_be_new(dir)?;
    let mut bytes = app.storage.backup_server(dir).await.map_err(failed)?.bytes;
    let waddles = app.community.waddles();
    for w in &waddles {
        bytes += app
            .storage
            .backup_waddle(w.id, dir.join("waddles"))
            .await
            .map_err(failed)?
            .bytes;
    }
    // After the database that names them, so that none of those is missing.
    let mut files = 0;
    if let Some(uploads) = uploads {
        let (from, to) = (uploads.to_owned(), dir.join("uploads"));
        let copied = tokio::task::spawn_blocking(move || put_back(&from, &to)).await;
        files = copied
            .map_err(failed)?
            .map_err(|e| Failure(format!("{}: {e}", uploads.display())))?;
    }
    if with_keys {
        for name in KEY_FILES {
            copy_private(&data_dir.join(name), &dir.join(name))
                .map_err(|e| Failure(format!("{name}: {e}")))?;
        }
    }
    let keys = if with_keys {
        "with the encryption keys: keep it as secret as the server"
    } else {
        "without the encryption keys: Bluesky sessions in it cannot be read; --with-keys includes them"
    };
    Ok(Reply {
        text: format!(
            "copied the server and {} waddles, {bytes} bytes, and {files} uploaded files to {}, {keys}",
            waddles.len(),
            dir.display()
        ),
        json: json!({
            "dir": dir, "waddles": waddles.len(), "bytes": bytes, "files": files, "with_keys": with_keys,
        }),
    })
}

/// Copies one waddle, for `restore --waddle` here or elsewhere.
pub async fn one(app: &App, slug: &str, dir: &Path) -> Outcome {
    let waddle = super::waddle(app, slug)?;
    must_be_new(dir)?;
    let copy = app
        .storage
        .backup_waddle(waddle.id, dir.join("waddles"))
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("copied waddle {slug}, {} bytes, to {}", copy.bytes, dir.display()),
        json: json!({"dir": dir, "waddle": waddle.id, "bytes": copy.bytes}),
    })
}

fn must_be_new(dir: &Path) -> Result<(), Failure> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure(format!(
            "{} is not empty; name a new directory",
            dir.display()
        )));
    }
    Ok(())
}

/// Copies uploaded files from one directory to another, those that are not there yet; answers how many. One that is
/// removed meanwhile is left out.
pub fn put_back(from: &Path, to: &Path) -> io::Result<u64> {
    let missing = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let shards = match fs::read_dir(from) {
        Err(e) if missing(&e) => return Ok(0),
        opened => opened?,
    };
    let mut copied = 0;
    for shard in shards {
        let shard = shard?;
        if !shard.file_type()?.is_dir() {
            continue;
        }
        let into = to.join(shard.file_name());
        fs::create_dir_all(&into)?;
        for file in fs::read_dir(shard.path())? {
            let file = file?;
            // A name with # is an upload under way.
            if !file.file_type()?.is_file() || file.file_name().to_string_lossy().contains('#') {
                continue;
            }
            let target = into.join(file.file_name());
            if target.exists() {
                continue;
            }
            match copy_whole(&file.path(), &target) {
                Err(e) if missing(&e) => {}
                done => {
                    done?;
                    copied += 1;
                }
            }
        }
    }
    Ok(copied)
}

/// Copies a file under another name first, so that none is ever half there.
fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(part, to)
}

/// Copies a file that may be missing, readable by its owner alone.
pub fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = match fs::File::open(from) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut target = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}
