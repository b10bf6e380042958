//! One change of a waddle: decided and stored in one transaction, then made visible, then announced.

use std::sync::Arc;

use waddle_core::{Limits, Slug, Timestamp, UserId, WaddleId};
use waddle_permissions::{Changes, Subject, Tuple};
use waddle_storage::{
    StorageError, Tx,
    repo::{
        audit, tuples,
        waddles::{self, Revisions},
    },
};

use crate::{
    Actor, AuditEntry, Channel, Community, Error, Event, On, Result, Role, Users, Waddle, WaddleAccess,
    index, registry::Open,
};

/// A change while it is made, on the writer thread of the waddle's database.
pub(crate) struct Draft<'a> {
    pub tx: &'a mut Tx,
    pub access: &'a WaddleAccess,
    pub limits: &'a Limits,
    pub now: Timestamp,
    pub actor: &'a Actor,
    effects: Effects,
}

/// What becomes visible after the commit.
#[derive(Default)]
pub(crate) struct Effects {
    tuples: Changes,
    members: Vec<(UserId, Option<Role>)>,
    waddle: Option<Arc<Waddle>>,
    channels: Option<Vec<Arc<Channel>>>,
    events: Vec<Event>,
}

impl Draft<'_> {
    pub fn waddle(&self) -> WaddleId {
        self.access.id()
    }

    pub fn slug(&self) -> Slug {
        self.access.slug().clone()
    }

    /// The acting user must have a relation.
    pub fn require(&self, on: On<'_>, relation: &str) -> Result<()> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::User(u) if self.access.allows(on, relation, u) => Ok(()),
            Actor::User(_) => Err(Error::Forbidden),
        }
    }

    /// What the acting user is; the operator counts as owner.
    pub fn actor_role(&self) -> Option<Role> {
        match self.actor {
            Actor::System => Some(Role::Owner),
            Actor::User(u) => self.access.role_of(u),
        }
    }

    pub fn write(&mut self, t: Tuple) {
        self.effects.tuples.deletes.retain(|d| *d != t);
        if !self.effects.tuples.writes.contains(&t) {
            self.effects.tuples.writes.push(t);
        }
    }

    pub fn delete(&mut self, t: Tuple) {
        self.effects.tuples.writes.retain(|w| *w != t);
        if !self.effects.tuples.deletes.contains(&t) {
            self.effects.tuples.deletes.push(t);
        }
    }

    pub fn delete_all(&mut self, tuples: impl IntoIterator<Item = Tuple>) {
        for t in tuples {
            self.delete(t);
        }
    }

    pub fn set(&mut self, t: Tuple, there: bool) {
        if there {
            self.write(t);
        } else {
            self.delete(t);
        }
    }

    /// Notes a change of the membership for the index.
    pub fn member(&mut self, user: &UserId, role: Option<Role>) {
        self.effects.members.push((user.clone(), role));
    }

    pub fn event(&mut self, e: Event) {
        self.effects.events.push(e);
    }

    pub fn set_waddle(&mut self, w: Arc<Waddle>) {
        self.effects.waddle = Some(w);
    }

    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.effects
            .channels
            .clone()
            .unwrap_or_else(|| self.access.channels())
    }

    pub fn set_channels(&mut self, mut channels: Vec<Arc<Channel>>) {
        channels.sort_by_key(|c| (c.position, c.id));
        self.effects.channels = Some(channels);
    }

    pub fn audit(&mut self, action: &str, target: &str, detail: &str, reason: Option<&str>) -> Result<()> {
        audit::insert(
            self.tx,
            &AuditEntry {
                id: 0,
                at: self.now,
                actor: self.actor.user().cloned(),
                action: action.to_owned(),
                target: target.to_owned(),
                detail: detail.to_owned(),
                reason: reason.map(str::to_owned),
            },
        )?;
        Ok(())
    }

    /// Stores the tuples and revisions; what has no effect is dropped, so that both sides count alike.
    fn finish(mut self) -> Result<Effects> {
        let state = self.access.read();
        self.effects.tuples.writes.retain(|t| !state.store.contains(t));
        self.effects.tuples.deletes.retain(|t| state.store.contains(t));
        state.store.validate(&self.effects.tuples)?;
        let mut revisions = Revisions {
            tuples: state.store.revision(),
            members: state.members_revision,
        };
        drop(state);
        for t in &self.effects.tuples.deletes {
            tuples::delete(
                self.tx,
                &t.object.to_string(),
                &t.relation,
                &t.subject.to_string(),
            )?;
        }
        for t in &self.effects.tuples.writes {
            tuples::insert(
                self.tx,
                &t.object.to_string(),
                &t.relation,
                &t.subject.to_string(),
            )?;
        }
        revisions.tuples += u64::from(!self.effects.tuples.is_empty());
        revisions.members += u64::from(!self.effects.members.is_empty());
        waddles::set_revisions(self.tx, revisions)?;
        Ok(self.effects)
    }
}

