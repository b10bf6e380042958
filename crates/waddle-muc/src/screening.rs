//! Word and link rules of the waddle, applied to what is said in its channels (`specs/moderation.md`, "Rules"). Nothing
//! is done where there are none.

use smallvec::SmallVec;
use waddle_community::{
    Finding,
    screen::{Broken, Judgement, Then},
};
use waddle_core::{MessageId, UserId};
use waddle_stanza::{Element, Stanza, XmlWriter, ns};

use crate::{
    api::PostError,
    error::{self, Outcome},
    room::{Kind, Room},
    state::{Effect, Effects},
};

/// XEP-0066: links beside a text.
const OOB: &str = "jabber:x:oob";
/// XEP-0071: formatted text.
const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
/// XEP-0444: reactions.
const REACTIONS: &str = "urn:xmpp:reactions:0";
/// Elements of a message that are looked at.
const PARTS: usize = 64;
/// Depth of formatted text that is looked at.
const DEPTH: usize = 16;

type Texts<'a> = SmallVec<[std::borrow::Cow<'a, str>; 4]>;

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

/// The texts of a message that people read, and addresses that they follow.
fn texts(message: Element<'_>) -> Texts<'_> {
    let mut out = Texts::new();
    for c in message.children().take(PARTS) {
        match (c.name(), c.ns()) {
            ("body" | "subject", ns::CLIENT) => out.push(c.text()),
            ("x", OOB) => {
                for part in c.children().take(PARTS) {
                    out.push(part.text());
                }
            }
            ("html", XHTML_IM) => formatted(c, DEPTH, &mut out),
            ("reactions", REACTIONS) => {
                for part in c.children().take(PARTS) {
                    out.push(part.text());
                }
            }
            ("file-sharing", _) => targets(c, DEPTH, &mut out),
            _ => {}
        }
    }
    out
}

fn formatted<'a>(e: Element<'a>, depth: usize, out: &mut Texts<'a>) {
    if depth == 0 || out.len() >= PARTS {
        return;
    }
    out.push(e.text());
    for name in ["href", "src"] {
        out.extend(e.attr(name));
    }
    for c in e.children() {
        formatted(c, depth - 1, out);
    }
}

fn targets<'a>(e: Element<'a>, depth: usize, out: &mut Texts<'a>) {
    if depth == 0 || out.len() >= PARTS {
        return;
    }
    out.extend(e.attr("target"));
    if matches!(e.name(), "name" | "desc") {
        out.push(e.text());
    }
    for c in e.children() {
        targets(c, depth - 1, out);
    }
}

/// The message with other texts in the place of those that rules cover; formatted text goes.
fn cover(message: &Stanza, covered: &[String]) -> Option<Stanza> {
    let mut w = XmlWriter::new();
    let mut n = 0;
    for c in message.root().children().take(PARTS) {
        if matches!((c.name(), c.ns()), ("body" | "subject", ns::CLIENT)) {
            w.open(c.name());
            if let Some(lang) = c.attr_ns("lang", ns::XML) {
                w.attr("xml:lang", &lang);
            }
            w.text(covered.get(n)?).close();
            n += 1;
        }
    }
    let gone = |c: Element<'_>| {
        matches!((c.name(), c.ns()), ("body" | "subject", ns::CLIENT) | ("html", XHTML_IM) | ("x", OOB))
            || c.is("reactions", REACTIONS)
    };
    let payload = message.rewrite().strip(gone).append(&w.finish()).finish();
    payload.head().build().to_stanza().ok()
}

impl Room {
    /// What the rules say of texts that are written here; nothing, where there are none. `exempt` says whether the writer
    /// has one of the roles that a rule spares.
    fn judged(&self, texts: &[&str], exempt: impl Fn(&[String]) -> bool) -> Option<Judgement> {
        let Kind::Channel(c) = &self.kind else { return None };
        let judgement = c.policy.screen()?.judge(c.id, texts, exempt);
        (!judgement.broken.is_empty()).then_some(judgement)
    }

    fn judged_of(&self, user: &UserId, texts: &[&str]) -> Option<Judgement> {
        self.judged(texts, |roles| self.policy().is_some_and(|p| p.has_one_of(user, roles)))
    }

    /// What follows from broken rules, whatever happens to the text. Says what is to be reported.
    fn follow(&self, user: Option<&UserId>, judgement: &Judgement, whole: &str, fx: &mut Effects) -> Vec<Finding> {
        let Kind::Channel(c) = &self.kind else { return Vec::new() };
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
        judgement.broken.iter().filter(|b| b.report).map(finding).collect()
    }

