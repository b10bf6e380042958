//! Views equal a naive model, whatever people do: replies, threads, corrections, reactions, retractions, pins, expiry, search.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use waddle_archive::{fulltext, retraction};
use waddle_core::{ChannelId, MessageId, Timestamp, UserId};
use waddle_messages::{ChannelMessages, Facts, Range, Viewer, index, search};
use waddle_stanza::{Stanza, retract::Tombstone};
use waddle_storage::{
    Db, Storage, StorageConfig,
    repo::{
        archive::{self, ArchiveKey, Kind, NewMessage, Trace, With},
        messages,
    },
};

const PEOPLE: [&str; 3] = ["local:ada", "local:bob", "local:eve"];
const WORDS: [&str; 4] = ["penguin", "walrus", "otter", "heron"];
const EMOJIS: [&str; 3] = ["👍", "🎉", "🐧"];

/// Something that somebody does; messages are named by how many lines back they are.
#[derive(Debug, Clone)]
enum Deed {
    Say {
        who: usize,
        word: usize,
        reply: Option<usize>,
        mention: Option<usize>,
    },
    Edit {
        who: usize,
        back: usize,
        word: usize,
    },
    React {
        who: usize,
        back: usize,
        emojis: BTreeSet<usize>,
    },
    Retract {
        who: usize,
        back: usize,
    },
    Moderate {
        back: usize,
    },
    Pin {
        back: usize,
        on: bool,
    },
    Expire {
        back: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..PEOPLE.len();
    let word = 0..WORDS.len();
    let back = 0..6_usize;
    prop_oneof![
        5 => (who.clone(), word.clone(), proptest::option::of(back.clone()), proptest::option::of(who.clone()))
            .prop_map(|(who, word, reply, mention)| Deed::Say { who, word, reply, mention }),
        3 => (who.clone(), back.clone(), word).prop_map(|(who, back, word)| Deed::Edit { who, back, word }),
        3 => (who.clone(), back.clone(), proptest::collection::btree_set(0..EMOJIS.len(), 0..3))
            .prop_map(|(who, back, emojis)| Deed::React { who, back, emojis }),
        1 => (who, back.clone()).prop_map(|(who, back)| Deed::Retract { who, back }),
        1 => back.clone().prop_map(|back| Deed::Moderate { back }),
        1 => (back.clone(), any::<bool>()).prop_map(|(back, on)| Deed::Pin { back, on }),
        1 => back.prop_map(|back| Deed::Expire { back }),
    ]
}

/// A message as it should be seen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Line {
    who: usize,
    text: String,
    edited: bool,
    reply_to: Option<MessageId>,
    root: Option<MessageId>,
    reactions: BTreeSet<(usize, String)>,
    mentions: BTreeSet<String>,
    pinned: bool,
    deleted: bool,
}

struct Channel {
    db: Db,
    key: ArchiveKey,
    id: ChannelId,
    model: BTreeMap<MessageId, Line>,
    said: usize,
}

fn line(words: &str, more: &str, id: &str) -> Bytes {
    [
        "<message xmlns='jabber:client' type='groupchat' id='",
        id,
        "'><body>",
        words,
        "</body>",
        more,
        "</message>",
    ]
    .concat()
    .into()
}

impl Channel {
    fn named(&self, back: usize) -> Option<MessageId> {
        self.model.keys().rev().nth(back).copied()
    }

    async fn append(&mut self, who: usize, stanza: Bytes, mentions: Vec<String>) -> MessageId {
        let parsed = Stanza::parse(stanza.clone()).unwrap();
        let mut facts = Facts::of(parsed.root());
        if !mentions.is_empty() {
            let mut f = facts.unwrap_or_else(|| {
                Box::new(Facts {
                    is_line: true,
                    ..Facts::default()
                })
            });
            f.mentions = mentions;
            facts = Some(f);
        }
        let body = parsed
            .root()
            .child_text("body", "jabber:client")
            .map(std::borrow::Cow::into_owned);
        let message = NewMessage {
            at: Timestamp(i64::MAX),
            kind: Kind::Message,
            with: Some(With::Nick(PEOPLE[who].to_owned())),
            author: Some(PEOPLE[who].to_owned()),
            origin_id: None,
            body,
            stanza,
        };
        let trace = Trace {
            said: parsed.id().map(std::borrow::Cow::into_owned),
            sender: Some("ada@x/1".into()),
        };
        let key = self.key.clone();
        self.db
            .write(move |tx| index::append(tx, &key, message, trace, facts.as_deref(), 1_000))
            .await
            .unwrap()
            .id
    }

