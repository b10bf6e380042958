//! A policy whose rights tests set as they like.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::broadcast;
use waddle_core::{DeviceId, Slug, TopicFilter, UserId, WaddleId};
use waddle_mqtt::{
    Mount, OperatorsOnly, Reason,
    policy::{Access, Action, Answer, Change, DeviceScope, LoggedIn, Login, Policy, Principal, Refusal},
};

/// One waddle's rights.
#[derive(Debug)]
pub struct Waddle {
    pub id: WaddleId,
    pub slug: Slug,
    members: Mutex<HashSet<UserId>>,
    /// Topics (and what is below) that a user may not touch.
    forbidden: Mutex<Vec<(UserId, Action, String)>>,
    revision: AtomicU64,
}

/// Accounts `name` with password `name-pw`, and rights.
pub struct TestPolicy {
    waddles: Vec<Arc<Waddle>>,
    devices: Mutex<HashMap<String, DeviceScope>>,
    changes: broadcast::Sender<Change>,
    /// Whoever comes is alice.
    pub everybody: AtomicBool,
}

impl TestPolicy {
    /// Waddles with these slugs and no members.
    pub fn new(slugs: &[&str]) -> Arc<Self> {
        let waddle = |s: &&str| {
            Arc::new(Waddle {
                id: WaddleId::new(),
                slug: s.parse().unwrap(),
                members: Mutex::default(),
                forbidden: Mutex::default(),
                revision: AtomicU64::new(1),
            })
        };
        Arc::new(Self {
            waddles: slugs.iter().map(waddle).collect(),
            devices: Mutex::default(),
            changes: broadcast::channel(64).0,
            everybody: AtomicBool::new(false),
        })
    }

    pub fn waddle(&self, slug: &str) -> &Arc<Waddle> {
        self.waddles.iter().find(|w| w.slug.as_str() == slug).unwrap()
    }

    pub fn waddles(&self) -> &[Arc<Waddle>] {
        &self.waddles
    }

    pub fn add(&self, slug: &str, user: &str) {
        let w = self.waddle(slug);
        w.members.lock().insert(UserId::local(user));
        self.changed(w, UserId::local(user));
    }

    pub fn remove(&self, slug: &str, user: &str) {
        let w = self.waddle(slug);
        w.members.lock().remove(&UserId::local(user));
        self.changed(w, UserId::local(user));
    }

    pub fn forbid(&self, slug: &str, user: &str, action: Action, prefix: &str) {
        let w = self.waddle(slug);
        w.forbidden
            .lock()
            .push((UserId::local(user), action, prefix.to_owned()));
        self.changed(w, UserId::local(user));
    }

    pub fn device(&self, slug: &str, name: &str, prefixes: &[(&str, bool, bool)]) -> DeviceId {
        let device = DeviceId::new();
        let prefixes = prefixes
            .iter()
            .map(|(prefix, read, write)| waddle_core::TopicRule {
                prefix: (*prefix).to_owned(),
                read: *read,
                write: *write,
            })
            .collect();
        let scope = DeviceScope {
            device,
            waddle: self.waddle(slug).id,
            prefixes,
        };
        self.devices.lock().insert(format!("device-{name}"), scope);
        device
    }

    pub fn announce(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    fn changed(&self, w: &Waddle, user: UserId) {
        w.revision.fetch_add(1, Ordering::SeqCst);
        self.announce(Change::Access {
            waddle: w.id,
            users: Some(vec![user]),
        });
    }

    fn of(&self, user: &UserId) -> Vec<WaddleId> {
        let mine = |w: &&Arc<Waddle>| w.members.lock().contains(user);
        self.waddles.iter().filter(mine).map(|w| w.id).collect()
    }
}

impl Policy for TestPolicy {
    fn login(&self, login: Login) -> Answer<'_, Result<LoggedIn, Refusal>> {
        Box::pin(async move {
            let refuse = |reason, text: &str| {
                Err(Refusal {
                    reason,
                    text: text.into(),
                })
            };
            let (name, slug) = match login.user.split_once('/') {
                Some((n, s)) => (n, Some(s)),
                None => (login.user.as_str(), None),
            };
            let name = name.strip_suffix("@test").unwrap_or(name);
            let everybody = self.everybody.load(Ordering::Relaxed);
            let name = if everybody { "alice" } else { name };
            if name.is_empty() {
                return refuse(Reason::NOT_AUTHORIZED, "no anonymous access");
            }
            if !everybody && login.password.expose() != format!("{name}-pw") {
                return refuse(Reason::BAD_LOGIN, "wrong user name or password");
            }
            if let Some(scope) = self.devices.lock().get(name) {
                return Ok(LoggedIn {
                    who: Principal {
                        user: UserId::device(scope.device),
                        name: name.into(),
                        operator: false,
                        device: Some(scope.clone()),
                    },
                    mount: Mount::Waddle(scope.waddle),
                    credential: None,
                });
            }
            let user = UserId::local(name);
            let mine = self.of(&user);
            let mount = match slug {
                None => Mount::Person {
                    home: (mine.len() == 1).then(|| mine[0]),
                },
                Some(s) => match self.waddles.iter().find(|w| w.slug.as_str() == s) {
                    Some(w) if mine.contains(&w.id) => Mount::Waddle(w.id),
                    _ => return refuse(Reason::NOT_AUTHORIZED, "not a member of this waddle"),
                },
            };
            Ok(LoggedIn {
                who: Principal {
                    user,
                    name: name.into(),
                    operator: name == "root",
                    device: None,
                },
                mount,
                credential: Some("1".into()),
            })
        })
    }

    fn waddle_by_slug<'a>(&'a self, slug: &'a Slug) -> Answer<'a, Option<WaddleId>> {
        Box::pin(async move { self.waddles.iter().find(|w| w.slug == *slug).map(|w| w.id) })
    }

    fn waddles_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Vec<WaddleId>> {
        Box::pin(async move { self.of(user) })
    }

    fn access(&self, waddle: WaddleId) -> Answer<'_, Option<Arc<dyn Access>>> {
        Box::pin(async move {
            let w = self.waddles.iter().find(|w| w.id == waddle)?;
            Some(Arc::new(WaddleAccess(w.clone())) as Arc<dyn Access>)
        })
    }

    fn server_access(&self) -> Arc<dyn Access> {
        Arc::new(OperatorsOnly)
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

struct WaddleAccess(Arc<Waddle>);

impl WaddleAccess {
    fn allowed(&self, user: &UserId, action: Action, topic: &str) -> bool {
        let device = user.as_str().starts_with("device:");
        (device || self.0.members.lock().contains(user))
            && !self
                .0
                .forbidden
                .lock()
                .iter()
                .any(|(u, a, p)| u == user && *a == action && waddle_core::topic::under_prefix(p, topic))
    }
}

impl Access for WaddleAccess {
    fn slug(&self) -> &str {
        self.0.slug.as_str()
    }
    fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::SeqCst)
    }
    fn may(&self, who: &Principal, action: Action, topic: &str) -> bool {
        who.device.as_ref().is_none_or(|d| d.allows(action, topic)) && self.allowed(&who.user, action, topic)
    }
    fn may_filter(&self, who: &Principal, filter: &TopicFilter) -> bool {
        who.device.as_ref().is_none_or(|d| d.covers(filter))
            && self.allowed(&who.user, Action::Subscribe, filter.as_str())
    }
    fn present(&self, who: &Principal) -> bool {
        who.device.is_some() || self.0.members.lock().contains(&who.user)
    }
    fn trusts(&self, publisher: &UserId, topic: &str) -> bool {
        self.allowed(publisher, Action::Publish, topic)
    }
}
