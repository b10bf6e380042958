//! Waking devices that are away ([XEP-0357](https://xmpp.org/extensions/xep-0357.html)): who is woken, by what, how
//! often.
//!
//! A device is woken when a message that hurries waits for it: its session is lost and waits to be resumed, or it
//! has none. An account is woken by one publication at a time; what comes meanwhile is one more after it.

use std::{sync::Arc, time::Duration};

use ahash::AHashSet;
use bytes::Bytes;
use dashmap::{DashMap, DashSet, Entry};
use waddle_outbox::{Urgency, Weight as _};
use waddle_stanza::{
    Class, Outgoing, Stanza, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};
use waddle_storage::repo::push::{self, PushService};

use crate::{
    router::{ask::ask, deliver::Post, message::Type},
    server::Server,
    session::Session,
};

/// `urn:xmpp:push:0`
pub const PUSH: &str = "urn:xmpp:push:0";
const SUMMARY: &str = "urn:xmpp:push:summary";
/// How long a push service may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a push service is told besides that there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Details {
    /// How many messages wait.
    #[default]
    Count,
    /// The last one's sender too.
    Sender,
    /// And its text.
    Body,
}

/// Who is to be woken, and why.
#[derive(Debug, Clone)]
struct Call {
    /// Messages that came for devices without a session.
    new: u32,
    /// Messages that wait for a lost session, at the last look.
    held: u32,
    last: Outgoing,
    /// The devices that have no session at all.
    absent: bool,
    /// The devices whose lost sessions wait.
    waiting: AHashSet<Box<str>>,
}

impl Call {
    fn merge(&mut self, later: Self) {
        self.new = self.new.saturating_add(later.new);
        self.held = self.held.max(later.held);
        self.last = later.last;
        self.absent |= later.absent;
        self.waiting.extend(later.waiting);
    }
}

/// The accounts that want to be woken, and those that are being woken.
#[derive(Debug, Default)]
pub struct Push {
    owners: DashSet<Box<str>, ahash::RandomState>,
    under_way: DashMap<Box<str>, Option<Call>, ahash::RandomState>,
}

impl Push {
    /// Reads who wants to be woken.
    pub(crate) async fn load(&self, db: &waddle_storage::Db) -> waddle_storage::Result<()> {
        for owner in db.read(push::owners).await? {
            self.owners.insert(owner.into());
        }
        Ok(())
    }

    /// An account enabled a service, or disabled its last one.
    pub(crate) fn note(&self, owner: &str, any: bool) {
        if any {
            self.owners.insert(owner.into());
        } else {
            self.owners.remove(owner);
        }
    }
}

/// A message was delivered to an account, or put where it waits: its devices without a session are woken.
pub(crate) fn delivered(server: &Arc<Server>, post: &Post) {
    let owner = post.to.local().unwrap_or_default();
    if !matches!(post.kind, Type::Chat | Type::Normal)
        || post.from.account_name() == Some(owner)
        || !server.push.owners.contains(owner)
        || post.stanza.urgency() != Urgency::Now
    {
        return;
    }
    let call = Call {
        new: 1,
        held: 0,
        last: post.stanza.clone(),
        absent: true,
        waiting: AHashSet::new(),
    };
    wake(server, owner, call);
}

/// A lost session has got something that hurries, the last of which is `last`: its device is woken.
pub(crate) fn waiting(server: &Arc<Server>, session: &Session, count: u32, last: &Outgoing) {
    let Some(resource) = session.jid.resource() else {
        return;
    };
    if last.class != Class::Message || !server.push.owners.contains(session.localpart()) {
        return;
    }
    let call = Call {
        new: 0,
        held: count,
        last: last.clone(),
        absent: false,
        waiting: std::iter::once(resource.into()).collect(),
    };
    wake(server, session.localpart(), call);
}

fn wake(server: &Arc<Server>, owner: &str, call: Call) {
    match server.push.under_way.entry(owner.into()) {
        Entry::Occupied(mut busy) => match busy.get_mut() {
            Some(next) => next.merge(call),
            empty => *empty = Some(call),
        },
        Entry::Vacant(free) => {
            free.insert(None);
            let (server, owner) = (server.clone(), Box::from(owner));
            server
                .runtime
                .clone()
                .spawn(async move { run(&server, owner, call).await });
        }
    }
}

/// Wakes the devices of an account until nothing more has come meanwhile.
async fn run(server: &Arc<Server>, owner: Box<str>, first: Call) {
    let mut call = first;
    loop {
        publish(server, &owner, &call).await;
        let Entry::Occupied(mut busy) = server.push.under_way.entry(owner.clone()) else {
            return;
        };
        match busy.get_mut().take() {
            Some(next) => call = next,
            None => {
                busy.remove();
                return;
            }
        }
    }
}