    async fn retract(&mut self, target: MessageId, author: Option<usize>) -> bool {
        let (key, author) = (self.key.clone(), author.map(|a| PEOPLE[a]));
        let done = self.db.write(move |tx| {
            let tombstone = Tombstone {
                at: Timestamp(0),
                by_message: None,
                moderated: None,
            };
            retraction::of_room(tx, &key, target, author, &tombstone)
        });
        done.await.is_ok()
    }

    async fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Say {
                who,
                word,
                reply,
                mention,
            } => {
                self.said += 1;
                let target = reply.and_then(|b| self.named(b));
                let more = target.map_or_else(String::new, |t| {
                    ["<reply xmlns='urn:xmpp:reply:0' id='", &t.to_string(), "'/>"].concat()
                });
                let mentions: Vec<String> = mention.iter().map(|m| PEOPLE[*m].to_owned()).collect();
                let stanza = line(WORDS[word], &more, &self.said.to_string());
                let id = self.append(who, stanza, mentions.clone()).await;
                let root = target.map(|t| self.model[&t].root.unwrap_or(t));
                self.model.insert(
                    id,
                    Line {
                        who,
                        text: WORDS[word].to_owned(),
                        reply_to: target,
                        root,
                        mentions: mentions.into_iter().collect(),
                        ..Line::default()
                    },
                );
            }
            Deed::Edit { who, back, word } => {
                let Some(target) = self.named(back) else { return };
                // What the author called it: it is asked of the archive, as clients know it from the message.
                let key = self.key.clone();
                let row = self
                    .db
                    .read(move |c| archive::get(c, &key, target))
                    .await
                    .unwrap();
                let name = Stanza::parse(row.stanza).unwrap().id().unwrap().into_owned();
                let more = ["<replace xmlns='urn:xmpp:message-correct:0' id='", &name, "'/>"].concat();
                self.said += 1;
                let stanza = line(WORDS[word], &more, &self.said.to_string());
                let id = self.append(who, stanza, Vec::new()).await;
                let own = self.model[&target].who == who && !self.model[&target].deleted;
                if own {
                    let m = self.model.get_mut(&target).unwrap();
                    WORDS[word].clone_into(&mut m.text);
                    m.edited = true;
                    m.mentions.clear();
                } else {
                    // What corrects nothing of its author's is a message like another.
                    self.model.insert(
                        id,
                        Line {
                            who,
                            text: WORDS[word].to_owned(),
                            ..Line::default()
                        },
                    );
                }
            }
            Deed::React { who, back, emojis } => {
                let Some(target) = self.named(back) else { return };
                let all: String = emojis
                    .iter()
                    .map(|e| ["<reaction>", EMOJIS[*e], "</reaction>"].concat())
                    .collect();
                let stanza = [
                    "<message xmlns='jabber:client' type='groupchat' id='r'><reactions xmlns='urn:xmpp:reactions:0' id='",
                    &target.to_string(),
                    "'>",
                    &all,
                    "</reactions></message>",
                ]
                .concat();
                self.append(who, stanza.into(), Vec::new()).await;
                let m = self.model.get_mut(&target).unwrap();
                if !m.deleted {
                    m.reactions.retain(|(by, _)| *by != who);
                    for e in emojis {
                        m.reactions.insert((who, EMOJIS[e].to_owned()));
                    }
                }
            }
            Deed::Retract { who, back } => {
                let Some(target) = self.named(back) else { return };
                let may = self.model[&target].who == who && !self.model[&target].deleted;
                assert_eq!(self.retract(target, Some(who)).await, may);
                if may {
                    self.bury(target);
                }
            }
            Deed::Moderate { back } => {
                let Some(target) = self.named(back) else { return };
                let may = !self.model[&target].deleted;
                assert_eq!(self.retract(target, None).await, may);
                if may {
                    self.bury(target);
                }
            }
            Deed::Pin { back, on } => {
                let Some(target) = self.named(back) else { return };
                let key = self.key.clone();
                let done = self.db.write(move |tx| {
                    if on {
                        messages::pin(tx, &key, target, "local:ada", Timestamp(1), 50).map(drop)
                    } else {
                        messages::unpin(tx, &key, target)
                    }
                });
                let done = done.await.is_ok();
                let m = self.model.get_mut(&target).unwrap();
                assert_eq!(done, if on { !m.deleted } else { m.pinned });
                if done {
                    m.pinned = on;
                }
            }
            Deed::Expire { back } => {
                // Everything before this one goes.
                let Some(below) = self.named(back) else { return };
                let key = self.key.clone();
                self.db
                    .write(move |tx| archive::remove(tx, &key, Some(below), 10_000))
                    .await
                    .unwrap();
                self.model.retain(|id, _| *id >= below);
            }
        }
    }

    fn bury(&mut self, target: MessageId) {
        let m = self.model.get_mut(&target).unwrap();
        *m = Line {
            who: m.who,
            reply_to: m.reply_to,
            root: m.root,
            deleted: true,
            ..Line::default()
        };
    }

    async fn check(&self) {
        let messages = ChannelMessages::of(self.db.clone(), self.id);
        let viewer = Viewer {
            user: Some(UserId::local("ada")),
            addresses: true,
        };
        let page = messages.page(&viewer, Range::Before(None), 500).await.unwrap();
        let seen: Vec<MessageId> = page.items.iter().map(|v| v.id).collect();
        assert_eq!(seen, self.model.keys().copied().collect::<Vec<_>>());
        for v in &page.items {
            let m = &self.model[&v.id];
            assert_eq!(
                (&v.body, v.deleted, v.pinned),
                (&m.text, m.deleted, m.pinned),
                "{v:?}"
            );
            assert_eq!(v.edited_at.is_some(), m.edited, "{v:?}");
            // What was answered may have expired since; the place in the thread stays.
            assert_eq!((v.reply_to, v.thread_root), (m.reply_to, m.root));
            let replies = self.model.values().filter(|o| o.root == Some(v.id)).count() as u64;
            assert_eq!(v.replies, replies);
            let mut counted: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
            for (by, emoji) in &m.reactions {
                let c = counted.entry(emoji).or_default();
                *c = (c.0 + 1, c.1 || *by == 0);
            }
            let shown: BTreeMap<&str, (u64, bool)> =
                v.reactions.iter().map(|r| (&*r.emoji, (r.count, r.me))).collect();
            assert_eq!(shown, counted);
            let mentions: BTreeSet<String> = v
                .mentions
                .iter()
                .map(|m| m.user.as_ref().unwrap().to_string())
                .collect();
            assert_eq!(mentions, m.mentions);
            assert_eq!(
                messages.get(&viewer, v.id).await.unwrap(),
                *v,
                "one by one they are the same"
            );
        }
        for word in WORDS {
            let begins = [&word[..4].to_uppercase(), "*"].concat();
            let query = search::Query::new(&begins, vec![self.id]).unwrap();
            let wanted = search::Wanted {
                cursor: None,
                max: 500,
                context: 1,
                reach: 10_000,
            };
            let hits = search::search(&self.db, &viewer, query, wanted).await.unwrap();
            let found: Vec<MessageId> = hits.items.iter().rev().map(|h| h.message.id).collect();
            let want: Vec<MessageId> = self
                .model
                .iter()
                .filter(|(_, m)| m.text == word)
                .map(|(id, _)| *id)
                .collect();
            assert_eq!(found, want, "{word}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn views_equal_a_naive_model(deeds in proptest::collection::vec(deed(), 1..40), often in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
            let channel = ChannelId::new();
            let mut c = Channel {
                db: storage.server(),
                key: ArchiveKey::channel(channel),
                id: channel,
                model: BTreeMap::new(),
                said: 0,
            };
            for deed in deeds {
                c.act(deed).await;
                if often {
                    // The full text follows at whatever time.
                    fulltext::catch_up(&c.db, 1).await.unwrap();
                }
            }
            c.check().await;
            storage.close().await;
        });
    }
}
