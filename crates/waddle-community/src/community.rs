//! The handle: opening, the list of waddles, their permissions in memory, events.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Mutex, Semaphore, broadcast},
    time::MissedTickBehavior,
};
use waddle_core::{ChannelId, Limits, SharedClock, Slug, Timestamp, UserId, WaddleId};
use waddle_permissions::{LookupLimits, StoreLimits, Tuple, TupleStore, WriteError, waddle_schema};
use waddle_storage::{
    Conn, Db, Storage, StorageError,
    repo::{
        archive::Afterwards,
        categories, channels, invites, members, roles, rooms, timeouts, tuples,
        waddles::{self, State as Life},
    },
};

use crate::{
    Channel, Channels, Error, Event, Result, Role, Users, Waddle, WaddleAccess,
    access::{State, remember},
    change, index,
    metrics::Metrics,
    ops,
    registry::{Directory, Entering, Open, OpenWaddles},
};

struct Inner {
    storage: Storage,
    clock: SharedClock,
    limits: Arc<Limits>,
    domain: Arc<str>,
    directory: Directory,
    open: OpenWaddles,
    events: broadcast::Sender<Event>,
    metrics: Metrics,
    exports: Semaphore,
    /// Held from the count of what somebody owns until that counts one more.
    owning: Mutex<()>,
    entering: Entering,
}

/// All communities of a server. Clones are handles to the same.
#[derive(Clone)]
pub struct Community(Arc<Inner>);

impl Community {
    /// Reads the list of waddles and finishes or undoes what a crash left half made.
    pub async fn open(
        storage: Storage,
        clock: SharedClock,
        limits: Arc<Limits>,
        domain: impl Into<Arc<str>>,
    ) -> Result<Self> {
        let (events, _) = broadcast::channel(limits.community_events.max(16));
        let this = Self(Arc::new(Inner {
            exports: Semaphore::new(limits.waddle_exports),
            owning: Mutex::default(),
            entering: Entering::default(),
            storage,
            clock,
            limits,
            domain: domain.into(),
            directory: Directory::default(),
            open: OpenWaddles::default(),
            events,
            metrics: Metrics::new(),
        }));
        let server = this.storage().server();
        for (waddle, life) in server.read(waddles::list).await? {
            if life == Life::Live || this.recover(&waddle, life).await? {
                this.directory().put(Arc::new(waddle));
            }
        }
        this.place_channels().await?;
        this.let_go_of_idle_ones();
        this.watch_ends();
        Ok(this)
    }

    /// Whether a waddle that was being made turns out to be complete; everything else of it is removed.
    async fn recover(&self, waddle: &Waddle, life: Life) -> Result<bool> {
        let id = waddle.id;
        let server = self.storage().server();
        if life == Life::Making {
            let own = match self.storage().waddle(id).await {
                // Its owner comes with everything else that belongs to a new one.
                Ok(db) => {
                    db.read(|conn| {
                        Ok(waddles::own(conn)?.filter(|_| members::owners(conn).is_ok_and(|n| n > 0)))
                    })
                    .await?
                }
                Err(StorageError::NotFound) => None,
                Err(e) => return Err(e.into()),
            };
            if let Some((_, revisions)) = own {
                index::rebuild(&server, &self.storage().waddle(id).await?, id, revisions.members).await?;
                server
                    .write(move |tx| waddles::set_state(tx, id, Life::Live))
                    .await?;
                return Ok(true);
            }
        }
        tracing::info!(waddle = %id, slug = %waddle.slug, ?life, "removing what was left of a waddle");
        self.remove_database(id).await?;
        server.write(move |tx| waddles::forget(tx, id)).await?;
        Ok(false)
    }

