//! Databases of every old version come to this one with all that was in them (mission line 42).

use std::{path::Path, sync::Arc};

use crate::{
    conn::{Conn, Mode, Tx},
    migrate::migrate,
    migrations::{self, Migration},
};

/// A row of each table that there was early, by the migration that made the table.
const ROWS: &[(&str, &str)] = &[
    ("0001_meta", "INSERT INTO meta VALUES ('old', 'kept')"),
    (
        "0002_archive",
        "INSERT INTO archive (id, archive, at, body, stanza) VALUES (7, 'channel:x', 7, 'hello', x'3c6d2f3e')",
    ),
    (
        "0010_waddles",
        "INSERT INTO waddles VALUES ('w', 'reef', 'Reef', '', 'private', 1, 'live', 1); \
         INSERT INTO memberships VALUES ('local:a', 'w', 'owner')",
    ),
    (
        "0010_community",
        "INSERT INTO waddle (one, id, slug, name, description, visibility, created_at, revision, members_revision) \
         VALUES (1, 'w', 'reef', 'Reef', '', 'private', 1, 1, 1); \
         INSERT INTO channels (id, slug, name, topic, kind, private, position, created_at) \
         VALUES ('x', 'general', 'General', '', 'text', 0, 0, 1); \
         INSERT INTO members VALUES ('local:a', 'owner', 1, NULL); \
         INSERT INTO bans (user, reason, banned_by, banned_at) VALUES ('local:b', NULL, NULL, 1); \
         INSERT INTO tuples VALUES ('waddle:w', 'owner', 'user:local:a')",
    ),
    (
        "0020_accounts",
        "INSERT INTO accounts (user_id, localpart, admin, created_at) VALUES ('local:a', 'a', 1, 1)",
    ),
    (
        "0040_roster",
        "INSERT INTO roster (owner, jid, subscription) VALUES ('a', 'b@c', 3); INSERT INTO roster_version VALUES ('a', 5)",
    ),
];

/// What must be found again, where its table was there.
const FOUND: &[(&str, &str)] = &[
    ("0001_meta", "SELECT value = 'kept' FROM meta WHERE key = 'old'"),
    (
        "0002_archive",
        "SELECT body = 'hello' AND retracted = 0 FROM archive WHERE id = 7",
    ),
    (
        "0010_waddles",
        "SELECT count(*) FROM memberships m JOIN waddles w ON w.id = m.waddle WHERE w.slug = 'reef'",
    ),
    (
        "0010_community",
        "SELECT count(*) FROM members, channels, bans, tuples, waddle",
    ),
    (
        "0020_accounts",
        "SELECT count(*) FROM accounts WHERE localpart = 'a' AND disabled = 0",
    ),
    (
        "0040_roster",
        "SELECT count(*) FROM roster WHERE jid = 'b@c' AND subscription = 3",
    ),
];

fn open(path: &Path) -> Tx {
    let clock = Arc::new(waddle_core::SystemClock);
    Tx::new(Conn::open(path, Mode::Create, "old".into(), clock).unwrap())
}

fn schema(tx: &Tx) -> Vec<String> {
    let sql = "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1";
    tx.query(sql, (), |r| r.get(0)).unwrap()
}

fn from_every_version(all: &'static [Migration]) {
    let dir = tempfile::tempdir().unwrap();
    let name: Arc<str> = "old".into();
    let mut fresh = open(&dir.path().join("fresh.db"));
    migrate(&mut fresh, all, &name).unwrap();
    for version in 1..=all.len() {
        let path = dir.path().join(format!("{version}.db"));
        let mut tx = open(&path);
        // As that version left it, filled when each table was new.
        for step in 1..=version {
            migrate(&mut tx, &all[..step], &name).unwrap();
            let file = all[step - 1].file;
            for (_, sql) in ROWS.iter().filter(|(of, _)| file.contains(of)) {
                tx.batch(sql).unwrap();
            }
        }
        drop(tx);
        // Once interrupted before each further step, and once more after the last one.
        for step in version..=all.len() {
            let mut tx = open(&path);
            migrate(&mut tx, &all[..step], &name).unwrap();
            tx.begin().unwrap();
            tx.batch("CREATE TABLE half_done (x INTEGER) STRICT;").unwrap();
            drop(tx);
        }
        let mut tx = open(&path);
        migrate(&mut tx, all, &name).unwrap();
        for (of, sql) in FOUND {
            if all[..version].iter().any(|m| m.file.contains(of)) {
                assert_eq!(
                    tx.query_one(sql, (), |r| r.get::<i64>(0)).unwrap(),
                    1,
                    "{of} from version {version}"
                );
            }
        }
        let ok: String = tx
            .query_one("PRAGMA integrity_check(1)", (), |r| r.get(0))
            .unwrap();
        assert_eq!(
            (ok.as_str(), schema(&tx)),
            ("ok", schema(&fresh)),
            "from version {version}"
        );
        let broken = tx.query_opt("SELECT \"table\" FROM pragma_foreign_key_check", (), |r| {
            r.get::<String>(0)
        });
        assert_eq!(broken.unwrap(), None);
    }
}

#[test]
fn the_server_database() {
    from_every_version(migrations::SERVER);
}

#[test]
fn a_waddle_database() {
    from_every_version(migrations::WADDLE);
}
