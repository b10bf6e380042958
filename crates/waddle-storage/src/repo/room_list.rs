//! Plain rooms as a search shows them (XEP-0433).

use crate::{Db, Result};

/// A listed room with what people choose by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedRoom {
    /// Localpart.
    pub name: String,
    /// The name that people read; may be empty.
    pub title: String,
    /// One line on what it is for.
    pub description: String,
    /// The language that is spoken; empty where unknown.
    pub lang: String,
    /// Whether anybody may enter.
    pub open: bool,
    /// Whether everybody sees real addresses.
    pub whois_anyone: bool,
}

/// All listed rooms, at most `max`.
pub async fn described(db: &Db, max: usize) -> Result<Vec<DescribedRoom>> {
    db.read(move |c| {
        c.query(
            "SELECT name, title, description, lang, members_only = 0 AND password IS NULL, whois_anyone FROM rooms \
             WHERE public = 1 ORDER BY name LIMIT ?1",
            (max as i64,),
            |r| {
                Ok(DescribedRoom {
                    name: r.get(0)?,
                    title: r.get(1)?,
                    description: r.get(2)?,
                    lang: r.get(3)?,
                    open: r.get(4)?,
                    whois_anyone: r.get(5)?,
                })
            },
        )
    })
    .await
}
