//! A waddle's life as a whole (`specs/lifecycle.md`): export and import, backup and restore while it is used, size.
#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod devices;
mod portable;
mod scale;

use std::{path::Path, sync::Arc};

use waddle_community::{Community, NewWaddle, Role, Waddle};
use waddle_core::{
    ChannelId, Clock, Limits, ManualClock, MessageId, SharedClock, Slug, Timestamp, UserId, WaddleId,
};
use waddle_storage::{
    Storage, StorageConfig,
    repo::{
        accounts::Accounts,
        archive::{self, ArchiveKey, Filter, Kind, NewMessage, Start, Trace, With},
    },
};

/// A server's data directory, open.
struct Place {
    clock: Arc<ManualClock>,
    storage: Storage,
    community: Community,
}

impl Place {
    async fn open(dir: &Path, domain: &str, limits: Limits) -> Self {
        let clock = ManualClock::at("2026-05-01T12:00:00Z".parse::<Timestamp>().unwrap());
        let shared: SharedClock = clock.clone();
        let storage = Storage::open(StorageConfig {
            dir: dir.to_owned(),
            limits: limits.clone(),
            clock: shared.clone(),
        })
        .await
        .unwrap();
        let community = Community::open(storage.clone(), shared, Arc::new(limits), domain)
            .await
            .unwrap();
        Self {
            clock,
            storage,
            community,
        }
    }

    /// Local accounts of these names.
    async fn accounts(&self, names: &[&str]) {
        let server = self.storage.server();
        for name in names {
            Accounts(&server)
                .create_local(user(name), (*name).to_owned(), false, None)
                .await
                .unwrap();
        }
    }

    /// The waddle `penguins` of `alice`, with `mona` (moderator) and `bob` (member).
    async fn penguins(&self) -> Arc<Waddle> {
        let alice = user("alice");
        let new = NewWaddle::new(slug("penguins"), "Penguins");
        let w = self.community.create_waddle(&alice, new).await.unwrap();
        for (name, role) in [("mona", Role::Moderator), ("bob", Role::Member)] {
            self.community
                .add_member(&alice, w.id, &user(name), role)
                .await
                .unwrap();
        }
        w
    }
}

impl Place {
    /// Archives a message of somebody in a channel, as its room would.
    async fn say(
        &self,
        waddle: WaddleId,
        channel: ChannelId,
        room: &str,
        who: &str,
        body: &str,
    ) -> MessageId {
        let message = NewMessage {
            at: self.clock.now(),
            with: Some(With::Nick(who.to_owned())),
            author: Some(user(who).to_string()),
            stanza: format!("<message from='{room}/{who}' type='groupchat'><body>{body}</body></message>")
                .into(),
            ..message(body)
        };
        let trace = Trace {
            said: None,
            sender: Some(format!("{who}@old.example/phone")),
        };
        let db = self.storage.waddle(waddle).await.unwrap();
        db.write(move |tx| archive::append_traced(tx, &ArchiveKey::channel(channel), message, trace))
            .await
            .unwrap()
    }

    /// Everything that was said in a channel.
    async fn archive(&self, waddle: WaddleId, channel: ChannelId) -> Vec<archive::Archived> {
        let db = self.storage.waddle(waddle).await.unwrap();
        let page = db.read(move |c| {
            let key = ArchiveKey::channel(channel);
            archive::page(c, &key, &Filter::default(), Start::First, 10_000, false)
        });
        page.await.unwrap().items
    }
}

/// A message of nobody in particular.
fn message(body: &str) -> NewMessage {
    NewMessage {
        at: Timestamp(0),
        kind: Kind::Message,
        with: None,
        author: None,
        origin_id: None,
        body: Some(body.to_owned()),
        stanza: format!("<message><body>{body}</body></message>").into(),
    }
}

fn user(name: &str) -> UserId {
    UserId::local(name)
}

fn slug(s: &str) -> Slug {
    s.parse().unwrap()
}
