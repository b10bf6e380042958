//! The life of sessions: made, resumed, taken over, left, ended (MQTT 5.0 §3.1.2.4, §3.1.2.11, §4.1).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::OwnedMutexGuard, time::Instant};
use waddle_core::Timestamp;
use waddle_storage::{
    StorageError,
    repo::mqtt::{self as rows, SessionRow},
};

use crate::{
    Mount,
    codec::{
        Fault, Reason,
        connect::{Connect, Will},
    },
    core::Core,
    link::Close,
    restore::will_row,
    session::{Owner, Session, SessionKey},
};

/// How long a new connection waits for the one that it replaces.
const TAKEOVER: Duration = Duration::from_secs(10);

/// A session that a connection may now attach to, and the gate that keeps others out until it has.
pub struct Opened {
    /// The session.
    pub session: Arc<Session>,
    /// It was there before.
    pub present: bool,
    /// Released when the connection is attached.
    pub gate: OwnedMutexGuard<()>,
}

const BUSY: Fault = Fault::new(Reason::UNAVAILABLE, "the session is in use; try again");

fn failed(error: &StorageError) -> Fault {
    tracing::warn!(%error, "a session cannot be stored");
    Fault::new(
        Reason::UNAVAILABLE,
        "the session cannot be stored; try again later",
    )
}

impl Core {
    /// Finds or makes the session of a client, after the connection that holds it has let go.
    pub async fn open_session(
        self: &Arc<Self>,
        key: SessionKey,
        owner: Owner,
        c: &Connect,
        expiry: u32,
    ) -> Result<Opened, Fault> {
        let deadline = Instant::now() + TAKEOVER;
        loop {
            let existing = self.sessions.get(&key).map(|s| s.clone());
            let Some(old) = existing else {
                let _one = self.creating(&key).lock().await;
                if self.sessions.contains_key(&key) {
                    continue; // Somebody else was quicker.
                }
                let made = self.make_session(key.clone(), owner.clone(), c, expiry).await?;
                let gate = made.gate.clone().lock_owned().await;
                self.sessions.insert(key, made.clone());
                self.enlist(&made);
                return Ok(Opened {
                    session: made,
                    present: false,
                    gate,
                });
            };
            let gate = tokio::time::timeout_at(deadline, old.gate.clone().lock_owned())
                .await
                .map_err(|_| BUSY)?;
            if old.ended.load(Ordering::Acquire) {
                continue;
            }
            let resumed = !c.clean_start;
            self.take_over(&old, resumed && old.durable(), deadline).await?;
            if old.ended.load(Ordering::Acquire) {
                continue;
            }
            if resumed && old.durable() {
                self.timers.clear(&old);
                *old.will.lock() = None;
                old.set_owner(owner.clone());
                old.expiry.store(expiry, Ordering::Relaxed);
                let row = session_row(&old, &owner, c, expiry);
                if let Err(e) = self.db.write(move |tx| rows::resume_session(tx, &row)).await {
                    self.abandon(&old);
                    return Err(failed(&e));
                }
                return Ok(Opened {
                    session: old,
                    present: true,
                    gate,
                });
            }
            // A will that still waits is published when its session ends (MQTT-3.1.3-9).
            self.end_session(&old).await;
            drop(gate);
        }
    }

    async fn take_over(&self, old: &Arc<Session>, resumed: bool, deadline: Instant) -> Result<(), Fault> {
        loop {
            let parked = old.parked.notified();
            let Some(link) = old.link() else {
                return Ok(());
            };
            link.close(Close::TakenOver { resumed });
            if tokio::time::timeout_at(deadline, parked).await.is_err() && old.link().is_some() {
                return Err(BUSY);
            }
        }
    }

