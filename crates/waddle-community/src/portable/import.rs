//! A new waddle out of an export: read twice, first who is in it, then everything.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path, sync::Arc};

use ahash::{AHashMap, AHashSet};
use waddle_core::{Limits, Timestamp, UserId, WaddleId};
use waddle_permissions::{Object, Subject};
use waddle_storage::{
    StorageError, Tx, Value,
    portable::Loader,
    repo::{
        accounts::Accounts,
        audit, members, rooms, tuples,
        waddles::{self, Revisions, State as Life},
    },
};

use super::{
    Import, Imported, Strangers, check,
    format::{Head, Line, Reader, failed, value},
    policy::{DEVICES, Fate, Holds, WADDLE, fate},
    remap::{Ids, People, RoomNames},
};
use crate::{AuditEntry, Community, Error, Event, Member, Result, Role, Waddle, facts, index};

/// People that an error names at the most.
const NAMED: usize = 100;

impl Community {
    /// Makes a new waddle out of an export. It is for the server's operator: an export says what everybody wrote.
    ///
    /// Waddle, channels and feeds get new identifiers, messages keep theirs. Everything happens or nothing. Members who
    /// belong to as many waddles as they may are in it as if somebody else had added them, until they join themselves.
    ///
    /// # Errors
    /// [`Error::Export`] where the file is no export or damaged, [`Error::Strangers`] for people who mean nothing here,
    /// [`Error::Conflict`] where the slug is taken, [`Error::Limit`].
    pub async fn import(&self, from: &Path, import: Import) -> Result<Imported> {
        let path = from.to_owned();
        let max = self.limits().members_per_waddle.saturating_mul(2);
        let (head, people) = blocking(move || survey(&path, max)).await?;
        let people = self.place(&head, people, &import).await?;
        let this = self.clone();
        let path = from.to_owned();
        // To its end, also where the caller gives up waiting.
        let task = tokio::spawn(async move { this.take_in(path, head, people, import).await });
        task.await.unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    /// Who each of them is here.
    async fn place(&self, head: &Head, named: Vec<String>, import: &Import) -> Result<People> {
        let mut people = People {
            known: AHashMap::with_capacity(named.len()),
            server: head.server.clone(),
            same: head.server == self.domain(),
        };
        let server = self.storage().server();
        let mut strangers = Vec::new();
        for name in named {
            let Ok(user) = name.parse::<UserId>() else {
                people.known.insert(name, None);
                continue;
            };
            let local = user.as_local();
            let address = local.map(|l| format!("{l}@{}", head.server));
            let said = [Some(name.as_str()), address.as_deref(), local]
                .into_iter()
                .flatten()
                .find_map(|n| import.people.get(n));
            let found = if let Some(said) = said {
                Some(said.clone())
            } else if let Some(local) = local {
                if people.same && Accounts(&server).by_user(&user).await?.is_some() {
                    Some(user)
                } else {
                    match import.strangers {
                        Strangers::Remote if !people.same => people.remote(local),
                        Strangers::Drop => None,
                        _ => {
                            strangers.push(address.unwrap_or_default());
                            None
                        }
                    }
                }
            } else {
                people.anybody(&name)
            };
            people.known.insert(name, found);
        }
        if strangers.is_empty() {
            return Ok(people);
        }
        strangers.sort_unstable();
        let more = strangers.len().saturating_sub(NAMED);
        strangers.truncate(NAMED);
        Err(Error::Strangers {
            names: strangers.into(),
            more,
        })
    }

    async fn take_in(
        &self,
        path: std::path::PathBuf,
        head: Head,
        people: People,
        import: Import,
    ) -> Result<Imported> {
        let id = WaddleId::new();
        if !self
            .directory()
            .reserve(&import.slug, id, self.limits().waddles)?
        {
            return Err(Error::Conflict("the slug is already taken"));
        }
        let slug = import.slug.clone();
        let mut dropped: Vec<String> = people
            .known
            .iter()
            .filter(|(name, who)| who.is_none() && name.starts_with("local:"))
            .map(|(name, _)| name.clone())
            .collect();
        dropped.sort_unstable();
        match self.fill(id, path, head, people, import).await {
            Ok((waddle, rows)) => Ok(Imported {
                waddle,
                rows,
                dropped,
            }),
            Err(e) => {
                self.clear_away(id, &slug).await;
                Err(e)
            }
        }
    }

    async fn fill(
        &self,
        id: WaddleId,
        path: std::path::PathBuf,
        head: Head,
        people: People,
        import: Import,
    ) -> Result<(Arc<Waddle>, BTreeMap<String, u64>)> {
        let name = import.name.clone().unwrap_or_else(|| head.waddle.name.clone());
        if !(2..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(Error::Invalid {
                field: "name",
                why: "2 to 100 characters, no control characters",
            });
        }
        let listed = Waddle {
            id,
            slug: import.slug.clone(),
            name,
            description: String::new(),
            visibility: crate::Visibility::Private,
            created_at: self.now(),
            icon: None,
            banner: None,
            settings: crate::WaddleSettings::default(),
        };
        let of = listed.clone();
        let server = self.storage().server();
        server
            .transact(move |tx| {
                if rooms::uses_slug(tx, &of.slug)? {
                    return Err(Error::Conflict("the slug is already taken"));
                }
                Ok(waddles::reserve(tx, &of)?)
            })
            .await?;
        let filling = Filling {
            ids: Ids::new(&head.waddle.id, id),
            rooms: RoomNames::new((&head.waddle.slug, &head.server), (&import.slug, self.domain())),
            domain: self.domain().to_owned(),
            people,
            waddle: listed,
            owner: import.owner,
            limits: self.limits(),
            now: self.now(),
            devices: AHashSet::new(),
            found: BTreeMap::new(),
            rows: BTreeMap::new(),
        };
        let (db, (waddle, revision, rows)) = self
            .storage()
            .load(
                id,
                head.migrations,
                move |l| filling.run(&path, l),
                |tx, filled| filled.finish(tx),
            )
            .await?;
        let waddle = Arc::new(waddle);
        let entering = self.entering().all().await;
        index::build(&server, &db, id, revision, self.limits().waddles_per_member).await?;
        drop(entering);
        let of = waddle.clone();
        server
            .write(move |tx| {
                waddles::set_copy(tx, &of)?;
                waddles::set_state(tx, id, Life::Live)
            })
            .await?;
        self.directory().put(waddle.clone());
        self.announce(Event::WaddleCreated(waddle.clone()));
        for channel in self.channels(id).await? {
            let slug = waddle.slug.clone();
            self.announce(Event::ChannelCreated { slug, channel });
        }
        tracing::info!(waddle = %id, slug = %waddle.slug, "waddle imported");
        Ok((waddle, rows))
    }

    pub(super) async fn clear_away(&self, id: WaddleId, slug: &waddle_core::Slug) {
        self.directory().hide(id);
        self.open_waddles().remove(id);
        let removed = self.remove_database(id).await;
        let server = self.storage().server();
        let forgotten = server.write(move |tx| waddles::forget(tx, id)).await;
        if let (Ok(()), Ok(())) = (&removed, &forgotten) {
            self.directory().release(slug);
        } else {
            tracing::warn!(waddle = %id, "a waddle that failed to be imported is removed at the next start");
        }
    }
}

/// A database on its way from the rows of an export.
struct Filling {
    ids: Ids,
    rooms: RoomNames,
    domain: String,
    people: People,
    waddle: Waddle,
    owner: Option<UserId>,
    limits: Arc<Limits>,
    now: Timestamp,
    /// The devices so far, by their new identifiers.
    devices: AHashSet<String>,
    /// Rows of the file.
    found: BTreeMap<String, u64>,
    /// Rows that were entered.
    rows: BTreeMap<String, u64>,
}

impl Filling {
    fn run(mut self, path: &Path, loader: &mut Loader) -> Result<Self> {
        let mut lines = Reader::new(BufReader::with_capacity(1 << 18, open(path)?));
        lines.head()?;
        let mut own = None;
        while let Some(line) = lines.next(&self.found)? {
            let Line::Row { table, row } = line else { continue };
            *self.found.entry(table.clone()).or_default() += 1;
            let Fate::Kept(holds) = fate(&table) else {
                return Err(lines.wrong(&format!(
                    "the table {table} is in no export; is it of a newer version?"
                )));
            };
            let (mut columns, mut values) = (Vec::with_capacity(row.len()), Vec::with_capacity(row.len()));
            for (column, json) in row {
                columns.push(column);
                values.push(value(json).ok_or_else(|| lines.wrong("a column holds no value"))?);
            }
            check::row(&table, &columns, &values, self.now).map_err(|why| lines.wrong(why))?;
            if !self.change(holds, &columns, &mut values) {
                continue;
            }
            if table == DEVICES {
                self.enter_device(&mut columns, &mut values);
            }
            if table == "tuples" && !Self::is_tuple(&columns, &values) {
                return Err(lines.wrong("this is no tuple"));
            }
            if table == WADDLE {
                own = Some((columns, values));
                continue;
            }
            let count = self.rows.entry(table.clone()).or_default();
            *count += 1;
            self.bounded(&table)?;
            loader.insert(&table, &columns, values).map_err(|e| match e {
                StorageError::NotFound | StorageError::Conflict(_) | StorageError::Constraint(_) => {
                    lines.wrong(&format!("a row of {table} does not fit: {e}"))
                }
                e => e.into(),
            })?;
        }
        for (table, _) in self.found.iter().filter(|(t, _)| **t != WADDLE) {
            self.rows.entry(table.clone()).or_default();
        }
        let (columns, mut values) = own.ok_or_else(|| lines.wrong("the waddle itself is missing"))?;
        for (column, value) in columns.iter().zip(&mut values) {
            match column.as_str() {
                "slug" => *value = Value::Text(self.waddle.slug.to_string()),
                "name" => *value = Value::Text(self.waddle.name.clone()),
                "member_count" => *value = self.count("members"),
                "ban_count" => *value = self.count("bans"),
                _ => {}
            }
        }
        loader.insert(WADDLE, &columns, values)?;
        Ok(self)
    }

