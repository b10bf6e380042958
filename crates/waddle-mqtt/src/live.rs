//! [`Policy`] over Waddle's accounts and permissions (`specs/topics.md`, `specs/permissions.md`).

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};
use waddle_community::{Community, Error as CommunityError, Event, On, Users, WaddleAccess};
use waddle_core::{Slug, TopicFilter, UserId, WaddleId};
use waddle_identity::{Attempt, Identity, IdentityEvent, LoginError, device::is_device_username};

use crate::{
    Mount,
    codec::Reason,
    policy::{Access, Action, Answer, Change, DeviceScope, LoggedIn, Login, Policy, Principal, Refusal},
    rules::TopicPolicy,
};

/// Changes waiting for the broker; when there are more, it checks everything.
const CHANGES: usize = 1_024;

/// Waddle's accounts, devices and permissions, narrowed by the operator's topic policy.
pub struct LivePolicy {
    identity: Identity,
    community: Community,
    rules: Arc<TopicPolicy>,
    changes: broadcast::Sender<Change>,
}

const PERSON: Attempt = Attempt {
    protocol: "mqtt",
    mechanism: "PLAIN",
};
const DEVICE: Attempt = Attempt {
    protocol: "mqtt",
    mechanism: "device",
};

fn refusal(reason: Reason, text: impl Into<String>) -> Refusal {
    Refusal {
        reason,
        text: text.into(),
    }
}

impl LivePolicy {
    /// A policy that follows the events of both layers from now on.
    pub fn new(identity: Identity, community: Community, rules: TopicPolicy) -> Arc<Self> {
        let (changes, _) = broadcast::channel(CHANGES);
        tokio::spawn(follow_community(community.events(), changes.clone()));
        tokio::spawn(follow_identity(identity.events(), changes.clone()));
        Arc::new(Self {
            identity,
            community,
            rules: Arc::new(rules),
            changes,
        })
    }

    fn failed(&self, login: &Login, attempt: Attempt, error: &LoginError) -> Refusal {
        self.identity.login_failed(login.peer, attempt, error);
        let reason = match error {
            LoginError::NotAuthorized => Reason::BAD_LOGIN,
            LoginError::Throttled(_) => Reason::QUOTA,
            LoginError::Busy => Reason::BUSY,
            _ => Reason::UNAVAILABLE,
        };
        let text = match error {
            LoginError::Internal(_) => "the login cannot be checked now; try again later".to_owned(),
            e => e.to_string(),
        };
        refusal(reason, text)
    }

    async fn device(&self, login: &Login) -> Result<LoggedIn, Refusal> {
        let d = self
            .identity
            .verify_device(&login.user, &login.password)
            .await
            .map_err(|e| self.failed(login, DEVICE, &e))?;
        // Its topics stand in its waddle, where they are changed.
        let row = match self.community.device(d.waddle, d.device).await {
            Ok(Some(row)) if row.revoked_at.is_none() => row,
            Ok(_) | Err(CommunityError::NotFound(_)) => {
                return Err(refusal(Reason::NOT_AUTHORIZED, "this device has no right left"));
            }
            Err(error) => {
                tracing::warn!(waddle = %d.waddle, device = %d.device, %error, "a device cannot be read");
                return Err(refusal(
                    Reason::UNAVAILABLE,
                    "the login cannot be checked now; try again later",
                ));
            }
        };
        let (community, used) = (self.community.clone(), row.clone());
        let who = Principal {
            user: d.user,
            name: d.username,
            operator: false,
            device: Some(DeviceScope {
                device: d.device,
                waddle: d.waddle,
                prefixes: row.topics,
            }),
        };
        let access = self.access(d.waddle).await;
        if !access.is_some_and(|a| a.present(&who)) {
            return Err(refusal(Reason::NOT_AUTHORIZED, "this device has no right left"));
        }
        // Nobody waits for it.
        tokio::spawn(async move {
            if let Err(error) = community.touch_device(&used).await {
                tracing::debug!(device = %used.id, %error, "a device's use was not noted");
            }
        });
        Ok(LoggedIn {
            who,
            mount: Mount::Waddle(d.waddle),
            credential: None,
        })
    }

