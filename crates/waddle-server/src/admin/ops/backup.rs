//! `backup`: consistent copies of every database, and of the keys if asked for.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use serde_json::json;

use super::{Outcome, Reply, failed};
use crate::{admin::Failure, app::App};

/// Files beside the databases without which a restored server has another identity.
pub const KEY_FILES: &[&str] = &["identity.keys", "tls-key.pem", "tls-cert.pem"];

pub async fn run(app: &App, data_dir: &Path, dir: &Path, with_keys: bool) -> Outcome {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure(format!(
            "{} is not empty; name a new directory",
            dir.display()
        )));
    }
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
            "copied the server and {} waddles, {bytes} bytes, to {}, {keys}",
            waddles.len(),
            dir.display()
        ),
        json: json!({"dir": dir, "waddles": waddles.len(), "bytes": bytes, "with_keys": with_keys}),
    })
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
