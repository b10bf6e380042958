//! What is under way: requests that a person has not answered, codes that a program has not redeemed. In memory, few,
//! and for minutes.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use waddle_core::{Limits, UserId};

use super::client::OauthClient;

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

struct Waiting<K, T> {
    since: Instant,
    of: K,
    value: T,
}

struct Store<K, T> {
    all: HashMap<String, Waiting<K, T>>,
    lasts: Duration,
    /// Of all; the oldest is forgotten.
    most: usize,
    /// Of one; whoever has more forgets their own oldest.
    each: usize,
}

impl<K: PartialEq, T> Store<K, T> {
    fn new(lasts: Duration, limits: &Limits) -> Self {
        Self {
            all: HashMap::new(),
            lasts,
            most: limits.oauth_requests.max(1),
            each: limits.oauth_requests_each.max(1),
        }
    }

    fn put(&mut self, of: K, value: T) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let key = B64.encode(bytes);
        let lasts = self.lasts;
        self.all.retain(|_, w| w.since.elapsed() < lasts);
        let own = self.all.values().filter(|w| w.of == of).count();
        if own >= self.each {
            self.forget_oldest(|w| w.of == of);
        } else if self.all.len() >= self.most {
            self.forget_oldest(|_| true);
        }
        let since = Instant::now();
        self.all.insert(key.clone(), Waiting { since, of, value });
        Some(key)
    }

    fn forget_oldest(&mut self, among: impl Fn(&Waiting<K, T>) -> bool) {
        let found = self.all.iter().filter(|(_, w)| among(w));
        if let Some(key) = found.min_by_key(|(_, w)| w.since).map(|(k, _)| k.clone()) {
            self.all.remove(&key);
        }
    }

    fn take(&mut self, key: &str) -> Option<T> {
        let waiting = self.all.remove(key)?;
        (waiting.since.elapsed() < self.lasts).then_some(waiting.value)
    }
}

/// Both kinds.
pub struct Pending {
    requests: Mutex<Store<IpAddr, AccessRequest>>,
    grants: Mutex<Store<UserId, Grant>>,
}

impl Pending {
    /// None yet; `oauth_requests` of each kind at a time.
    pub fn new(limits: &Limits) -> Self {
        Self {
            requests: Mutex::new(Store::new(REQUEST, limits)),
            grants: Mutex::new(Store::new(CODE, limits)),
        }
    }

    /// Remembers a request from a network; its name.
    pub fn ask(&self, network: IpAddr, request: AccessRequest) -> Option<String> {
        self.requests.lock().put(network, request)
    }

    /// A request that still waits.
    pub fn request(&self, id: &str) -> Option<AccessRequest> {
        let requests = self.requests.lock();
        let waiting = requests.all.get(id)?;
        (waiting.since.elapsed() < REQUEST).then(|| waiting.value.clone())
    }

    /// A request that is answered now.
    pub fn answer(&self, id: &str) -> Option<AccessRequest> {
        self.requests.lock().take(id)
    }

    /// Remembers a grant; its code.
    pub fn grant(&self, grant: Grant) -> Option<String> {
        self.grants.lock().put(grant.user.clone(), grant)
    }

    /// The grant of a code, which works once.
    pub fn redeem(&self, code: &str) -> Option<Grant> {
        self.grants.lock().take(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: usize, each: usize) -> Limits {
        Limits {
            oauth_requests: all,
            oauth_requests_each: each,
            ..Limits::default()
        }
    }

    #[test]
    fn bounded_and_once() {
        let mut s = Store::new(REQUEST, &limits(10, 10));
        let first = s.put(0, 0).unwrap();
        for i in 1..=10 {
            s.put(i, i).unwrap();
        }
        assert_eq!(s.all.len(), 10);
        assert_eq!(s.take(&first), None, "the oldest was forgotten");
        let last = s.put(7, 7).unwrap();
        assert_eq!((s.take(&last), s.take(&last)), (Some(7), None));
        let mut s = Store::new(Duration::ZERO, &limits(10, 10));
        let key = s.put(0, 1).unwrap();
        assert_eq!(s.take(&key), None, "over");
    }

    #[test]
    fn whoever_asks_much_forgets_their_own() {
        let mut s = Store::new(REQUEST, &limits(10, 3));
        let other = s.put("192.0.2.1", 0).unwrap();
        let own: Vec<_> = (0..=3).map(|i| s.put("192.0.2.2", i).unwrap()).collect();
        assert_eq!(s.all.len(), 4);
        assert_eq!((s.take(&own[0]), s.take(&own[1])), (None, Some(1)));
        assert_eq!(s.take(&other), Some(0));
    }
}
