//! What an export says of each table of a waddle's database, and what in its columns means something here only.
//!
//! A table that is not named here stays out: it may hold secrets. A test keeps the list whole.

/// What a column holds that becomes something else in another waddle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Identifiers of things of the waddle, within other text or alone: each becomes a new one.
    Ids,
    /// Whom the row is about; without them, it goes.
    Person,
    /// Who did something: where they mean nothing here, nobody.
    By,
    /// One side of a tuple: users and identifiers; the row goes with a user who does.
    Tuple,
    /// Whose file it is: nobody's here, so that nothing here deletes it.
    Owner,
    /// What logs in here and nowhere else: it is empty in an export, whatever one says.
    Login,
    /// The address of a person.
    Address,
    /// A stanza with the addresses of the waddle's rooms.
    Stanza,
}

/// Whether a table travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its rows are in the export.
    Kept(&'static [(&'static str, Holds)]),
    /// It belongs to this server or to this waddle only: secrets of invites and programs, work in progress, what is made
    /// anew from other tables.
    Stays,
}

use Fate::{Kept, Stays};
use Holds::{Address, By, Ids, Login, Owner, Person, Stanza, Tuple};

/// The row of the waddle itself; it is written last.
pub(super) const WADDLE: &str = "waddle";
/// Devices, each without what it logs in with.
pub(super) const DEVICES: &str = "devices";
/// Messages; those of deleted channels stay behind.
pub(super) const ARCHIVE: &str = "archive";

/// Every table.
pub(super) const TABLES: &[(&str, Fate)] = &[
    (
        ARCHIVE,
        Kept(&[
            ("archive", Ids),
            ("author", By),
            ("sender", Address),
            ("stanza", Stanza),
        ]),
    ),
    ("archive_removals", Stays),
    ("archive_retention", Kept(&[("archive", Ids)])),
    (
        "audit",
        Kept(&[("actor", By), ("target", Tuple), ("detail", Ids)]),
    ),
    ("bans", Kept(&[("user", Person), ("banned_by", By)])),
    (
        "bindings",
        Kept(&[("id", Ids), ("channel", Ids), ("made_by", By)]),
    ),
    ("categories", Kept(&[("id", Ids)])),
    ("channel_rooms", Kept(&[("channel", Ids)])),
    ("channels", Kept(&[("id", Ids), ("category", Ids)])),
    ("device_topics", Kept(&[("device", Ids)])),
    (
        DEVICES,
        Kept(&[("id", Ids), ("credential", Login), ("made_by", By)]),
    ),
    ("hook_dead_letters", Stays),
    ("incoming_hooks", Stays),
    ("invites", Stays),
    ("join_requests", Kept(&[("id", Ids), ("user", Person)])),
    ("members", Kept(&[("user", Person), ("invite", Ids)])),
    ("message_file_removals", Stays),
    ("message_files", Kept(&[("owner", Owner)])),
    ("message_links", Kept(&[("archive", Ids)])),
    ("message_markers", Kept(&[("owner", Person), ("place", Ids)])),
    ("message_mentions", Kept(&[("subject", By), ("archive", Ids)])),
    ("message_pins", Kept(&[("archive", Ids), ("pinned_by", By)])),
    ("message_previews", Kept(&[])),
    ("message_reactions", Kept(&[("author", By)])),
    ("message_search_state", Stays),
    ("message_settings", Kept(&[])),
    ("meta", Stays),
    ("mqtt_retained", Kept(&[("publisher", By)])),
    ("outgoing_hooks", Stays),
    ("purges", Stays),
    ("reports", Stays),
    ("roles", Kept(&[("id", Ids)])),
    ("rules", Kept(&[("rule", Ids), ("made_by", By)])),
    ("slash_commands", Stays),
    ("timeouts", Kept(&[("user", Person), ("made_by", By)])),
    ("tuple_log", Stays),
    ("tuples", Kept(&[("object", Tuple), ("subject", Tuple)])),
    (WADDLE, Kept(&[("id", Ids), ("settings", Ids)])),
];

/// What becomes of a table.
pub(super) fn fate(table: &str) -> Fate {
    TABLES
        .iter()
        .find(|(name, _)| *name == table)
        .map_or(Stays, |(_, fate)| *fate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_core::WaddleId;
    use waddle_storage::{Storage, StorageConfig};

    #[tokio::test]
    async fn every_table_and_column_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let id = WaddleId::new();
        storage.create_waddle(id).await.unwrap();
        let there = storage
            .snapshot(id, waddle_storage::portable::Snapshot::tables)
            .await
            .unwrap();
        for table in &there {
            let named = TABLES.iter().any(|(name, _)| *name == table.name);
            assert!(
                named,
                "say in portable/policy.rs whether {} is exported",
                table.name
            );
            let Kept(columns) = fate(&table.name) else {
                continue;
            };
            for (column, _) in columns {
                assert!(
                    table.columns.iter().any(|c| c == column),
                    "{} has no column {column}",
                    table.name
                );
            }
        }
        for (name, _) in TABLES {
            assert!(there.iter().any(|t| t.name == *name), "there is no table {name}");
        }
        storage.close().await;
    }
}
