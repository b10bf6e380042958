//! Who is mentioned in a message: references ([XEP-0372]) and names behind an `@`, resolved to people who are here. To mention
//! everyone is a right; without it `@everyone` is a word like any other.
//!
//! [XEP-0372]: https://xmpp.org/extensions/xep-0372.html

use waddle_core::{Did, Jid, UserId};
use waddle_messages::{Facts, text};
use waddle_storage::repo::messages::{EVERYONE, HERE};

use crate::{
    nick,
    room::{Kind, Room},
    standing::Role,
};

impl Room {
    /// The facts of a message with the people that it mentions; `author`, where it is a person or a bot, may have the
    /// right to mention everyone.
    pub(crate) fn mentioning(
        &self,
        facts: Option<Box<Facts>>,
        body: Option<&str>,
        author: Option<&UserId>,
    ) -> Option<Box<Facts>> {
        let body = body.filter(|b| b.contains('@'));
        let reads = facts.as_ref().is_none_or(|f| f.is_line);
        if !reads || (body.is_none() && facts.as_ref().is_none_or(|f| f.references.is_empty())) {
            return facts;
        }
        let most = self.limits.message_mentions;
        let mut found: Vec<String> = Vec::new();
        let mut add = |subject: String| {
            if found.len() < most && !found.contains(&subject) {
                found.push(subject);
            }
        };
        for uri in facts.iter().flat_map(|f| &f.references).take(most) {
            if let Some(user) = self.referred(uri) {
                add(user.as_str().to_owned());
            }
        }
        for name in body.map(|b| text::names(b, most)).unwrap_or_default() {
            let all = match name {
                "everyone" => Some(EVERYONE),
                "here" => Some(HERE),
                _ => None,
            };
            match all {
                Some(all) if author.is_some_and(|a| self.may_mention_all(a)) => add(all.to_owned()),
                Some(_) => {}
                None => {
                    for user in self.called(name) {
                        add(user.as_str().to_owned());
                    }
                }
            }
        }
        if found.is_empty() {
            return facts;
        }
        let mut facts = facts.unwrap_or_else(|| {
            Box::new(Facts {
                is_line: true,
                ..Facts::default()
            })
        });
        facts.mentions = found;
        Some(facts)
    }

    fn may_mention_all(&self, author: &UserId) -> bool {
        match &self.kind {
            Kind::Channel(c) => c.policy.allows("mention_everyone", author),
            _ => self
                .occupants
                .iter()
                .any(|o| o.user == *author && o.role == Role::Moderator),
        }
    }

    /// Who is behind a reference: an occupant's address, or anybody's who may read here.
    fn referred(&self, uri: &str) -> Option<UserId> {
        let rest = uri.strip_prefix("xmpp:")?;
        let rest = rest.split(['?', '#']).next()?;
        let jid: Jid = decoded(rest)?.parse().ok()?;
        if jid.bare_str() == &*self.at {
            return self.occupant_called(jid.resource()?);
        }
        let bare = jid.bare();
        if let Some(o) = self.occupants.iter().find(|o| o.bare == bare) {
            return Some(o.user.clone());
        }
        // The service is `muc.` before the domain.
        let here = self.jid.domain().strip_prefix("muc.").unwrap_or_default();
        let user = if bare.domain() == here {
            Self::named_locally(bare.local()?)?
        } else {
            UserId::remote(&bare)
        };
        self.may_read(&user).then_some(user)
    }

    /// Who goes by this name: by nickname in the room, and the member of that name, whom no nickname of somebody else's takes
    /// their mentions away.
    fn called(&self, name: &str) -> impl Iterator<Item = UserId> {
        let named = Self::named_locally(&name.to_lowercase()).filter(|user| self.may_read(user));
        self.occupant_called(name).into_iter().chain(named)
    }

    fn occupant_called(&self, name: &str) -> Option<UserId> {
        let key = nick::key(name, self.limits.muc_nick_bytes).ok()?;
        let i = self.occupants.of_key(&key)?;
        Some(self.occupants.at(i).user.clone())
    }

    fn named_locally(localpart: &str) -> Option<UserId> {
        if Did::reserves(localpart) {
            let did: Did = ["did:plc:", localpart].concat().parse().ok()?;
            return Some(UserId::did(&did));
        }
        waddle_core::jid::precis_localpart(localpart)
            .ok()
            .map(|local| UserId::local(&local))
    }

    /// Whether somebody belongs to the waddle and may read the channel: a name alone mentions nobody else.
    fn may_read(&self, user: &UserId) -> bool {
        match &self.kind {
            Kind::Channel(c) => c.policy.belongs(user) && c.policy.standing(user).join,
            _ => false,
        }
    }
}

/// Percent-encoded text (RFC 3986 §2.1), as nodes and resources are in an `xmpp:` address.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok())?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded() {
        for (text, want) in [
            ("a@b/c%20d", Some("a@b/c d")),
            ("%c3%a9@b", Some("é@b")),
            ("a%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(text).as_deref(), want, "{text}");
        }
    }
}
