//! One change of a waddle: decided and stored in one transaction, then made visible, then announced.

use std::sync::Arc;

use ahash::AHashMap;
use waddle_core::{CategoryId, Limits, Slug, Timestamp, UserId, WaddleId};
use waddle_permissions::{Changes, Tuple};
use waddle_storage::{
    StorageError, Tx,
    repo::{
        audit, timeouts, tuples,
        waddles::{self, Revisions},
    },
};

use crate::{
    Actor, AuditEntry, Category, Channel, Channels, Community, Error, Event, On, Result, Role, RoleRow,
    Timeout, Users, Via, Waddle, WaddleAccess, index, reach, registry::Open, screen::Screen,
};

/// A change while it is made, on the writer thread of the waddle's database.
pub(crate) struct Draft<'a> {
    pub tx: &'a mut Tx,
    pub access: &'a WaddleAccess,
    pub limits: &'a Limits,
    pub now: Timestamp,
    pub actor: &'a Actor,
    pub via: Option<&'a Via>,
    effects: Effects,
}

/// What becomes visible after the commit.
#[derive(Default)]
pub(crate) struct Effects {
    /// The last word on each tuple: to be there, or not.
    wanted: AHashMap<Tuple, bool>,
    tuples: Changes,
    users: Option<(Users, Channels)>,
    members: Vec<(UserId, Option<Role>)>,
    waddle: Option<Arc<Waddle>>,
    channels: Option<Vec<Arc<Channel>>>,
    categories: Option<Vec<Arc<Category>>>,
    roles: Option<Vec<Arc<RoleRow>>>,
    ends_touched: bool,
    next_end: Option<Timestamp>,
    #[expect(clippy::option_option, reason = "left alone, taken away, or set")]
    screen: Option<Option<Arc<Screen>>>,
    timeouts: Vec<(UserId, Option<Arc<Timeout>>)>,
    invited: Vec<(UserId, bool)>,
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
        self.set(t, true);
    }

    pub fn delete(&mut self, t: Tuple) {
        self.set(t, false);
    }

    pub fn delete_all(&mut self, tuples: impl IntoIterator<Item = Tuple>) {
        for t in tuples {
            self.delete(t);
        }
    }

    pub fn set(&mut self, t: Tuple, there: bool) {
        self.effects.wanted.insert(t, there);
    }

    /// How many tuples of a kind there are with what this change has set so far, where there were `before`.
    pub fn after(&self, before: usize, kind: impl Fn(&Tuple) -> bool) -> usize {
        let state = self.access.read();
        let new = |(t, there): &(&Tuple, &bool)| kind(t) && state.store.contains(t) != **there;
        let (mut more, mut less) = (0, 0);
        for (_, there) in self.effects.wanted.iter().filter(new) {
            *(if *there { &mut more } else { &mut less }) += 1;
        }
        (before + more).saturating_sub(less)
    }

    /// A ban or timeout was made or ended.
    pub fn ends_changed(&mut self) {
        self.effects.ends_touched = true;
    }

    /// Notes a change of the membership for the index.
    pub fn member(&mut self, user: &UserId, role: Option<Role>) {
        self.effects.members.push((user.clone(), role));
    }

    pub fn event(&mut self, e: Event) {
        self.effects.events.push(e);
    }

    /// The rules that count from now on.
    pub fn set_screen(&mut self, screen: Option<Arc<Screen>>) {
        self.effects.screen = Some(screen);
    }

    /// Notes why and until when somebody is timed out, or that they are no more.
    pub fn set_timeout(&mut self, user: &UserId, timeout: Option<Timeout>) {
        self.effects.timeouts.push((user.clone(), timeout.map(Arc::new)));
    }

    /// Notes whether somebody is invited in person.
    pub fn set_invited(&mut self, user: &UserId, is: bool) {
        self.effects.invited.push((user.clone(), is));
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
        sort(&mut channels, &self.categories());
        self.effects.channels = Some(channels);
    }

    pub fn categories(&self) -> Vec<Arc<Category>> {
        self.effects
            .categories
            .clone()
            .unwrap_or_else(|| self.access.categories())
    }

    /// The channels follow in their order.
    pub fn set_categories(&mut self, mut categories: Vec<Arc<Category>>) {
        categories.sort_by_key(|c| (c.position, c.id));
        self.effects.categories = Some(categories);
        self.set_channels(self.channels());
    }

    pub fn roles(&self) -> Vec<Arc<RoleRow>> {
        self.effects.roles.clone().unwrap_or_else(|| self.access.roles())
    }

    pub fn set_roles(&mut self, mut roles: Vec<Arc<RoleRow>>) {
        roles.sort_by_key(|r| (std::cmp::Reverse(r.position), r.id));
        self.effects.roles = Some(roles);
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
                via: self.via.map(|v| v.kind.to_owned()),
                address: self.via.and_then(|v| v.address).map(|a| a.to_string()),
                token: self.via.and_then(|v| v.token.as_deref()).map(str::to_owned),
            },
        )?;
        Ok(())
    }

    /// Appends the tuples of a revision to the log, in the order in which memory applies them.
    fn log(&mut self, revision: u64) -> Result<()> {
        let changes = &self.effects.tuples;
        if changes.is_empty() {
            return Ok(());
        }
        let gone = changes.deletes.iter().map(|t| (t, false));
        for (t, written) in gone.chain(changes.writes.iter().map(|t| (t, true))) {
            let (object, subject) = (t.object.to_string(), t.subject.to_string());
            tuples::log(self.tx, revision, written, &object, &t.relation, &subject)?;
        }
        Ok(tuples::trim_log(self.tx, self.limits.permission_log)?)
    }

    /// Stores the tuples and revisions; what has no effect is dropped, so that both sides count alike.
    fn finish(mut self) -> Result<Effects> {
        let state = self.access.read();
        for (t, there) in std::mem::take(&mut self.effects.wanted) {
            if state.store.contains(&t) != there {
                let changes = &mut self.effects.tuples;
                let list = if there {
                    &mut changes.writes
                } else {
                    &mut changes.deletes
                };
                list.push(t);
            }
        }
        state.store.validate(&self.effects.tuples)?;
        self.effects.users = Some(reach::of(
            &self.effects.tuples,
            &state.store,
            self.limits.named_members,
        ));
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
        self.log(revisions.tuples)?;
        revisions.members += u64::from(!self.effects.members.is_empty());
        waddles::set_revisions(self.tx, revisions)?;
        if self.effects.ends_touched {
            self.effects.next_end = timeouts::next_end(self.tx)?;
        }
        Ok(self.effects)
    }
}

