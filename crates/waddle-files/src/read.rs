//! Files that are there, whole or in part.

use std::{io::SeekFrom, ops::Range};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{GetOptions, GetRange, GetResultPayload};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use waddle_core::{Timestamp, UserId};
use waddle_storage::repo::files::{self, FileRow, State};

use crate::{Files, error::Error, kind, name, slot};

/// Bytes of one read from a local file.
const READ: usize = 128 * 1024;

/// The bytes of a file as they come from the store.
pub type Contents = BoxStream<'static, std::io::Result<Bytes>>;

/// A file that everybody who knows its address may read.
pub struct Stored {
    files: Files,
    row: FileRow,
}

impl Files {
    /// The stored file of this id and name.
    pub async fn find(&self, id: &str, name: &str) -> Result<Stored, Error> {
        if !slot::is_id(id) {
            return Err(Error::NotFound);
        }
        let key = id.to_owned();
        let row = self.0.db.read(move |conn| files::get(conn, &key)).await?;
        let now = self.0.clock.now();
        let row = row
            .filter(|r| r.state == State::Stored && r.name == name)
            .filter(|r| r.expires_at.is_none_or(|e| e > now))
            .ok_or(Error::NotFound)?;
        Ok(Stored {
            files: self.clone(),
            row,
        })
    }
}

impl Stored {
    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.row.size
    }

    /// Whose it is.
    pub fn owner(&self) -> &UserId {
        &self.row.owner
    }

    /// How it is served.
    pub fn served(&self) -> kind::Served<'_> {
        kind::served(&self.row.kind)
    }

    /// `Content-Disposition`.
    pub fn disposition(&self) -> String {
        name::disposition(self.served().inline, &self.row.name)
    }

    /// A strong entity tag, quoted: made of the contents.
    pub fn etag(&self) -> String {
        let digest = self.row.digest.as_deref().unwrap_or_default();
        let part = digest.get(..18).unwrap_or(digest);
        ["\"", &URL_SAFE_NO_PAD.encode(part), "\""].concat()
    }

    /// When its slot was given: it never changes after.
    pub fn modified(&self) -> Timestamp {
        self.row.at
    }

    /// When it goes.
    pub fn expires(&self) -> Option<Timestamp> {
        self.row.expires_at
    }

    /// Its bytes in `range`, which must lie within [`Stored::size`] and not be empty.
    pub async fn read(&self, range: Range<u64>) -> Result<Contents, Error> {
        let store = &self.files.0.store;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let path = store.path(&self.row.id);
        let found = store
            .objects
            .get_opts(&path, options)
            .await
            .map_err(Error::store)?;
        if found.meta.size != self.row.size {
            tracing::error!(id = %self.row.id, "a file in the store has another size than its row");
            return Err(Error::NotFound);
        }
        Ok(match found.payload {
            GetResultPayload::File(file, _) => local(tokio::fs::File::from_std(file), range),
            GetResultPayload::Stream(bytes) => bytes.map(|b| b.map_err(std::io::Error::other)).boxed(),
            #[allow(clippy::allow_attributes, unreachable_patterns, reason = "the type may grow")]
            _ => return Err(Error::NotFound),
        })
    }
}

fn local(file: tokio::fs::File, range: Range<u64>) -> Contents {
    let (start, left) = (range.start, range.end - range.start);
    let state = (file, Some(start), left);
    futures::stream::try_unfold(state, |(mut file, mut seek, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        if let Some(start) = seek.take() {
            file.set_max_buf_size(READ);
            file.seek(SeekFrom::Start(start)).await?;
        }
        let most = usize::try_from(left).unwrap_or(READ).min(READ);
        let mut buf = BytesMut::with_capacity(most);
        let n = (&mut file).take(most as u64).read_buf(&mut buf).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((buf.freeze(), (file, seek, left - n as u64))))
    })
    .boxed()
}
