//! ATProto login, handles and DIDs, local accounts, sessions, tokens and device credentials (`specs/identity.md`).
//!
//! [`Identity`] is the one door: every listener asks it who somebody is. Begin with `login.rs`, which all protocols come
//! through; [`atproto`] is the login with Bluesky, `account.rs` the people, `session.rs`, `token.rs`, `access_token.rs`,
//! `fast.rs` and [`device`] what they log in with, `throttle.rs` what stops guessing.
//!
//! Invariants: at rest there are SCRAM keys, digests of random tokens and encrypted ATProto tokens, never a password; a
//! name that does not exist costs and shows the same as one that does; what is revoked is told as an [`IdentityEvent`] and
//! ends live connections.

mod access_token;
mod account;
pub mod atproto;
mod bot;
mod config;
mod deletion;
pub mod device;
mod error;
mod event;
mod fast;
mod idempotency;
mod invitation;
pub mod keys;
mod login;
mod metrics;
pub mod names;
mod recent;
mod scram;
mod session;
mod throttle;
mod token;

use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;
use tokio::sync::{Semaphore, broadcast};
use waddle_core::{BareJid, SharedClock, Timestamp};
use waddle_storage::{Db, Storage, repo::departed};

pub use access_token::{AccessToken, NewAccessToken};
pub use account::Account;
pub use atproto::Callback;
pub use bot::BotLogin;
pub use config::{AtprotoConfig, IdentityConfig, MIN_ITERATIONS};
pub use device::{DeviceLogin, NewDeviceCredential};
pub use error::{Error, LoginError};
pub use event::IdentityEvent;
pub use fast::{FastAttempt, FastLogin, NewFastToken};
pub use idempotency::Repeat;
pub use invitation::{Invitation, NewInvitation};
pub use login::{CredentialId, CredentialKind, LoggedIn, ScramLookup};
pub use metrics::Attempt;
pub use session::{NewSession, Session};
pub use token::{IssuedToken, TokenInfo};
pub use waddle_stanza::sasl::ScramHash;

use atproto::Atproto;
use keys::Keyring;
use throttle::Throttle;

/// Events waiting for a receiver; one that lags further must check all it holds.
const EVENTS: usize = 1_024;

/// Credentials whose last use is remembered here, so that not every login writes.
const USES: usize = 65_536;

/// Accounts, credentials and sessions of one server. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    db: Db,
    clock: SharedClock,
    config: IdentityConfig,
    keys: Keyring,
    /// Password derivations at a time: one per processor.
    derivations: Arc<Semaphore>,
    throttle: Throttle,
    /// Logins with Bluesky that were begun and not completed.
    begun: Throttle,
    /// Accounts that were registered in band.
    registered: Throttle,
    events: broadcast::Sender<IdentityEvent>,
    atproto: Result<Atproto, String>,
    /// When a use of a credential was last written.
    uses: DashMap<String, Timestamp>,
    /// Counts what is announced of credentials.
    announced: recent::Announced,
    recent_sessions: recent::Recent<Session>,
    recent_tokens: recent::Recent<(Account, AccessToken)>,
}