/// By the places of their categories, those without one first, then by their own.
pub(crate) fn sort(channels: &mut [Arc<Channel>], categories: &[Arc<Category>]) {
    let places: AHashMap<CategoryId, usize> = (1..).zip(categories).map(|(at, c)| (c.id, at)).collect();
    channels.sort_by_key(|c| {
        let group = c.category.and_then(|id| places.get(&id).copied());
        (group.unwrap_or(0), c.position, c.id)
    });
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
        self.hide(id, who.as_ref(), done)
    }

    /// What somebody is told of an attempt: nothing that tells of a waddle they may not see.
    pub(crate) fn hide<T>(&self, id: WaddleId, who: Option<&UserId>, done: Result<T>) -> Result<T> {
        match (done, who) {
            (Err(Error::NotFound(_) | Error::Conflict(_) | Error::Limit { .. }), Some(user))
                if !self.access_now(id).is_some_and(|a| a.waddle_allows("view", user)) =>
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
        self.in_turn(id, move |this, open| async move {
            this.make(&open, actor, work).await
        })
        .await
    }

    /// Work in a waddle's turn, such as a change with what belongs before and behind it. It runs to its end also where
    /// the caller gives up waiting.
    pub(crate) async fn in_turn<T, F>(
        &self,
        id: WaddleId,
        work: impl FnOnce(Self, Arc<Open>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let this = self.clone();
        let task = tokio::spawn(Via::carry(async move {
            let open = this.open_waddle(id).await?;
            let _turn = open.turn.lock().await;
            work(this.clone(), open.clone()).await
        }));
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
        let via = Via::now();
        let stored = open
            .db
            .transact(move |tx| {
                let mut draft = Draft {
                    tx,
                    access: &access,
                    limits: &limits,
                    now,
                    actor: &actor,
                    via: via.as_deref(),
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
        let (users, channels) = effects.users.unwrap_or((Users::All, Channels::All));
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
            if let Some(c) = effects.categories {
                state.categories = c;
            }
            if let Some(r) = effects.roles {
                state.roles = r;
            }
            if effects.ends_touched {
                state.next_end = effects.next_end;
            }
            if let Some(screen) = effects.screen {
                state.screen = screen;
            }
            for (user, is) in effects.invited {
                if is {
                    state.invited.insert(user);
                } else {
                    state.invited.remove(&user);
                }
            }
            for (user, timeout) in effects.timeouts {
                match timeout {
                    Some(t) => state.timeouts.insert(user, t),
                    None => state.timeouts.remove(&user),
                };
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
                channels,
            });
        }
    }
}
