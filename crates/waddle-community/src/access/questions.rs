//! Every question that the engine answers, about one waddle: at its last commit, at an older revision, with tuples
//! that hold for the question alone (`specs/permissions.md`, "Questions"). Callers ask first whether they may ask.

use std::sync::Arc;

use tokio::sync::Semaphore;
use waddle_permissions::{
    CheckError, CheckLimits, Consistency, LookupLimits, RevisionChanges, RevisionError, Snapshot, Tuple,
    TupleStore, WriteError,
};
use waddle_storage::repo::tuples::Logged;

use super::WaddleAccess;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The waddle was deleted, or its database failed.
    #[error("the waddle is gone")]
    Gone,
    /// The revision asked for cannot be served.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// A tuple that was brought along is not one of the schema.
    #[error("contextual tuple: {0}")]
    Contextual(WriteError),
    /// A name of the question that the schema does not have, or too complex.
    #[error(transparent)]
    Question(#[from] CheckError),
}

/// A waddle's tuples as one question sees them.
pub struct Questions<'a> {
    /// The tuples.
    pub at: Snapshot<'a>,
    /// The bounds of a check.
    pub limits: CheckLimits,
    /// The bounds of a lookup.
    pub lookup: LookupLimits,
}

impl WaddleAccess {
    /// The place of the one question at a time that may take long; whoever asks waits for it, as long as they like.
    pub fn long_questions(&self) -> Arc<Semaphore> {
        self.long.clone()
    }

    /// Asks at a revision, of the tuples as they are when it begins: neither checks nor changes wait for it.
    pub fn ask<T>(
        &self,
        consistency: Consistency,
        contextual: &[Tuple],
        ask: impl FnOnce(&Questions<'_>) -> Result<T, CheckError>,
    ) -> Result<(T, u64), QuestionError> {
        let store = {
            let state = self.state.read();
            if state.gone {
                return Err(QuestionError::Gone);
            }
            state.store.clone()
        };
        let at = store.at(consistency)?;
        let at = at.with(contextual).map_err(QuestionError::Contextual)?;
        let revision = at.revision();
        let questions = Questions {
            at,
            limits: self.limits,
            lookup: LookupLimits {
                check: self.limits,
                steps: self.lookup_steps,
            },
        };
        Ok((ask(&questions)?, revision))
    }

    /// What happened after a revision, oldest first and at most so many revisions, and the revision now.
    pub fn changes_after(
        &self,
        revision: u64,
        most: usize,
    ) -> Result<(Vec<RevisionChanges>, u64), QuestionError> {
        let state = self.state.read();
        if state.gone {
            return Err(QuestionError::Gone);
        }
        let found = state.store.changes_after(revision)?.take(most).cloned().collect();
        Ok((found, state.store.revision()))
    }
}

/// Gives a store that was just loaded its past back, as far as the log goes.
pub(crate) fn remember(store: &mut TupleStore, logged: Vec<Logged>) {
    // The oldest revision may have lost some of its rows.
    let oldest = logged.first().map_or(0, |l| l.revision);
    let mut past: Vec<(u64, Vec<waddle_permissions::Change>)> = Vec::new();
    // Nor is one served of which a row cannot be read.
    let mut broken = oldest;
    for l in logged {
        if l.revision <= broken {
            continue;
        }
        let (Ok(object), Ok(subject)) = (l.object.parse(), l.subject.parse()) else {
            past.clear();
            broken = l.revision;
            continue;
        };
        let change = waddle_permissions::Change {
            written: l.written,
            tuple: Tuple::new(object, &l.relation, subject),
        };
        match past.last_mut() {
            Some((revision, changes)) if *revision == l.revision => changes.push(change),
            _ => past.push((l.revision, vec![change])),
        }
    }
    store.remember(past.into_iter().map(|(revision, changes)| RevisionChanges {
        revision,
        changes: changes.into(),
    }));
}
