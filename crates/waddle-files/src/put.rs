//! An upload: bytes go to the store as they come, in parts, never the whole file in memory.

use std::collections::hash_map::Entry;

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use opentelemetry::KeyValue;
use ring::digest;
use subtle::ConstantTimeEq as _;
use tokio::sync::OwnedSemaphorePermit;
use waddle_core::UserId;
use waddle_storage::repo::files::{self, FileRow, State};

use crate::{Active, Files, Phase, error::Error, kind, metrics::METRICS, slot};

/// An upload under way; dropped before its end it leaves nothing behind.
pub struct Upload {
    files: Files,
    row: FileRow,
    parts: Option<Box<dyn MultipartUpload>>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    received: u64,
    digest: digest::Context,
    /// Until it is done.
    claim: Option<Claim>,
}

/// One upload of a file at a time, with all that it leaves behind.
struct Claim {
    files: Files,
    id: String,
    _place: OwnedSemaphorePermit,
}

impl Claim {
    /// From here on the upload has failed and is only cleared away: the next one waits instead of being refused.
    fn ends(&self) {
        if let Some(active) = self.files.0.active.lock().get_mut(&self.id) {
            active.phase = Phase::Ending;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.files.0.active.lock().remove(&self.id);
        self.files.0.ended.notify_waiters();
    }
}

impl Files {
    /// Notes an upload as under way; `false` where one that failed is still being cleared away. Of an account's they are
    /// few, so that nobody's slow uploads take all places that there are.
    fn begin(&self, id: &str, owner: &UserId) -> Result<bool, Error> {
        let mut all = self.0.active.lock();
        let own = all.values().filter(|a| a.owner == *owner).count();
        match all.entry(id.to_owned()) {
            Entry::Occupied(active) if active.get().phase == Phase::Ending => Ok(false),
            Entry::Occupied(_) => Err(Error::Conflict),
            Entry::Vacant(_) if own >= self.0.config.limits.uploads_per_account => Err(Error::Busy),
            Entry::Vacant(free) => {
                free.insert(Active {
                    owner: owner.clone(),
                    phase: Phase::Running,
                });
                Ok(true)
            }
        }
    }

    async fn claim(&self, id: &str, owner: &UserId) -> Result<Claim, Error> {
        let places = self.0.places.clone();
        let place = places.try_acquire_owned().map_err(|_| Error::Busy)?;
        loop {
            let ended = self.0.ended.notified();
            if self.begin(id, owner)? {
                return Ok(Claim {
                    files: self.clone(),
                    id: id.to_owned(),
                    _place: place,
                });
            }
            ended.await;
        }
    }

