//! What a stanza says of other messages, of files and of people. Most stanzas say nothing of the kind, and cost one look at
//! their children.

use waddle_core::MessageId;
use waddle_stanza::{Element, ns, retract::Retract};

use crate::{Attachment, NewsKind, text};

/// XEP-0444.
pub const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0308.
pub const CORRECT: &str = "urn:xmpp:message-correct:0";
/// XEP-0372.
const REFERENCE: &str = "urn:xmpp:reference:0";
/// Pinned messages (`specs/messages.md`).
pub const PINS: &str = "urn:waddle:pins:0";
/// Emojis of one reaction that are read.
const EMOJIS: usize = 64;
/// Bytes of one emoji: families with skin tones have 41.
const EMOJI_BYTES: usize = 64;
/// Mentions of one message that are read.
const REFERENCES: usize = 256;
/// Bytes of the name of a thread.
const THREAD_BYTES: usize = 256;

/// What a message says beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether it is one that people read as a line of its own.
    pub is_line: bool,
    /// The message that it answers (XEP-0461).
    pub reply_to: Option<MessageId>,
    /// The name of its thread (XEP-0201).
    pub thread: Option<String>,
    /// A message of its thread.
    pub thread_root: Option<MessageId>,
    /// What its author called the message that it corrects (XEP-0308).
    pub replaces: Option<String>,
    /// Whether it may only be a correction: where it corrects nothing, it is not taken. The room fills it in.
    pub must_correct: bool,
    /// The message that it corrects, where that is known already.
    pub edits: Option<MessageId>,
    /// Reactions to a message (XEP-0444).
    pub reacts: Option<(MessageId, Vec<String>)>,
    /// The message up to which its author has read (XEP-0333).
    pub displayed: Option<MessageId>,
    /// The message that it takes back (XEP-0424, XEP-0425).
    pub retracts: Option<MessageId>,
    /// A message that was pinned, or is pinned no more.
    pub pins: Option<(MessageId, bool)>,
    /// Addresses of files.
    pub files: Vec<String>,
    /// Addresses that it mentions (XEP-0372), still to be resolved to people.
    pub references: Vec<String>,
    /// Who is mentioned: identifiers of users, or `*` for everyone and `@` for whoever was there. The room fills it in.
    pub mentions: Vec<String>,
}

fn has_content(e: Element<'_>) -> bool {
    matches!(
        (e.name(), e.ns()),
        ("body", ns::CLIENT)
            | ("encrypted", "eu.siacs.conversations.axolotl" | "urn:xmpp:omemo:2")
            | ("x", "jabber:x:encrypted" | "jabber:x:oob")
            | ("openpgp", "urn:xmpp:openpgp:0")
            | ("file-sharing", "urn:xmpp:sfs:0")
    )
}

impl Facts {
    /// What a message from a client says; nothing for one that only has a text.
    pub fn of(message: Element<'_>) -> Option<Box<Self>> {
        Self::read(message, false)
    }

    /// What a message of an archive says: what only the room may say has been stripped from what clients said.
    pub fn kept(message: Element<'_>) -> Option<Box<Self>> {
        Self::read(message, true)
    }

    fn read(message: Element<'_>, kept: bool) -> Option<Box<Self>> {
        let mut f = Self::default();
        let (mut content, mut more, mut files) = (false, false, false);
        for e in message.children() {
            content = content || has_content(e);
            match (e.name(), e.ns()) {
                ("reply", text::REPLY) => {
                    f.reply_to = e.attr("id").and_then(|i| i.parse().ok());
                    more |= f.reply_to.is_some();
                }
                ("thread", ns::CLIENT) => {
                    let name = e.text();
                    f.thread = (!name.is_empty() && name.len() <= THREAD_BYTES).then(|| name.into_owned());
                    more |= f.thread.is_some();
                }
                ("replace", CORRECT) => {
                    f.replaces = e.attr("id").map(std::borrow::Cow::into_owned);
                    more |= f.replaces.is_some();
                }
                ("reactions", REACTIONS) => {
                    if let Some(id) = e.attr("id").and_then(|i| i.parse().ok()) {
                        f.reacts = Some((id, emojis(e)));
                    }
                    more = true;
                }
                ("displayed" | "acknowledged", ns::MARKERS) => {
                    f.displayed = e.attr("id").and_then(|i| i.parse().ok());
                    more |= f.displayed.is_some();
                }
                ("retract", ns::RETRACT) | ("apply-to", ns::FASTEN) => {
                    f.retracts = Retract::of(message).and_then(|r| r.id.parse().ok());
                    more = true;
                }
                ("pinned" | "unpinned", PINS) if kept => {
                    let pinned = e.name() == "pinned";
                    f.pins = e.attr("id").and_then(|i| i.parse().ok()).map(|id| (id, pinned));
                    more = true;
                }
                ("reference", REFERENCE) if e.attr("type").is_some_and(|t| t == "mention") => {
                    if f.references.len() < REFERENCES {
                        f.references
                            .extend(e.attr("uri").map(std::borrow::Cow::into_owned));
                    }
                    more = true;
                }
                ("file-sharing", "urn:xmpp:sfs:0") | ("x", "jabber:x:oob") => {
                    files = true;
                    more = true;
                }
                _ => {}
            }
        }
        f.is_line = content && f.reacts.is_none() && f.retracts.is_none() && f.pins.is_none();
        if !more && f.is_line {
            return None;
        }
        if message.has("reactions", REACTIONS) {
            f.is_line = false;
        }
        if files {
            f.files = Attachment::all(message).into_iter().map(|a| a.url).collect();
        }
        Some(Box::new(f))
    }

