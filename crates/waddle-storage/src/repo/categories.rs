//! Groups of a waddle's channels.

use serde::Serialize;
use waddle_core::{CategoryId, Timestamp};

use crate::{Conn, Result, Tx};

/// A group of channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Category {
    /// Its identifier.
    pub id: CategoryId,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// Its place in the list, from 0 on without gaps.
    pub position: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All categories, in their order; bounded by the limit on categories.
pub fn list(conn: &Conn) -> Result<Vec<Category>> {
    conn.query(
        "SELECT id, name, position, created_at FROM categories ORDER BY position, id",
        (),
        |r| {
            Ok(Category {
                id: r.get(0)?,
                name: r.get(1)?,
                position: r.get(2)?,
                created_at: r.get(3)?,
            })
        },
    )
}

/// Enters a category.
pub fn insert(tx: &mut Tx, c: &Category) -> Result<()> {
    tx.execute(
        "INSERT INTO categories (id, name, position, created_at) VALUES (?1, ?2, ?3, ?4)",
        (c.id, &c.name, c.position, c.created_at),
    )
    .map(drop)
}

/// Changes name and place of a category.
pub fn update(tx: &mut Tx, c: &Category) -> Result<()> {
    tx.execute_one(
        "UPDATE categories SET name = ?2, position = ?3 WHERE id = ?1",
        (c.id, &c.name, c.position),
    )
}

/// Takes a category out.
pub fn delete(tx: &mut Tx, id: CategoryId) -> Result<()> {
    tx.execute_one("DELETE FROM categories WHERE id = ?1", (id,))
}
