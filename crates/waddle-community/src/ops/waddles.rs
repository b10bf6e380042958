//! Making, changing and deleting waddles.

use std::sync::Arc;

use waddle_core::{ChannelId, Slug, WaddleId};
use waddle_permissions::LookupLimits;
use waddle_storage::{
    StorageError,
    repo::{
        members, rooms,
        waddles::{self, Revisions, State as Life},
    },
};

use super::text;
use crate::{
    Actor, Channel, ChannelKind, Channels, Community, Error, Event, Member, NewWaddle, On, Result, Role,
    SettingsChange, Users, Visibility, Waddle, WaddleAccess, WaddleChange, WaddleSettings, facts,
    registry::Open,
};

fn name(s: &str) -> Result<()> {
    text(
        "name",
        "2 to 100 characters, no control characters",
        s,
        (2, 100),
        false,
    )
}

fn description(s: &str) -> Result<()> {
    text("description", "up to 1000 characters", s, (0, 1000), true)
}

fn picture(field: &'static str, address: Option<&Option<String>>) -> Result<()> {
    let Some(Some(address)) = address else {
        return Ok(());
    };
    let web = ["https://", "http://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    if web && address.len() <= 2_048 && !address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(());
    }
    Err(Error::Invalid {
        field,
        why: "an http or https address of up to 2048 bytes",
    })
}

fn settings(change: &SettingsChange) -> Result<()> {
    if let Some(question) = &change.join_question {
        text("join_question", "up to 200 characters", question, (0, 200), true)?;
    }
    if let Some(appeal) = &change.appeal {
        text("appeal", "up to 1000 characters", appeal, (0, 1000), true)?;
    }
    Ok(())
}