    /// What is done by such a message, before anything is looked up.
    pub fn news(&self) -> NewsKind {
        if let Some((target, _)) = self.reacts {
            NewsKind::Reacted(target)
        } else if let Some(target) = self.retracts {
            NewsKind::Retracted(target)
        } else if let Some((target, pinned)) = self.pins {
            if pinned {
                NewsKind::Pinned(target)
            } else {
                NewsKind::Unpinned(target)
            }
        } else if self.is_line {
            NewsKind::Posted
        } else {
            NewsKind::Other
        }
    }
}

fn emojis(reactions: Element<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for e in reactions.children().filter(|c| c.is("reaction", REACTIONS)) {
        let text = e.text();
        let text = text.trim();
        if is_emoji(text) && all.len() < EMOJIS && !all.iter().any(|a| a == text) {
            all.push(text.to_owned());
        }
    }
    all
}

/// Whether a text may be a reaction: short, and without letters or spaces.
pub fn is_emoji(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= EMOJI_BYTES
        && !text
            .chars()
            .any(|c| c.is_alphabetic() || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use waddle_stanza::Stanza;

    use super::*;

    fn facts(inner: &str) -> Option<Box<Facts>> {
        let xml = ["<message xmlns='jabber:client'>", inner, "</message>"].concat();
        Facts::of(Stanza::parse(xml.into()).unwrap().root())
    }

    #[test]
    fn texts_alone_say_nothing_more() {
        for plain in [
            "<body>hi</body>",
            "<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
            "<body>hi</body><markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' id='x'/>",
            "<encrypted xmlns='urn:xmpp:omemo:2'/>",
        ] {
            assert_eq!(facts(plain), None, "{plain}");
        }
    }

    #[test]
    fn what_is_said() {
        let id = MessageId(0x0012_3456_789a_bcde);
        let f = facts(
            "<body>x</body><reply xmlns='urn:xmpp:reply:0' id='00123456789abcde' to='r@m/n'/><thread>t</thread>\
             <reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:a@b'/>\
             <x xmlns='jabber:x:oob'><url>https://f.example/1</url></x>",
        )
        .unwrap();
        assert!(f.is_line && f.reply_to == Some(id) && f.thread.as_deref() == Some("t"));
        assert_eq!((f.files.len(), f.references), (1, vec!["xmpp:a@b".to_owned()]));
        let f = facts(
            "<reactions xmlns='urn:xmpp:reactions:0' id='00123456789abcde'><reaction>👍</reaction>\
             <reaction>👍</reaction><reaction>not one</reaction></reactions><body>👍</body>",
        )
        .unwrap();
        assert!(!f.is_line, "its text is for clients that do not know reactions");
        assert_eq!(f.reacts, Some((id, vec!["👍".to_owned()])));
        let f = facts("<retract xmlns='urn:xmpp:message-retract:1' id='00123456789abcde'/><body>/me…</body>")
            .unwrap();
        assert!(!f.is_line && f.retracts == Some(id));
        assert_eq!(f.news(), NewsKind::Retracted(id));
        let f = facts("<displayed xmlns='urn:xmpp:chat-markers:0' id='00123456789abcde'/>").unwrap();
        assert!(!f.is_line && f.displayed == Some(id));
        assert!(
            !facts("<received xmlns='urn:xmpp:receipts' id='1'/>")
                .unwrap()
                .is_line
        );
    }
}
