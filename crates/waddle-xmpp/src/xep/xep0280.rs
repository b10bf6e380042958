//! [XEP-0280](https://xmpp.org/extensions/xep-0280.html) Message Carbons: who wants copies, and of what.

use waddle_core::Jid;
use waddle_stanza::{Condition, Element, ns};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, MessageEvent, Phase, Scope, Verdict, Xep};
use crate::{router::message::Type, session::Flag};

/// Copies for the other devices of sender and recipient.
pub struct Carbons;

impl Extension for Carbons {
    fn xep(&self) -> Xep {
        Xep {
            number: 280,
            title: "Message Carbons",
            version: "1.0.1",
            notes: "chat, messages with a body and what belongs to them; `private` and `no-copy` are heeded",
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
        let root = event.stanza.root();
        let private = root.has("private", ns::CARBONS);
        if phase == Phase::Rewrite {
            event.strip |= private || root.children().any(forged);
            return Verdict::Continue;
        }
        // §6.1: what is eligible; chat states, markers and receipts of a chat are of type chat.
        let kind = Type::of(event.stanza);
        let muc_private = root.has("x", ns::MUC_USER);
        let worth = match kind {
            Type::Chat => true,
            Type::Normal => {
                root.has("body", ns::CLIENT)
                    || root
                        .children()
                        .any(|c| c.in_ns(ns::RECEIPTS) || c.in_ns(ns::MARKERS) || c.in_ns(ns::CHAT_STATES))
            }
            Type::Error | Type::Groupchat | Type::Headline => false,
        };
        event.copy = worth && !private && !muc_private && !root.has("no-copy", ns::HINTS);
        Verdict::Continue
    }

    fn strips(&self, child: Element<'_>, _: &Jid) -> bool {
        forged(child) || child.is("private", ns::CARBONS)
    }
}

/// Only the own server makes carbons: a client's are removed, so that nobody is taken in.
fn forged(child: Element<'_>) -> bool {
    child.in_ns(ns::CARBONS) && matches!(child.name(), "sent" | "received")
}
