//! The outgoing queue of one connection: bounded in items and bytes, drained whole
//! (`adrs/0001-actors-and-outboxes.md`).
//!
//! Begin with [`Outbox`]. Whoever sends to a client pushes and goes on; nobody ever waits for a client's socket. An overflow is
//! remembered and wakes the connection, which then parks or closes its session: the slow reader pays, and
//! nobody else. A push costs a short lock and, if the connection sleeps, one wake.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What waits in an outbox: its size counts towards the limit in bytes.
pub trait Weight {
    /// Bytes on the wire.
    fn weight(&self) -> usize;

    /// Whether it must go out at once though the other side said that nobody looks ([`Outbox::hold`]). Asked only then.
    fn urgency(&self) -> Urgency {
        Urgency::Now
    }
}

/// How much an item hurries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It goes out at once, and everything that waits before it.
    Now,
    /// It may wait. Of items with the same key only the newest is kept.
    Later(Option<u64>),
}

/// Why an item was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// A limit is reached; the connection has been told.
    Full,
    /// The connection is gone.
    Closed,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    bytes: usize,
    overflowed: bool,
    closed: bool,
    held: Option<Held>,
}

/// What is known while items may wait.
#[derive(Debug, Default)]
struct Held {
    /// Something that hurries is among them, or there are too many.
    due: bool,
    /// Key → place in the queue.
    places: HashMap<u64, usize>,
}

impl<T> Inner<T> {
    /// Whether the reader has something to take.
    fn due(&self) -> bool {
        !self.items.is_empty() && self.held.as_ref().is_none_or(|h| h.due)
    }
}

/// Says whether an item is wanted.
pub type Gate<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// A gate, for which there is nothing to print.
struct Gated<T>(Option<Gate<T>>);

impl<T> std::fmt::Debug for Gated<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Gated" } else { "Open" })
    }
}

/// A bounded queue with many writers and one reader.
#[derive(Debug)]
pub struct Outbox<T> {
    inner: Mutex<Inner<T>>,
    gate: Mutex<Gated<T>>,
    /// Whether there is a gate: most have none.
    gated: AtomicBool,
    wake: Notify,
    max_items: usize,
    max_bytes: AtomicUsize,
}

impl<T: Weight> Outbox<T> {
    /// An empty outbox; it allocates nothing until the first push.
    pub fn new(max_items: usize, max_bytes: usize) -> Self {
        let inner = Inner {
            items: VecDeque::new(),
            bytes: 0,
            overflowed: false,
            closed: false,
            held: None,
        };
        Self {
            inner: Mutex::new(inner),
            gate: Mutex::new(Gated(None)),
            gated: AtomicBool::new(false),
            wake: Notify::new(),
            max_items,
            max_bytes: AtomicUsize::new(max_bytes),
        }
    }

    /// Appends an item. One item is always taken by an empty outbox, whatever its size.
    pub fn push(&self, item: T) -> Result<(), PushError> {
        let refused = self.gated.load(Ordering::Relaxed)
            && self.gate.lock().0.as_ref().is_some_and(|wanted| !wanted(&item));
        if refused {
            Ok(())
        } else {
            self.push_past_gate(item)
        }
    }

