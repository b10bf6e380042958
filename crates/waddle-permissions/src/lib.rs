//! The Zanzibar engine: schema language, tuples, questions. Pure: no socket, clock or database.
//!
//! A [`Schema`] (OpenFGA modelling language 1.1 without conditions) says which relations exist and how
//! they follow from each other; a [`TupleStore`] holds the facts; [`TupleStore::check`] decides. A
//! [`Snapshot`] of it (now, at an older revision, or with contextual tuples) answers check, batch check,
//! expand, list objects, list users and explain; [`TupleStore::changes_after`] is what watchers read, a
//! [`Zookie`] carries a revision to a client and back. The language and the three-valued rule for cycles
//! are in `specs/permissions.md`, the choices in `adrs/0004-permission-language.md` and
//! `adrs/0014-permission-lookups.md`.

mod cache;
mod check;
mod edges;
mod expand;
mod explain;
mod log;
mod lookup;
mod objects;
mod overlay;
pub mod schema;
mod set;
mod snapshot;
mod store;
mod suggest;
mod tuple;
mod zookie;

use std::sync::{Arc, OnceLock};

pub use check::{CheckError, CheckLimits, Decision, Exceeded};
pub use expand::{Branch, Tree};
pub use explain::{Explanation, Fact, Reason};
pub use log::{Change, RevisionChanges, RevisionError};
pub use lookup::{LookupLimits, Subjects, Wanted};
pub use schema::{RelationId, Restriction, Rewrite, Schema, SchemaError, TypeId};
pub use snapshot::{Question, Snapshot};
pub use store::{Applied, Changes, Ignored, StoreLimits, TupleStore, WriteError};
pub use tuple::{Object, ObjectRef, Subject, SubjectRef, Tuple, TupleError};
pub use zookie::{Consistency, Zookie, ZookieError, ZookieKey};

/// The text of Waddle's own schema, `specs/permissions.fga`.
pub const WADDLE_SCHEMA: &str = include_str!("../../../specs/permissions.fga");

/// Waddle's own schema, parsed once.
#[expect(
    clippy::expect_used,
    reason = "the text is part of the program; a test parses it"
)]
pub fn waddle_schema() -> Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| Arc::new(Schema::parse(WADDLE_SCHEMA).expect("specs/permissions.fga is valid")))
        .clone()
}
