//! Word and link rules of the waddle, applied to what is said in its channels (`specs/moderation.md`, "Rules"). Nothing
//! is done where there are none.

use std::borrow::Cow;

use smallvec::SmallVec;
use waddle_community::{
    Finding,
    screen::{Broken, Judgement, Then},
};
use waddle_core::{MessageId, UserId};
use waddle_stanza::{Element, Stanza, ns};

use crate::{
    api::{Arrived, PostError},
    error::{self, Outcome},
    legible::Legible,
    room::{Kind, Room},
    state::{Effect, Effects},
};

/// What they are told whose message has more to read than is looked at.
const TOO_MUCH: &str = "this message has too many parts, or too much text, to be held against the rules of this waddle; \
    send less at once";

/// What passed, and what is to be done once it has its identifier.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// The message with what was found covered.
    pub covered: Option<Stanza>,
    /// What goes to the queue of reports.
    reports: Vec<Finding>,
}

impl Passed {
    /// Files what is to be reported, now that the message has its identifier.
    pub fn stored(self, id: Option<MessageId>, fx: &mut Effects) {
        for mut finding in self.reports {
            finding.message = id;
            fx.rest.push(Effect::Found(Box::new(finding)));
        }
    }
}

impl Room {
    /// Whether what is said in a channel is as short as it must be.
    pub(crate) fn is_short(&self, message: &Stanza) -> Outcome {
        let most = self.limits.message_bytes;
        if message.bytes().len() <= most || !matches!(self.kind, Kind::Channel(_)) {
            return Ok(());
        }
        let bodies = |c: &Element<'_>| c.is("body", ns::CLIENT);
        let size: usize = message
            .root()
            .children()
            .filter(bodies)
            .map(|c| c.text().len())
            .sum();
        if size > most {
            let why = format!("this text is too long; say at most {most} bytes at once");
            return Err(error::against_rules(why));
        }
        Ok(())
    }

