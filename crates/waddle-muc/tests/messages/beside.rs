//! What belongs to a message beside its text: reactions (XEP-0444), mentions (XEP-0372), previews.

use std::sync::Arc;

use parking_lot::Mutex;
use waddle_core::{ChannelId, MessageId, WaddleId};
use waddle_messages::{Act, MentionKind, MessageView, NewsKind};
use waddle_muc::{ActError, Previewer};
use waddle_stanza::ns;
use waddle_storage::repo::messages;

use super::stage;
use crate::stage::user;

#[tokio::test]
async fn reactions_replace_each_other() {
    let mut s = stage().await;
    let id = s.say("ada", "fish?").await;
    let _ = s.w.next("Bob").await;
    let react = |emojis: &[&str]| {
        let all: String = emojis
            .iter()
            .map(|e| format!("<reaction>{e}</reaction>"))
            .collect();
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='{id}'>{all}</reactions>")
    };
    s.client_says(&react(&["👍", "🐟"])).await;
    s.act(
        "ada",
        Act::ReactWith {
            id,
            emoji: "🐟".into(),
            add: true,
        },
    )
    .await
    .unwrap();
    s.act(
        "ada",
        Act::ReactWith {
            id,
            emoji: "🎉".into(),
            add: true,
        },
    )
    .await
    .unwrap();
    let shown = |v: MessageView| -> Vec<(String, u64, bool)> {
        v.reactions
            .into_iter()
            .map(|r| (r.emoji, r.count, r.me))
            .collect()
    };
    let want = |all: &[(&str, u64, bool)]| -> Vec<(String, u64, bool)> {
        all.iter().map(|(e, n, me)| ((*e).to_owned(), *n, *me)).collect()
    };
    assert_eq!(
        shown(s.see(id).await),
        want(&[("🐟", 2, true), ("👍", 1, true), ("🎉", 1, false)])
    );
    for _ in 0..2 {
        let _ = s.w.next("Bob").await;
    }
    s.client_says(&react(&[])).await;
    assert_eq!(
        shown(s.see(id).await),
        want(&[("🎉", 1, false), ("🐟", 1, false)])
    );
    let by = s.messages.reactors(id, Some("🐟".into()), None, 9).await.unwrap();
    assert_eq!(by.len(), 1);
    for bad in ["", "text", "👍 👍"] {
        let act = Act::React {
            id,
            emojis: vec![bad.into()],
        };
        assert!(
            matches!(s.act("ada", act).await, Err(ActError::Invalid(_))),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn mentions_are_people_and_everyone_is_a_right() {
    let mut s = stage().await;
    let reference =
        "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:mo@localhost' begin='0' end='2'/>";
    let id = s
        .client_says(
            &[
                "<body>mo, @ada and @bobby and @nobody @everyone</body>",
                reference,
            ]
            .concat(),
        )
        .await;
    let seen = s.see(id).await;
    let mut users: Vec<String> = seen
        .mentions
        .iter()
        .filter_map(|m| Some(m.user.as_ref()?.to_string()))
        .collect();
    users.sort();
    assert_eq!(
        users,
        ["local:ada", "local:bob", "local:mo"],
        "without the right everyone is a word"
    );
    let all = s.say("mo", "@everyone look, @here too").await;
    let kinds: Vec<MentionKind> = s.see(all).await.mentions.iter().map(|m| m.kind).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&MentionKind::Everyone) && kinds.contains(&MentionKind::Here));
    let (read, unread) = s.messages.unread(&user("ada"), 100).await.unwrap();
    assert_eq!((read, unread.messages, unread.mentions), (None, 2, 2));
    s.messages.mark(&user("ada"), id).await.unwrap();
    let (read, unread) = s.messages.unread(&user("ada"), 100).await.unwrap();
    assert_eq!((read, unread.messages, unread.mentions), (Some(id), 1, 1));
    assert!(
        !s.messages.mark(&user("ada"), id).await.unwrap(),
        "it never goes back"
    );
    // A marker in the room is the same.
    let _ = s.w.next("Bob").await;
    s.client_says(&format!(
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='{all}'/>"
    ))
    .await;
    assert_eq!(s.messages.unread(&user("bob"), 100).await.unwrap().0, Some(all));
}

#[derive(Default)]
struct Looks(Mutex<Vec<(MessageId, String)>>);

impl Previewer for Looks {
    fn look(&self, _: WaddleId, _: ChannelId, message: MessageId, url: String) {
        self.0.lock().push((message, url));
    }
}

#[tokio::test]
async fn previews_come_behind() {
    let mut s = stage().await;
    let looks = Arc::new(Looks::default());
    s.w.rooms.set_previewer(looks.clone());
    let id = s.client_says("<body>see https://a.example/b.</body>").await;
    assert_eq!(*looks.0.lock(), [(id, "https://a.example/b".to_owned())]);
    let preview = messages::Preview {
        url: "https://a.example/b".into(),
        title: Some("A & B".into()),
        ..messages::Preview::default()
    };
    s.w.rooms
        .previewed(s.waddle, s.channel, id, preview.clone())
        .await;
    let came = s.w.next("Bob").await;
    let apply = came.root().child("apply-to", ns::FASTEN).unwrap();
    assert_eq!(apply.attr("id").unwrap(), id.to_string());
    assert!(apply.has("Description", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"));
    assert_eq!(s.told().await.kind, NewsKind::Posted);
    assert_eq!(s.told().await.kind, NewsKind::Previewed(id));
    assert_eq!(s.see(id).await.preview.unwrap().title.as_deref(), Some("A & B"));
    s.act("bob", Act::Retract { id }).await.unwrap();
    assert!(s.see(id).await.preview.is_none());
    // One that comes too late is nobody's.
    let _ = s.w.next("Bob").await;
    s.w.rooms.previewed(s.waddle, s.channel, id, preview).await;
    s.client_says("<body>next</body>").await;
    assert!(s.see(id).await.preview.is_none());
}