    async fn make_session(
        self: &Arc<Self>,
        key: SessionKey,
        owner: Owner,
        c: &Connect,
        expiry: u32,
    ) -> Result<Arc<Session>, Fault> {
        if expiry == 0 {
            return Ok(Session::new(key, owner, 0, 0));
        }
        self.make_room(&key).await?;
        let fresh = Session::new(key, owner.clone(), 0, expiry);
        let row = session_row(&fresh, &owner, c, expiry);
        let id = self
            .db
            .write(move |tx| rows::create_session(tx, &row))
            .await
            .map_err(|e| failed(&e))?;
        Ok(Session::new(fresh.key.clone(), owner, id, expiry))
    }

    /// The longest absent stored session of a user ends where they have too many.
    async fn make_room(self: &Arc<Self>, key: &SessionKey) -> Result<(), Fault> {
        let (stored, absent) = match self.by_user.get(&key.user) {
            Some(all) => {
                let stored = all.iter().filter(|s| s.durable()).count();
                let absent = all
                    .iter()
                    .filter(|s| s.durable() && s.gone.load(Ordering::Relaxed) > 0)
                    .min_by_key(|s| s.gone.load(Ordering::Relaxed))
                    .cloned();
                (stored, absent)
            }
            None => return Ok(()),
        };
        if stored < self.limits.mqtt_sessions_per_user {
            return Ok(());
        }
        match absent {
            Some(s) => {
                self.end_session(&s).await;
                Ok(())
            }
            None => Err(Fault::new(Reason::QUOTA, "too many stored sessions")),
        }
    }

    /// Counts a session among its user's.
    pub fn enlist(&self, s: &Arc<Session>) {
        self.by_user
            .entry(s.key.user.clone())
            .or_default()
            .push(s.clone());
        self.metrics.session(1);
    }

    async fn discard(&self, s: &Session) {
        if s.durable() {
            let row = s.row;
            if let Err(error) = self.db.write(move |tx| rows::delete_session(tx, row)).await {
                tracing::warn!(%error, "a session cannot be deleted");
            }
        }
    }

    /// Ends a session: its subscriptions, its queue, its row; a will that waits is published.
    pub async fn end_session(self: &Arc<Self>, s: &Arc<Session>) {
        if s.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        self.timers.clear(s);
        self.sessions.remove_if(&s.key, |_, v| Arc::ptr_eq(v, s));
        if let dashmap::Entry::Occupied(mut e) = self.by_user.entry(s.key.user.clone()) {
            e.get_mut().retain(|o| !Arc::ptr_eq(o, s));
            if e.get().is_empty() {
                e.remove();
            }
        }
        self.metrics.session(-1);
        let subs = std::mem::take(&mut *s.subs.lock());
        self.metrics.subscription(-(subs.len() as i64));
        for sub in subs.values() {
            sub.leave(s);
        }
        let will = s.will.lock().take();
        if let Some(w) = will {
            self.publish_will(&s.owner(), s.serial, &w).await;
        }
        self.discard(s).await;
    }

    /// A connection has gone; `will` is what it leaves behind, `taken` that another takes its session over.
    pub async fn leave_session(
        self: &Arc<Self>,
        s: &Arc<Session>,
        link: u64,
        expiry: u32,
        will: Option<Will>,
        taken: Option<bool>,
    ) {
        let now = self.clock.now();
        let owner = s.owner();
        let expiry = if s.doomed.load(Ordering::Acquire) {
            0
        } else {
            expiry
        };
        // The delay does not outlast the session, and a session that is resumed needs no delayed will.
        let delayed = |w: &Will| match taken {
            Some(resumed) => resumed && w.delay > 0,
            None => w.delay > 0 && expiry > 0,
        };
        let (wait, at_once) = match will {
            Some(w) if delayed(&w) => (Some(w), None),
            other => (None, other),
        };
        if let Some(w) = &at_once {
            self.publish_will(&owner, s.serial, w).await;
        }
        if taken.is_some() {
            // A resumed session has its new connection at once: the will that would wait is not wanted.
            if s.detach(link, now) {
                s.parked.notify_waiters();
            }
            return;
        }
        if expiry == 0 {
            // Over before it is let go of: whoever waits for it must not resume it.
            if s.with_link(|l| l.serial) == Some(link) {
                self.end_session(s).await;
            }
            s.detach(link, now);
            s.parked.notify_waiters();
            return;
        }
        s.expiry.store(expiry, Ordering::Relaxed);
        let row = s.row;
        let keep_will = wait.is_some();
        let at = Timestamp(now.0.max(1));
        if let Err(error) = self
            .db
            .write(move |tx| rows::leave_session(tx, row, expiry, at, keep_will))
            .await
        {
            tracing::warn!(%error, "a session's end of connection is not stored");
        }
        let will_in = wait.as_ref().map(|w| u64::from(w.delay));
        *s.will.lock() = wait;
        if s.detach(link, now) {
            self.schedule(s, will_in, 0);
        }
        s.parked.notify_waiters();
    }