    /// Like [`Outbox::push`], for who has asked already whether the item is wanted.
    pub fn push_past_gate(&self, item: T) -> Result<(), PushError> {
        let weight = item.weight();
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(PushError::Closed);
        }
        let room = inner.items.is_empty()
            || (inner.items.len() < self.max_items
                && inner.bytes.saturating_add(weight) <= self.max_bytes.load(Ordering::Relaxed));
        if !room || inner.overflowed {
            inner.overflowed = true;
            drop(inner);
            self.wake.notify_one();
            return Err(PushError::Full);
        }
        if inner.held.is_some() {
            if self.keep(&mut inner, item) {
                drop(inner);
                self.wake.notify_one();
            }
            return Ok(());
        }
        inner.bytes += weight;
        inner.items.push_back(item);
        let first = inner.items.len() == 1;
        drop(inner);
        if first {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Sets who is asked of each item from now on; what it does not want is dropped, and its sender hears nothing.
    pub fn set_gate(&self, gate: Option<Gate<T>>) {
        let mut lock = self.gate.lock();
        self.gated.store(gate.is_some(), Ordering::Relaxed);
        lock.0 = gate;
    }

    /// Appends an item while items may wait; whether the reader is to be woken.
    fn keep(&self, inner: &mut Inner<T>, item: T) -> bool {
        let weight = item.weight();
        let at = inner.items.len();
        // Long before there is no room: waiting must never end a session.
        let many = (at + 1) * 2 > self.max_items
            || (inner.bytes + weight).saturating_mul(2) > self.max_bytes.load(Ordering::Relaxed);
        let Some(held) = &mut inner.held else { return true };
        let urgency = item.urgency();
        // Nothing urgent is among them yet, so the newest may take the place of the older one.
        if let Urgency::Later(Some(key)) = urgency
            && !held.due
            && let Some(place) = held.places.insert(key, at)
            && let Some(older) = inner.items.get_mut(place)
        {
            held.places.insert(key, place);
            inner.bytes = inner.bytes - older.weight() + weight;
            *older = item;
            return false;
        }
        let wake = !held.due && (urgency == Urgency::Now || many);
        held.due |= wake;
        inner.bytes += weight;
        inner.items.push_back(item);
        wake
    }

    /// Lets items wait that do not hurry, for a client where nobody looks (XEP-0352), or no longer: then everything
    /// goes out. What waits keeps its order; something urgent takes what waits before it along.
    pub fn hold(&self, on: bool) {
        let mut inner = self.inner.lock();
        if on == inner.held.is_some() {
            return;
        }
        // What came just before and hurries is not held back.
        let due = on && inner.items.iter().any(|i| i.urgency() == Urgency::Now);
        inner.held = on.then(|| Held {
            due,
            ..Held::default()
        });
        drop(inner);
        self.wake.notify_one();
    }

    /// Lets even that wait which hurries: nobody takes it now. What comes later and hurries is due again.
    pub fn defer(&self) {
        if let Some(held) = &mut self.inner.lock().held {
            *held = Held::default();
        }
    }

    /// The last of what waits, and how many there are that `count`.
    pub fn last(&self, count: impl Fn(&T) -> bool) -> Option<(usize, T)>
    where
        T: Clone,
    {
        let inner = self.inner.lock();
        let last = inner.items.iter().rev().find(|i| count(i))?.clone();
        Some((inner.items.iter().filter(|i| count(i)).count(), last))
    }

    /// Whether items may wait: nobody looks at the client.
    pub fn is_held(&self) -> bool {
        self.inner.lock().held.is_some()
    }

    /// Whether there is something that may not wait.
    pub fn is_due(&self) -> bool {
        self.inner.lock().due()
    }

    /// Appends an item that may be dropped when the outbox is over half full (typing, presence of big rooms).
    pub fn push_droppable(&self, item: T) -> Result<(), PushError> {
        let inner = self.inner.lock();
        let busy = inner.items.len() * 2 > self.max_items
            || inner.bytes.saturating_mul(2) > self.max_bytes.load(Ordering::Relaxed);
        drop(inner);
        if busy {
            Err(PushError::Full)
        } else {
            self.push(item)
        }
    }

    /// Moves everything that waits into `into`, in order.
    pub fn drain_into(&self, into: &mut VecDeque<T>) {
        let mut inner = self.inner.lock();
        inner.bytes = 0;
        if let Some(held) = &mut inner.held {
            *held = Held::default();
        }
        if into.is_empty() {
            std::mem::swap(into, &mut inner.items);
        } else {
            into.append(&mut inner.items);
        }
    }

    /// Waits until something was pushed, the outbox overflowed or it was closed. Cancel-safe; one reader.
    pub async fn ready(&self) {
        loop {
            {
                let inner = self.inner.lock();
                if inner.due() || inner.overflowed || inner.closed {
                    return;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Waits until the outbox overflowed or was closed, whatever waits in it: for a connection that cannot write.
    /// Cancel-safe; one reader.
    pub async fn overflow(&self) {
        loop {
            {
                let inner = self.inner.lock();
                if inner.overflowed || inner.closed {
                    return;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Whether a push was refused for want of room since the last [`Outbox::clear_overflow`].
    pub fn overflowed(&self) -> bool {
        self.inner.lock().overflowed
    }

    /// Forgets an overflow, after the session was parked or drained.
    pub fn clear_overflow(&self) {
        self.inner.lock().overflowed = false;
    }

    /// Refuses all further pushes; what waits can still be drained.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_one();
    }

    /// Whether [`Outbox::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.inner.lock().items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives back the memory of a burst; for a connection that falls idle.
    pub fn shrink(&self) {
        let mut inner = self.inner.lock();
        if inner.items.is_empty() && inner.items.capacity() > 32 {
            inner.items = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Duration};

    impl Weight for &'static str {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[tokio::test]
    async fn order_limits_and_wake() {
        let o = Arc::new(Outbox::new(3, 10));
        let reader = {
            let o = o.clone();
            tokio::spawn(async move {
                o.ready().await;
                let mut v = VecDeque::new();
                o.drain_into(&mut v);
                v
            })
        };
        o.push("a").unwrap();
        assert_eq!(reader.await.unwrap(), ["a"]);
        o.push("a much too long item is taken alone").unwrap();
        assert_eq!(o.push("b"), Err(PushError::Full));
        assert!(o.overflowed());
        let mut v = VecDeque::new();
        o.drain_into(&mut v);
        assert_eq!(
            o.push("c"),
            Err(PushError::Full),
            "an overflow stays until it is cleared"
        );
        o.clear_overflow();
        o.push("c").unwrap();
        o.close();
        assert_eq!(o.push("d"), Err(PushError::Closed));
        tokio::time::timeout(Duration::from_secs(5), o.ready())
            .await
            .unwrap();
        assert_eq!(o.len(), 1);
    }

    /// A letter is a presence of its sender, a word in capitals cannot wait.
    #[derive(Debug, PartialEq)]
    struct Word(&'static str);
    impl Weight for Word {
        fn weight(&self) -> usize {
            self.0.len()
        }
        fn urgency(&self) -> Urgency {
            match self.0.as_bytes() {
                [b'A'..=b'Z', ..] => Urgency::Now,
                [sender, b'0'..=b'9'] => Urgency::Later(Some(u64::from(*sender))),
                _ => Urgency::Later(None),
            }
        }
    }

    fn drained(o: &Outbox<Word>) -> Vec<&'static str> {
        let mut v = VecDeque::new();
        o.drain_into(&mut v);
        v.into_iter().map(|w| w.0).collect()
    }

    #[test]
    fn what_may_wait_waits_in_order_and_the_newest_wins() {
        let o = Outbox::new(20, 1000);
        o.hold(true);
        for w in ["a1", "typing", "b1", "a2"] {
            o.push(Word(w)).unwrap();
        }
        assert!(!o.is_due());
        o.push(Word("MESSAGE")).unwrap();
        assert!(o.is_due());
        o.push(Word("a3")).unwrap();
        assert_eq!(drained(&o), ["a2", "typing", "b1", "MESSAGE", "a3"]);
        o.push(Word("a4")).unwrap();
        assert!(!o.is_due(), "it waits again");
        o.hold(false);
        assert!(o.is_due());
        assert_eq!(drained(&o), ["a4"]);
        o.push(Word("a5")).unwrap();
        assert!(o.is_due());
    }

    #[test]
    fn what_came_before_the_wait_and_hurries_goes_out() {
        let o = Outbox::new(20, 1000);
        o.push(Word("a1")).unwrap();
        o.hold(true);
        assert!(!o.is_due());
        o.hold(false);
        o.push(Word("MESSAGE")).unwrap();
        o.hold(true);
        assert!(o.is_due());
        assert_eq!(drained(&o), ["a1", "MESSAGE"]);
    }

    #[test]
    fn waiting_never_fills_an_outbox() {
        let o = Outbox::new(8, 1000);
        o.hold(true);
        for _ in 0..4 {
            o.push(Word("later")).unwrap();
        }
        assert!(!o.is_due());
        o.push(Word("later")).unwrap();
        assert!(o.is_due() && !o.overflowed());
    }

    #[test]
    fn droppable_items_leave_room_for_the_others() {
        let o = Outbox::new(4, 100);
        for _ in 0..3 {
            o.push("x").unwrap();
        }
        assert_eq!(o.push_droppable("typing"), Err(PushError::Full));
        assert!(!o.overflowed());
        o.push("message").unwrap();
    }
}
