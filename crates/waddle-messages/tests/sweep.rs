//! Messages that expire go from the archive, the full text and with their author's files, also over a restart.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use waddle_archive::fulltext;
use waddle_community::{Actor, ChannelChange, Community, NewWaddle};
use waddle_core::{ChannelId, Limits, ManualClock, MessageId, Timestamp, UserId, WaddleId, time::Clock};
use waddle_messages::{ChannelMessages, Facts, Range, Viewer, index, search, sweep::Sweep};
use waddle_stanza::Stanza;
use waddle_storage::{
    Storage, StorageConfig,
    repo::{
        archive::{ArchiveKey, Kind, NewMessage, Trace, With},
        messages,
    },
};

struct Stage {
    storage: Storage,
    community: Community,
    sweep: Sweep,
    deleted: Arc<Mutex<Vec<(String, UserId)>>>,
    expired: Arc<Mutex<Vec<MessageId>>>,
}

async fn open(dir: &Path, clock: &Arc<ManualClock>, can_delete: bool) -> Stage {
    let mut config = StorageConfig::new(dir);
    config.clock = clock.clone();
    let storage = Storage::open(config).await.unwrap();
    let limits = Arc::new(Limits::default());
    let community = Community::open(storage.clone(), clock.clone(), limits.clone(), "x")
        .await
        .unwrap();
    let deleted: Arc<Mutex<Vec<(String, UserId)>>> = Arc::default();
    let expired: Arc<Mutex<Vec<MessageId>>> = Arc::default();
    let (d, e) = (deleted.clone(), expired.clone());
    let sweep = Sweep {
        community: community.clone(),
        clock: clock.clone(),
        limits,
        delete_file: Arc::new(move |url, owner| {
            let d = d.clone();
            Box::pin(async move {
                if !can_delete {
                    return Err("the store is away".to_owned());
                }
                d.lock().push((url, owner));
                Ok(())
            })
        }),
        expired: Arc::new(move |_, _, below| e.lock().push(below)),
    };
    Stage {
        storage,
        community,
        sweep,
        deleted,
        expired,
    }
}

impl Stage {
    async fn say(&self, waddle: WaddleId, channel: ChannelId, words: &str, url: &str) {
        let xml = format!(
            "<message xmlns='jabber:client' type='groupchat'><body>{words}</body>\
             <x xmlns='jabber:x:oob'><url>{url}</url></x></message>"
        );
        let stanza = Stanza::parse(xml.into()).unwrap();
        let facts = Facts::of(stanza.root());
        let message = NewMessage {
            at: Timestamp(i64::MAX),
            kind: Kind::Message,
            with: Some(With::Nick("ada".into())),
            author: Some("local:ada".into()),
            origin_id: None,
            body: Some(words.into()),
            stanza: stanza.bytes().clone(),
        };
        let db = self.storage.waddle(waddle).await.unwrap();
        let key = ArchiveKey::channel(channel);
        db.write(move |tx| index::append(tx, &key, message, Trace::default(), facts.as_deref(), 9))
            .await
            .unwrap();
    }

    async fn found(&self, waddle: WaddleId, channel: ChannelId, words: &str) -> usize {
        let db = self.storage.waddle(waddle).await.unwrap();
        let query = search::Query::new(words, vec![channel]).unwrap();
        let wanted = search::Wanted {
            cursor: None,
            max: 9,
            context: 0,
            reach: 99,
        };
        let hits = search::search(&db, &Viewer::public(), query, wanted)
            .await
            .unwrap();
        hits.items.len()
    }
}

#[tokio::test]
async fn what_expires_is_gone_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let s = open(dir.path(), &clock, false).await;
    let new = NewWaddle {
        owner: Some(UserId::local("ada")),
        ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
    };
    let waddle = s.community.create_waddle(Actor::System, new).await.unwrap().id;
    let all = s.community.channels(waddle).await.unwrap();
    let (soon, kept) = (all[0].id, all[1].id);
    let change = ChannelChange {
        expire_seconds: Some(60),
        ..ChannelChange::default()
    };
    s.community
        .update_channel(Actor::System, waddle, soon, change)
        .await
        .unwrap();
    for channel in [soon, kept] {
        s.say(waddle, channel, "an old fish", "https://up.x/upload/1/f")
            .await;
    }
    clock.advance(Duration::from_secs(50));
    s.say(waddle, soon, "a new fish", "https://up.x/upload/2/f").await;
    let began = clock.now().minus(Duration::from_secs(50));
    let at = |seconds: u64| began.plus(Duration::from_secs(seconds)).0 / 1_000_000;
    // When the next look is due, in seconds, and what went.
    let swept = async |s: &Stage| {
        let (next, gone) = s.sweep.waddle(waddle).await.unwrap();
        (next.map(|t| t.0 / 1_000_000), gone)
    };
    assert_eq!(swept(&s).await, (Some(at(60)), 0));
    assert_eq!(
        (
            s.found(waddle, soon, "fish").await,
            s.found(waddle, kept, "fish").await
        ),
        (2, 1)
    );

    clock.advance(Duration::from_secs(11));
    assert_eq!(swept(&s).await, (Some(at(110)), 1));
    assert_eq!(s.expired.lock().len(), 1, "the room is told");
    assert_eq!(
        (
            s.found(waddle, soon, "old").await,
            s.found(waddle, kept, "old").await
        ),
        (0, 1)
    );
    let seen = ChannelMessages::open(&s.community, waddle, soon).await.unwrap();
    let page = seen.page(&Viewer::public(), Range::After(None), 9).await.unwrap();
    assert_eq!(
        page.items.iter().map(|m| &*m.body).collect::<Vec<_>>(),
        ["a new fish"]
    );
    assert!(
        page.items[0].author.user.is_none(),
        "strangers see the nickname alone"
    );

    // The file could not be deleted; after a restart it is tried again.
    let db = s.storage.waddle(waddle).await.unwrap();
    assert_eq!(s.sweep.files(&db).await.unwrap(), 0);
    assert_eq!(
        db.read(|c| messages::due_files(c, i64::MAX, 9))
            .await
            .unwrap()
            .len(),
        1
    );
    drop(db);
    s.storage.close().await;
    clock.advance(Duration::from_secs(3_600));
    let s = open(dir.path(), &clock, true).await;
    assert_eq!(
        swept(&s).await,
        (Some(at(61 + 3_600 + 60)), 1),
        "nothing is there"
    );
    let db = s.storage.waddle(waddle).await.unwrap();
    assert_eq!(s.sweep.files(&db).await.unwrap(), 2);
    let deleted: Vec<String> = s.deleted.lock().iter().map(|(url, _)| url.clone()).collect();
    assert_eq!(deleted, ["https://up.x/upload/1/f", "https://up.x/upload/2/f"]);
    assert!(
        s.deleted
            .lock()
            .iter()
            .all(|(_, owner)| *owner == UserId::local("ada"))
    );
    assert!(fulltext::catch_up(&db, 9).await.unwrap());
    assert_eq!(
        (
            s.found(waddle, soon, "fish").await,
            s.found(waddle, kept, "fish").await
        ),
        (0, 1)
    );
}