impl Identity {
    /// Opens the identity layer over the server database; makes the key file at the first start.
    pub async fn open(storage: &Storage, clock: SharedClock, config: IdentityConfig) -> Result<Self, Error> {
        let db = storage.server();
        let keys = Keyring::open(&config.data_dir)?;
        // chat and local login work without it
        let atproto = match Atproto::open(&config, &db, &keys, &clock).await {
            Ok(a) => Ok(a),
            Err(Error::Config(why)) => {
                tracing::warn!(reason = %why, "login with Bluesky is off");
                Err(why)
            }
            Err(e) => return Err(e),
        };
        departed::clear(&db).await?;
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (events, _) = broadcast::channel(EVENTS);
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            keys,
            derivations: Arc::new(Semaphore::new(processors)),
            throttle: Throttle::new(config.limits.rate_failed_logins),
            begun: Throttle::new(config.limits.rate_failed_logins),
            registered: Throttle::new(config.limits.rate_registrations),
            events,
            atproto,
            uses: DashMap::new(),
            announced: recent::Announced::default(),
            recent_sessions: recent::Recent::default(),
            recent_tokens: recent::Recent::default(),
            config,
        })))
    }

    /// What the layer was opened with.
    pub fn config(&self) -> &IdentityConfig {
        &self.0.config
    }

    /// The time as this layer has it.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The address of a localpart here.
    pub fn jid(&self, localpart: &str) -> Result<BareJid, Error> {
        BareJid::new(Some(localpart), &self.0.config.domain)
            .map_err(|_| Error::Config(format!("{localpart}@{} is no address", self.0.config.domain)))
    }

    /// What happens to credentials from now on.
    pub fn events(&self) -> broadcast::Receiver<IdentityEvent> {
        self.0.events.subscribe()
    }

    pub(crate) fn announce(&self, event: IdentityEvent) {
        self.0.announced.changed();
        // nobody listening is no error
        let _ = self.0.events.send(event);
    }

    /// Whether `addr` may try to log in now; asked before any credential is looked at.
    pub fn login_allowed(&self, addr: IpAddr) -> Result<(), LoginError> {
        self.0
            .throttle
            .allowed(addr, self.0.clock.now())
            .map_err(LoginError::Throttled)
    }

    /// Whether `addr` may begin a login with Bluesky now, and takes one from its bucket: each makes the server ask others
    /// and keep a state. [`Identity::begun_completed`] gives it back.
    pub fn begin_allowed(&self, addr: IpAddr) -> Result<(), LoginError> {
        self.login_allowed(addr)?;
        let now = self.0.clock.now();
        self.0.begun.allowed(addr, now).map_err(LoginError::Throttled)?;
        self.0.begun.failed(addr, now);
        Ok(())
    }

    /// Whether `addr` may register an account now, and takes one from its bucket; if not, how long it waits.
    pub fn registration_allowed(&self, addr: IpAddr) -> Result<(), std::time::Duration> {
        let now = self.0.clock.now();
        self.0.registered.allowed(addr, now)?;
        self.0.registered.failed(addr, now);
        Ok(())
    }

    /// A login with Bluesky that `addr` began was completed.
    pub fn begun_completed(&self, addr: IpAddr) {
        self.0.begun.forgiven(addr);
    }

    /// Counts a failed login against its address, in the metric and in the log. The name tried is not logged.
    pub fn login_failed(&self, addr: IpAddr, attempt: Attempt, error: &LoginError) {
        let [protocol, mechanism] = attempt.labels();
        let reason = opentelemetry::KeyValue::new("reason", error.reason());
        metrics::METRICS.failed.add(1, &[protocol, mechanism, reason]);
        if matches!(
            error,
            LoginError::NotAuthorized
                | LoginError::OtherAccount
                | LoginError::OtherBrowser
                | LoginError::StateExpired
        ) {
            self.0.throttle.failed(addr, self.0.clock.now());
        }
        let Attempt { protocol, mechanism } = attempt;
        tracing::info!(%addr, protocol, mechanism, reason = error.reason(), "login failed");
    }

    /// Counts a login that failed for another reason than a wrong secret: nothing is held against its address.
    pub fn login_refused(&self, attempt: Attempt, reason: &'static str) {
        let [protocol, mechanism] = attempt.labels();
        let reason = opentelemetry::KeyValue::new("reason", reason);
        metrics::METRICS.failed.add(1, &[protocol, mechanism, reason]);
    }

    /// Counts a login that began a session.
    pub fn session_began(&self, attempt: Attempt) {
        metrics::METRICS.logins.add(1, &attempt.labels());
    }

    /// Counts a login, and notes the credential's use (at most once in five minutes).
    pub fn login_succeeded(&self, attempt: Attempt, who: &LoggedIn) {
        metrics::METRICS.logins.add(1, &attempt.labels());
        if self.is_due(&who.credential.to_string()) {
            let (db, id) = (self.0.db.clone(), who.credential.0);
            tokio::spawn(async move {
                if let Err(error) = waddle_storage::repo::credentials::Credentials(&db).used(id).await {
                    tracing::debug!(%error, "a credential's use was not noted");
                }
            });
        }
    }

    /// Whether a use of `key` should be written now.
    pub(crate) fn is_due(&self, key: &str) -> bool {
        const EVERY: std::time::Duration = std::time::Duration::from_secs(300);
        let now = self.0.clock.now();
        if self.0.uses.len() >= USES {
            self.0.uses.retain(|_, at| now.since(*at) < EVERY);
            if self.0.uses.len() >= USES {
                return false;
            }
        }
        let mut due = true;
        self.0
            .uses
            .entry(key.to_owned())
            .and_modify(|at| {
                due = now.since(*at) >= EVERY;
                if due {
                    *at = now;
                }
            })
            .or_insert(now);
        due
    }

    pub(crate) fn atproto(&self) -> Result<&Atproto, LoginError> {
        self.0
            .atproto
            .as_ref()
            .map_err(|why| LoginError::Internal(Error::Config(why.clone())))
    }

    /// Why login with Bluesky is off, if it is.
    pub fn atproto_off(&self) -> Option<&str> {
        self.0.atproto.as_ref().err().map(String::as_str)
    }

    /// The OAuth client metadata document; none for a loopback client.
    pub fn client_metadata(&self) -> Option<&serde_json::Value> {
        self.0.atproto.as_ref().ok().and_then(Atproto::metadata)
    }

    /// The OAuth client's public keys.
    pub fn client_keys(&self) -> Option<&serde_json::Value> {
        self.0.atproto.as_ref().ok().map(Atproto::jwks)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.0.config.domain)
    }
}
