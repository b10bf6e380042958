//! Pages that were made: bounded in bytes, each good for as long as nothing was committed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bytes::Bytes;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

/// A page.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// Its media type.
    pub kind: &'static str,
    /// Its bytes.
    pub body: Bytes,
    /// Its validator.
    pub etag: String,
    /// Since when it is as it is, as far as is known.
    pub since: SystemTime,
    /// Whether search engines may show it.
    pub indexed: bool,
}

impl Made {
    /// Something of a media type.
    pub fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let hash = digest(&SHA256, &body);
        let short = hash.as_ref().get(..12).unwrap_or_default();
        Self {
            kind,
            etag: ["\"", &B64.encode(short), "\""].concat(),
            body,
            since: now(),
            indexed: true,
        }
    }

    /// A page of HTML.
    pub fn page(html: &str) -> Self {
        Self::new("text/html; charset=utf-8", html.as_bytes().to_vec())
    }
}

#[expect(clippy::disallowed_methods, reason = "the head of an answer, to the second")]
fn now() -> SystemTime {
    SystemTime::now()
}

struct Kept {
    token: u64,
    made: Made,
    used: u64,
}

#[derive(Default)]
struct Pages {
    all: HashMap<String, Kept>,
    bytes: usize,
    turn: u64,
}

/// The pages that are remembered.
pub(crate) struct Cache {
    pages: Mutex<Pages>,
    max: usize,
    /// Goes up when somebody is hidden or shown again.
    pub people: AtomicU64,
}

impl Cache {
    /// Of so many bytes at the most.
    pub fn new(max: usize) -> Self {
        Self {
            pages: Mutex::default(),
            max,
            people: AtomicU64::new(0),
        }
    }

    /// Somebody's wish about being shown changed.
    pub fn people_changed(&self) {
        self.people.fetch_add(1, Ordering::AcqRel);
    }

    /// A page that was made when nothing else was stored than now.
    pub fn get(&self, key: &str, token: u64) -> Option<Made> {
        let mut pages = self.pages.lock();
        pages.turn += 1;
        let turn = pages.turn;
        let kept = pages.all.get_mut(key).filter(|k| k.token == token)?;
        kept.used = turn;
        Some(kept.made.clone())
    }

    /// Remembers a page; what is as it was keeps its date.
    pub fn put(&self, key: String, token: u64, mut made: Made) -> Made {
        let mut pages = self.pages.lock();
        pages.turn += 1;
        let used = pages.turn;
        if let Some(old) = pages.all.remove(&key) {
            pages.bytes -= old.made.body.len() + key.len();
            if old.made.etag == made.etag {
                made.since = old.made.since;
            }
        }
        let size = made.body.len() + key.len();
        if size > self.max / 4 {
            return made;
        }
        while pages.bytes + size > self.max {
            let oldest = pages
                .all
                .iter()
                .min_by_key(|(_, k)| k.used)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            if let Some(gone) = pages.all.remove(&oldest) {
                pages.bytes -= gone.made.body.len() + oldest.len();
            }
        }
        pages.bytes += size;
        let kept = Kept {
            token,
            made: made.clone(),
            used,
        };
        pages.all.insert(key, kept);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_good_until_something_changes() {
        let cache = Cache::new(4_000);
        let page = |n: u8| Made::page(&char::from(n).to_string().repeat(900));
        let first = cache.put("a".into(), 1, page(b'a'));
        assert_eq!(cache.get("a", 1).unwrap().etag, first.etag);
        assert!(cache.get("a", 2).is_none(), "something was committed");
        let again = cache.put("a".into(), 2, page(b'a'));
        assert_eq!(again.since, first.since, "the page is as it was");
        for n in b'b'..=b'z' {
            cache.put(char::from(n).to_string(), 1, page(n));
        }
        let pages = cache.pages.lock();
        assert!(pages.bytes <= 4_000 && pages.all.len() <= 4 && pages.all.contains_key("z"));
        let sum: usize = pages.all.iter().map(|(k, v)| k.len() + v.made.body.len()).sum();
        assert_eq!(sum, pages.bytes);
        drop(pages);
        cache.put("huge".into(), 1, Made::page(&"x".repeat(3_000)));
        assert!(cache.get("huge", 1).is_none());
    }
}