impl Community {
    /// Makes a waddle with the channels `general` and `announcements`; the acting user becomes its owner.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the slug is taken by a waddle or by a plain room below it, [`Error::Limit`] of
    /// waddles, [`Error::Invalid`], [`Error::Forbidden`] where a user names another as owner.
    pub async fn create_waddle(&self, actor: impl Into<Actor>, new: NewWaddle) -> Result<Arc<Waddle>> {
        let actor = actor.into();
        let owner = match (actor.user(), &new.owner) {
            (Some(u), None) => u.clone(),
            (Some(u), Some(o)) if u == o => u.clone(),
            (None, Some(o)) => o.clone(),
            (Some(_), Some(_)) => return Err(Error::Forbidden),
            (None, None) => {
                return Err(Error::Invalid {
                    field: "owner",
                    why: "a waddle needs an owner",
                });
            }
        };
        if owner.as_str().starts_with("device:") {
            return Err(Error::Invalid {
                field: "owner",
                why: "a device owns no waddle",
            });
        }
        name(&new.name)?;
        description(&new.description)?;
        let waddle = Arc::new(Waddle {
            id: WaddleId::new(),
            slug: new.slug,
            name: new.name,
            description: new.description,
            visibility: new.visibility,
            created_at: self.now(),
            icon: None,
            banner: None,
            settings: WaddleSettings::default(),
        });
        let this = self.clone();
        let task = tokio::spawn(async move {
            let slug = &waddle.slug;
            if !this.directory().reserve(slug, waddle.id, this.limits().waddles)? {
                return Err(Error::Conflict("the slug is already taken"));
            }
            let made = this.make_waddle(&waddle, &actor, &owner).await;
            if made.is_err() {
                this.unmake(&waddle).await;
            }
            made
        });
        task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    async fn make_waddle(
        &self,
        waddle: &Arc<Waddle>,
        actor: &Actor,
        owner: &waddle_core::UserId,
    ) -> Result<Arc<Waddle>> {
        let (w, of, limits) = (waddle.clone(), owner.clone(), self.limits());
        let one = self.owning().lock().await;
        let entering = self.entering().one(owner).await;
        self.storage()
            .server()
            .transact(move |tx| {
                if rooms::uses_slug(tx, &w.slug)? {
                    return Err(Error::Conflict("the slug is already taken"));
                }
                let (owned, in_all) = (
                    waddles::owned_by(tx, &of)?,
                    waddles::belongs_to(tx, &of, w.id, false)?,
                );
                super::bounded("waddles for one owner", owned, limits.waddles_per_user)?;
                super::bounded(super::OF_ONE_MEMBER, in_all, limits.waddles_per_member)?;
                waddles::reserve(tx, &w)?;
                // It counts from now on, for whoever makes several at once.
                Ok(waddles::index_put(tx, w.id, &of, Role::Owner)?)
            })
            .await?;
        drop((one, entering));
        let db = self.storage().create_waddle(waddle.id).await?;
        let w = waddle.clone();
        db.write(move |tx| waddles::insert_own(tx, &w)).await?;

        // From here on it is a change like any other, of a waddle that nobody sees yet.
        let store = waddle_permissions::TupleStore::new(
            waddle_permissions::waddle_schema(),
            waddle_permissions::StoreLimits::from(&*self.limits()),
        );
        let state = crate::access::State {
            waddle: waddle.clone(),
            store: Arc::new(store),
            channels: Vec::new(),
            categories: Vec::new(),
            roles: Vec::new(),
            members_revision: 0,
            next_end: None,
            screen: None,
            timeouts: ahash::AHashMap::new(),
            invited: ahash::AHashSet::new(),
            gone: false,
        };
        let open = Open {
            access: Arc::new(WaddleAccess::new(
                state,
                LookupLimits::from(&*self.limits()),
                self.metrics().counts.clone(),
            )),
            db,
            turn: Arc::default(),
        };
        let (w, of) = (waddle.clone(), owner.clone());
        let first = self.first_rows(&open, w, of, actor.clone()).await?;
        let id = waddle.id;
        let channels: Vec<_> = first.iter().map(|c| c.id).collect();
        self.storage()
            .server()
            .write(move |tx| {
                waddles::place_channels(tx, id, &channels)?;
                waddles::set_state(tx, id, Life::Live)
            })
            .await?;
        self.directory().put(waddle.clone());
        self.announce(Event::WaddleCreated(waddle.clone()));
        for channel in first {
            self.announce(Event::ChannelCreated {
                slug: waddle.slug.clone(),
                channel,
            });
        }
        self.announce(Event::MemberAdded {
            waddle: waddle.id,
            slug: waddle.slug.clone(),
            user: owner.clone(),
            role: Role::Owner,
        });
        Ok(waddle.clone())
    }

    /// Channels, owner and tuples of a new waddle.
    async fn first_rows(
        &self,
        open: &Open,
        waddle: Arc<Waddle>,
        owner: waddle_core::UserId,
        actor: Actor,
    ) -> Result<Vec<Arc<Channel>>> {
        self.make(open, actor, move |d| {
            let mut made = Vec::new();
            let first = [
                ("general", "General", ChannelKind::Text),
                ("announcements", "Announcements", ChannelKind::Announcement),
            ];
            for (position, (slug, name, kind)) in (0..).zip(first) {
                let slug: Slug = slug.parse().map_err(|_| Error::Invalid {
                    field: "slug",
                    why: "not a slug",
                })?;
                let channel = Channel {
                    id: ChannelId::new(),
                    waddle: waddle.id,
                    slug,
                    name: name.to_owned(),
                    topic: String::new(),
                    kind,
                    private: false,
                    category: None,
                    position,
                    slow_mode_seconds: 0,
                    retention_days: 0,
                    expire_seconds: 0,
                    public_archive: true,
                    created_at: d.now,
                };
                super::channels::enter(d, &channel)?;
                made.push(Arc::new(channel));
            }
            d.set_channels(made.clone());
            members::insert(
                d.tx,
                &Member {
                    user: owner.clone(),
                    role: Role::Owner,
                    joined_at: d.now,
                    invite: None,
                },
            )?;
            d.member(&owner, Some(Role::Owner));
            d.write(facts::role(waddle.id, &owner, Role::Owner));
            d.set(facts::public(waddle.id), waddle.visibility == Visibility::Public);
            d.audit(
                "waddle.create",
                &format!("waddle:{}", waddle.id),
                waddle.slug.as_str(),
                None,
            )?;
            Ok(made)
        })
        .await
    }

    /// Undoes a waddle that could not be made.
    async fn unmake(&self, waddle: &Waddle) {
        let id = waddle.id;
        let removed = self.remove_database(id).await;
        let forgotten = self
            .storage()
            .server()
            .write(move |tx| waddles::forget(tx, id))
            .await;
        if let (Ok(()), Ok(())) = (&removed, &forgotten) {
            self.directory().release(&waddle.slug);
        } else {
            tracing::warn!(waddle = %id, "a waddle that failed to be made is removed at the next start");
        }
    }

    /// Changes name, description, pictures, settings or visibility. Needs `waddle#configure`.
    pub async fn update_waddle(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        change: WaddleChange,
    ) -> Result<Arc<Waddle>> {
        change.name.as_deref().map_or(Ok(()), name)?;
        change.description.as_deref().map_or(Ok(()), description)?;
        picture("icon", change.icon.as_ref())?;
        picture("banner", change.banner.as_ref())?;
        settings(&change.settings)?;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "configure")?;
            let before = d.access.waddle();
            let mut w = Waddle::clone(&before);
            w.name = change.name.unwrap_or(w.name);
            w.description = change.description.unwrap_or(w.description);
            w.visibility = change.visibility.unwrap_or(w.visibility);
            w.icon = change.icon.unwrap_or(w.icon);
            w.banner = change.banner.unwrap_or(w.banner);
            let (set, said) = (&mut w.settings, change.settings);
            set.public_archive = said.public_archive.unwrap_or(set.public_archive);
            set.indexed = said.indexed.unwrap_or(set.indexed);
            if let Some(question) = said.join_question {
                set.join_question = question;
            }
            if let Some(appeal) = said.appeal {
                set.appeal = appeal;
            }
            if w == *before {
                return Ok(before);
            }
            waddles::update_own(d.tx, &w)?;
            d.set(facts::public(id), w.visibility == Visibility::Public);
            d.audit(
                "waddle.update",
                &format!("waddle:{id}"),
                w.visibility.as_str(),
                None,
            )?;
            let w = Arc::new(w);
            d.set_waddle(w.clone());
            d.event(Event::WaddleUpdated(w.clone()));
            Ok(w)
        })
        .await
    }

    /// Deletes a waddle with everything in it. Needs `waddle#delete`: owners and the operator.
    pub async fn delete_waddle(&self, actor: impl Into<Actor>, id: WaddleId) -> Result<()> {
        let (this, actor) = (self.clone(), actor.into());
        let task = tokio::spawn(async move {
            let unknown = || match &actor {
                Actor::System => Error::NotFound("waddle"),
                Actor::User(_) => Error::Forbidden,
            };
            let open = match this.open_waddle(id).await {
                Err(Error::NotFound(_)) => return Err(unknown()),
                opened => opened?,
            };
            let _turn = open.turn.lock().await;
            if open.access.is_gone() {
                return Err(unknown());
            }
            let may = actor
                .user()
                .is_none_or(|u| open.access.waddle_allows("delete", u));
            if !may {
                return Err(Error::Forbidden);
            }
            let server = this.storage().server();
            server
                .write(move |tx| waddles::set_state(tx, id, Life::Deleting))
                .await?;
            let slug = open.access.slug().clone();
            let revision = open.access.revision() + 1;
            open.access.close();
            this.directory().hide(id);
            this.open_waddles().remove(id);
            tracing::info!(waddle = %id, %slug, by = ?actor, "waddle deleted");
            this.announce(Event::WaddleDeleted {
                waddle: id,
                slug: slug.clone(),
            });
            this.announce(Event::TuplesChanged {
                waddle: id,
                revision,
                users: Users::All,
                channels: Channels::All,
            });
            // Deleted for everybody; what fails now is done at the next start.
            this.remove_database(id).await?;
            server.write(move |tx| waddles::forget(tx, id)).await?;
            this.directory().release(&slug);
            Ok(())
        });
        task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    /// The revisions of a waddle's tuples and members as stored, for tests and reports.
    pub async fn revisions(&self, id: WaddleId) -> Result<Revisions> {
        let found = self.db(id).await?.read(waddles::own).await?;
        found.map(|(_, r)| r).ok_or(Error::NotFound("waddle"))
    }
}
