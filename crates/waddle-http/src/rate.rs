//! Request rates: a token bucket per account or address (`http_rate`), said in the headers of
//! [draft-ietf-httpapi-ratelimit-headers-10](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/).

use std::{collections::HashMap, time::Instant};

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};
use parking_lot::Mutex;
use waddle_core::limits::Rate;

/// Accounts and addresses remembered at a time.
const KEYS: usize = 65_536;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What a bucket holds after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Requests.
    pub requests: u32,
    /// Seconds until it is full.
    pub seconds: u64,
}

/// Buckets by key.
pub struct Rates {
    rate: Rate,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Rates {
    /// Buckets that hold `rate`.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::default(),
        }
    }

    /// Says in an answer what the policy is and what is left; nothing where the request was one too many.
    pub fn say(&self, mut response: Response, left: Option<Left>) -> Response {
        let (count, seconds) = (self.rate.count.max(1), self.rate.seconds.max(1));
        let (requests, full) = left.map_or((0, u64::from(seconds)), |l| (l.requests, l.seconds));
        let headers = [
            (POLICY, format!("\"requests\";q={count};w={seconds}")),
            (STATE, format!("\"requests\";r={requests};t={full}")),
        ];
        for (name, text) in headers {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// Takes one request of `key`; if there is none left, the seconds to wait.
    pub fn take(&self, key: &str, now: Instant) -> Result<Left, u64> {
        let full = f64::from(self.rate.count.max(1));
        let per_second = full / f64::from(self.rate.seconds.max(1));
        let level = |(left, at): (f64, Instant)| {
            (left + now.saturating_duration_since(at).as_secs_f64() * per_second).min(full)
        };
        let mut buckets = self.buckets.lock();
        if buckets.len() >= KEYS && !buckets.contains_key(key) {
            buckets.retain(|_, b| level(*b) < full);
            if buckets.len() >= KEYS {
                // whoever asked least can best do without being remembered
                let mut levels: Vec<f64> = buckets.values().map(|b| level(*b)).collect();
                let (_, fullest, _) = levels.select_nth_unstable_by(KEYS * 3 / 4, f64::total_cmp);
                let fullest = *fullest;
                buckets.retain(|_, b| level(*b) < fullest);
            }
        }
        let left = buckets.get(key).map_or(full, |b| level(*b));
        if left < 1.0 {
            return Err(((1.0 - left) / per_second).ceil() as u64);
        }
        let left = left - 1.0;
        match buckets.get_mut(key) {
            Some(b) => *b = (left, now),
            None => drop(buckets.insert(key.to_owned(), (left, now))),
        }
        Ok(Left {
            requests: left as u32,
            seconds: ((full - left) / per_second).ceil() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn empties_and_fills() {
        let r = Rates::new(Rate {
            count: 2,
            seconds: 10,
        });
        let now = Instant::now();
        assert!(r.take("a", now).is_ok() && r.take("a", now).is_ok());
        assert_eq!(r.take("a", now), Err(5));
        assert!(r.take("b", now).is_ok());
        assert!(r.take("a", now + Duration::from_secs(5)).is_ok());
        assert!(r.take("a", now + Duration::from_secs(5)).is_err());
    }

    #[test]
    fn bounded() {
        let r = Rates::new(Rate {
            count: 1,
            seconds: 10,
        });
        let now = Instant::now();
        for i in 0..KEYS + 10 {
            let _ = r.take(&i.to_string(), now);
        }
        assert!(r.buckets.lock().len() <= KEYS);
    }
}
