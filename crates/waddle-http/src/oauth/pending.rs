//! What is under way: requests that a person has not answered, codes that a program has not redeemed. In memory, few,
//! and for minutes.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use waddle_core::UserId;

use super::client::OauthClient;

/// Requests, and codes, at a time; the oldest is forgotten.
const MOST: usize = 1_000;
/// How long a person may think.
const REQUEST: Duration = Duration::from_secs(600);
/// How long a code lasts (RFC 6749 §4.1.2).
const CODE: Duration = Duration::from_secs(60);

/// A request for access.
#[derive(Debug, Clone)]
pub struct AccessRequest {
    /// The program.
    pub client: OauthClient,
    /// Its identifier.
    pub client_id: String,
    /// Where it is sent back to.
    pub redirect_uri: String,
    /// What it gets back as it is.
    pub state: Option<String>,
    /// SHA-256 of its secret (RFC 7636).
    pub challenge: String,
}

/// A request that was granted.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The request.
    pub request: AccessRequest,
    /// By whom.
    pub user: UserId,
}

struct Store<T> {
    all: HashMap<String, (Instant, T)>,
    lasts: Duration,
}

impl<T> Store<T> {
    fn new(lasts: Duration) -> Self {
        Self {
            all: HashMap::new(),
            lasts,
        }
    }

    fn put(&mut self, value: T) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let key = B64.encode(bytes);
        let lasts = self.lasts;
        self.all.retain(|_, (at, _)| at.elapsed() < lasts);
        if self.all.len() >= MOST
            && let Some(oldest) = self
                .all
                .iter()
                .min_by_key(|(_, (at, _))| *at)
                .map(|(k, _)| k.clone())
        {
            self.all.remove(&oldest);
        }
        self.all.insert(key.clone(), (Instant::now(), value));
        Some(key)
    }

    fn take(&mut self, key: &str) -> Option<T> {
        let (at, value) = self.all.remove(key)?;
        (at.elapsed() < self.lasts).then_some(value)
    }
}

/// Both kinds.
pub struct Pending {
    requests: Mutex<Store<AccessRequest>>,
    grants: Mutex<Store<Grant>>,
}

impl Default for Pending {
    fn default() -> Self {
        Self {
            requests: Mutex::new(Store::new(REQUEST)),
            grants: Mutex::new(Store::new(CODE)),
        }
    }
}

impl Pending {
    /// Remembers a request; its name.
    pub fn ask(&self, request: AccessRequest) -> Option<String> {
        self.requests.lock().put(request)
    }

    /// A request that still waits.
    pub fn request(&self, id: &str) -> Option<AccessRequest> {
        let requests = self.requests.lock();
        let (at, request) = requests.all.get(id)?;
        (at.elapsed() < REQUEST).then(|| request.clone())
    }

    /// A request that is answered now.
    pub fn answer(&self, id: &str) -> Option<AccessRequest> {
        self.requests.lock().take(id)
    }

    /// Remembers a grant; its code.
    pub fn grant(&self, grant: Grant) -> Option<String> {
        self.grants.lock().put(grant)
    }

    /// The grant of a code, which works once.
    pub fn redeem(&self, code: &str) -> Option<Grant> {
        self.grants.lock().take(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_once() {
        let mut s = Store::new(REQUEST);
        let first = s.put(0).unwrap();
        for i in 1..=MOST {
            s.put(i).unwrap();
        }
        assert_eq!(s.all.len(), MOST);
        assert_eq!(s.take(&first), None, "the oldest was forgotten");
        let last = s.put(7).unwrap();
        assert_eq!((s.take(&last), s.take(&last)), (Some(7), None));
        let mut s = Store::new(Duration::ZERO);
        let key = s.put(1).unwrap();
        assert_eq!(s.take(&key), None, "over");
    }
}