    /// Reads the channels of waddles that were there before the index of channels was. One that cannot be read is told
    /// of when somebody opens it.
    async fn place_channels(&self) -> Result<()> {
        let server = self.storage().server();
        for id in server.read(waddles::unplaced).await? {
            let found = match self.storage().waddle(id).await {
                Ok(db) => db.read(channels::ids).await,
                Err(e) => Err(e),
            };
            match found {
                Ok(channels) => {
                    server
                        .write(move |tx| waddles::place_channels(tx, id, &channels))
                        .await?;
                }
                Err(error) => {
                    tracing::warn!(waddle = %id, %error, "its channels are not found by identifier");
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn remove_database(&self, id: WaddleId) -> Result<()> {
        match self.storage().delete_waddle(id).await {
            Ok(()) | Err(StorageError::NotFound) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn let_go_of_idle_ones(&self) {
        let weak = Arc::downgrade(&self.0);
        let idle = Duration::from_secs(self.0.limits.storage_idle_seconds);
        tokio::spawn(async move {
            let mut every =
                tokio::time::interval((idle / 4).clamp(Duration::from_secs(1), Duration::from_secs(60)));
            loop {
                every.tick().await;
                let Some(inner) = weak.upgrade() else { break };
                inner.open.sweep(idle);
                let open = inner.open.len();
                inner.metrics.counts.in_memory.store(open, Ordering::Relaxed);
            }
        });
    }

    /// Ends bans and timeouts when their time is over, as long as somebody holds the handle.
    fn watch_ends(&self) {
        let weak = Arc::downgrade(&self.0);
        let seconds = self.0.limits.expiry_sweep_seconds.max(1);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(seconds));
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                let Some(inner) = weak.upgrade() else { break };
                Self(inner).end_expired().await;
            }
        });
    }

    /// What happens from now on. A receiver that lags must check again everything it holds.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    pub(crate) fn announce(&self, e: Event) {
        // No receiver is no error.
        let _ = self.0.events.send(e);
    }

    /// Whether a waddle has this slug, is being made with it or is being deleted: no plain room may use it.
    pub fn is_slug_taken(&self, slug: &Slug) -> bool {
        self.directory().is_taken(slug)
    }

    /// The domain that this server serves.
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// The bounds in force.
    pub fn limits(&self) -> Arc<Limits> {
        self.0.limits.clone()
    }

    /// The storage below.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.0.directory
    }

