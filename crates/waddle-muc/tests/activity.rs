//! XEP-0502: how lively a room is, from its archive.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;

use waddle_core::{Clock, Limits, SystemClock, Timestamp};
use waddle_storage::repo::archive::{self, ArchiveKey, Kind, NewMessage};

const HOUR: i64 = 3_600_000_000;

/// The field of the room's disco#info.
async fn activity(world: &mut play::World) -> Option<String> {
    world.send(
        "romeo",
        "<iq type='get' id='info' to='verona@muc.localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    loop {
        let s = world.next("romeo").await;
        if s.id().as_deref() != Some("info") {
            continue;
        }
        let form = s.payload().and_then(waddle_stanza::forms::Form::within).unwrap();
        return form
            .value("{urn:xmpp:muc-activity}message-activity")
            .map(str::to_owned);
    }
}

async fn configure(world: &mut play::World, field: &str, value: &str) {
    world.send(
        "romeo",
        &format!(
            "<iq type='set' id='set' to='verona@muc.localhost'><query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_{field}'><value>{value}</value></field></x>\
             </query></iq>"
        ),
    );
    while world.next("romeo").await.id().as_deref() != Some("set") {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_per_hour_of_rooms_that_anybody_may_enter() {
    let mut world = play::World::new(Limits::default()).await;
    world.connect("romeo").await;
    world.join("romeo", "verona@muc.localhost", "Romeo").await;
    configure(&mut world, "persistentroom", "1").await;
    assert_eq!(
        activity(&mut world).await,
        None,
        "nothing is known in the first hour"
    );
    let now = SystemClock.now();
    let said = |hours: i64, body: Option<&str>| NewMessage {
        at: Timestamp(now.0 - hours * HOUR),
        kind: Kind::Message,
        with: None,
        author: None,
        origin_id: None,
        body: body.map(str::to_owned),
        stanza: bytes::Bytes::from_static(b"<message xmlns='jabber:client'/>"),
    };
    let old = [
        said(30, Some("too old")),
        said(3, Some("one")),
        said(2, Some("two")),
        said(2, Some("three")),
        said(2, None),
        said(0, Some("this hour")),
    ];
    let key = ArchiveKey::room("verona");
    let server = world.storage.server();
    let write = server.write(move |tx| {
        for m in old {
            archive::append(tx, &key, m)?;
        }
        Ok(())
    });
    write.await.unwrap();
    world.restart().await;
    assert_eq!(
        activity(&mut world).await.as_deref(),
        Some("0.13"),
        "three in a day"
    );
    // Not where somebody could be kept out, or where the room is not listed.
    configure(&mut world, "membersonly", "1").await;
    assert_eq!(activity(&mut world).await, None);
    configure(&mut world, "membersonly", "0").await;
    configure(&mut world, "publicroom", "0").await;
    assert_eq!(activity(&mut world).await, None);
}
