//! A whole waddle as one file, and a waddle out of such a file, here or on another server (`specs/lifecycle.md`).
//!
//! ```text
//! {"waddle_export":1, "server":…, "waddle":{…}, "migrations":[…]}     the head
//! {"person":"did:plc:…"}                                            everybody who has something in it
//! {"table":"channels", "row":{"id":…, "slug":…}}                    rows, table by table
//! {"end":{"channels":2, …}, "sha256":…}                             how many; of all the bytes before
//! ```

mod adopt;
mod check;
mod export;
mod format;
mod import;
mod policy;
mod remap;

use std::{collections::BTreeMap, sync::Arc};

use ahash::AHashMap;
use waddle_core::{Slug, UserId};

use crate::Waddle;

/// The version of the format that this program writes; it reads no other.
pub const EXPORT_VERSION: u32 = 1;

/// What is in a finished export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its size.
    pub bytes: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

/// What becomes of somebody in an export whom this server cannot place: a local account of another server that nobody
/// was named for, or one of this server that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strangers {
    /// Nothing is imported; the error names them.
    #[default]
    Refuse,
    /// They stay where they have their account, and take part by federation.
    Remote,
    /// They are no members here; what they said stays.
    Drop,
}

/// How an export is taken in.
#[derive(Debug, Clone)]
pub struct Import {
    /// The new waddle's slug.
    pub slug: Slug,
    /// Its name; the old one where it is left out.
    pub name: Option<String>,
    /// Somebody who becomes an owner, beside those of the export.
    pub owner: Option<UserId>,
    /// Who is who: users of the export, as identifier, address or localpart, and whom they become here.
    pub people: AHashMap<String, UserId>,
    /// What becomes of those who are in no such list and have no meaning here.
    pub strangers: Strangers,
}

impl Import {
    /// Under a slug, for people who are known on both sides.
    pub fn new(slug: Slug) -> Self {
        Self {
            slug,
            name: None,
            owner: None,
            people: AHashMap::new(),
            strangers: Strangers::Refuse,
        }
    }
}

/// What came of an import.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The new waddle.
    pub waddle: Arc<Waddle>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Who was left out, as the export names them.
    pub dropped: Vec<String>,
}
