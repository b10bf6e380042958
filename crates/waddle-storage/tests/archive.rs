//! The message archive against a simple model: a list that is filtered and cut (XEP-0313, XEP-0059).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use bytes::Bytes;
use proptest::{prelude::*, test_runner::TestRunner};
use waddle_core::{ChannelId, ManualClock, MessageId, Timestamp};
use waddle_storage::{
    Db, Storage, StorageConfig, StorageError,
    repo::archive::{self, ArchiveKey, Archived, Filter, Kind, NewMessage, Page, Start, Trace, With},
};

fn jid(n: u8, resource: bool) -> With {
    let text = format!("friend{n}@example.org{}", if resource { "/phone" } else { "" });
    With::Jid(text.parse().unwrap())
}

fn message(at: Timestamp, with: Option<With>, text: &str) -> NewMessage {
    NewMessage {
        at,
        kind: Kind::Message,
        with,
        author: Some("local:alice".into()),
        origin_id: Some(format!("o-{text}")),
        body: Some(text.into()),
        stanza: Bytes::from(format!("<message>{text}</message>")),
    }
}

async fn append(db: &Db, key: &ArchiveKey, m: NewMessage) -> MessageId {
    let key = key.clone();
    db.write(move |tx| archive::append(tx, &key, m)).await.unwrap()
}

async fn page(
    db: &Db,
    key: &ArchiveKey,
    filter: Filter,
    start: Start,
    max: usize,
) -> Result<Page, StorageError> {
    let key = key.clone();
    db.read(move |c| archive::page(c, &key, &filter, start, max, true))
        .await
}

fn matches(m: &Archived, f: &Filter) -> bool {
    let with = match &f.with {
        None => true,
        Some(With::Nick(nick)) => m.peer.as_ref() == Some(nick),
        Some(With::Jid(jid)) => {
            m.peer.as_deref() == Some(jid.bare_str())
                && jid.resource().is_none_or(|r| m.resource.as_deref() == Some(r))
        }
    };
    with && f.start.is_none_or(|t| m.at >= t)
        && f.end.is_none_or(|t| m.at <= t)
        && f.before_id.is_none_or(|id| m.id < id)
        && f.after_id.is_none_or(|id| m.id > id)
        && (f.ids.is_empty() || f.ids.contains(&m.id))
}

fn model(all: &[Archived], f: &Filter, start: Start, max: usize) -> Page {
    let matching: Vec<_> = all.iter().filter(|m| matches(m, f)).cloned().collect();
    let count = Some(matching.len() as u64);
    if !f.ids.is_empty() {
        return Page {
            items: matching,
            complete: true,
            count,
        };
    }
    let (part, forward): (Vec<_>, bool) = match start {
        Start::First => (matching, true),
        Start::Last => (matching, false),
        Start::After(id) => (matching.into_iter().filter(|m| m.id > id).collect(), true),
        Start::Before(id) => (matching.into_iter().filter(|m| m.id < id).collect(), false),
    };
    let complete = part.len() <= max;
    let items = if forward {
        part.into_iter().take(max).collect()
    } else {
        let skip = part.len().saturating_sub(max);
        part.into_iter().skip(skip).collect()
    };
    Page {
        items,
        complete,
        count,
    }
}

