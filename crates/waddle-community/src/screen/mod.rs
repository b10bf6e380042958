//! Word and link rules of a waddle, compiled (`specs/moderation.md`, "Rules"). Pure: it decides, others act.
//!
//! A waddle without rules has no [`Screen`], so nothing is done for its messages. One with rules folds each text once
//! and searches it once per rule; all searches are linear in the text.

mod fold;
mod links;
mod words;

use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Serialize};
use waddle_core::ChannelId;

use self::{
    fold::{Folded, fold},
    links::{Invitation, Link},
    words::Words,
};

/// Why a rule cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub &'static str);

/// What happens to a text that breaks a rule.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It passes; only what else the rule says follows.
    Pass,
    /// What was found is covered with stars.
    Replace,
    /// It is refused; whoever wrote it is told by which rule.
    #[default]
    Block,
    /// It is refused, and the rule is not named: for those who would write around it.
    Remove,
}

/// Which invitations a rule on links stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Invitations {
    /// None.
    #[default]
    Any,
    /// Those into other communities.
    Own,
    /// All.
    None,
}

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Trigger {
    /// Words, whatever they are written with; `*` stands for any letters, `?` for one.
    Words {
        /// The words.
        words: Vec<String>,
    },
    /// Regular expressions of the syntax of the `regex` crate: without look-around and back references. They are
    /// compared with what was written as it was written, blind to case.
    Patterns {
        /// The expressions.
        patterns: Vec<String>,
    },
    /// Links.
    Links {
        /// Domains that are no good, with all below them.
        #[serde(default)]
        deny: Vec<String>,
        /// Domains that are, even below a denied one.
        #[serde(default)]
        allow: Vec<String>,
        /// Whether only links to `allow` (and to this server) are good.
        #[serde(default)]
        only_allowed: bool,
        /// Which links that invite are.
        #[serde(default)]
        invitations: Invitations,
    },
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rule {
    /// What people call it, up to 100 characters.
    pub name: String,
    /// Whether it counts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What breaks it.
    #[serde(flatten)]
    pub trigger: Trigger,
    /// What happens to the text.
    #[serde(default)]
    pub then: Then,
    /// For how many seconds whoever wrote it is silenced; 0: not at all.
    #[serde(default)]
    pub timeout_seconds: u32,
    /// Whether it goes to the queue of reports.
    #[serde(default)]
    pub report: bool,
    /// What whoever wrote it is told, up to 500 characters; a text of the server's where it is left out.
    #[serde(default)]
    pub message: Option<String>,
    /// For whom it does not count: `moderator` (and above), `admin`, `owner`, `member`, `bot`, `webhook`, or the
    /// identifier of a role of the waddle's own. Moderators where it is left out.
    #[serde(default = "moderators")]
    pub exempt_roles: Vec<String>,
    /// Where it does not count.
    #[serde(default)]
    pub exempt_channels: Vec<ChannelId>,
    /// Where alone it counts; everywhere where it is empty.
    #[serde(default)]
    pub channels: Vec<ChannelId>,
}

fn yes() -> bool {
    true
}

fn moderators() -> Vec<String> {
    vec!["moderator".to_owned()]
}

/// Bounds of one rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Words, expressions or domains.
    pub entries: usize,
}

const ENTRY_BYTES: usize = 200;
/// Places of one text that a rule covers; a text with more is refused.
const PLACES: usize = 1_000;
const EXEMPTIONS: usize = 100;
/// The longest timeout that a rule gives: four weeks.
const TIMEOUT: u32 = 28 * 86_400;

impl Rule {
    /// Whether it can be a rule.
    pub(crate) fn check(&self, bounds: Bounds) -> Result<(), RuleError> {
        let chars = |s: &str, max: usize| s.chars().count() <= max && !s.chars().any(char::is_control);
        if self.name.trim().is_empty() || !chars(&self.name, 100) {
            return Err(RuleError("the name has 1 to 100 characters"));
        }
        if !self.message.as_deref().is_none_or(|m| chars(m, 500)) {
            return Err(RuleError("the message has up to 500 characters"));
        }
        if self.timeout_seconds > TIMEOUT {
            return Err(RuleError("a timeout is at most four weeks"));
        }
        if self.exempt_roles.len() + self.exempt_channels.len() + self.channels.len() > EXEMPTIONS {
            return Err(RuleError("at most 100 roles and channels"));
        }
        let entries: Vec<&String> = match &self.trigger {
            Trigger::Words { words } => words.iter().collect(),
            Trigger::Patterns { patterns } => patterns.iter().collect(),
            Trigger::Links { deny, allow, .. } => deny.iter().chain(allow).collect(),
        };
        if entries.len() > bounds.entries {
            return Err(RuleError("these are too many entries for one rule"));
        }
        if entries.iter().any(|e| e.len() > ENTRY_BYTES) {
            return Err(RuleError("each entry has at most 200 bytes"));
        }
        Compiled::new(0, self.clone()).map(drop)
    }
}

