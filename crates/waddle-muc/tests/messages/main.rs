//! Messages of a channel, said by clients and through HTTP alike: `Rooms::say`, `act`, `news`, and what is kept of them
//! (XEP-0308, XEP-0424, XEP-0425, XEP-0444, XEP-0461, XEP-0372, pins).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod beside;
mod gone;
#[path = "../play/mod.rs"]
mod play;
mod said;
#[path = "../play/stage.rs"]
mod stage;

use play::{World, text};
use stage::{ROOM, Stage, archive_id, user};
use tokio::sync::broadcast::Receiver;
use waddle_core::{ChannelId, Limits, MessageId, WaddleId};
use waddle_messages::{Act, ChannelMessages, MessageView, NewMessage, News, Viewer};
use waddle_muc::ActError;

/// A channel with Bob in its room, and what is told of its messages.
struct Talk {
    w: World,
    waddle: WaddleId,
    channel: ChannelId,
    messages: ChannelMessages,
    news: Receiver<News>,
}

async fn stage_with(limits: Limits) -> Talk {
    let Stage { w, waddle, channel } = Stage::open(limits, &[("Bob", "Bobby")]).await;
    Talk {
        messages: ChannelMessages::open(&w.community, waddle, channel)
            .await
            .unwrap(),
        news: w.rooms.news(),
        w,
        waddle,
        channel,
    }
}

async fn stage() -> Talk {
    stage_with(Limits::default()).await
}

fn viewer(name: &str) -> Viewer {
    Viewer {
        user: Some(user(name)),
        addresses: true,
    }
}

impl Talk {
    async fn act(&self, name: &str, act: Act) -> Result<MessageId, ActError> {
        self.w
            .rooms
            .act(&user(name), self.waddle, self.channel, act)
            .await
    }

    async fn say(&self, name: &str, body: &str) -> MessageId {
        self.act(name, Act::Say(NewMessage::text(body))).await.unwrap()
    }

    async fn see(&self, id: MessageId) -> MessageView {
        self.messages.get(&viewer("bob"), id).await.unwrap()
    }

    async fn told(&mut self) -> News {
        self.news.recv().await.unwrap()
    }

    /// What Bob's client says, and what the archive calls it.
    async fn client_says(&mut self, inner: &str) -> MessageId {
        let xml = format!("<message type='groupchat' to='{ROOM}' id='c'>{inner}</message>");
        self.w.send("Bob", &xml);
        let came = self.w.next("Bob").await;
        assert!(!came.is_type("error"), "{}", text(&came));
        archive_id(&came)
    }
}