impl Effects {
    /// Whose permissions the tuples may change: the users that they name, or everybody's.
    fn users(&self) -> Users {
        let mut users = Vec::new();
        for t in self.tuples.writes.iter().chain(&self.tuples.deletes) {
            let user = match &t.subject {
                Subject::Object(o) if &*o.kind == "user" => o.id.parse().ok(),
                _ => None,
            };
            let Some(user) = user else { return Users::All };
            if !users.contains(&user) {
                users.push(user);
            }
        }
        Users::Some(users)
    }
}

impl Community {
    /// Makes one change of a waddle: `work` decides and stores, all of it or nothing.
    ///
    /// It runs to its end also where the caller gives up waiting. To a user who may not see the waddle, every
    /// refusal is [`Error::Forbidden`], whether the waddle and what is in it exist or not.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        id: WaddleId,
        actor: Actor,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let who = actor.user().cloned();
        let done = self.change_openly(id, actor, work).await;
        match (done, who) {
            (Err(Error::NotFound(_) | Error::Conflict(_) | Error::Limit { .. }), Some(user))
                if !self
                    .access_now(id)
                    .is_some_and(|a| a.waddle_allows("view", &user)) =>
            {
                Err(Error::Forbidden)
            }
            (done, _) => done,
        }
    }

    /// The same for operations that a stranger may make: their errors say what is wrong.
    pub(crate) async fn change_openly<T: Send + 'static>(
        &self,
        id: WaddleId,
        actor: Actor,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let open = this.open_waddle(id).await?;
            let _turn = open.turn.lock().await;
            this.make(&open, actor, work).await
        });
        let done = task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()));
        self.metrics().changed(match &done {
            Ok(_) => "ok",
            Err(Error::Storage(_) | Error::Tuples(_)) => "failed",
            Err(_) => "refused",
        });
        done
    }

    /// The same while the caller has the turn.
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        open: &Open,
        actor: Actor,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if open.access.is_gone() {
            return Err(Error::NotFound("waddle"));
        }
        let (access, limits, now) = (open.access.clone(), self.limits(), self.now());
        let stored = open
            .db
            .transact(move |tx| {
                let mut draft = Draft {
                    tx,
                    access: &access,
                    limits: &limits,
                    now,
                    actor: &actor,
                    effects: Effects::default(),
                };
                let value = work(&mut draft)?;
                Ok::<_, Error>((value, draft.finish()?))
            })
            .await;
        let (value, effects) = match stored {
            Ok(done) => done,
            Err(e) => {
                if let Error::Storage(
                    StorageError::Io(_) | StorageError::Corrupt { .. } | StorageError::Panicked,
                ) = &e
                {
                    // Whether it was stored is not known: memory follows the disk.
                    self.reload(open).await;
                }
                return Err(e);
            }
        };
        self.publish(open, effects).await;
        Ok(value)
    }

    async fn publish(&self, open: &Open, effects: Effects) {
        let users = effects.users();
        let id = open.access.id();
        let mut members_revision = 0;
        let revision = open.access.apply(&effects.tuples, |state| {
            state.members_revision += u64::from(!effects.members.is_empty());
            members_revision = state.members_revision;
            if let Some(w) = &effects.waddle {
                state.waddle = w.clone();
            }
            if let Some(c) = effects.channels {
                state.channels = c;
            }
        });
        let server = self.storage().server();
        if let Some(w) = effects.waddle {
            self.directory().put(w.clone());
            let copied = server.write(move |tx| waddles::set_copy(tx, &w)).await;
            if let Err(e) = copied {
                tracing::warn!(waddle = %id, error = %e, "the list of waddles is behind");
            }
        }
        if !effects.members.is_empty() {
            let indexed = index::advance(&server, &open.db, id, effects.members, members_revision).await;
            if let Err(e) = indexed {
                tracing::warn!(waddle = %id, error = %e, "the membership index is behind");
            }
        }
        for e in effects.events {
            self.announce(e);
        }
        if !effects.tuples.is_empty() {
            self.announce(Event::TuplesChanged {
                waddle: id,
                revision,
                users,
            });
        }
    }
}
