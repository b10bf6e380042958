//! What means another thing in the new waddle: identifiers, people, addresses of rooms.

use ahash::AHashMap;
use waddle_core::{BareJid, Slug, UserId, WaddleId};

/// Digits of an identifier.
const DIGITS: usize = 32;
/// The part of an identifier that is random: version, variant and time stay.
const RANDOM: u128 = (1 << 60) - 1;

/// New identifiers for old ones: each the same one wherever it stands, none twice, in the same order of time.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    mask: u128,
    old: String,
    new: String,
}

impl Ids {
    pub fn new(old: &str, new: WaddleId) -> Self {
        let new = new.to_string();
        let mask = u128::from_str_radix(&new, 16).unwrap_or_default() & RANDOM;
        Self {
            mask,
            old: old.to_owned(),
            new,
        }
    }

    /// The same text with other identifiers.
    pub fn replace(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let mut rest = text;
        while let Some(start) = rest.find(is_word) {
            let (before, word) = rest.split_at(start);
            let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            out.push_str(before);
            match self.one(word) {
                Some(id) => out.push_str(&id),
                None => out.push_str(word),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn one(&self, word: &str) -> Option<String> {
        if word == self.old {
            return Some(self.new.clone());
        }
        let digits = word.len() == DIGITS && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = digits.then(|| u128::from_str_radix(word, 16).ok()).flatten()?;
        Some(format!("{:032x}", id ^ self.mask))
    }
}

/// Who the people of an export are here.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    /// Those that were asked about; nobody: they are left out.
    pub known: AHashMap<String, Option<UserId>>,
    /// The domain of the export.
    pub server: String,
    /// Whether that is this server.
    pub same: bool,
}

impl People {
    /// Who somebody becomes; nobody for devices and programs, and for those who are left out.
    pub fn who(&self, user: &str) -> Option<String> {
        if is_program(user) {
            return None;
        }
        if let Some(found) = self.known.get(user) {
            return found.as_ref().map(ToString::to_string);
        }
        self.anybody(user).map(|u| u.to_string())
    }

    /// Who did something, whether they are here or not.
    pub fn by(&self, user: &str) -> String {
        let found = self.known.get(user).and_then(Clone::clone);
        found
            .or_else(|| self.anybody(user))
            .map_or_else(|| user.to_owned(), |u| u.to_string())
    }

    /// Who somebody is that nobody was asked about: an author who left long ago.
    pub fn anybody(&self, user: &str) -> Option<UserId> {
        let id: UserId = user.parse().ok()?;
        match id.as_local() {
            Some(local) if !self.same => self.remote(local),
            _ => Some(id),
        }
    }

    /// A local account of the other server, seen from here.
    pub fn remote(&self, localpart: &str) -> Option<UserId> {
        let jid: BareJid = format!("{localpart}@{}", self.server).parse().ok()?;
        Some(UserId::remote(&jid))
    }

    /// One side of a tuple, or a target of the audit log; nothing where it names somebody who is left out.
    pub fn tuple(&self, text: &str, ids: &Ids) -> Option<String> {
        match text.strip_prefix("user:") {
            Some("*") => Some(text.to_owned()),
            Some(user) => self.who(user).map(|u| ["user:", &u].concat()),
            None => Some(ids.replace(text)),
        }
    }

    /// The address of somebody of the other server, as it is here.
    pub fn address(&self, jid: &str, domain: &str) -> String {
        let (bare, rest) = jid.find('/').map_or((jid, ""), |at| jid.split_at(at));
        let local = bare.strip_suffix(&*self.server).and_then(|l| l.strip_suffix('@'));
        let here = local.and_then(|l| self.known.get(&["local:", l].concat())?.as_ref()?.as_local());
        match here {
            Some(local) => [local, "@", domain, rest].concat(),
            None => jid.to_owned(),
        }
    }
}

/// Devices and bots have their credentials where they were made.
fn is_program(user: &str) -> bool {
    user.starts_with("device:") || user.starts_with("bot:")
}

/// The rooms of the old waddle, and what they are called now.
#[derive(Debug, Clone)]
pub(super) struct RoomNames {
    old: String,
    old_host: String,
    new: String,
    new_host: String,
}

impl RoomNames {
    pub fn new(old: (&str, &str), new: (&Slug, &str)) -> Self {
        Self {
            old: format!("{}.", old.0),
            old_host: format!("@muc.{}", old.1),
            new: format!("{}.", new.0),
            new_host: format!("@muc.{}", new.1),
        }
    }

    /// A stanza with the new addresses in its tags; what people wrote stays.
    pub fn replace(&self, stanza: &str) -> String {
        let mut out = String::with_capacity(stanza.len() + 16);
        let (mut tag, mut quote, mut start) = (false, None, 0);
        for (at, byte) in stanza.bytes().enumerate() {
            match (tag, quote, byte) {
                (false, _, b'<') => {
                    out.push_str(&stanza[start..at]);
                    (tag, start) = (true, at);
                }
                (true, None, b'"' | b'\'') => quote = Some(byte),
                (true, Some(q), b) if q == b => quote = None,
                (true, None, b'>') => {
                    self.in_tag(&stanza[start..at], &mut out);
                    (tag, start) = (false, at);
                }
                _ => {}
            }
        }
        out.push_str(&stanza[start..]);
        out
    }

    fn in_tag(&self, text: &str, out: &mut String) {
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let mut rest = text;
        while let Some(at) = rest.find(&self.old_host) {
            let (before, after) = rest.split_at(at);
            let after = &after[self.old_host.len()..];
            let local = &before[before.trim_end_matches(slug).len()..];
            match local.strip_prefix(&*self.old) {
                Some(channel) if !after.starts_with(slug) => {
                    out.push_str(&before[..before.len() - local.len()]);
                    out.push_str(&self.new);
                    out.push_str(channel);
                    out.push_str(&self.new_host);
                }
                _ => {
                    out.push_str(before);
                    out.push_str(&self.old_host);
                }
            }
            rest = after;
        }
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_core::ChannelId;

    #[test]
    fn identifiers_are_new_and_the_same_everywhere() {
        let (old, new, channel) = (WaddleId::new(), WaddleId::new(), ChannelId::new());
        let ids = Ids::new(&old.to_string(), new);
        assert_eq!(
            ids.replace(&format!("waddle:{old}#member")),
            format!("waddle:{new}#member")
        );
        let moved = ids.replace(&format!("channel:{channel}"));
        let there: ChannelId = moved.strip_prefix("channel:").unwrap().parse().unwrap();
        assert_ne!(there, channel);
        assert_eq!(
            ids.replace(&moved),
            format!("channel:{channel}"),
            "no two become one"
        );
        let later = ChannelId::new();
        assert_eq!(
            ids.replace(&later.to_string())[..12],
            later.to_string()[..12],
            "the time stays"
        );
        for same in [
            "topic:home/x",
            "",
            "é 0123456789abcdef",
            &"0".repeat(33),
            &"G".repeat(32),
        ] {
            assert_eq!(ids.replace(same), *same);
        }
    }

    #[test]
    fn people_of_another_server() {
        let mut people = People {
            server: "old.example".into(),
            ..People::default()
        };
        people
            .known
            .insert("local:alice".into(), Some("local:ann".parse().unwrap()));
        people.known.insert("local:gone".into(), None);
        let ids = Ids::new("", WaddleId::new());
        assert_eq!(people.who("local:alice").unwrap(), "local:ann");
        assert_eq!(people.who("local:gone"), None);
        assert_eq!(people.who("local:bob").unwrap(), "xmpp:bob%40old.example");
        assert_eq!(
            people.who("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap(),
            "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
        );
        let device = format!("device:{}", ChannelId::new());
        assert_eq!(people.who(&device), None);
        assert_eq!(people.by(&device), device);
        assert_eq!(people.by("local:gone"), "xmpp:gone%40old.example");
        assert_eq!(people.tuple("user:*", &ids).unwrap(), "user:*");
        assert_eq!(people.tuple("user:local:gone", &ids), None);
        assert_eq!(
            people.address("alice@old.example/x", "new.example"),
            "ann@new.example/x"
        );
        assert_eq!(
            people.address("bob@old.example/x", "new.example"),
            "bob@old.example/x"
        );
        people.same = true;
        assert_eq!(people.who("local:bob").unwrap(), "local:bob");
    }

    #[test]
    fn rooms_are_renamed_in_tags_only() {
        let names = RoomNames::new(("old", "a.example"), (&"new".parse().unwrap(), "b.example"));
        let stanza = "<message from='old.general@muc.a.example/x>y' to=\"old.a-b@muc.a.example\">\
            <body>old.general@muc.a.example</body><r id='z.old.general@muc.a.example'/>\
            <s by='old.general@muc.a.example.org'/><u uri='xmpp:old.c@muc.a.example?join'/></message>";
        let moved = names.replace(stanza);
        assert_eq!(
            moved,
            "<message from='new.general@muc.b.example/x>y' to=\"new.a-b@muc.b.example\">\
            <body>old.general@muc.a.example</body><r id='z.old.general@muc.a.example'/>\
            <s by='old.general@muc.a.example.org'/><u uri='xmpp:new.c@muc.b.example?join'/></message>"
        );
        assert_eq!(names.replace("no tag > at all <"), "no tag > at all <");
    }
}