#[derive(Debug)]
enum Matcher {
    Words(Words),
    Patterns(Vec<Regex>),
    Links {
        deny: Vec<String>,
        allow: Vec<String>,
        only_allowed: bool,
        invitations: Invitations,
    },
}

#[derive(Debug)]
struct Compiled {
    id: i64,
    rule: Rule,
    matcher: Matcher,
}

impl Compiled {
    fn new(id: i64, rule: Rule) -> Result<Self, RuleError> {
        let domains = |list: &[String]| {
            list.iter()
                .map(|d| links::domain(d))
                .collect::<Result<Vec<_>, _>>()
        };
        let matcher = match &rule.trigger {
            Trigger::Words { words } if words.is_empty() => return Err(RuleError("name at least one word")),
            Trigger::Words { words } => Matcher::Words(Words::new(words)?),
            Trigger::Patterns { patterns } if patterns.is_empty() => {
                return Err(RuleError("name at least one expression"));
            }
            Trigger::Patterns { patterns } => Matcher::Patterns(
                patterns
                    .iter()
                    .map(|p| words::compile(p))
                    .collect::<Result<_, _>>()?,
            ),
            Trigger::Links {
                deny,
                allow,
                only_allowed,
                invitations,
            } => {
                if deny.is_empty() && !only_allowed && *invitations == Invitations::Any {
                    return Err(RuleError(
                        "a rule on links denies domains or invitations, or says only_allowed",
                    ));
                }
                Matcher::Links {
                    deny: domains(deny)?,
                    allow: domains(allow)?,
                    only_allowed: *only_allowed,
                    invitations: *invitations,
                }
            }
        };
        Ok(Self { id, rule, matcher })
    }

    fn counts_in(&self, channel: ChannelId) -> bool {
        !self.rule.exempt_channels.contains(&channel)
            && (self.rule.channels.is_empty() || self.rule.channels.contains(&channel))
    }
}

/// The rules of a waddle that count, ready to be asked.
#[derive(Debug)]
pub struct Screen {
    rules: Vec<Compiled>,
    /// Some rule is about words.
    folds: bool,
    /// Some rule is about links.
    links: bool,
    slug: Box<str>,
    home: Box<str>,
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// What happens to the text.
    pub then: Then,
    /// For how long whoever wrote it is silenced.
    pub timeout_seconds: u32,
    /// Whether it is reported.
    pub report: bool,
    /// What was found, the first time.
    pub found: String,
    /// What whoever wrote it is told.
    pub message: Option<String>,
}

/// What the rules say of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The rules that were broken.
    pub broken: Vec<Broken>,
    /// The texts with what was found covered, where a rule wants that and none refuses.
    pub covered: Option<Vec<String>>,
}

impl Judgement {
    /// Whether it is refused, and by which rule.
    pub fn refused(&self) -> Option<&Broken> {
        self.broken
            .iter()
            .filter(|b| b.then >= Then::Block)
            .max_by_key(|b| b.then)
    }

    /// The longest silence that a broken rule wants, with the rule.
    pub fn timeout(&self) -> Option<&Broken> {
        self.broken
            .iter()
            .filter(|b| b.timeout_seconds > 0)
            .max_by_key(|b| b.timeout_seconds)
    }

    /// What whoever wrote it is told.
    pub fn explanation(&self) -> Option<String> {
        let broken = self.refused()?;
        Some(match (&broken.message, broken.then) {
            (Some(message), _) => message.clone(),
            (None, Then::Remove) => "a rule of this waddle does not let this pass".to_owned(),
            (None, _) => {
                let name = &broken.name;
                format!(
                    "the rule \u{201c}{name}\u{201d} of this waddle does not let this pass; write it another way"
                )
            }
        })
    }
}

impl Screen {
    /// Compiles the rules that count; nothing, where none does. One that cannot be compiled is left out: it was
    /// checked when it was made.
    pub(crate) fn new(
        rules: impl IntoIterator<Item = (i64, Rule)>,
        slug: &str,
        home: &str,
    ) -> Option<Arc<Self>> {
        let rules: Vec<Compiled> = rules
            .into_iter()
            .filter(|(_, rule)| rule.enabled)
            .filter_map(|(id, rule)| {
                Compiled::new(id, rule)
                    .map_err(|error| tracing::warn!(rule = id, %error, "a rule is left out"))
                    .ok()
            })
            .collect();
        if rules.is_empty() {
            return None;
        }
        let any = |wanted: fn(&Matcher) -> bool| rules.iter().any(|r| wanted(&r.matcher));
        Some(Arc::new(Self {
            folds: any(|m| matches!(m, Matcher::Words(_))),
            links: any(|m| matches!(m, Matcher::Links { .. })),
            rules,
            slug: slug.into(),
            home: home.into(),
        }))
    }

