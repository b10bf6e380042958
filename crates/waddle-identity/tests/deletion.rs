//! Deleting an account takes everything of the person, also when the server dies in the middle (`specs/identity.md`).
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use bytes::Bytes;
use support::{Setup, community, config, open};
use waddle_community::{NewWaddle, Role};
use waddle_core::{Secret, Timestamp, UserId};
use waddle_identity::{Error, Identity, IdentityEvent};
use waddle_storage::{
    Db, StorageError,
    repo::{
        accounts::Accounts,
        archive::{self, ArchiveKey, Kind, NewMessage},
        mqtt, offline,
        roster::{self, Contact},
    },
};

/// More than one write removes.
const MANY: usize = 2_500;

async fn people(t: &Setup) -> (UserId, UserId) {
    let mut users = Vec::new();
    for name in ["alice", "bob"] {
        let made = t
            .identity
            .create_local(name, &Secret::new("password"), false)
            .await
            .unwrap();
        users.push(made.user);
    }
    (users.remove(0), users.remove(0))
}

/// Something of everything for both of them.
async fn fill(db: &Db, alice: &UserId, bob: &UserId) {
    let (alice, bob) = (alice.clone(), bob.clone());
    db.write(move |tx| {
        for (user, name, other) in [(&alice, "alice", "bob"), (&bob, "bob", "alice")] {
            for _ in 0..MANY {
                let message = NewMessage {
                    at: Timestamp(1),
                    kind: Kind::Message,
                    with: None,
                    author: None,
                    origin_id: None,
                    body: None,
                    stanza: Bytes::from_static(b"<message/>"),
                };
                archive::append(tx, &ArchiveKey::user(user), message)?;
            }
            let mut contact = Contact::unknown(format!("{other}@example.org").parse().unwrap());
            contact.listed = true;
            roster::put(tx, name, &contact)?;
            roster::raise_version(tx, name, &contact, 9)?;
            offline::put(tx, name, Timestamp(1), b"<message/>", 9)?;
            let session = mqtt::SessionRow {
                id: 0,
                user: user.clone(),
                waddle: None,
                client_id: "phone".into(),
                principal: "{}".into(),
                home: None,
                expiry: 600,
                gone_at: None,
                will: None,
            };
            let session = mqtt::create_session(tx, &session)?;
            for _ in 0..MANY {
                let message = mqtt::MessageRow {
                    waddle: None,
                    topic: "t".into(),
                    qos: 1,
                    response: String::new(),
                    props: Bytes::new(),
                    payload: Bytes::new(),
                    publisher: None,
                    received_at: Timestamp(1),
                    expiry: None,
                };
                let message = mqtt::insert_message(tx, &message)?;
                let delivery = mqtt::Delivery {
                    session,
                    qos: 1,
                    retain: false,
                    prefixed: false,
                    identifiers: Vec::new(),
                };
                mqtt::enqueue(tx, message, &delivery)?;
            }
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// What is stored of somebody: archive, contacts, roster version, waiting messages, MQTT sessions.
async fn stored(db: &Db, user: &UserId, name: &'static str) -> (bool, usize, i64, usize, usize) {
    let user = user.clone();
    db.read(move |c| {
        Ok((
            archive::ends(c, &ArchiveKey::user(&user))?.is_some(),
            roster::all(c, name)?.len(),
            roster::version(c, name)?,
            offline::count(c, name)?,
            mqtt::sessions(c, 0, 99)?
                .iter()
                .filter(|s| s.user == user)
                .count(),
        ))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn nothing_of_the_person_stays_and_nothing_of_others_goes() {
    let t = open().await;
    let (alice, bob) = people(&t).await;
    let db = t.storage.server();
    fill(&db, &alice, &bob).await;
    let community = community(&t).await;
    let hers = NewWaddle::new("penguins".parse().unwrap(), "Penguins");
    let hers = community.create_waddle(&alice, hers).await.unwrap();

    let refused = t.identity.delete_account(&community, &alice).await;
    let Err(e @ Error::OnlyOwner(_)) = refused else {
        panic!("{refused:?}")
    };
    assert!(e.to_string().contains("penguins"), "{e}");
    assert!(t.identity.by_user(&alice).await.unwrap().is_some());
    assert_eq!(stored(&db, &alice, "alice").await, (true, 1, 1, 1, 1));

    community
        .add_member(&alice, hers.id, &bob, Role::Member)
        .await
        .unwrap();
    community.join_waddle(&bob, hers.id).await.unwrap();
    community
        .set_role(&alice, hers.id, &bob, Role::Owner)
        .await
        .unwrap();
    let mut events = t.identity.events();
    t.identity.delete_account(&community, &alice).await.unwrap();
    assert_eq!(
        events.try_recv(),
        Ok(IdentityEvent::AccountDeleted { user: alice.clone() })
    );
    assert_eq!(stored(&db, &alice, "alice").await, (false, 0, 0, 0, 0));
    assert!(community.waddles_of(&alice).await.unwrap().is_empty());
    assert_eq!(community.role_of(hers.id, &alice).await.unwrap(), None);
    assert_eq!(stored(&db, &bob, "bob").await, (true, 1, 1, 1, 1));
    let again = t.identity.delete_account(&community, &alice).await;
    assert!(matches!(again, Err(Error::NotFound)));

    // What was under way comes too late.
    db.write(|tx| {
        let mut contact = Contact::unknown("carol@example.org".parse().unwrap());
        contact.listed = true;
        roster::put(tx, "alice", &contact)?;
        assert_eq!(roster::raise_version(tx, "alice", &contact, 9)?, 0);
        assert_eq!(
            offline::put(tx, "alice", Timestamp(1), b"x", 9),
            Err(StorageError::NotFound)
        );
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stored(&db, &alice, "alice").await, (false, 0, 0, 0, 0));
    t.storage.close().await;
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_at_the_next_start() {
    let t = open().await;
    let (alice, bob) = people(&t).await;
    let db = t.storage.server();
    fill(&db, &alice, &bob).await;
    // The transaction of the account, and then nothing more.
    Accounts(&db).delete(alice.clone()).await.unwrap();
    assert_eq!(stored(&db, &alice, "alice").await, (true, 0, 0, 0, 1));
    Identity::open(&t.storage, t.clock.clone(), config(&t.dir))
        .await
        .unwrap();
    assert_eq!(stored(&db, &alice, "alice").await, (false, 0, 0, 0, 0));
    assert_eq!(stored(&db, &bob, "bob").await, (true, 1, 1, 1, 1));
    t.storage.close().await;
}
