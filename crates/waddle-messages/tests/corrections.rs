//! However often a message was corrected: taking it back takes all of it (XEP-0308, XEP-0424). And what may only correct
//! corrects, or is not taken.

use waddle_archive::retraction;
use waddle_core::{ChannelId, MessageId, Timestamp};
use waddle_messages::{ChannelMessages, Facts, NewsKind, Range, Viewer, index};
use waddle_stanza::retract::Tombstone;
use waddle_storage::{
    Db, Storage, StorageConfig, StorageError,
    repo::archive::{self, ArchiveKey, Kind, NewMessage, Trace, With},
};

const ADA: &str = "local:ada";

fn said(n: usize) -> (NewMessage, Trace) {
    let stanza = format!(
        "<message xmlns='jabber:client' type='groupchat' id='m{n}'><body>secret {n}</body></message>"
    );
    let message = NewMessage {
        at: Timestamp(i64::MAX),
        kind: Kind::Message,
        with: Some(With::Nick("Ada".to_owned())),
        author: Some(ADA.to_owned()),
        origin_id: None,
        body: Some(format!("secret {n}")),
        stanza: stanza.into(),
    };
    let trace = Trace {
        said: Some(format!("m{n}")),
        sender: None,
    };
    (message, trace)
}

async fn append(
    db: &Db,
    key: &ArchiveKey,
    n: usize,
    facts: Option<Facts>,
) -> Result<(MessageId, NewsKind), StorageError> {
    let (key, (message, trace)) = (key.clone(), said(n));
    let done = db.write(move |tx| index::append(tx, &key, message, trace, facts.as_ref(), 1_000));
    done.await.map(|done| (done.id, done.news))
}

#[tokio::test]
async fn all_corrections_go_with_their_message() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let (db, key) = (storage.server(), ArchiveKey::channel(ChannelId::new()));
    let (first, _) = append(&db, &key, 0, None).await.unwrap();
    let corrections = 2_100;
    let at = key.clone();
    db.write(move |tx| {
        for n in 1..=corrections {
            let facts = Facts {
                is_line: true,
                edits: Some(first),
                ..Facts::default()
            };
            let (message, trace) = said(n);
            index::append(tx, &at, message, trace, Some(&facts), 1_000)?;
        }
        Ok::<_, StorageError>(())
    })
    .await
    .unwrap();
    let at = key.clone();
    let gone = db.write(move |tx| {
        let tombstone = Tombstone {
            at: Timestamp(0),
            by_message: None,
            moderated: None,
        };
        retraction::of_room(tx, &at, first, Some(ADA), &tombstone)
    });
    let gone = gone.await.unwrap();
    assert_eq!((gone.len(), gone[0]), (corrections + 1, first));
    let kept = db.read(move |c| {
        gone.iter()
            .map(|id| archive::get(c, &key, *id))
            .collect::<Result<Vec<_>, _>>()
    });
    for row in kept.await.unwrap() {
        assert!(
            row.retracted && !String::from_utf8_lossy(&row.stanza).contains("secret"),
            "{row:?}"
        );
    }
}

#[tokio::test]
async fn what_may_only_correct_is_no_new_message() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let (db, key) = (storage.server(), ArchiveKey::channel(ChannelId::new()));
    let (first, _) = append(&db, &key, 0, None).await.unwrap();
    let replaces = |id: &str| Facts {
        is_line: true,
        replaces: Some(id.to_owned()),
        must_correct: true,
        ..Facts::default()
    };
    let refused = append(&db, &key, 1, Some(replaces("nonsense"))).await;
    assert!(matches!(refused, Err(StorageError::NotFound)), "{refused:?}");
    let (_, news) = append(&db, &key, 2, Some(replaces("m0"))).await.unwrap();
    assert_eq!(news, NewsKind::Edited(first));
    let count = db.read(move |c| archive::last(c, &key, 10, None)).await.unwrap();
    assert_eq!(count.len(), 2, "what is refused leaves nothing");
}

#[tokio::test]
async fn a_thread_outlives_the_message_that_it_began_with() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let channel = ChannelId::new();
    let (db, key) = (storage.server(), ArchiveKey::channel(channel));
    let (root, _) = append(&db, &key, 0, None).await.unwrap();
    let answers = |id| Facts {
        is_line: true,
        reply_to: Some(id),
        ..Facts::default()
    };
    let (one, _) = append(&db, &key, 1, Some(answers(root))).await.unwrap();
    let (two, _) = append(&db, &key, 2, Some(answers(one))).await.unwrap();
    let at = key.clone();
    db.write(move |tx| archive::remove(tx, &at, Some(one), 9))
        .await
        .unwrap();
    let messages = ChannelMessages::of(db.clone(), channel);
    let thread = async |id| {
        messages
            .thread(&Viewer::public(), id, Range::After(None), 9)
            .await
    };
    let found: Vec<_> = thread(two).await.unwrap().items.iter().map(|m| m.id).collect();
    assert_eq!(found, [one, two]);
    assert!(matches!(
        thread(root).await,
        Err(waddle_messages::Error::NotFound)
    ));
    let elsewhere = ChannelMessages::of(db, ChannelId::new());
    let other = elsewhere
        .thread(&Viewer::public(), two, Range::After(None), 9)
        .await;
    assert!(
        matches!(other, Err(waddle_messages::Error::NotFound)),
        "{other:?}"
    );
}
