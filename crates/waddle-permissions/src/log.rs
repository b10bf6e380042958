//! The last changes of a store, by revision: what *watch* reads and what the way back to an older revision undoes.

use std::{collections::VecDeque, sync::Arc};

use crate::tuple::Tuple;

/// One tuple that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether it came.
    pub written: bool,
    /// The tuple.
    pub tuple: Tuple,
}

/// What made one revision: only what had an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionChanges {
    /// The revision that these changes made.
    pub revision: u64,
    /// First what went, then what came.
    pub changes: Arc<[Change]>,
}

/// A revision that cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// Its changes are not held any more.
    #[error(
        "revision {wanted} is too old: changes are held from revision {oldest} on; read the tuples again and go on from revision {now}"
    )]
    TooOld {
        /// The revision asked for.
        wanted: u64,
        /// The oldest one that can be served.
        oldest: u64,
        /// The one now.
        now: u64,
    },
    /// It has not been reached: the token is another history's.
    #[error(
        "revision {wanted} has not been reached: it is revision {now} now, so the token is of another history; ask again without it"
    )]
    Ahead {
        /// The revision asked for.
        wanted: u64,
        /// The one now.
        now: u64,
    },
}

/// A bounded log without gaps.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    entries: VecDeque<RevisionChanges>,
    /// Changes in all entries.
    held: usize,
    max: usize,
}

impl Log {
    pub fn new(max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            held: 0,
            max,
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.held = 0;
    }

    pub fn newest(&self) -> Option<u64> {
        self.entries.back().map(|e| e.revision)
    }

    /// Appends what made the newest revision; what is over the bound goes at the old end.
    pub fn push(&mut self, entry: RevisionChanges) {
        let gap = self
            .entries
            .back()
            .is_some_and(|e| e.revision + 1 != entry.revision);
        if gap {
            self.clear();
        }
        self.held += entry.changes.len();
        self.entries.push_back(entry);
        while self.held > self.max {
            let Some(old) = self.entries.pop_front() else {
                break;
            };
            self.held -= old.changes.len();
        }
    }

    /// What happened after a revision, oldest first; `now` is the newest.
    pub fn after(
        &self,
        wanted: u64,
        now: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &RevisionChanges>, RevisionError> {
        if wanted > now {
            return Err(RevisionError::Ahead { wanted, now });
        }
        let oldest = self.entries.front().map_or(now, |e| e.revision - 1);
        if wanted < oldest {
            return Err(RevisionError::TooOld { wanted, oldest, now });
        }
        let skip = usize::try_from(wanted - oldest).unwrap_or(usize::MAX);
        Ok(self.entries.range(skip.min(self.entries.len())..))
    }
}