    /// A device comes without what it logs in with: until it is given a new one it is as one whose credential is void.
    fn enter_device(&mut self, columns: &mut Vec<String>, values: &mut Vec<Value>) {
        let at = |name: &str| columns.iter().position(|c| c == name);
        if let Some(Value::Text(id)) = at("id").and_then(|i| values.get(i)) {
            self.devices.insert(id.clone());
        }
        let void = Value::Integer(self.now.micros());
        match at("revoked_at") {
            Some(i) => values[i] = void,
            None => {
                columns.push("revoked_at".to_owned());
                values.push(void);
            }
        }
    }

    fn count(&self, table: &str) -> Value {
        Value::Integer(self.rows.get(table).map_or(0, |n| *n as i64))
    }

    /// Owners, revisions and the entry in the audit log.
    fn finish(self, tx: &mut Tx) -> Result<(Waddle, u64, BTreeMap<String, u64>)> {
        let id = self.waddle.id;
        let (waddle, revisions) = waddles::own(tx)?.ok_or(StorageError::NotFound)?;
        if waddle.id != id {
            return Err(Error::Export(
                "the head names another waddle than the rows".into(),
            ));
        }
        if let Some(owner) = &self.owner {
            let member = members::get(tx, owner)?;
            members::delete_ban(tx, owner)?;
            let banned = facts::banned(id, owner);
            tuples::delete(
                tx,
                &banned.object.to_string(),
                &banned.relation,
                &banned.subject.to_string(),
            )?;
            match &member {
                Some(m) => {
                    let had = facts::role(id, owner, m.role);
                    tuples::delete(
                        tx,
                        &had.object.to_string(),
                        &had.relation,
                        &had.subject.to_string(),
                    )?;
                    members::set_role(tx, owner, Role::Owner)?;
                }
                None => members::insert(
                    tx,
                    &Member {
                        user: owner.clone(),
                        role: Role::Owner,
                        joined_at: self.now,
                        invite: None,
                    },
                )?,
            }
            let has = facts::role(id, owner, Role::Owner);
            tuples::insert(
                tx,
                &has.object.to_string(),
                &has.relation,
                &has.subject.to_string(),
            )?;
        }
        if members::owners(tx)? == 0 {
            return Err(Error::Invalid {
                field: "owner",
                why: "none of its owners is here; name one",
            });
        }
        check::devices(tx, id, &self.limits)?;
        check::tuples(tx, &waddle)?;
        let revisions = Revisions {
            tuples: revisions.tuples + 1,
            members: revisions.members + 1,
        };
        waddles::set_revisions(tx, revisions)?;
        audit::insert(
            tx,
            &AuditEntry {
                id: 0,
                at: self.now,
                actor: None,
                action: "waddle.import".to_owned(),
                target: format!("waddle:{id}"),
                detail: self.people.server.clone(),
                reason: None,
                via: None,
                address: None,
                token: None,
            },
        )?;
        Ok((waddle, revisions.members, self.rows))
    }

