//! [XEP-0280](https://xmpp.org/extensions/xep-0280.html) Message Carbons: who wants copies, and of what.

use waddle_core::Jid;
use waddle_stanza::{Condition, Element, Stanza, ns};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, MessageEvent, Phase, Scope, Verdict, Xep};
use crate::{
    router::message::{Type, fingerprint},
    session::Flag,
};

/// Copies for the other devices of sender and recipient.
pub struct Carbons;

impl Extension for Carbons {
    fn xep(&self) -> Xep {
        Xep {
            number: 280,
            title: "Message Carbons",
            version: "1.0.1",
            notes: "all rules of §6: chat, what belongs to it, invitations, private messages in rooms, errors",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::CARBONS, "urn:xmpp:carbons:rules:0"]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("enable", ns::CARBONS), ("disable", ns::CARBONS)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        let answer = if !r.set {
            Err(Condition::BadRequest.into())
        } else if r.own() {
            r.session.set(Flag::Carbons, r.payload.name() == "enable");
            Ok(Answer::Empty)
        } else {
            Err(Condition::NotAllowed.into())
        };
        Box::pin(async { answer })
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite, Phase::Copy]
    }

    fn on_message(&self, phase: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        if phase == Phase::Rewrite {
            event.strip |= event.stanza.root().children().any(forged);
            return Verdict::Continue;
        }
        event.copy = match Type::of(event.stanza) {
            // What answers a message of this session that was copied.
            Type::Error => event.stanza.id().is_some_and(|id| {
                let to = event.server.sessions.get(event.to);
                to.is_some_and(|s| s.was_copied(fingerprint(&id)))
            }),
            _ => Self::is_eligible(event.stanza),
        };
        Verdict::Continue
    }

    fn strips(&self, child: Element<'_>, _: &Jid) -> bool {
        forged(child)
    }
}

impl Carbons {
    /// §6.1: whether a message that is no error is copied.
    pub(crate) fn is_eligible(stanza: &Stanza) -> bool {
        let root = stanza.root();
        let worth = match Type::of(stanza) {
            Type::Chat => true,
            Type::Normal | Type::Headline => root.children().any(|c| {
                c.is("body", ns::CLIENT) && Type::of(stanza) == Type::Normal
                    || c.in_ns(ns::RECEIPTS)
                    || c.in_ns(ns::MARKERS)
                    || c.in_ns(ns::CHAT_STATES)
                    || c.in_ns(ns::CONFERENCE)
                    || c.is("x", ns::MUC_USER) && c.has("invite", ns::MUC_USER)
            }),
            Type::Error | Type::Groupchat => false,
        };
        worth && !root.has("private", ns::CARBONS) && !root.has("no-copy", ns::HINTS)
    }
}

/// Only the own server makes carbons: a client's are removed, so that nobody is taken in.
fn forged(child: Element<'_>) -> bool {
    child.in_ns(ns::CARBONS) && matches!(child.name(), "sent" | "received")
}