    /// What the rules say of the texts of one message. `exempt` is asked only about rules that were broken, with the
    /// roles that they spare.
    pub fn judge(
        &self,
        channel: ChannelId,
        texts: &[&str],
        mut exempt: impl FnMut(&[String]) -> bool,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        let mut stars: Vec<(usize, usize, usize)> = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let folded = if self.folds { fold(text) } else { Folded::default() };
            let links = if self.links {
                links::links(text)
            } else {
                Vec::new()
            };
            for rule in self.rules.iter().filter(|r| r.counts_in(channel)) {
                let all = rule.rule.then == Then::Replace;
                let found = self.search(rule, text, &folded, &links, if all { PLACES + 1 } else { 1 });
                let Some((start, end)) = found.first() else {
                    continue;
                };
                if exempt(&rule.rule.exempt_roles) {
                    continue;
                }
                let then = if found.len() > PLACES {
                    Then::Block
                } else {
                    rule.rule.then
                };
                if let Some(known) = judgement.broken.iter_mut().find(|b| b.id == rule.id) {
                    known.then = known.then.max(then);
                } else {
                    judgement.broken.push(Broken {
                        id: rule.id,
                        name: rule.rule.name.as_str().into(),
                        then,
                        timeout_seconds: rule.rule.timeout_seconds,
                        report: rule.rule.report,
                        found: text
                            .get(*start..*end)
                            .unwrap_or_default()
                            .chars()
                            .take(200)
                            .collect(),
                        message: rule.rule.message.clone(),
                    });
                }
                if all {
                    stars.extend(found.iter().map(|(s, e)| (n, *s, *e)));
                }
            }
        }
        if !stars.is_empty() && judgement.refused().is_none() {
            stars.sort_unstable();
            let mut rest = stars.as_slice();
            let covered = texts.iter().enumerate().map(|(n, text)| {
                let (mine, later) = rest.split_at(rest.partition_point(|(of, ..)| *of == n));
                rest = later;
                cover(text, mine)
            });
            judgement.covered = Some(covered.collect());
        }
        judgement
    }

    /// The stretches of a text that break a rule, up to so many.
    fn search(
        &self,
        rule: &Compiled,
        text: &str,
        folded: &Folded,
        links: &[Link],
        most: usize,
    ) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        match &rule.matcher {
            Matcher::Words(words) => words.each(folded, |start, end| {
                found.push(folded.origin(text, start, end));
                found.len() < most
            }),
            Matcher::Patterns(patterns) => {
                for p in patterns {
                    let left = most - found.len();
                    found.extend(p.find_iter(text).take(left).map(|m| (m.start(), m.end())));
                    if found.len() == most {
                        break;
                    }
                }
            }
            Matcher::Links { .. } => {
                let bad = links.iter().filter(|l| self.is_bad(&rule.matcher, l));
                found.extend(bad.take(most).map(|l| l.at));
            }
        }
        found
    }

    fn is_bad(&self, matcher: &Matcher, link: &Link) -> bool {
        let Matcher::Links {
            deny,
            allow,
            only_allowed,
            invitations,
        } = matcher
        else {
            return false;
        };
        let within = |list: &[String]| list.iter().any(|d| links::is_within(&link.host, d));
        let invites = || links::invitation(link, &self.slug);
        match invitations {
            Invitations::Any => {}
            Invitations::Own if invites() != Invitation::Other => {}
            Invitations::None if invites() == Invitation::None => {}
            _ if within(allow) => {}
            _ => return true,
        }
        if within(allow) {
            return false;
        }
        within(deny) || *only_allowed && link.explicit && !links::is_within(&link.host, &self.home)
    }
}

/// The text with a star for each letter of these stretches, which are in their order.
fn cover(text: &str, stars: &[(usize, usize, usize)]) -> String {
    let (mut stars, mut until) = (stars.iter().peekable(), 0);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        while let Some((_, _, end)) = stars.next_if(|(_, start, _)| *start <= at) {
            until = until.max(*end);
        }
        out.push(if at < until && !c.is_whitespace() { '*' } else { c });
    }
    out
}

#[cfg(test)]
mod tests;
