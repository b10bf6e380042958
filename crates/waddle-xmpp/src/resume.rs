//! What is remembered of sessions that can no longer be resumed (XEP-0198 §5, "Error Handling").

use std::collections::VecDeque;

use ahash::AHashMap;
use parking_lot::Mutex;

/// How many are remembered; the oldest is forgotten.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
struct Inner {
    handled: AHashMap<Box<str>, u32>,
    order: VecDeque<Box<str>>,
}

/// Resumption id → how many of the client's stanzas were handled before the session ended.
#[derive(Debug, Default)]
pub struct Expired(Mutex<Inner>);

impl Expired {
    /// Remembers an ended session.
    pub fn remember(&self, id: &str, handled: u32) {
        let mut inner = self.0.lock();
        if inner.handled.insert(id.into(), handled).is_none() {
            inner.order.push_back(id.into());
        }
        if inner.order.len() > REMEMBERED
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.handled.remove(&oldest);
        }
    }

    /// How many stanzas were handled, if it is remembered.
    pub fn handled(&self, id: &str) -> Option<u32> {
        self.0.lock().handled.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded() {
        let e = Expired::default();
        for i in 0..=REMEMBERED as u32 {
            e.remember(&i.to_string(), i);
        }
        assert_eq!(e.handled("0"), None);
        assert_eq!(e.handled("1"), Some(1));
        assert_eq!(e.0.lock().handled.len(), REMEMBERED);
    }
}
