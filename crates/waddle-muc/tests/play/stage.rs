//! A private waddle with people, for tests that go on in Rust: Ada owns it, Mo moderates, Bob is a member.

use waddle_community::{Actor, ChannelChange, Role, Visibility, screen::Rule};
use waddle_core::{ChannelId, Limits, MessageId, UserId, WaddleId};
use waddle_muc::{Post, Poster, WEBHOOK};
use waddle_stanza::{Stanza, ns};
use waddle_storage::repo::archive::{self, ArchiveKey};

use crate::play::{World, text};

/// The channel's room.
pub const ROOM: &str = "penguins.general@muc.localhost";

const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// The waddle, and its channel `general`.
pub struct Stage {
    pub w: World,
    pub waddle: WaddleId,
    pub channel: ChannelId,
}

pub fn user(name: &str) -> UserId {
    UserId::local(name)
}

pub fn body(s: &Stanza) -> String {
    s.root()
        .child_text("body", ns::CLIENT)
        .unwrap_or_default()
        .into_owned()
}

/// The type, the condition and the text of an error.
pub fn error(s: &Stanza) -> (String, String, String) {
    let e = s.root().child("error", ns::CLIENT);
    let e = e.unwrap_or_else(|| panic!("no error: {}", text(s)));
    let condition = e
        .children()
        .find(|c| c.in_ns(STANZAS) && c.name() != "text")
        .unwrap();
    (
        e.attr("type").unwrap().into_owned(),
        condition.name().to_owned(),
        e.child_text("text", STANZAS).unwrap_or_default().into_owned(),
    )
}

/// What the archive calls a message.
pub fn archive_id(s: &Stanza) -> MessageId {
    let id = s.root().child("stanza-id", ns::SID);
    let id = id.unwrap_or_else(|| panic!("not archived: {}", text(s)));
    id.attr("id").unwrap().parse().unwrap()
}

impl Stage {
    /// The waddle, and who of its people is in the room: as client, under which nickname.
    pub async fn open(limits: Limits, there: &[(&str, &str)]) -> Self {
        let mut w = World::new(limits).await;
        w.make_waddle("penguins", "ada", Visibility::Private).await;
        w.add("penguins", "bob", Role::Member).await;
        w.add("penguins", "mo", Role::Moderator).await;
        let waddle = w
            .community
            .waddle_by_slug(&"penguins".parse().unwrap())
            .unwrap()
            .id;
        let channels = w.community.channels(waddle).await.unwrap();
        let channel = channels.iter().find(|c| c.slug.as_str() == "general").unwrap().id;
        for (name, nick) in there {
            w.connect(name).await;
            w.join(name, ROOM, nick).await;
        }
        Self { w, waddle, channel }
    }

    /// A rule of the waddle; its identifier.
    pub async fn rule(&self, json: &str) -> i64 {
        let rule: Rule = serde_json::from_str(json).unwrap();
        let made = self.w.community.add_rule(Actor::System, self.waddle, rule).await;
        made.unwrap().id
    }

    /// Another slow mode; it holds when Bob hears that something changed.
    pub async fn slow(&mut self, seconds: u32) {
        let change = ChannelChange {
            slow_mode_seconds: Some(seconds),
            name: Some(format!("Slow {seconds}")),
            ..ChannelChange::default()
        };
        let c = self.w.community.clone();
        c.update_channel(Actor::System, self.waddle, self.channel, change)
            .await
            .unwrap();
        loop {
            let came = self.w.next("bob").await;
            if came.root().name() == "message" && came.root().has("x", ns::MUC_USER) {
                return;
            }
        }
    }

    /// What is kept with a text, the oldest first.
    pub async fn kept(&self) -> Vec<String> {
        let db = self.w.storage.waddle(self.waddle).await.unwrap();
        let key = ArchiveKey::channel(self.channel);
        let seen = db
            .read(move |c| archive::around(c, &key, MessageId(i64::MAX), 100))
            .await;
        seen.unwrap().into_iter().filter_map(|s| s.body).collect()
    }

    /// What a webhook says.
    pub fn post(&self, nick: &str, words: &str) -> Post {
        Post {
            waddle: self.waddle,
            channel: self.channel,
            nick: nick.into(),
            body: words.into(),
            poster: Some(Poster {
                author: "webhook:1".into(),
                mark: WEBHOOK,
                payload: bytes::Bytes::new(),
            }),
        }
    }
}
