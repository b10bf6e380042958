//! Moments at which sessions end and delayed wills are published: one timer per absent session.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::session::Session;

/// The timers of all absent sessions.
#[derive(Debug, Default)]
pub struct Timers {
    due: Mutex<BTreeMap<(Instant, u64), Weak<Session>>>,
    next: AtomicU64,
    changed: Notify,
}

impl Timers {
    /// Sets the session's timer in place of the one it had.
    pub fn set(&self, session: &Arc<Session>, at: Instant) {
        let key = (at, self.next.fetch_add(1, Ordering::Relaxed));
        let mut due = self.due.lock();
        if let Some(old) = session.timer.lock().replace(key) {
            due.remove(&old);
        }
        due.insert(key, Arc::downgrade(session));
        drop(due);
        self.changed.notify_one();
    }

    /// Takes the session's timer away.
    pub fn clear(&self, session: &Session) {
        let mut due = self.due.lock();
        if let Some(old) = session.timer.lock().take() {
            due.remove(&old);
        }
    }

    /// Timers set.
    pub fn len(&self) -> usize {
        self.due.lock().len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next timer and takes it.
    pub async fn next(&self) -> Arc<Session> {
        loop {
            let first = self.due.lock().first_key_value().map(|(k, _)| *k);
            match first {
                Some(key) if key.0 <= Instant::now() => {
                    let session = self.due.lock().remove(&key).and_then(|s| s.upgrade());
                    if let Some(s) = session {
                        let mut timer = s.timer.lock();
                        if *timer == Some(key) {
                            *timer = None;
                        }
                        drop(timer);
                        return s;
                    }
                }
                Some((at, _)) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::session;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn one_timer_per_session_in_order() {
        let t = Timers::default();
        let (a, b) = (session(), session());
        let now = Instant::now();
        t.set(&a, now + Duration::from_secs(1));
        t.set(&a, now + Duration::from_secs(30));
        t.set(&b, now + Duration::from_secs(20));
        assert_eq!(t.len(), 2);
        assert_eq!(t.next().await.serial, b.serial);
        t.clear(&b);
        assert_eq!(t.next().await.serial, a.serial);
        assert!(t.is_empty() && now.elapsed() >= Duration::from_secs(30));
        t.set(&a, now);
        t.clear(&a);
        assert!(t.is_empty());
    }
}
