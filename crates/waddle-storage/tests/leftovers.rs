//! What a stop in the middle leaves in the data directory, and what a restore leaves in a backup.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path};

use waddle_core::{Slug, Timestamp, WaddleId};
use waddle_storage::{
    Storage, StorageConfig, StorageError, offline,
    repo::{
        accounts::{self, Accounts},
        bots::{self, BotRow},
        credentials::{Credentials, NewKeys, NewToken},
        messages,
        waddles::{self, Visibility, Waddle, WaddleSettings},
    },
};

async fn open(dir: &Path) -> Storage {
    Storage::open(StorageConfig::new(dir)).await.unwrap()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries
        .filter(|p| p.is_file())
        .map(|p| {
            (
                p.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(p).unwrap(),
            )
        })
        .collect()
}

fn reef(id: WaddleId) -> Waddle {
    Waddle {
        id,
        slug: "reef".parse().unwrap(),
        name: "Reef".into(),
        description: String::new(),
        visibility: Visibility::Private,
        created_at: Timestamp(1),
        icon: None,
        banner: None,
        settings: WaddleSettings::default(),
    }
}

#[tokio::test]
async fn what_was_never_finished_goes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path()).await;
    let id = WaddleId::new();
    storage.create_waddle(id).await.unwrap();
    let scratch = storage.scratch("somebody.xml").unwrap();
    fs::write(&scratch, "what somebody wrote").unwrap();
    storage.close().await;
    let waddles = dir.path().join("waddles");
    let other = WaddleId::new();
    for left in ["new", "new-wal", "new-shm", "restore", "restore-journal"] {
        fs::write(waddles.join(format!("{other}.{left}")), "half a waddle").unwrap();
        fs::write(dir.path().join(format!("server.{left}")), "half a server").unwrap();
    }
    let kept = [waddles.join("notes.newer"), dir.path().join("my.new")];
    for file in &kept {
        fs::write(file, "the operator's").unwrap();
    }
    let storage = open(dir.path()).await;
    assert!(!scratch.exists());
    let odd = |dir: &Path| -> Vec<String> {
        let names = files(dir).into_keys();
        names
            .filter(|n| n.contains(".new") || n.contains(".restore"))
            .collect()
    };
    assert_eq!(odd(&waddles), ["notes.newer"]);
    assert_eq!(odd(dir.path()), ["my.new"]);
    assert_eq!(storage.waddles().await.unwrap(), [id]);
    storage.waddle(id).await.unwrap();
    storage.close().await;
}

/// A backup may be on a disk that nobody can write to.
#[tokio::test]
async fn looking_for_a_waddle_in_a_backup_changes_nothing_there() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = open(dir.path()).await;
    let id = WaddleId::new();
    let db = storage.create_waddle(id).await.unwrap();
    db.write(move |tx| waddles::insert_own(tx, &reef(id)))
        .await
        .unwrap();
    let copies = backup.path().join("waddles");
    storage.backup_waddle(id, &copies).await.unwrap();
    storage.close().await;
    fs::write(copies.join("damaged.db"), "no database").unwrap();
    let before = files(&copies);
    let slug: Slug = "reef".parse().unwrap();
    assert_eq!(offline::find_waddle(backup.path(), &slug).unwrap().0, id);
    let none = offline::find_waddle(backup.path(), &"sand".parse().unwrap());
    assert_eq!(none.unwrap_err(), StorageError::NotFound);
    assert!(files(&copies) == before, "not a byte, not a file beside");
}

/// With the last transaction of an account or a waddle its bots log in no more, whatever comes after it.
#[tokio::test]
async fn bots_lose_their_tokens_with_whom_they_belong_to() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path()).await;
    let server = storage.server();
    let accounts = Accounts(&server);
    let (alice, bob) = ("local:alice".parse().unwrap(), "local:bob".parse().unwrap());
    for (user, name) in [(&alice, "alice"), (&bob, "bob")] {
        let user = waddle_core::UserId::clone(user);
        accounts
            .create_local(user, name.to_owned(), false, None)
            .await
            .unwrap();
    }
    let waddle = WaddleId::new();
    server
        .write(move |tx| waddles::reserve(tx, &reef(waddle)))
        .await
        .unwrap();
    let mut tokens = Vec::new();
    for (n, of) in [(1, None), (2, Some(&alice)), (3, Some(&bob))] {
        let id = waddle_core::BotId::new();
        let row = BotRow {
            id,
            localpart: format!("bot-{n}"),
            name: format!("Bot {n}"),
            waddle: of.is_none().then_some(waddle),
            owner: of.cloned(),
            description: String::new(),
            avatar_url: None,
            scopes: r#"["chat"]"#.into(),
            callback: None,
            secret: None,
            made_by: None,
            made_at: Timestamp(1),
        };
        let names = vec![row.localpart.clone()];
        server
            .write(move |tx| bots::insert(tx, &row, &names))
            .await
            .unwrap();
        let account = accounts.by_localpart(&format!("bot-{n}")).await.unwrap().unwrap();
        let token = NewToken {
            label: "first".into(),
            digest: [n; 32],
            keys: vec![NewKeys {
                hash: 256,
                stored_key: vec![1],
                server_key: vec![1],
            }],
            expires_at: Timestamp(i64::MAX / 2),
        };
        tokens.push(
            Credentials(&server)
                .add_token(account.id, token, 5)
                .await
                .unwrap()
                .0,
        );
    }
    let live = async || {
        let mut live = Vec::new();
        for (n, token) in (1_u8..).zip(&tokens) {
            let known = Credentials(&server).by_digest([n; 32]).await.unwrap().is_some();
            assert!(known || !Credentials(&server).lives(*token).await.unwrap());
            live.push(Credentials(&server).lives(*token).await.unwrap());
        }
        live
    };
    assert_eq!(live().await, [true, true, true]);
    // At rest while their owner is disabled.
    accounts.set_disabled(bob.clone(), true).await.unwrap();
    assert_eq!(live().await, [true, true, false]);
    accounts.set_disabled(bob.clone(), false).await.unwrap();
    assert_eq!(live().await, [true, true, true]);

    server
        .write({
            let alice = waddle_core::UserId::clone(&alice);
            move |tx| {
                messages::mark(
                    tx,
                    alice.as_str(),
                    "peer:bob@example.org",
                    waddle_core::MessageId(7),
                )
            }
        })
        .await
        .unwrap();
    accounts.delete(alice.clone()).await.unwrap();
    assert_eq!(live().await, [true, false, true]);
    server.write(move |tx| waddles::forget(tx, waddle)).await.unwrap();
    assert_eq!(live().await, [false, false, true]);
    let (gone, there) = (alice.clone(), bob.clone());
    let read = server.read(move |conn| {
        let seen = messages::markers(conn, gone.as_str(), 9)?.len();
        Ok((
            accounts::is_gone(conn, &gone)?,
            accounts::is_gone(conn, &there)?,
            seen,
        ))
    });
    assert_eq!(read.await.unwrap(), (true, false, 0));
    storage.close().await;
}
