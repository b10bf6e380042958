//! What an acknowledgement waits for: one commit or several (`specs/mqtt.md`, *Durability*).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::link::Link;

/// Counts the commits that are still to come.
#[derive(Debug)]
pub struct Ticket {
    left: AtomicUsize,
    failed: AtomicBool,
    link: Option<Arc<Link>>,
    done: Notify,
}

impl Ticket {
    /// A ticket that nothing is counted on yet but its maker: [`Ticket::commit`] once when all is counted.
    pub fn new(link: Option<Arc<Link>>) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(1),
            failed: AtomicBool::new(false),
            link,
            done: Notify::new(),
        })
    }

    /// One commit more.
    pub fn add(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// One commit is done or has failed.
    pub fn commit(&self, ok: bool) {
        if !ok {
            self.failed.store(true, Ordering::Release);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(l) = &self.link {
                l.bell.notify_one();
            }
            self.done.notify_one();
        }
    }

    /// `None` while a commit is to come, then whether all of them succeeded.
    pub fn outcome(&self) -> Option<bool> {
        (self.left.load(Ordering::Acquire) == 0).then(|| !self.failed.load(Ordering::Acquire))
    }

    /// Waits for all commits; one waiter.
    pub async fn wait(&self) -> bool {
        loop {
            if let Some(ok) = self.outcome() {
                return ok;
            }
            self.done.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_commits_count() {
        let t = Ticket::new(None);
        t.add();
        t.commit(true);
        assert_eq!(t.outcome(), None);
        let u = t.clone();
        let waiting = tokio::spawn(async move { u.wait().await });
        t.commit(false);
        assert!(!waiting.await.unwrap());
        assert_eq!(t.outcome(), Some(false));
    }
}
