//! Who showed a login or an access token a moment ago, so that a client that asks often is not looked up each time.
//!
//! An answer is good for a quarter of a second and until anything is announced of any credential, whichever comes first:
//! what ends, ends within the second that revocation has. The digest of what was shown is the key, never the text.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use dashmap::DashMap;

/// How long an answer is good.
const GOOD: Duration = Duration::from_millis(250);
/// Answers that are kept; when there are more, all are found anew.
const MOST: usize = 8_192;

/// Answers of one kind.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    answers: DashMap<[u8; 32], (T, u64, Instant)>,
}

/// What counts the announcements.
#[derive(Debug, Default)]
pub(crate) struct Announced(AtomicU64);

impl Announced {
    /// Something changed: no answer of before counts.
    pub fn changed(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// As it is now; to be read before the database is.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            answers: DashMap::new(),
        }
    }
}

impl<T: Clone> Recent<T> {
    /// The answer for a digest, if it still counts.
    pub fn get(&self, digest: &[u8; 32], announced: u64) -> Option<T> {
        let (answer, then, at) = &*self.answers.get(digest)?;
        (*then == announced && at.elapsed() < GOOD).then(|| answer.clone())
    }

    /// Keeps an answer that was found when `announced` was read.
    pub fn put(&self, digest: [u8; 32], announced: u64, answer: T) {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        self.answers.insert(digest, (answer, announced, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_ends_every_answer() {
        let (recent, announced) = (Recent::default(), Announced::default());
        assert_eq!(recent.get(&[1; 32], announced.now()), None);
        recent.put([1; 32], announced.now(), "alice");
        assert_eq!(recent.get(&[1; 32], announced.now()), Some("alice"));
        assert_eq!(recent.get(&[2; 32], announced.now()), None);
        let before = announced.now();
        announced.changed();
        assert_eq!(recent.get(&[1; 32], announced.now()), None);
        // found before the announcement, kept after it
        recent.put([1; 32], before, "alice");
        assert_eq!(recent.get(&[1; 32], announced.now()), None);
    }

    #[test]
    fn bounded() {
        let recent = Recent::default();
        for n in 0..=MOST {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            recent.put(key, 0, ());
        }
        assert_eq!(recent.answers.len(), 1);
    }
}
