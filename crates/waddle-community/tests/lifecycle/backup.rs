//! One state of a waddle while it is written to: exported, and backed up and restored elsewhere
//! (`specs/lifecycle.md`, "Backup").

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use waddle_community::{Error, Import, NewWaddle, Role};
use waddle_core::{ChannelId, Limits};
use waddle_storage::offline;

use super::{Place, slug, user};

/// Somebody who writes in `general` until told to stop; two messages belong together in one transaction each.
async fn while_it_is_written<T>(
    place: &Place,
    w: waddle_core::WaddleId,
    channel: ChannelId,
    work: impl Future<Output = T>,
) -> T {
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let db = place.storage.waddle(w).await.unwrap();
    let writer = {
        let (stop, written) = (stop.clone(), written.clone());
        tokio::spawn(async move {
            for n in 0..1_000_000_u64 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                db.write(move |tx| {
                    let key = super::ArchiveKey::channel(channel);
                    for half in ["left", "right"] {
                        super::archive::append(tx, &key, super::message(&format!("{half} {n}")))?;
                    }
                    Ok(())
                })
                .await
                .unwrap();
                written.store(n + 1, Ordering::Relaxed);
            }
        })
    };
    let more = async |than: u64| {
        let all = async {
            while written.load(Ordering::Relaxed) < than + 50 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    };
    more(0).await;
    let done = work.await;
    more(written.load(Ordering::Relaxed)).await;
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    done
}

/// Every message has its other half, and there are some, but not all.
async fn is_one_state(place: &Place, w: waddle_core::WaddleId, channel: ChannelId) {
    let said = place.archive(w, channel).await;
    assert!(
        said.len() >= 100 && said.len().is_multiple_of(2),
        "{}",
        said.len()
    );
    for pair in said.chunks(2) {
        let text = |i: usize| std::str::from_utf8(&pair[i].stanza).unwrap().to_owned();
        assert_eq!(text(0).replace("left", "right"), text(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_a_busy_waddle_is_one_state() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::open(dir.path(), "old.example", Limits::default()).await;
    place.accounts(&["alice", "mona", "bob"]).await;
    let w = place.penguins().await;
    let general = place
        .community
        .channel_by_slug(w.id, &slug("general"))
        .await
        .unwrap()
        .unwrap();
    let file = dir.path().join("x");
    let alice = user("alice");
    let export = place.community.export(&alice, w.id, &file);
    let done = while_it_is_written(&place, w.id, general.id, export)
        .await
        .unwrap();
    let copy = place
        .community
        .import(&file, Import::new(slug("copy")))
        .await
        .unwrap()
        .waddle;
    let general = place
        .community
        .channel_by_slug(copy.id, &slug("general"))
        .await
        .unwrap()
        .unwrap();
    is_one_state(&place, copy.id, general.id).await;
    assert_eq!(
        place.archive(copy.id, general.id).await.len() as u64,
        done.rows["archive"]
    );
    place.storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waddle_backed_up_while_written_to_lives_on_elsewhere() {
    let (here, backup, there) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let place = Place::open(here.path(), "old.example", Limits::default()).await;
    let w = place.penguins().await;
    let general = place
        .community
        .channel_by_slug(w.id, &slug("general"))
        .await
        .unwrap()
        .unwrap();
    let copy = place.storage.backup_waddle(w.id, backup.path().join("waddles"));
    while_it_is_written(&place, w.id, general.id, copy).await.unwrap();
    place.storage.close().await;

    let place = Place::open(there.path(), "old.example", Limits::default()).await;
    let (id, copy) = offline::find_waddle(backup.path(), &slug("penguins")).unwrap();
    assert_eq!(id, w.id);
    assert!(offline::find_waddle(backup.path(), &slug("puffins")).is_err());
    let c = &place.community;
    // A waddle that has the slug stays what it is.
    let own = c
        .create_waddle(&user("olga"), NewWaddle::new(slug("penguins"), "Ours"))
        .await
        .unwrap();
    let taken = c.restore(id, &copy).await.unwrap_err();
    assert!(matches!(taken, Error::Conflict(_)), "{taken}");
    assert_eq!(place.storage.waddles().await.unwrap(), [own.id]);
    c.delete_waddle(&user("olga"), own.id).await.unwrap();

    let back = c.restore(id, &copy).await.unwrap();
    let far = c.revisions(id).await.unwrap().tuples;
    assert!(
        far > 1_000_000_000,
        "beyond whatever was seen of it where it was deleted: {far}"
    );
    assert_eq!((back.id, back.slug.as_str()), (w.id, "penguins"));
    is_one_state(&place, id, general.id).await;
    assert_eq!(c.waddles_of(&user("bob")).await.unwrap()[0].1, Role::Member);
    assert!(
        c.access(id)
            .await
            .unwrap()
            .channel_allows(general.id, "speak", &user("bob"))
    );
    c.add_member(&user("alice"), id, &user("carol"), Role::Member)
        .await
        .unwrap();
    place.storage.close().await;
    // And after a start, and over itself: what came after the copy is undone.
    let place = Place::open(there.path(), "old.example", Limits::default()).await;
    assert_eq!(
        place.community.role_of(id, &user("carol")).await.unwrap(),
        Some(Role::Member)
    );
    let before = place.community.revisions(id).await.unwrap();
    place.community.restore(id, &copy).await.unwrap();
    let after = place.community.revisions(id).await.unwrap();
    assert!(
        after.tuples > before.tuples && after.members > before.members,
        "no revision stands for two states"
    );
    assert_eq!(place.community.role_of(id, &user("carol")).await.unwrap(), None);
    assert!(
        place
            .community
            .waddles_of(&user("carol"))
            .await
            .unwrap()
            .is_empty()
    );
    place.storage.close().await;
}

/// While a waddle is put back, nothing is decided by what was in memory before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waddle_that_is_used_is_put_back_in_its_turn() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = Place::open(dir.path(), "old.example", Limits::default()).await;
    let w = place.penguins().await.id;
    let copy = place.storage.backup_waddle(w, backup.path()).await.unwrap().path;
    let (c, alice) = (place.community.clone(), user("alice"));
    let busy = tokio::spawn({
        let (c, alice) = (c.clone(), alice.clone());
        async move {
            for n in 0..200 {
                c.add_member(&alice, w, &user(&format!("guest{n}")), Role::Member)
                    .await
                    .unwrap();
            }
        }
    });
    let mut last = 0;
    for _ in 0..10 {
        c.restore(w, &copy).await.unwrap();
        let now = c.revisions(w).await.unwrap().tuples;
        assert!(
            now > last,
            "{now} after {last}: no revision stands for two states"
        );
        last = now;
    }
    busy.await.unwrap();
    // Memory and disk are one, and the list of members is the waddle's.
    let access = c.access(w).await.unwrap();
    let stored = c.revisions(w).await.unwrap();
    assert_eq!(access.revision(), stored.tuples);
    let members = c.members_page(w, None, None, 1_000).await.unwrap();
    for m in &members {
        assert_eq!(access.role_of(&m.user), Some(m.role), "{}", m.user);
        assert!(
            c.waddles_of(&m.user)
                .await
                .unwrap()
                .iter()
                .any(|(x, _)| x.id == w)
        );
    }
    assert_eq!(c.member_count(w).await.unwrap(), members.len());
    place.storage.close().await;
}