async fn publish(server: &Arc<Server>, owner: &str, call: &Call) {
    let of = owner.to_owned();
    let services = match server.db.read(move |c| push::of(c, &of)).await {
        Ok(services) => services,
        Err(e) => {
            tracing::error!(error = %e, "push services could not be read");
            return;
        }
    };
    let sessions = server.sessions.of(owner);
    let wanted = |s: &PushService| {
        let has_session = sessions.iter().any(|x| x.jid.resource() == Some(&*s.resource));
        call.waiting.contains(&*s.resource) || call.absent && !has_session
    };
    let notes = services
        .iter()
        .filter(|s| wanted(s))
        .map(|s| notify(server, owner, s, call));
    futures::future::join_all(notes).await;
}

/// One publication (§6), and what follows from its answer (§6.1).
async fn notify(server: &Arc<Server>, owner: &str, service: &PushService, call: &Call) {
    let payload = payload(service, call, server.config.push_details);
    let answer = ask(server, &server.domain, &service.service, true, &payload, PATIENCE).await;
    let refused = |s: &Stanza| {
        s.is_type("error")
            && s.root()
                .child("error", ns::CLIENT)
                .is_none_or(|e| e.attr("type").as_deref() != Some("wait"))
    };
    let reached = answer.as_ref().is_some_and(|s| s.is_type("result"));
    // A service that says no is asked no more; one that does not answer has some more chances.
    let max = match &answer {
        Some(s) if refused(s) => 1,
        _ => server.limits.xmpp_push_failures,
    };
    let (of, s) = (owner.to_owned(), service.clone());
    let noted = server.db.write(move |tx| {
        if reached {
            push::reached(tx, &of, &s).map(|()| true)
        } else {
            push::failed(tx, &of, &s, max)
        }
    });
    match noted.await {
        Ok(any) => server.push.note(owner, any),
        Err(e) => tracing::error!(error = %e, "the outcome of a push could not be noted"),
    }
}

fn payload(service: &PushService, call: &Call, details: Details) -> Bytes {
    let field = |var: &str, value: String| Field::new(var, FieldKind::TextSingle).value(value);
    let count = if call.waiting.contains(&*service.resource) {
        call.held
    } else {
        call.new
    };
    let mut summary =
        Form::of_type(FormKind::Submit, SUMMARY).field(field("message-count", count.to_string()));
    if let Some(last) = (details != Details::Count)
        .then(|| call.last.to_stanza().ok())
        .flatten()
    {
        if let Some(from) = last.root().attr("from") {
            summary = summary.field(field("last-message-sender", from.into_owned()));
        }
        if let Some(body) = last
            .root()
            .child_text("body", ns::CLIENT)
            .filter(|_| details == Details::Body)
        {
            summary = summary.field(field("last-message-body", body.into_owned()));
        }
    }
    let mut w = XmlWriter::with_capacity(512);
    w.open_ns("pubsub", "http://jabber.org/protocol/pubsub");
    w.open("publish")
        .attr_opt("node", Some(&*service.node).filter(|n| !n.is_empty()));
    w.open("item").open_ns("notification", PUSH);
    summary.write(&mut w);
    w.close().close().close();
    if !service.options.is_empty() {
        w.open("publish-options").trusted(&service.options);
        w.close();
    }
    w.close();
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: &str, count: u32) -> Call {
        let mut w = XmlWriter::message();
        w.attr("from", "a@b/c").leaf("body", body);
        Call {
            new: count,
            held: 0,
            last: w.outgoing(Class::Message),
            absent: false,
            waiting: AHashSet::new(),
        }
    }

    #[test]
    fn only_what_may_be_told_is_told() {
        let service = PushService {
            service: "push.example".parse().unwrap(),
            node: "n".into(),
            resource: "phone".into(),
            options: Bytes::from_static(b"<x xmlns=\"jabber:x:data\" type=\"submit\"/>"),
        };
        let text = |d| String::from_utf8(payload(&service, &call("secret", 3), d).to_vec()).unwrap();
        let count = text(Details::Count);
        assert!(
            count.contains("<publish node=\"n\">") && count.contains("<value>3</value>"),
            "{count}"
        );
        assert!(!count.contains("a@b") && !count.contains("secret"));
        assert!(count.ends_with("</publish><publish-options><x xmlns=\"jabber:x:data\" type=\"submit\"/></publish-options></pubsub>"), "{count}");
        let sender = text(Details::Sender);
        assert!(sender.contains("a@b/c") && !sender.contains("secret"));
        assert!(text(Details::Body).contains("secret"));
    }

    #[test]
    fn calls_add_up() {
        let mut a = call("one", 1);
        a.absent = true;
        let mut b = call("two", 2);
        b.waiting.insert("phone".into());
        a.merge(b.clone());
        assert!(a.absent && a.waiting.contains("phone"));
        assert_eq!((a.new, a.held), (3, 0));
        b.held = 4;
        b.new = 0;
        a.merge(b);
        assert_eq!((a.new, a.held), (3, 4));
        assert!(
            a.last
                .to_stanza()
                .unwrap()
                .root()
                .child_text("body", ns::CLIENT)
                .is_some_and(|b| b == "two")
        );
    }
}