    async fn person(&self, login: &Login) -> Result<LoggedIn, Refusal> {
        // localpart@domain/<slug>: no localpart and no domain has a slash.
        let (name, slug) = match login.user.split_once('/') {
            Some((name, slug)) => (name, Some(slug)),
            None => (login.user.as_str(), None),
        };
        let who = self
            .identity
            .verify_plain(name, &login.password)
            .await
            .map_err(|e| self.failed(login, PERSON, &e))?;
        self.identity.login_succeeded(PERSON, &who);
        let credential = Some(who.credential.to_string());
        let who = Principal {
            user: who.user,
            name: who.localpart,
            operator: who.admin,
            device: None,
        };
        let mount = match slug {
            Some(slug) => Mount::Waddle(self.mounted(&who, slug).await?),
            None => Mount::Person {
                home: self.home(&who.user).await,
            },
        };
        Ok(LoggedIn {
            who,
            mount,
            credential,
        })
    }

    async fn mounted(&self, who: &Principal, slug: &str) -> Result<WaddleId, Refusal> {
        let waddle = slug
            .parse::<Slug>()
            .ok()
            .and_then(|s| self.community.waddle_by_slug(&s))
            .map(|w| w.id);
        if let Some(w) = waddle
            && self.access(w).await.is_some_and(|a| a.present(who))
        {
            return Ok(w);
        }
        // The same for a waddle that is not: nothing leaks.
        Err(refusal(
            Reason::NOT_AUTHORIZED,
            "not a member of this waddle; without /<slug> the login reaches waddle/<slug>/… of your own",
        ))
    }

    /// A person's only waddle is their home.
    async fn home(&self, user: &UserId) -> Option<WaddleId> {
        match self.waddles_of(user).await.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

impl Policy for LivePolicy {
    fn login(&self, login: Login) -> Answer<'_, Result<LoggedIn, Refusal>> {
        Box::pin(async move {
            if login.user.is_empty() {
                return Err(refusal(
                    Reason::NOT_AUTHORIZED,
                    "log in with user name and password; there is no anonymous access",
                ));
            }
            let device = is_device_username(&login.user);
            let attempt = if device { DEVICE } else { PERSON };
            if let Err(e) = self.identity.login_allowed(login.peer) {
                return Err(self.failed(&login, attempt, &e));
            }
            if device {
                self.device(&login).await
            } else {
                self.person(&login).await
            }
        })
    }

    fn waddle_by_slug<'a>(&'a self, slug: &'a Slug) -> Answer<'a, Option<WaddleId>> {
        Box::pin(async move { self.community.waddle_by_slug(slug).map(|w| w.id) })
    }

    fn waddles_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Vec<WaddleId>> {
        Box::pin(async move {
            match self.community.waddles_of(user).await {
                Ok(all) => all.into_iter().map(|(w, _)| w.id).collect(),
                Err(error) => {
                    tracing::warn!(%user, %error, "the waddles of a user cannot be read");
                    Vec::new()
                }
            }
        })
    }

    fn access(&self, waddle: WaddleId) -> Answer<'_, Option<Arc<dyn Access>>> {
        Box::pin(async move {
            match self.community.access(waddle).await {
                Ok(access) => Some(Arc::new(WaddleTopics {
                    view: format!("waddle/{}/", access.slug()),
                    access,
                    rules: self.rules.clone(),
                }) as Arc<dyn Access>),
                Err(error) => {
                    tracing::debug!(%waddle, %error, "a waddle's permissions cannot be read");
                    None
                }
            }
        })
    }