    /// Asks the rules about a message of `user`. One that is refused is told why.
    pub(crate) fn screen(&self, user: &UserId, message: &Stanza, fx: &mut Effects) -> Outcome<Passed> {
        if self.policy().is_none_or(|p| p.screen().is_none()) {
            return Ok(Passed::default());
        }
        let all = texts(message.root());
        let parts: SmallVec<[&str; 4]> = all.iter().map(AsRef::as_ref).collect();
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
        // Covered are bodies and subjects, in their order; anything else that broke a rule goes.
        let covered = judgement.covered.map(|texts_now| {
            let read = message.root().children().take(PARTS);
            let mut bodies = Vec::new();
            let mut n = 0;
            for c in read {
                let before = n;
                n += count(c);
                if matches!((c.name(), c.ns()), ("body" | "subject", ns::CLIENT)) {
                    bodies.extend(texts_now.get(before).cloned());
                }
            }
            cover(message, &bodies)
        });
        match covered {
            Some(None) => Err(error::against_rules("a rule of this waddle does not let this pass")),
            covered => Ok(Passed {
                covered: covered.flatten(),
                reports,
            }),
        }
    }

    /// Asks the rules about a text that something else than an occupant posts: `author` is `webhook:…` or `bot:…`. What is
    /// covered comes back; an error where it is refused.
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
        let all = texts(message.root());
        let mut parts: SmallVec<[&str; 4]> = all.iter().map(AsRef::as_ref).collect();
        parts.push(nick);
        let kind = author.split(':').next().unwrap_or_default();
        let Some(judgement) = self.judged(&parts, |roles| roles.iter().any(|r| r == kind)) else {
            return Ok(None);
        };
        let user = author.parse::<UserId>().ok();
        let reports = self.follow(user.as_ref(), &judgement, &parts.join("\n"), fx);
        Passed {
            covered: None,
            reports,
        }
        .stored(None, fx);
        match judgement.refused() {
            Some(_) => Err(PostError::Rule),
            None => Ok(judgement.covered.and_then(|t| t.into_iter().next())),
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

/// How many texts of a child are looked at.
fn count(c: Element<'_>) -> usize {
    let mut out = Texts::new();
    match (c.name(), c.ns()) {
        ("body" | "subject", ns::CLIENT) => return 1,
        ("x", OOB) | ("reactions", REACTIONS) => return c.children().take(PARTS).count(),
        ("html", XHTML_IM) => formatted(c, DEPTH, &mut out),
        ("file-sharing", _) => targets(c, DEPTH, &mut out),
        _ => {}
    }
    out.len()
}

fn because(broken: &Broken) -> String {
    match (&broken.message, broken.then) {
        (Some(message), _) => message.clone(),
        (None, Then::Remove) => "a rule of this waddle".to_owned(),
        (None, _) => format!("the rule \u{201c}{}\u{201d}", broken.name),
    }
}

/// A stanza of the server's own making, for tests of what is read in it.
#[cfg(test)]
fn message(xml: &str) -> Stanza {
    let mut w = XmlWriter::message();
    w.attr("type", "groupchat").trusted(xml.as_bytes());
    w.outgoing(waddle_stanza::Class::Message).to_stanza().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_people_read_is_looked_at() {
        let m = message(
            "<body>one</body><body xml:lang='de'>eins</body><x xmlns='jabber:x:oob'><url>https://two</url></x>\
             <html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>three\
             <a href='https://four'>five</a></body></html>\
             <reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>six</reaction></reactions>\
             <thread>no</thread>",
        );
        let all = texts(m.root());
        for want in ["one", "eins", "https://two", "three", "https://four", "five", "six"] {
            assert!(all.iter().any(|t| t == want), "{want}: {all:?}");
        }
        assert!(!all.iter().any(|t| t == "no"));
        assert_eq!(all.len(), m.root().children().map(count).sum::<usize>());
    }

    #[test]
    fn what_is_covered_takes_the_place_of_what_was_said() {
        let m = message("<body xml:lang='en'>darn it</body><thread>t</thread><html xmlns='http://jabber.org/protocol/xhtml-im'/>");
        let covered = cover(&m, &["**** it".to_owned()]).unwrap();
        let root = covered.root();
        let body = root.child("body", ns::CLIENT).unwrap();
        assert_eq!((&*body.text(), body.lang().as_deref()), ("**** it", Some("en")));
        assert!(root.has("thread", ns::CLIENT) && !root.has("html", XHTML_IM));
        assert_eq!(root.children().filter(|c| c.is("body", ns::CLIENT)).count(), 1);
    }
}