    /// Puts what means something here into a row; whether the row stays.
    fn change(&self, holds: &[(&str, Holds)], columns: &[String], values: &mut [Value]) -> bool {
        for (column, value) in columns.iter().zip(values) {
            let Some((_, what)) = holds.iter().find(|(name, _)| name == column) else {
                continue;
            };
            let new = match (what, &*value) {
                (Holds::Stanza, Value::Blob(bytes)) => match std::str::from_utf8(bytes) {
                    Ok(text) => Value::Blob(self.rooms.replace(text).into_bytes()),
                    Err(_) => continue,
                },
                (Holds::Ids, Value::Text(t)) => Value::Text(self.ids.replace(t)),
                (Holds::Address, Value::Text(t)) => Value::Text(self.people.address(t, &self.domain)),
                (Holds::By, Value::Text(t)) => Value::Text(self.people.by(t)),
                (Holds::Owner, Value::Text(_)) => Value::Text(String::new()),
                (Holds::Login, _) => Value::Null,
                (Holds::Person, Value::Text(t)) => match self.people.who(t) {
                    Some(who) => Value::Text(who),
                    None => return false,
                },
                (Holds::Tuple, Value::Text(t)) => match self.people.tuple(t, &self.ids) {
                    // One without a row was never told a name, or found by itself and will be again.
                    Some(side) if self.has_device(&side) => Value::Text(side),
                    _ => return false,
                },
                _ => continue,
            };
            *value = new;
        }
        true
    }