    fn server_access(&self) -> Arc<dyn Access> {
        Arc::new(ServerTopics {
            rules: self.rules.clone(),
        })
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

async fn follow_community(mut events: broadcast::Receiver<Event>, to: broadcast::Sender<Change>) {
    loop {
        let change = match events.recv().await {
            Ok(Event::TuplesChanged { waddle, users, .. }) => Change::Access {
                waddle,
                users: match users {
                    Users::All => None,
                    Users::Some(u) => Some(u),
                },
            },
            // Whoever came in may hold a filter over all of their waddles.
            Ok(Event::MemberAdded { waddle, user, .. } | Event::MemberRemoved { waddle, user, .. }) => {
                Change::Access {
                    waddle,
                    users: Some(vec![user]),
                }
            }
            Ok(Event::WaddleDeleted { waddle, .. }) => Change::WaddleDeleted(waddle),
            Ok(Event::DeviceRevoked { device, .. }) => Change::DeviceRevoked(device),
            Ok(_) => continue,
            Err(RecvError::Lagged(_)) => Change::Everything,
            Err(RecvError::Closed) => return,
        };
        // Nobody listening is no error.
        let _ = to.send(change);
    }
}

async fn follow_identity(mut events: broadcast::Receiver<IdentityEvent>, to: broadcast::Sender<Change>) {
    loop {
        let change = match events.recv().await {
            Ok(IdentityEvent::CredentialRevoked { user, credential }) => Change::CredentialRevoked {
                user,
                credential: credential.to_string(),
            },
            Ok(IdentityEvent::AccountDeleted { user }) => Change::AccountDeleted(user),
            Ok(IdentityEvent::AccountDisabled { user }) => Change::AccountDisabled(user),
            Ok(IdentityEvent::DeviceRevoked { device }) => Change::DeviceRevoked(device),
            Ok(_) => continue,
            Err(RecvError::Lagged(_)) => Change::CredentialsUnknown,
            Err(RecvError::Closed) => return,
        };
        let _ = to.send(change);
    }
}

/// The topics of a waddle.
struct WaddleTopics {
    access: Arc<WaddleAccess>,
    rules: Arc<TopicPolicy>,
    view: String,
}

fn relation(action: Action) -> &'static str {
    match action {
        Action::Publish => "publish",
        Action::Subscribe => "subscribe",
    }
}

impl WaddleTopics {
    /// What the tuples say: those of the longest part of the topic that has its own, else the waddle's.
    fn granted(&self, user: &UserId, action: Action, topic: &str) -> bool {
        let mut part = topic;
        loop {
            if self.access.has_topic(part) {
                return self.access.allows(On::Topic(part), relation(action), user);
            }
            match part.rfind('/') {
                Some(end) => part = &part[..end],
                None => return self.access.waddle_allows(relation(action), user),
            }
        }
    }

    fn scoped(&self, who: &Principal, within: impl FnOnce(&DeviceScope) -> bool) -> bool {
        who.device
            .as_ref()
            .is_none_or(|d| d.waddle == self.access.id() && within(d))
    }
}

impl Access for WaddleTopics {
    fn slug(&self) -> &str {
        self.access.slug().as_str()
    }

    fn revision(&self) -> u64 {
        if self.access.is_gone() {
            u64::MAX
        } else {
            self.access.revision()
        }
    }

    fn may(&self, who: &Principal, action: Action, topic: &str) -> bool {
        self.scoped(who, |d| d.allows(action, topic))
            && self.granted(&who.user, action, topic)
            && (self.rules.is_empty()
                || self.rules.topic(action, who, &format!("{}{topic}", self.view)) != Some(false))
    }

    fn may_filter(&self, who: &Principal, filter: &TopicFilter) -> bool {
        let whole = || {
            format!("{}{filter}", self.view)
                .parse()
                .ok()
                .and_then(|f| self.rules.filter(who, &f))
        };
        let literal = filter.as_str().split(['+', '#']).next().unwrap_or_default();
        self.scoped(who, |d| d.covers(filter))
            && (self.access.waddle_allows("subscribe", &who.user)
                || self.granted(&who.user, Action::Subscribe, literal.trim_end_matches('/')))
            && (self.rules.is_empty() || whole() != Some(false))
    }

    fn present(&self, who: &Principal) -> bool {
        self.scoped(who, |_| true)
            && ["subscribe", "publish"]
                .iter()
                .any(|r| self.access.waddle_allows(r, &who.user))
    }

    fn trusts(&self, publisher: &UserId, topic: &str) -> bool {
        self.granted(publisher, Action::Publish, topic)
    }
}

/// The topics outside all waddles: `$SYS` for operators, the rest as the operator's policy opens it.
struct ServerTopics {
    rules: Arc<TopicPolicy>,
}

impl Access for ServerTopics {
    fn slug(&self) -> &'static str {
        ""
    }

    fn revision(&self) -> u64 {
        0
    }

    fn may(&self, who: &Principal, action: Action, topic: &str) -> bool {
        if topic.starts_with('$') {
            return action == Action::Subscribe && who.operator;
        }
        who.device.is_none() && self.rules.topic(action, who, topic) == Some(true)
    }

    fn may_filter(&self, who: &Principal, filter: &TopicFilter) -> bool {
        if filter.as_str().starts_with('$') {
            return who.operator;
        }
        who.device.is_none() && self.rules.filter(who, filter) == Some(true)
    }

    fn present(&self, who: &Principal) -> bool {
        who.operator || !self.rules.is_empty()
    }

    fn trusts(&self, _: &UserId, _: &str) -> bool {
        true
    }
}