    /// What people read of a message; nothing, where it is more than is looked at.
    fn legible<'a>(&self, message: &'a Stanza) -> Option<Legible<'a>> {
        // The text once more with its formatting, in another language, and what is beside it.
        let read = Legible::of(message.root(), self.limits.message_bytes.saturating_mul(4));
        (!read.too_much).then_some(read)
    }

    /// What the rules say of texts that are written here; nothing, where there are none. `exempt` says whether the writer
    /// has one of the roles that a rule spares.
    fn judged(&self, texts: &[&str], exempt: impl Fn(&[String]) -> bool) -> Option<Judgement> {
        let Kind::Channel(c) = &self.kind else { return None };
        let judgement = c.policy.screen()?.judge(c.id, texts, exempt);
        (!judgement.broken.is_empty()).then_some(judgement)
    }

    fn judged_of(&self, user: &UserId, texts: &[&str]) -> Option<Judgement> {
        self.judged(texts, |roles| {
            self.policy().is_some_and(|p| p.has_one_of(user, roles))
        })
    }

    /// What follows from broken rules, whatever happens to the text. Says what is to be reported.
    fn follow(
        &self,
        user: Option<&UserId>,
        judgement: &Judgement,
        whole: &str,
        fx: &mut Effects,
    ) -> Vec<Finding> {
        let Kind::Channel(c) = &self.kind else {
            return Vec::new();
        };
        if let (Some(broken), Some(user)) = (judgement.timeout(), user) {
            fx.rest.push(Effect::Silence {
                user: user.clone(),
                seconds: broken.timeout_seconds,
                reason: because(broken),
            });
        }
        let finding = |b: &Broken| Finding {
            rule: b.id,
            name: b.name.clone(),
            channel: c.id,
            author: user.cloned(),
            message: None,
            excerpt: whole.to_owned(),
        };
        judgement
            .broken
            .iter()
            .filter(|b| b.report)
            .map(finding)
            .collect()
    }

    /// Asks the rules about a message of `user`. One that is refused is told why.
    pub(crate) fn screen(&self, user: &UserId, message: &Stanza, fx: &mut Effects) -> Outcome<Passed> {
        if self.policy().is_none_or(|p| p.screen().is_none()) {
            return Ok(Passed::default());
        }
        let read = self
            .legible(message)
            .ok_or_else(|| error::against_rules(TOO_MUCH))?;
        let parts: SmallVec<[&str; 4]> = read.texts.iter().map(AsRef::as_ref).collect();
        let Some(judgement) = self.judged_of(user, &parts) else {
            return Ok(Passed::default());
        };
        let reports = self.follow(Some(user), &judgement, &parts.join("\n"), fx);
        if let Some(why) = judgement.explanation() {
            Passed {
                covered: None,
                reports,
            }
            .stored(None, fx);
            return Err(error::against_rules(why));
        }
        let Some(texts) = judgement.covered else {
            return Ok(Passed {
                covered: None,
                reports,
            });
        };
        match read.covered(message, &texts) {
            None => Err(error::against_rules(
                "a rule of this waddle does not let this pass",
            )),
            covered => Ok(Passed { covered, reports }),
        }
    }

    /// Asks the rules about a text that something else than an occupant posts: `author` is `webhook:…`, `bot:…` or `feed:…`.
    /// What is covered comes back; an error where it is refused.
    pub(crate) fn screen_post(
        &self,
        author: &str,
        nick: &str,
        message: &Stanza,
        fx: &mut Effects,
    ) -> Result<Option<String>, PostError> {
        if self.policy().is_none_or(|p| p.screen().is_none()) {
            return Ok(None);
        }
        let read = self.legible(message).ok_or(PostError::Rule)?;
        let mut parts: SmallVec<[&str; 4]> = read.texts.iter().map(AsRef::as_ref).collect();
        parts.push(nick);
        let kind = author.split(':').next().unwrap_or_default();
        let user = author.parse::<UserId>().ok();
        let spared = |roles: &[String]| {
            let has = |u: &UserId| self.policy().is_some_and(|p| p.has_one_of(u, roles));
            roles.iter().any(|r| r == kind) || user.as_ref().is_some_and(has)
        };
        let Some(judgement) = self.judged(&parts, spared) else {
            return Ok(None);
        };
        let reports = self.follow(user.as_ref(), &judgement, &parts.join("\n"), fx);
        Passed {
            covered: None,
            reports,
        }
        .stored(None, fx);
        if judgement.refused().is_some() {
            return Err(PostError::Rule);
        }
        let Some(mut covered) = judgement.covered else {
            return Ok(None);
        };
        // The text comes first and can be covered; a name, a link or a picture cannot.
        if covered.iter().zip(&parts).skip(1).any(|(is, was)| is != was) {
            return Err(PostError::Rule);
        }
        Ok((!covered.is_empty()).then(|| covered.swap_remove(0)))
    }

    /// Whether a rule is against texts that nobody said here: no role spares them.
    pub(crate) fn forbids(&self, texts: &[&str]) -> bool {
        let judgement = self.judged(texts, |_| false);
        judgement.is_some_and(|j| j.broken.iter().any(|b| b.then != Then::Pass))
    }

    /// A presence as others may get it: without its status, where that is longer than a message, breaks a rule, or is of
    /// somebody who may not write here, or not be here any more.
    pub(crate) fn decent<'a>(&self, inbound: &'a Arrived) -> Cow<'a, Arrived> {
        let is_status = |c: &Element<'_>| c.is("status", ns::CLIENT);
        let root = inbound.stanza.root();
        let (Kind::Channel(c), true) = (&self.kind, root.children().any(|c| is_status(&c))) else {
            return Cow::Borrowed(inbound);
        };
        let texts: SmallVec<[_; 2]> = root.children().filter(is_status).map(|c| c.text()).collect();
        let texts: SmallVec<[&str; 2]> = texts.iter().map(AsRef::as_ref).collect();
        let user = &inbound.sender.user;
        let long = texts.iter().map(|t| t.len()).sum::<usize>() > self.limits.message_bytes;
        let breaks = || {
            let judgement = self.judged_of(user, &texts);
            judgement.is_some_and(|j| j.broken.iter().any(|b| b.then != Then::Pass))
        };
        if !long && c.policy.timeout(user).is_none() && c.policy.may_join(user) && !breaks() {
            return Cow::Borrowed(inbound);
        }
        let payload = inbound.stanza.rewrite().strip(|c| is_status(&c)).finish();
        match payload.head().build().to_stanza() {
            Ok(stanza) => {
                let mut decent = inbound.clone();
                decent.stanza = stanza;
                Cow::Owned(decent)
            }
            Err(_) => Cow::Borrowed(inbound),
        }
    }

    /// Whether a nickname may be shown here.
    pub(crate) fn screen_nick(&self, user: &UserId, nick: &str) -> Outcome {
        match self.judged_of(user, &[nick]) {
            Some(j) if j.broken.iter().any(|b| b.then != Then::Pass) => Err(error::not_acceptable(
                "a rule of this waddle does not let this nickname pass; choose another",
            )),
            _ => Ok(()),
        }
    }
}

fn because(broken: &Broken) -> String {
    match (&broken.message, broken.then) {
        (Some(message), _) => message.clone(),
        (None, Then::Remove) => "a rule of this waddle".to_owned(),
        (None, _) => format!("the rule \u{201c}{}\u{201d}", broken.name),
    }
}