    /// Whether one side of a tuple is a device that came along, or no device.
    fn has_device(&self, side: &str) -> bool {
        side.strip_prefix("device:")
            .is_none_or(|rest| self.devices.contains(rest.split('#').next().unwrap_or(rest)))
    }

    fn is_tuple(columns: &[String], values: &[Value]) -> bool {
        let text = |name: &str| {
            let at = columns.iter().position(|c| c == name)?;
            match values.get(at)? {
                Value::Text(t) => Some(t.as_str()),
                _ => None,
            }
        };
        let object = text("object").and_then(|t| t.parse::<Object>().ok());
        object.is_some() && text("subject").is_some_and(|t| t.parse::<Subject>().is_ok())
    }

    /// What the server allows a waddle to have.
    fn bounded(&self, table: &str) -> Result<()> {
        let Some((what, max)) = check::most(table, &self.limits) else {
            return Ok(());
        };
        let have = self.rows.get(table).copied().unwrap_or_default();
        if have > max as u64 {
            return Err(Error::Limit { what, max });
        }
        Ok(())
    }
}

/// The head of an export, and everybody in it.
fn survey(path: &Path, max: usize) -> Result<(Head, Vec<String>)> {
    let mut lines = Reader::new(BufReader::new(open(path)?));
    let head = lines.head()?;
    let mut people = Vec::new();
    while let Some(Line::Person { person }) = lines.next(&BTreeMap::new())? {
        if people.len() >= max {
            return Err(Error::Limit {
                what: "people in an export",
                max,
            });
        }
        people.push(person);
    }
    Ok((head, people))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| failed(&format!("opening {}, ", path.display()), &e))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(StorageError::Panicked.into()))
}
