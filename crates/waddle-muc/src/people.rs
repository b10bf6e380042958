//! A plain room's people: affiliations and reserved nicknames ([XEP-0045 §5.2, §7.12]).
//!
//! [XEP-0045 §5.2, §7.12]: https://xmpp.org/extensions/xep-0045.html#affil

use ahash::AHashMap;
use waddle_core::BareJid;
use waddle_storage::repo::rooms::Affiliate;

use crate::{nick, standing::Affiliation};

/// Somebody on a plain room's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they are; never `none`.
    pub affiliation: Affiliation,
    /// The nickname that is reserved for them.
    pub nick: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Person {
    /// Somebody without a nickname.
    pub fn new(affiliation: Affiliation) -> Self {
        Self {
            affiliation,
            nick: None,
            reason: None,
        }
    }
}

/// Everybody with an affiliation other than none.
#[derive(Debug, Default)]
pub struct People {
    by_jid: AHashMap<BareJid, Person>,
    by_nick: AHashMap<String, BareJid>,
    owners: usize,
    /// Whole domains that are banned.
    domains: usize,
}

impl People {
    /// Somebody on the list.
    pub fn get(&self, jid: &BareJid) -> Option<&Person> {
        self.by_jid.get(jid)
    }

    /// What somebody is. Who is not on the list is an outcast where their whole domain is (§9.2).
    pub fn affiliation(&self, jid: &BareJid) -> Affiliation {
        if let Some(person) = self.by_jid.get(jid) {
            return person.affiliation;
        }
        if self.domains > 0
            && let Ok(domain) = BareJid::new(None, jid.domain())
            && self.by_jid.contains_key(&domain)
        {
            return Affiliation::Outcast;
        }
        Affiliation::None
    }

    /// Everybody.
    pub fn iter(&self) -> impl Iterator<Item = (&BareJid, &Person)> {
        self.by_jid.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_jid.len()
    }

    /// How many of them are owners.
    pub fn owners(&self) -> usize {
        self.owners
    }

    /// For whom the nickname with this key is reserved.
    pub fn holder(&self, key: &str) -> Option<&BareJid> {
        self.by_nick.get(key)
    }

    /// Enters somebody, or takes them off the list (`None`).
    pub fn set(&mut self, jid: BareJid, person: Option<Person>) {
        if let Some(old) = self.by_jid.remove(&jid) {
            self.owners -= usize::from(old.affiliation == Affiliation::Owner);
            self.domains -= usize::from(jid.local().is_none());
            if let Some(key) = old.nick.as_deref().and_then(key_of)
                && self.by_nick.get(&key) == Some(&jid)
            {
                self.by_nick.remove(&key);
            }
        }
        let Some(person) = person else { return };
        self.owners += usize::from(person.affiliation == Affiliation::Owner);
        self.domains += usize::from(jid.local().is_none());
        if let Some(key) = person.nick.as_deref().and_then(key_of) {
            self.by_nick.insert(key, jid.clone());
        }
        self.by_jid.insert(jid, person);
    }
}

fn key_of(nick: &str) -> Option<String> {
    nick::key(nick, usize::MAX).ok()
}

/// Somebody's line as it is stored; `none` takes it away.
pub fn row(jid: &BareJid, person: Option<&Person>) -> Affiliate {
    Affiliate {
        jid: jid.to_string(),
        affiliation: person
            .map_or(Affiliation::None, |p| p.affiliation)
            .as_str()
            .to_owned(),
        nick: person.and_then(|p| p.nick.clone()),
        reason: person.and_then(|p| p.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(s: &str) -> BareJid {
        s.parse().unwrap()
    }

    #[test]
    fn owners_and_nicknames_are_counted_as_people_come_and_go() {
        let mut p = People::default();
        let nick = |n: &str| Person {
            nick: Some(n.to_owned()),
            ..Person::new(Affiliation::Member)
        };
        p.set(jid("o@x"), Some(Person::new(Affiliation::Owner)));
        p.set(jid("m@x"), Some(nick("Thirdwitch")));
        assert_eq!((p.len(), p.owners()), (2, 1));
        assert_eq!(p.holder("thirdwitch"), Some(&jid("m@x")));
        p.set(jid("m@x"), Some(nick("Other")));
        assert_eq!(
            (p.holder("thirdwitch"), p.holder("other")),
            (None, Some(&jid("m@x")))
        );
        p.set(jid("m@x"), None);
        p.set(jid("o@x"), Some(Person::new(Affiliation::Admin)));
        assert_eq!((p.len(), p.owners(), p.holder("other")), (1, 0, None));
        assert_eq!(p.affiliation(&jid("o@x")), Affiliation::Admin);
    }

    #[test]
    fn a_domain_is_banned_but_not_who_is_listed() {
        let mut p = People::default();
        p.set(jid("spam.example"), Some(Person::new(Affiliation::Outcast)));
        p.set(jid("friend@spam.example"), Some(Person::new(Affiliation::Member)));
        assert_eq!(p.affiliation(&jid("a@spam.example")), Affiliation::Outcast);
        assert_eq!(p.affiliation(&jid("friend@spam.example")), Affiliation::Member);
        assert_eq!(p.affiliation(&jid("a@x")), Affiliation::None);
        p.set(jid("spam.example"), None);
        assert_eq!(p.affiliation(&jid("a@spam.example")), Affiliation::None);
    }
}
