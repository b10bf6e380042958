//! What atrium-oauth keeps between steps: flow states taken once, tokens encrypted at rest (ADR 0007).
//!
//! A flow's state is taken from the database by us, checked, and handed to atrium through [`FLOW`]; the tokens that
//! come out of the exchange stay in [`FLOW`] until they are checked. So nothing is kept of a login that failed.

use std::sync::atomic::AtomicBool;

use atrium_api::types::string::{Datetime, Did};
use atrium_common::store::Store;
use atrium_oauth::store::{
    session::{Session, SessionStore},
    state::{InternalStateData, StateStore},
};
use parking_lot::Mutex;
use waddle_core::{SharedClock, Timestamp};
use waddle_storage::{Db, repo::oauth::OAuth};

use crate::{Error, keys::Keyring, keys::digest};

/// One login's values on their way through atrium-oauth.
#[derive(Default)]
pub struct Flow {
    /// The state that was taken from the database.
    pub state: Mutex<Option<InternalStateData>>,
    /// The tokens that the exchange gave.
    pub session: Mutex<Option<Session>>,
}

tokio::task_local! {
    /// The login that the current task completes.
    pub static FLOW: Flow;
    /// Set while kept tokens are tried: they count as expired, so that a rejected one is refreshed even if it has time
    /// left; becomes true when the server answers that the grant is void.
    pub static TRIAL: AtomicBool;
}

/// Flow states and token sets in the server database.
#[derive(Clone)]
pub struct Stores {
    db: Db,
    keys: Keyring,
    clock: SharedClock,
    minutes: u64,
    most: usize,
}

fn state_place(digest: &[u8; 32]) -> String {
    let mut out = String::from("oauth-state ");
    for b in digest {
        use std::fmt::Write as _;
        let _ = write!(out, "{b:02x}");
    }
    out
}

fn token_place(did: &str) -> String {
    format!("oauth-session {did}")
}

impl Stores {
    /// Over the server database; a flow lasts `minutes`, `most` of them at a time.
    pub fn new(db: Db, keys: Keyring, clock: SharedClock, minutes: u64, most: usize) -> Self {
        Self {
            db,
            keys,
            clock,
            minutes,
            most,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes a flow's state: the row is gone afterwards, whoever asks; nothing if it is too old.
    pub async fn take(&self, state: &str) -> Result<Option<InternalStateData>, Error> {
        let digest = digest(state);
        let Some(sealed) = OAuth(&self.db).take_state(digest, self.now()).await? else {
            return Ok(None);
        };
        let plain = self.keys.open_sealed(&state_place(&digest), &sealed)?;
        Ok(serde_json::from_slice(&plain).ok())
    }

    /// Whether one more login may begin.
    pub async fn room(&self) -> Result<bool, Error> {
        Ok(OAuth(&self.db).count_states(self.now()).await? < self.most)
    }

    /// Keeps the tokens of a checked login.
    pub async fn keep(&self, did: &str, session: &Session) -> Result<(), Error> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(session).map_err(|_| Error::Sealed)?);
        let sealed = self.keys.seal(&token_place(did), &plain)?;
        OAuth(&self.db).put_session(did, sealed, self.now()).await?;
        Ok(())
    }

    /// The tokens kept of an account.
    pub async fn tokens(&self, did: &str) -> Result<Option<Session>, Error> {
        let Some(sealed) = OAuth(&self.db).session(did).await? else {
            return Ok(None);
        };
        let plain = self.keys.open_sealed(&token_place(did), &sealed)?;
        serde_json::from_slice(&plain)
            .map(Some)
            .map_err(|_| Error::Sealed)
    }

    /// Forgets the tokens of an account.
    pub async fn forget(&self, did: &str) -> Result<(), Error> {
        OAuth(&self.db).delete_session(did).await?;
        Ok(())
    }
}

impl Store<String, InternalStateData> for Stores {
    type Error = Error;

    async fn get(&self, _state: &String) -> Result<Option<InternalStateData>, Error> {
        Ok(FLOW.try_with(|f| f.state.lock().take()).ok().flatten())
    }

    async fn set(&self, state: String, value: InternalStateData) -> Result<(), Error> {
        let digest = digest(&state);
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&value).map_err(|_| Error::Sealed)?);
        let sealed = self.keys.seal(&state_place(&digest), &plain)?;
        let now = self.now();
        let expires = now.plus(std::time::Duration::from_secs(self.minutes * 60));
        OAuth(&self.db).put_state(digest, sealed, now, expires).await?;
        Ok(())
    }

    async fn del(&self, _state: &String) -> Result<(), Error> {
        Ok(())
    }

    async fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
}
impl StateStore for Stores {}

impl Store<Did, Session> for Stores {
    type Error = Error;

    async fn get(&self, did: &Did) -> Result<Option<Session>, Error> {
        match FLOW.try_with(|f| f.session.lock().clone()) {
            Ok(fresh) => Ok(fresh),
            Err(_) => {
                let mut kept = self.tokens(did.as_str()).await?;
                if let Some(s) = kept.as_mut().filter(|_| TRIAL.try_with(|_| ()).is_ok()) {
                    s.token_set.expires_at = "1970-01-01T00:00:00.000Z".parse::<Datetime>().ok();
                }
                Ok(kept)
            }
        }
    }

    async fn set(&self, did: Did, value: Session) -> Result<(), Error> {
        let mut value = Some(value);
        if FLOW.try_with(|f| *f.session.lock() = value.take()).is_ok() {
            return Ok(());
        }
        match value {
            Some(value) => self.keep(did.as_str(), &value).await,
            None => Ok(()),
        }
    }

    async fn del(&self, did: &Did) -> Result<(), Error> {
        match FLOW.try_with(|f| f.session.lock().take()) {
            Ok(_) => Ok(()),
            Err(_) => self.forget(did.as_str()).await,
        }
    }

    async fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
}
impl SessionStore for Stores {}
