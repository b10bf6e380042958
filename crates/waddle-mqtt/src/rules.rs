//! The operator's topic policy: rules by filter, as in ejabberd (mission line 27; `specs/topics.md`).
//!
//! Topics of a waddle are written `waddle/<slug>/…` here; there the rules can only narrow what the waddle's
//! permissions give. Topics outside all waddles are open exactly as far as the rules say.

use std::collections::HashMap;

use serde::Deserialize;
use waddle_core::TopicFilter;

use crate::policy::{Action, Principal};

/// The policy, `[mqtt_policy]` in the configuration file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicPolicy {
    /// Named groups of localparts, user identifiers or device user names.
    pub groups: HashMap<String, Vec<String>>,
    /// Who may publish: filters in the order in which they are tried; `#` is the fallback.
    pub access_publish: Vec<FilterRules>,
    /// Who may subscribe.
    pub access_subscribe: Vec<FilterRules>,
}

/// The rules of one filter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterRules {
    /// Which topics.
    pub filter: TopicFilter,
    /// In order; the first that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// These may: `all`, a group, a localpart, a user identifier or a device's user name.
    Allow(String),
    /// These may not.
    Deny(String),
}

impl TopicPolicy {
    /// Whether there is no rule at all: then waddles decide alone and nothing is open outside.
    pub fn is_empty(&self) -> bool {
        self.access_publish.is_empty() && self.access_subscribe.is_empty()
    }

    fn names(&self, whom: &str, who: &Principal) -> bool {
        let is = |n: &str| n == who.name || n == who.user.as_str();
        whom == "all" || is(whom) || self.groups.get(whom).is_some_and(|g| g.iter().any(|n| is(n)))
    }

    fn of(&self, action: Action) -> &[FilterRules] {
        match action {
            Action::Publish => &self.access_publish,
            Action::Subscribe => &self.access_subscribe,
        }
    }

    fn decide(&self, rules: &[Rule], who: &Principal) -> Option<bool> {
        rules.iter().find_map(|r| match r {
            Rule::Allow(w) => self.names(w, who).then_some(true),
            Rule::Deny(w) => self.names(w, who).then_some(false),
        })
    }

    /// What the rules say about a topic; `None` where no rule does.
    pub fn topic(&self, action: Action, who: &Principal, topic: &str) -> Option<bool> {
        self.of(action)
            .iter()
            .filter(|f| f.filter.matches(topic))
            .find_map(|f| self.decide(&f.rules, who))
    }

    /// Whether somebody may subscribe to a filter: some topic of it may be open to them. Each message is decided
    /// by [`TopicPolicy::topic`] again. `None` where no rule says anything.
    pub fn filter(&self, who: &Principal, filter: &TopicFilter) -> Option<bool> {
        let mut said = None;
        for f in self.of(Action::Subscribe) {
            if !f.filter.overlaps(filter) {
                continue;
            }
            match self.decide(&f.rules, who) {
                Some(true) => return Some(true),
                Some(false) => {
                    said = Some(false);
                    if f.filter.covers(filter) {
                        return said;
                    }
                }
                None => {}
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_core::UserId;

    fn who(name: &str) -> Principal {
        Principal {
            user: UserId::local(name),
            name: name.into(),
            operator: false,
            device: None,
        }
    }

    /// The example of ejabberd's manual: one author, one reader below `test/1/#`, nobody else anything.
    #[test]
    fn one_author_one_reader() {
        let p: TopicPolicy = serde_json::from_value(serde_json::json!({
            "groups": {"authors": ["author"], "readers": ["local:reader"]},
            "access_publish": [
                {"filter": "test/1/#", "rules": [{"allow": "authors"}]},
                {"filter": "#", "rules": [{"deny": "all"}]}],
            "access_subscribe": [
                {"filter": "test/1/#", "rules": [{"allow": "readers"}]},
                {"filter": "#", "rules": [{"deny": "all"}]}],
        }))
        .unwrap();
        let (author, reader, other) = (who("author"), who("reader"), who("other"));
        assert_eq!(p.topic(Action::Publish, &author, "test/1/x"), Some(true));
        assert_eq!(p.topic(Action::Publish, &author, "test/2"), Some(false));
        assert_eq!(p.topic(Action::Subscribe, &author, "test/1/x"), Some(false));
        assert_eq!(p.topic(Action::Subscribe, &reader, "test/1"), Some(true));
        let f = |s: &str| s.parse::<TopicFilter>().unwrap();
        assert_eq!(p.filter(&reader, &f("test/1/+")), Some(true));
        assert_eq!(p.filter(&reader, &f("#")), Some(true), "sees test/1 of it only");
        assert_eq!(p.filter(&reader, &f("test/2/#")), Some(false));
        for w in [&author, &other] {
            assert_eq!(p.filter(w, &f("test/1/x")), Some(false));
        }
        assert_eq!(p.topic(Action::Publish, &other, "a"), Some(false));
        assert_eq!(TopicPolicy::default().topic(Action::Publish, &other, "a"), None);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<TopicPolicy>(r#"{"access_pubish": []}"#).is_err());
        assert!(serde_json::from_str::<FilterRules>(r#"{"filter": "a/#/b", "rules": []}"#).is_err());
    }
}
