//! What a channel takes with it when it is deleted.

use waddle_community::{Actor, Channel};
use waddle_core::{ChannelId, Timestamp};
use waddle_storage::{
    Db,
    repo::{
        archive::{self, Afterwards, ArchiveKey, Kind, NewMessage},
        channels, rooms,
    },
};

use crate::{World, slug};

/// More than one write removes.
const MANY: usize = 1_500;

async fn talk(db: &Db, channel: ChannelId) {
    rooms::channel_room(db, channel, b"secret".to_vec())
        .await
        .unwrap();
    db.write(move |tx| {
        for _ in 0..MANY {
            let message = NewMessage {
                at: Timestamp(1),
                kind: Kind::Message,
                with: None,
                author: None,
                origin_id: None,
                body: None,
                stanza: "<message/>".into(),
            };
            archive::append(tx, &ArchiveKey::channel(channel), message)?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// Whether there are messages, and what the room would keep its occupants' ids by.
async fn kept(db: &Db, channel: &Channel) -> (bool, bool) {
    let id = channel.id;
    let messages = db
        .read(move |c| archive::ends(c, &ArchiveKey::channel(id)))
        .await
        .unwrap();
    let other = b"other".to_vec();
    let room = rooms::channel_room(db, id, other.clone()).await.unwrap();
    (messages.is_some(), room.secret != other)
}

#[tokio::test]
async fn a_deleted_channel_leaves_no_messages() {
    let world = World::new().await;
    let (c, w) = (&world.community, world.penguins().await.id);
    let db = world.storage.waddle(w).await.unwrap();
    let find = async |s: &str| c.channel_by_slug(w, &slug(s)).await.unwrap().unwrap();
    let (gone, stays) = (find("general").await, find("announcements").await);
    talk(&db, gone.id).await;
    talk(&db, stays.id).await;
    c.delete_channel(Actor::System, w, gone.id).await.unwrap();
    assert_eq!(kept(&db, &gone).await, (false, false));
    assert_eq!(kept(&db, &stays).await, (true, true));
    world.storage.close().await;
}

/// The server dies after the channel's last transaction, and a message that was under way comes even later.
#[tokio::test]
async fn the_removal_goes_on_when_the_waddle_is_read_again() {
    let world = World::new().await;
    let w = world.penguins().await.id;
    let db = world.storage.waddle(w).await.unwrap();
    let gone = world
        .community
        .channel_by_slug(w, &slug("general"))
        .await
        .unwrap()
        .unwrap();
    let id = gone.id;
    db.write(move |tx| {
        channels::delete(tx, id)?;
        archive::condemn(tx, &ArchiveKey::channel(id), Afterwards::Keep)
    })
    .await
    .unwrap();
    talk(&db, id).await;
    let world = world.restart().await;
    let db = world.storage.waddle(w).await.unwrap();
    world.community.access(w).await.unwrap();
    // What runs by itself is run once more here, to know when it is done.
    rooms::clear_channels(&db, Afterwards::Forget).await.unwrap();
    assert_eq!(kept(&db, &gone).await, (false, false));
    world.storage.close().await;
}
