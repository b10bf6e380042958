//! The Zanzibar engine: schema language, tuples, check. Pure: no socket, clock or database.
//!
//! A [`Schema`] (OpenFGA modelling language 1.1 without conditions) says which relations exist and how
//! they follow from each other; a [`TupleStore`] holds the facts; [`TupleStore::check`] decides. The
//! language and the three-valued rule for cycles are in `specs/permissions.md`, the choice of them in
//! `adrs/0004-permission-language.md`.

mod cache;
mod check;
mod edges;
mod objects;
pub mod schema;
mod store;
mod suggest;
mod tuple;

use std::sync::{Arc, OnceLock};

pub use check::{CheckError, CheckLimits, Decision, Exceeded};
pub use schema::{RelationId, Restriction, Rewrite, Schema, SchemaError, TypeId};
pub use store::{Applied, Changes, Ignored, TupleStore, WriteError};
pub use tuple::{Object, ObjectRef, Subject, SubjectRef, Tuple, TupleError};

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