    pub(crate) fn open_waddles(&self) -> &OpenWaddles {
        &self.0.open
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn exports(&self) -> &Semaphore {
        &self.0.exports
    }

    pub(crate) fn owning(&self) -> &Mutex<()> {
        &self.0.owning
    }

    pub(crate) fn entering(&self) -> &Entering {
        &self.0.entering
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The waddle of this slug.
    pub fn waddle_by_slug(&self, slug: &Slug) -> Option<Arc<Waddle>> {
        self.directory().by_slug(slug)
    }

    /// The waddle of this identifier.
    pub fn waddle_by_id(&self, id: WaddleId) -> Option<Arc<Waddle>> {
        self.directory().get(id)
    }

    /// The waddle of this slug or identifier, as paths of the API name it.
    pub fn waddle_by_slug_or_id(&self, text: &str) -> Option<Arc<Waddle>> {
        let by_slug = text.parse().ok().and_then(|s| self.waddle_by_slug(&s));
        by_slug.or_else(|| text.parse().ok().and_then(|id| self.waddle_by_id(id)))
    }

    /// Every waddle, in no order.
    pub fn waddles(&self) -> Vec<Arc<Waddle>> {
        self.directory().all()
    }

    /// The waddles that somebody belongs to, and as what.
    pub async fn waddles_of(&self, user: &UserId) -> Result<Vec<(Arc<Waddle>, Role)>> {
        let (user, this) = (user.clone(), self.clone());
        let server = self.storage().server();
        Ok(server.read(move |conn| this.waddles_within(conn, &user)).await?)
    }

    /// [`Community::waddles_of`] within a larger read of the server's database.
    pub fn waddles_within(
        &self,
        conn: &Conn,
        user: &UserId,
    ) -> waddle_storage::Result<Vec<(Arc<Waddle>, Role)>> {
        // what they joined, and what others put them into
        let limit = self.0.limits.waddles_per_member.saturating_mul(2);
        let found = waddles::of_user(conn, user, limit)?;
        Ok(found
            .into_iter()
            .filter_map(|(id, role)| Some((self.waddle_by_id(id)?, role)))
            .collect())
    }

    /// The waddle that a channel is of, whether it is in memory or not. A channel that was just deleted may still be
    /// found here; the waddle's permissions say whether it is there.
    pub async fn waddle_of_channel(&self, channel: ChannelId) -> Result<Option<Arc<Waddle>>> {
        let server = self.storage().server();
        let found = server
            .read(move |conn| waddles::of_channel(conn, channel))
            .await?;
        Ok(found.and_then(|id| self.waddle_by_id(id)))
    }

    /// The permissions of a waddle, in memory; read from its database where they are not.
    pub async fn access(&self, id: WaddleId) -> Result<Arc<WaddleAccess>> {
        Ok(self.open_waddle(id).await?.access.clone())
    }

    /// The permissions of a waddle, if they are in memory already.
    pub fn access_now(&self, id: WaddleId) -> Option<Arc<WaddleAccess>> {
        self.open_waddles().get(id).map(|o| o.access.clone())
    }

    /// Waddles whose permissions are in memory.
    pub fn in_memory(&self) -> usize {
        self.open_waddles().len()
    }

    /// What somebody is in a waddle.
    pub async fn role_of(&self, id: WaddleId, user: &UserId) -> Result<Option<Role>> {
        Ok(self.access(id).await?.role_of(user))
    }

    /// The channels of a waddle, in their order.
    pub async fn channels(&self, id: WaddleId) -> Result<Vec<Arc<Channel>>> {
        Ok(self.access(id).await?.channels())
    }

    /// The channel of this slug.
    pub async fn channel_by_slug(&self, id: WaddleId, slug: &Slug) -> Result<Option<Arc<Channel>>> {
        Ok(self.access(id).await?.channel_by_slug(slug))
    }

    /// The channel of this identifier.
    pub async fn channel(&self, id: WaddleId, channel: ChannelId) -> Result<Option<Arc<Channel>>> {
        Ok(self.access(id).await?.channel(channel))
    }

    pub(crate) async fn db(&self, id: WaddleId) -> Result<Db> {
        if self.waddle_by_id(id).is_none() {
            return Err(Error::NotFound("waddle"));
        }
        Ok(self.storage().waddle(id).await?)
    }

    pub(crate) async fn open_waddle(&self, id: WaddleId) -> Result<Arc<Open>> {
        let Some(listed) = self.waddle_by_id(id) else {
            return Err(Error::NotFound("waddle"));
        };
        let cell = self.open_waddles().entry(id, self.0.limits.storage_open_waddles);
        let open = cell
            .get_or_try_init(|| async {
                let db = self.storage().waddle(id).await?;
                let state = self.load(&db, id).await?;
                self.reconcile(&db, &listed, &state).await?;
                clear_channels(&db);
                let open = Arc::new(Open {
                    access: Arc::new(WaddleAccess::new(
                        state,
                        LookupLimits::from(&*self.0.limits),
                        self.0.metrics.counts.clone(),
                    )),
                    db,
                    turn: Arc::default(),
                });
                // Nobody has seen it: bans and timeouts whose time is over end before anybody is judged by them.
                self.end_what_is_due(&open).await;
                Ok::<_, Error>(open)
            })
            .await?;
        Ok(open.clone())
    }

    async fn load(&self, db: &Db, id: WaddleId) -> Result<State> {
        let (limits, domain) = (self.0.limits.clone(), self.0.domain.clone());
        let loaded = db
            .read(move |conn| {
                let (waddle, revisions) = waddles::own(conn)?.ok_or(StorageError::NotFound)?;
                let mut found: Vec<Tuple> = Vec::new();
                tuples::each(conn, |object, relation, subject| {
                    match (object.parse(), subject.parse()) {
                        (Ok(object), Ok(subject)) => found.push(Tuple::new(object, relation, subject)),
                        _ => tracing::warn!(waddle = %id, object, relation, "not a tuple; left out"),
                    }
                })?;
                let (mut store, ignored) = TupleStore::load(
                    waddle_schema(),
                    StoreLimits::from(&*limits),
                    revisions.tuples,
                    found,
                );
                let mut left_out = false;
                for i in ignored {
                    left_out |= matches!(i.why, WriteError::Full { .. });
                    tracing::warn!(waddle = %id, tuple = %i.tuple, why = %i.why, "tuple left out");
                }
                if left_out {
                    // One of them could be a ban.
                    return Ok(None);
                }
                remember(&mut store, tuples::logged(conn, limits.permission_log)?);
                let mut channels: Vec<_> = channels::list(conn, id)?.into_iter().map(Arc::new).collect();
                let categories: Vec<_> = categories::list(conn)?.into_iter().map(Arc::new).collect();
                change::sort(&mut channels, &categories);
                let screen = ops::compiled(ops::stored_rules(conn)?, waddle.slug.as_str(), &domain);
                let timeouts = timeouts::list(conn, 0, limits.timeouts_per_waddle)?;
                let timeouts = timeouts.into_iter().map(|t| (t.user.clone(), Arc::new(t)));
                Ok(Some(State {
                    waddle: Arc::new(waddle),
                    store: Arc::new(store),
                    channels,
                    categories,
                    roles: roles::list(conn)?.into_iter().map(Arc::new).collect(),
                    members_revision: revisions.members,
                    next_end: timeouts::next_end(conn)?,
                    screen,
                    timeouts: timeouts.collect(),
                    invited: invites::invited(conn)?.into_iter().collect(),
                    gone: false,
                }))
            })
            .await?;
        loaded.ok_or(Error::Limit {
            what: "tuples",
            max: self.0.limits.permission_tuples,
        })
    }

    /// Puts the server's list and index in step with the waddle's own database.
    async fn reconcile(&self, db: &Db, listed: &Waddle, state: &State) -> Result<()> {
        let id = listed.id;
        let server = self.storage().server();
        let (indexed, placed) = server
            .read(move |conn| {
                Ok((
                    waddles::indexed_revision(conn, id)?,
                    waddles::placed_channels(conn, id)?,
                ))
            })
            .await?;
        // Rows that are too many say nothing wrong: a channel that is being made is there before its commit.
        let lacks = |c: &Arc<Channel>| placed.binary_search(&c.id).is_err();
        if indexed != state.members_revision || state.channels.iter().any(lacks) {
            index::rebuild(&server, db, id, state.members_revision).await?;
        }
        if *listed != *state.waddle {
            let own = state.waddle.clone();
            self.directory().put(own.clone());
            server.write(move |tx| waddles::set_copy(tx, &own)).await?;
        }
        Ok(())
    }

    /// Reads a waddle again after its database was replaced, as by restoring a backup.
    pub async fn refresh(&self, id: WaddleId) -> Result<()> {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let open = this.open_waddle(id).await?;
            let _turn = open.turn.lock().await;
            this.reload(&open).await;
            Ok(())
        });
        task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    /// Memory, list and index follow the disk again; where it cannot be read, everything is denied. The caller
    /// has the turn.
    pub(crate) async fn reload(&self, open: &Open) {
        let id = open.access.id();
        let server = self.storage().server();
        let revision = match self.load(&open.db, id).await {
            Ok(state) => {
                let (revision, members) = (state.store.revision(), state.members_revision);
                let mended = match index::rebuild(&server, &open.db, id, members).await {
                    Ok(()) => self.reconcile(&open.db, &open.access.waddle(), &state).await,
                    failed => failed,
                };
                if let Err(e) = mended {
                    tracing::warn!(waddle = %id, error = %e, "the list of members is behind");
                }
                open.access.replace(state);
                revision
            }
            Err(e) => {
                tracing::error!(waddle = %id, error = %e, "permissions cannot be read; denying all");
                open.access.close();
                self.open_waddles().remove(id);
                open.access.revision()
            }
        };
        self.announce(Event::TuplesChanged {
            waddle: id,
            revision,
            users: Users::All,
            channels: Channels::All,
        });
    }
}

/// Goes on with the removal of deleted channels' messages; nobody waits for it.
fn clear_channels(db: &Db) {
    let db = db.clone();
    tokio::spawn(async move {
        if let Err(error) = rooms::clear_channels(&db, Afterwards::Forget).await {
            tracing::warn!(waddle = ?db.waddle(), %error, "deleted channels' messages are removed later");
        }
    });
}

impl std::fmt::Debug for Community {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Community({})", self.domain())
    }
}