    /// Begins the upload of a slot: `name` and `token` are from its address, `length` and `kind` what the client
    /// declares about the bytes that follow.
    pub async fn put(
        &self,
        id: &str,
        name: &str,
        token: &str,
        length: u64,
        declared: Option<&str>,
    ) -> Result<Upload, Error> {
        if !slot::is_id(id) {
            return Err(Error::Forbidden);
        }
        let key = id.to_owned();
        let row = self.0.db.read(move |conn| files::get(conn, &key)).await?;
        let row = row.ok_or(Error::Forbidden)?;
        let fits: bool = row.token.ct_eq(&slot::token_digest(token)).into();
        if !fits || row.name != name {
            return Err(Error::Forbidden);
        }
        match row.state {
            State::Promised => {}
            State::Stored => return Err(Error::Conflict),
            State::Removed | State::Counted => return Err(Error::Forbidden),
        }
        if row.put_until < self.0.clock.now() {
            return Err(Error::Forbidden);
        }
        if length != row.size {
            return Err(Error::Length(row.size));
        }
        // many clients declare every body as unknown; what is served is the slot's type in any case
        let declared = declared.and_then(kind::essence);
        if declared.is_some_and(|d| d != row.kind && d != kind::UNKNOWN && row.kind != kind::UNKNOWN) {
            return Err(Error::Kind(row.kind));
        }
        let claim = self.claim(id, &row.owner).await?;
        // another upload may have ended since the row was read; from here on none can
        let key = id.to_owned();
        let now = self.0.db.read(move |conn| files::get(conn, &key)).await?;
        match now.map(|row| row.state) {
            Some(State::Promised) => {}
            Some(State::Stored) => return Err(Error::Conflict),
            _ => return Err(Error::Forbidden),
        }
        self.0.store.clear_staged(id).await;
        Ok(Upload {
            files: self.clone(),
            row,
            parts: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            received: 0,
            digest: digest::Context::new(&digest::SHA256),
            claim: Some(claim),
        })
    }
}

impl Upload {
    /// Takes the next bytes; resolves when the store has room for more.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > self.row.size {
            return Err(Error::Cut(self.row.size));
        }
        self.digest.update(&bytes);
        let part = self.files.0.store.part;
        while self.waiting_bytes + bytes.len() >= part {
            let rest = bytes.split_off(part - self.waiting_bytes);
            self.waiting.push(std::mem::replace(&mut bytes, rest));
            self.waiting_bytes = part;
            // a file of exactly one part is written as a whole
            if self.received == self.row.size && bytes.is_empty() && self.parts.is_none() {
                return Ok(());
            }
            self.send_part().await?;
        }
        if !bytes.is_empty() {
            self.waiting_bytes += bytes.len();
            // frames of a few bytes must not become a list of allocations
            match self.waiting.last_mut() {
                Some(last) if last.len() + bytes.len() <= 4_096 => {
                    let mut joined = Vec::with_capacity(8_192);
                    joined.extend_from_slice(last);
                    joined.extend_from_slice(&bytes);
                    *last = joined.into();
                }
                _ => self.waiting.push(bytes),
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let payload: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
        self.waiting_bytes = 0;
        let store = &self.files.0.store;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let begun = store.objects.put_multipart(&store.path(&self.row.id)).await;
                self.parts.insert(begun.map_err(Error::store)?)
            }
        };
        parts.put_part(payload).await.map_err(Error::store)
    }

    /// All bytes came: the file is there, durably, when this resolves. It goes on when nobody waits for it.
    pub async fn finish(self) -> Result<(), Error> {
        let work = tokio::spawn(self.conclude());
        work.await
            .unwrap_or_else(|source| Err(object_store::Error::JoinError { source }.into()))
    }

    async fn conclude(mut self) -> Result<(), Error> {
        let outcome = self.try_finish().await;
        let word = match &outcome {
            Ok(()) => {
                self.claim = None;
                METRICS.bytes.add(self.row.size, &[]);
                "stored"
            }
            Err(Error::Cut(_)) => "cut",
            Err(Error::Full) => "full",
            Err(_) => "failed",
        };
        METRICS.uploads.add(1, &[KeyValue::new("outcome", word)]);
        outcome
    }

    async fn try_finish(&mut self) -> Result<(), Error> {
        if self.received != self.row.size {
            return Err(Error::Cut(self.row.size));
        }
        let store = &self.files.0.store;
        let path = store.path(&self.row.id);
        if self.parts.is_some() {
            if self.waiting_bytes > 0 {
                self.send_part().await?;
            }
            if let Some(mut parts) = self.parts.take()
                && let Err(e) = parts.complete().await
            {
                self.parts = Some(parts);
                return Err(Error::store(e));
            }
        } else {
            let payload: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
            let put = self.files.0.store.objects.put(&path, payload).await;
            put.map_err(Error::store)?;
        }
        let digest = self.digest.clone().finish();
        let id = self.row.id.clone();
        let work = self
            .files
            .0
            .db
            .write(move |tx| files::stored(tx, &id, digest.as_ref()));
        match work.await {
            Ok(true) => Ok(()),
            // the slot is gone meanwhile: with its account, or after too long a time
            Ok(false) => {
                let id = self.row.id.clone();
                let now = self.files.0.db.read(move |conn| files::get(conn, &id)).await?;
                if now.is_some_and(|row| row.state == State::Stored) {
                    return Err(Error::Conflict);
                }
                self.files.0.store.remove(&self.row.id).await?;
                Err(Error::Forbidden)
            }
            // The sweep removes the bytes with the slot; a retry may write them again.
            Err(e) => Err(e.into()),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        if let (Some(mut parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) {
            claim.ends();
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::debug!(%error, "aborting an upload");
                }
                drop(claim);
            });
        }
    }
}