#[test]
fn pages_are_those_of_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
    let config = StorageConfig {
        clock: clock.clone(),
        ..StorageConfig::new(dir.path())
    };
    let (storage, key, all) = runtime.block_on(async {
        let storage = Storage::open(config).await.unwrap();
        let db = storage.server();
        let (key, other) = (ArchiveKey::channel(ChannelId::new()), ArchiveKey::room("lounge"));
        for i in 0..60_u8 {
            // The clock stands still, goes on, and goes back.
            clock.set(Timestamp(
                1_700_000_000_000_000 + [0, 5, 5, 20, 10][usize::from(i) % 5] + 7 * i64::from(i / 5),
            ));
            let with = (i % 4 != 0).then(|| jid(i % 3, i % 2 == 0));
            let at = waddle_core::Clock::now(&*clock);
            append(&db, &key, message(at, with.clone(), &format!("m{i}"))).await;
            append(&db, &other, message(at, with, "other")).await;
        }
        let all = page(&db, &key, Filter::default(), Start::First, 100)
            .await
            .unwrap()
            .items;
        assert_eq!(all.len(), 60);
        assert!(
            all.windows(2).all(|w| w[0].id < w[1].id),
            "identifiers increase whatever the clock does"
        );
        (storage, key, all)
    });
    let times: Vec<Timestamp> = all.iter().map(|m| m.at).collect();
    let ids: Vec<MessageId> = all.iter().map(|m| m.id).collect();
    let some = |n: usize| proptest::option::weighted(0.4, 0..n);
    let strategy = (
        (
            proptest::option::of((0..4_u8, any::<bool>())),
            some(60),
            some(60),
            some(60),
            some(60),
        ),
        proptest::collection::vec(0..60_usize, 0..3),
        (0..4_u8, 0..60_usize, 0..25_usize),
    );
    TestRunner::new(ProptestConfig::with_cases(400))
        .run(
            &strategy,
            |((with, start, end, before, after), named, (from, anchor, max))| {
                let filter = Filter {
                    with: with.map(|(n, full)| jid(n, full)),
                    start: start.map(|i| times[i]),
                    end: end.map(|i| times[i]),
                    before_id: before.map(|i| ids[i]),
                    after_id: after.map(|i| ids[i]),
                    ids: named.iter().map(|i| ids[*i]).collect(),
                    sender: None,
                };
                let start = [
                    Start::First,
                    Start::After(ids[anchor]),
                    Start::Before(ids[anchor]),
                    Start::Last,
                ][usize::from(from)];
                let got = runtime
                    .block_on(page(&storage.server(), &key, filter.clone(), start, max))
                    .unwrap();
                prop_assert_eq!(got, model(&all, &filter, start, max));
                Ok(())
            },
        )
        .unwrap();
    runtime.block_on(storage.close());
}

#[tokio::test]
async fn retraction_history_ends_and_removal() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let db = storage.server();
    let (key, other) = (ArchiveKey::room("a"), ArchiveKey::room("b"));
    assert_eq!(
        db.read({
            let k = key.clone();
            move |c| archive::ends(c, &k)
        })
        .await
        .unwrap(),
        None
    );
    let mut ids = Vec::new();
    for i in 0..5 {
        let m = message(
            Timestamp(1_000_000 * i),
            Some(With::Nick("thirdwitch".into())),
            &format!("m{i}"),
        );
        ids.push(append(&db, &key, m).await);
    }
    let (k, o, id) = (key.clone(), other.clone(), ids[2]);
    let elsewhere = db
        .write(move |tx| archive::retract(tx, &o, id, b"<message/>"))
        .await;
    assert_eq!(
        elsewhere,
        Err(StorageError::NotFound),
        "another archive's message"
    );
    db.write(move |tx| archive::retract(tx, &k, id, b"<message>gone</message>"))
        .await
        .unwrap();
    let k = key.clone();
    let (got, last, ends, body) = db
        .read(move |c| {
            let body: Option<String> =
                c.query_one("SELECT body FROM archive WHERE id = ?1", (id,), |r| r.get(0))?;
            Ok((
                archive::get(c, &k, id)?,
                archive::last(c, &k, 2, None)?,
                archive::ends(c, &k)?,
                body,
            ))
        })
        .await
        .unwrap();
    assert!(got.retracted && &got.stanza[..] == b"<message>gone</message>" && body.is_none());
    assert_eq!(last.iter().map(|m| m.id).collect::<Vec<_>>(), ids[3..]);
    let ends = ends.unwrap();
    assert_eq!(
        (ends.first.0, ends.last.0, ends.last.1),
        (ids[0], ids[4], Timestamp(4_000_000))
    );

    let since = {
        let k = key.clone();
        db.read(move |c| archive::last(c, &k, 50, Some(Timestamp(3_500_000))))
            .await
            .unwrap()
    };
    assert_eq!(since.iter().map(|m| m.id).collect::<Vec<_>>(), ids[4..]);

    for unknown in [
        (Filter::default(), Start::After(MessageId(7))),
        (Filter::default(), Start::Before(MessageId(7))),
        (
            Filter {
                ids: vec![ids[0], MessageId(7)],
                ..Filter::default()
            },
            Start::First,
        ),
        (
            Filter {
                after_id: Some(MessageId(7)),
                ..Filter::default()
            },
            Start::First,
        ),
    ] {
        assert_eq!(
            page(&db, &key, unknown.0, unknown.1, 10).await,
            Err(StorageError::NotFound)
        );
    }
    assert_eq!(
        page(&db, &other, Filter::default(), Start::After(ids[0]), 10).await,
        Err(StorageError::NotFound),
        "an anchor of another archive"
    );

    let k = key.clone();
    let before = ids[3];
    let removed = db.write(move |tx| {
        Ok((
            archive::remove(tx, &k, Some(before), 2)?,
            archive::remove(tx, &k, Some(before), 2)?,
            archive::remove(tx, &k, None, 10)?,
        ))
    });
    assert_eq!(removed.await.unwrap(), (2, 1, 2));
    storage.close().await;
}