    /// A session was opened and no connection came of it: it is absent as before.
    pub fn abandon(&self, s: &Arc<Session>) {
        let gone = Timestamp(s.gone.load(Ordering::Relaxed));
        self.schedule(s, None, self.clock.now().since(gone).as_secs());
    }

    /// Sets the timer of an absent session to what comes first: its will or its end.
    pub fn schedule(&self, s: &Arc<Session>, will_in: Option<u64>, absent: u64) {
        let expiry = s.expiry.load(Ordering::Relaxed);
        let ends_in = (expiry != u32::MAX).then(|| u64::from(expiry).saturating_sub(absent));
        let first = [will_in, ends_in].into_iter().flatten().min();
        if let Some(secs) = first {
            self.timers.set(s, Instant::now() + Duration::from_secs(secs));
        }
    }

    /// A session's timer has rung.
    pub async fn timer_rang(self: &Arc<Self>, s: Arc<Session>) {
        let Ok(_gate) = s.gate.clone().try_lock_owned() else {
            return; // Somebody is connecting to it.
        };
        let gone = s.gone.load(Ordering::Relaxed);
        if gone == 0 || s.ended.load(Ordering::Acquire) {
            return;
        }
        // Timers and clock may differ by a little.
        let waited = self.clock.now().since(Timestamp(gone)) + Duration::from_millis(50);
        let absent = waited.as_secs();
        let expiry = s.expiry.load(Ordering::Relaxed);
        if expiry != u32::MAX && absent >= u64::from(expiry) {
            self.end_session(&s).await;
            return;
        }
        let will = {
            let mut will = s.will.lock();
            if will.as_ref().is_some_and(|w| absent >= u64::from(w.delay)) {
                will.take()
            } else {
                None
            }
        };
        if let Some(w) = will {
            self.publish_will(&s.owner(), s.serial, &w).await;
            let row = s.row;
            if let Err(error) = self.db.write(move |tx| rows::forget_will(tx, row)).await {
                tracing::warn!(%error, "a published will is not forgotten");
            }
        }
        let will_in = s
            .will
            .lock()
            .as_ref()
            .map(|w| u64::from(w.delay).saturating_sub(absent).max(1));
        self.schedule(&s, will_in, absent);
    }
}

fn session_row(s: &Session, owner: &Owner, c: &Connect, expiry: u32) -> SessionRow {
    SessionRow {
        id: s.row,
        user: s.key.user.clone(),
        waddle: s.key.waddle,
        client_id: s.key.client.to_string(),
        principal: serde_json::to_string(&*owner.who).unwrap_or_default(),
        home: match owner.mount {
            Mount::Person { home } => home,
            Mount::Waddle(_) => None,
        },
        // A stored expiry of 0 is that of a deleted account; a session that was resumed to end with its
        // connection has a row until it does.
        expiry: expiry.max(1),
        gone_at: None,
        will: will_row(c.will.as_ref()),
    }
}
