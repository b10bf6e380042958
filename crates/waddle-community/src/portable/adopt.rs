//! One waddle of a backup put in place, on this server or on another one that serves the same people.

use std::{path::Path, sync::Arc};

use waddle_core::WaddleId;
use waddle_storage::{
    StorageError,
    repo::{
        rooms,
        waddles::{self, Revisions, State as Life},
    },
};

use crate::{Community, Error, Event, Result, Waddle, index};

impl Community {
    /// Puts the copy of a waddle's database in place: of one that is here, with all that came after the copy undone, or
    /// of one that is not, under its own identifier and slug. People stay who they are, so it is for the same domain;
    /// for another one there is [`Community::import`].
    ///
    /// # Errors
    /// [`Error::Conflict`] where another waddle has its slug, [`Error::Storage`] for a bad copy; then nothing happened.
    pub async fn restore(&self, id: WaddleId, copy: &Path) -> Result<Arc<Waddle>> {
        let (this, copy) = (self.clone(), copy.to_owned());
        let task = tokio::spawn(async move {
            if this.waddle_by_id(id).is_none() {
                return this.adopt(id, &copy).await;
            }
            // One that cannot be read any more is why it is restored. Another one takes no change until memory is the
            // copy's too.
            let open = this.open_waddle(id).await.ok();
            let turn = match &open {
                Some(open) => Some(open.turn.lock().await),
                None => None,
            };
            let before = this.revisions(id).await.unwrap_or_default();
            this.storage().restore_waddle(id, copy).await?;
            this.pass(id, before).await?;
            match (&open, turn) {
                (Some(open), Some(_turn)) => this.reload(open).await,
                _ => this.refresh(id).await?,
            }
            this.waddle_by_id(id).ok_or(Error::NotFound("waddle"))
        });
        task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    /// Raises the revisions above those before: no revision ever stands for two states. How far a waddle came that is
    /// here no more, nobody knows; the time in microseconds is above all that anybody can have changed.
    async fn pass(&self, id: WaddleId, before: Revisions) -> Result<u64> {
        let db = self.storage().waddle(id).await?;
        let epoch = u64::try_from(self.now().micros()).unwrap_or_default();
        let members = db
            .write(move |tx| {
                let (_, copy) = waddles::own(tx)?.ok_or(StorageError::NotFound)?;
                let raised = Revisions {
                    tuples: before.tuples.max(copy.tuples).max(epoch) + 1,
                    members: before.members.max(copy.members) + 1,
                };
                waddles::set_revisions(tx, raised)?;
                Ok(raised.members)
            })
            .await?;
        Ok(members)
    }

    async fn adopt(&self, id: WaddleId, copy: &Path) -> Result<Arc<Waddle>> {
        self.storage().restore_waddle(id, copy).await?;
        let db = self.storage().waddle(id).await?;
        let Some((waddle, _)) = db.read(waddles::own).await? else {
            self.remove_database(id).await?;
            return Err(Error::Export("the copy holds no waddle".into()));
        };
        let waddle = Arc::new(waddle);
        if !self
            .directory()
            .reserve(&waddle.slug, id, self.limits().waddles)?
        {
            self.remove_database(id).await?;
            return Err(Error::Conflict(
                "another waddle has its slug; export it where it is, and import it under another",
            ));
        }
        let (server, of) = (self.storage().server(), waddle.clone());
        let listed = server
            .transact(move |tx| {
                if rooms::uses_slug(tx, &of.slug)? {
                    return Err(Error::Conflict("a room has its slug"));
                }
                Ok(waddles::reserve(tx, &of)?)
            })
            .await;
        let listed = match listed {
            Ok(()) => match self.pass(id, Revisions::default()).await {
                Ok(members) => index::rebuild(&server, &db, id, members).await,
                failed => failed.map(drop),
            },
            failed => failed,
        };
        if let Err(e) = listed {
            self.clear_away(id, &waddle.slug).await;
            return Err(e);
        }
        server
            .write(move |tx| waddles::set_state(tx, id, Life::Live))
            .await?;
        self.directory().put(waddle.clone());
        self.announce(Event::WaddleCreated(waddle.clone()));
        Ok(waddle)
    }
}