/// A search over many channels, and one that only others may read, costs and shows no more than it should.
#[tokio::test]
async fn searches_are_bounded_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let s = open(dir.path(), &clock, true).await;
    let new = NewWaddle {
        owner: Some(UserId::local("ada")),
        ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
    };
    let waddle = s.community.create_waddle(Actor::System, new).await.unwrap().id;
    let channels: Vec<ChannelId> = (0..20).map(|_| ChannelId::new()).collect();
    for n in 0..100 {
        s.say(waddle, channels[n % 20], "herring", "https://x/").await;
    }
    let db = s.storage.waddle(waddle).await.unwrap();
    // All but one, so that the index itself does not tell them apart.
    let query = search::Query::new("herring", channels[1..].to_vec()).unwrap();
    let (mut cursor, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let wanted = search::Wanted {
            cursor,
            max: 7,
            context: 0,
            reach: 10,
        };
        let hits = search::search(&db, &Viewer::public(), query.clone(), wanted)
            .await
            .unwrap();
        assert!(hits.items.len() <= 7 && !hits.behind);
        seen.extend(hits.items.iter().map(|h| (h.message.id, h.message.channel_id)));
        pages += 1;
        cursor = hits.next;
        if cursor.is_none() {
            break;
        }
        assert!(pages < 50);
    }
    assert_eq!(seen.len(), 95);
    assert!(
        seen.windows(2).all(|w| w[0].0 > w[1].0),
        "newest first, none twice"
    );
    assert!(seen.iter().all(|(_, c)| *c != channels[0]));
    // Where to go on is a message that was given, whatever lies behind it in a channel that is not theirs.
    clock.advance(Duration::from_secs(60));
    s.say(waddle, channels[1], "cod", "https://x/").await;
    clock.advance(Duration::from_millis(1_300));
    s.say(waddle, channels[0], "cod", "https://x/").await;
    clock.advance(Duration::from_secs(60));
    s.say(waddle, channels[1], "cod", "https://x/").await;
    let query = search::Query::new("cod", channels[1..].to_vec()).unwrap();
    let ask = async |cursor, reach| {
        let wanted = search::Wanted {
            cursor,
            max: 1,
            context: 0,
            reach,
        };
        search::search(&db, &Viewer::public(), query.clone(), wanted)
            .await
            .unwrap()
    };
    let first = ask(None, 10).await;
    let given = first.items[0].message.id;
    assert_eq!(first.next, Some(given));
    // The same where it stopped looking at the one that is not theirs.
    let next = ask(Some(given), 1).await.next.unwrap();
    assert!(next < given && next.0 % 1_000_000 == 0, "{next}");
    let mut cursor = Some(next);
    let found = loop {
        let hits = ask(cursor, 1).await;
        if let Some(hit) = hits.items.first() {
            break hit.message.channel_id;
        }
        cursor = hits.next;
    };
    assert_eq!(found, channels[1]);
}

/// A file that cannot be deleted holds up no other.
#[tokio::test]
async fn one_file_that_stays_keeps_none_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mut s = open(dir.path(), &clock, true).await;
    let deleted = s.deleted.clone();
    s.sweep.delete_file = Arc::new(move |url, owner| {
        let deleted = deleted.clone();
        Box::pin(async move {
            if url.ends_with("/0") {
                return Err("it cannot be deleted".to_owned());
            }
            deleted.lock().push((url, owner));
            Ok(())
        })
    });
    let new = NewWaddle {
        owner: Some(UserId::local("ada")),
        ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
    };
    let waddle = s.community.create_waddle(Actor::System, new).await.unwrap().id;
    let channel = s.community.channels(waddle).await.unwrap()[0].id;
    for n in 0..3 {
        s.say(waddle, channel, "fish", &format!("https://up.x/upload/{n}"))
            .await;
    }
    let db = s.storage.waddle(waddle).await.unwrap();
    let key = ArchiveKey::channel(channel);
    db.write(move |tx| waddle_storage::repo::archive::remove(tx, &key, None, 9))
        .await
        .unwrap();
    assert_eq!(s.sweep.files(&db).await.unwrap(), 2);
    assert_eq!(s.deleted.lock().len(), 2);
    let due = db.read(|c| messages::due_files(c, i64::MAX, 9)).await.unwrap();
    assert_eq!((due.len(), &*due[0].url), (1, "https://up.x/upload/0"));
}