#[tokio::test]
async fn identifiers_go_on_after_a_restart_with_an_earlier_clock() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp(5_000_000));
    let config = StorageConfig {
        clock: clock.clone(),
        ..StorageConfig::new(dir.path())
    };
    let key = ArchiveKey::room("a");
    let storage = Storage::open(config.clone()).await.unwrap();
    let first = append(&storage.server(), &key, message(Timestamp(5_000_000), None, "a")).await;
    storage.close().await;
    clock.set(Timestamp(1_000_000));
    let storage = Storage::open(config).await.unwrap();
    let second = append(&storage.server(), &key, message(Timestamp(1_000_000), None, "b")).await;
    assert_eq!((first, second), (MessageId(5_000_000), MessageId(5_000_001)));
    let k = key.clone();
    let kept = storage
        .server()
        .read(move |c| archive::last(c, &k, 2, None))
        .await
        .unwrap();
    assert_eq!((kept[1].at, kept[1].peer_jid()), (Timestamp(1_000_000), None));
    storage.close().await;
    let _ = Arc::strong_count(&clock);
}

#[tokio::test]
async fn a_direct_message_is_found_by_its_author_and_name_until_it_is_retracted() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let db = storage.server();
    let keys = [ArchiveKey::room("alice"), ArchiveKey::room("bob")];
    let mut ids = Vec::new();
    for key in keys.clone() {
        let mut m = message(Timestamp(1), None, "a secret that must not stay behind");
        m.with = Some(With::Jid("bob@d".parse().unwrap()));
        m.author = Some("user:local:alice".into());
        m.origin_id = None;
        let trace = Trace {
            said: Some("m1".into()),
            sender: Some("alice@d/1".into()),
        };
        let kept = db.write(move |tx| archive::append_traced(tx, &key, m, trace));
        ids.push(kept.await.unwrap());
    }
    let found = |key: &ArchiveKey, author: &'static str, id: &'static str| {
        let (db, key) = (db.clone(), key.clone());
        async move {
            let read = db.read(move |c| archive::said(c, &key, "bob@d", author, id));
            read.await.unwrap()
        }
    };
    for (key, id) in keys.iter().zip(&ids) {
        let one = found(key, "user:local:alice", "m1").await;
        assert_eq!(one.iter().map(|m| m.id).collect::<Vec<_>>(), [*id]);
        assert_eq!(one[0].sender.as_deref(), Some("alice@d/1"));
        assert!(
            found(key, "user:local:bob", "m1").await.is_empty(),
            "somebody else's"
        );
        assert!(found(key, "user:local:alice", "m2").await.is_empty());
    }
    for (key, id) in keys.iter().cloned().zip(ids) {
        db.write(move |tx| archive::retract(tx, &key, id, b"<message/>"))
            .await
            .unwrap();
    }
    assert!(found(&keys[0], "user:local:alice", "m1").await.is_empty());
    storage.close().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let there = bytes.windows(20).any(|w| w == b"a secret that must n");
            assert!(!there, "{} still has the text", path.display());
        }
    }
}

#[tokio::test]
async fn archives_are_listed_and_what_is_too_much_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let db = storage.server();
    let (a, b) = (ArchiveKey::room("a"), ArchiveKey::room("b"));
    let mut ids = Vec::new();
    for (key, n) in [(&a, 5), (&b, 1)] {
        for i in 0..n {
            ids.push(append(&db, key, message(Timestamp(i), None, "x")).await);
        }
    }
    db.write(move |tx| {
        assert_eq!(archive::archives(tx, None, 9)?, [a.clone(), b.clone()]);
        assert_eq!(archive::archives(tx, None, 1)?, std::slice::from_ref(&a));
        assert_eq!(archive::archives(tx, Some(&a), 9)?, std::slice::from_ref(&b));
        assert_eq!(archive::archives(tx, Some(&b), 9)?, []);
        assert_eq!(archive::newest_beyond(tx, &a, 2)?, Some(ids[2]));
        assert_eq!(archive::newest_beyond(tx, &a, 5)?, None);
        for days in [7, 30, 0] {
            archive::keep(tx, &a, days)?;
            assert_eq!((archive::kept(tx, &a)?, archive::kept(tx, &b)?), (days, 0));
        }
        Ok(())
    })
    .await
    .unwrap();
    storage.close().await;
}
