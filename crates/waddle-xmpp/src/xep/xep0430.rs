//! [XEP-0430](https://xmpp.org/extensions/xep-0430.html) Inbox: one's channels, groups and conversations with their last message and
//! how many are unread, the latest first (`specs/messages.md`, "Read markers and the inbox").

use waddle_community::{Channel, Waddle};
use waddle_core::MessageId;
use waddle_messages::inbox::{self, Bounds, Conversation, Head, HeadOf, With};
use waddle_stanza::{
    Class, Condition, Delay, Outgoing, StanzaError, XmlWriter, forward, ns,
    rsm::{PageRequest, PageResult},
};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Xep};

/// The namespace.
const INBOX: &str = "urn:xmpp:inbox:1";

/// Inbox.
pub struct Inbox;

impl Extension for Inbox {
    fn xep(&self) -> Xep {
        Xep {
            number: 430,
            title: "Inbox",
            version: "0.2.0",
            notes: "channels and conversations, unread and mentioned; markers of all devices count (0333, 0490, HTTP); paged by address",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account { &[INBOX] } else { &[] }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("inbox", INBOX)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if !r.own() {
                return Err(Condition::Forbidden.into());
            }
            if r.set {
                return Err(
                    StanzaError::new(Condition::BadRequest).text("An inbox is asked for with type get.")
                );
            }
            answer(&r).await
        })
    }
}

fn yes(r: &IqRequest<'_>, name: &str, otherwise: bool) -> bool {
    r.payload
        .attr(name)
        .map_or(otherwise, |v| matches!(&*v, "true" | "1"))
}

async fn answer(r: &IqRequest<'_>) -> IqResult {
    let server = r.server;
    let (limits, muc) = (&server.limits, &*server.config.muc_domain);
    let bounds = Bounds {
        counted: limits.message_unread,
        channels: limits.inbox_channels,
        direct: limits.inbox_direct,
        groups: limits.direct_groups,
        reach: limits.inbox_reach,
    };
    let (community, user) = (&server.community, &r.session.user);
    let all = inbox::index(community, user, &r.session.bare, bounds).await;
    let all = all.map_err(failed)?.heads;
    let counts = inbox::unread(community, user, &all, bounds.counted).await;
    let counts = counts.map_err(failed)?;
    let total = all.len();
    let new = counts.iter().filter(|c| c.messages > 0).count();
    let messages: u64 = counts.iter().map(|c| c.messages).sum();
    let only_new = yes(r, "unread-only", false);
    let all: Vec<(String, Head)> = all
        .into_iter()
        .zip(counts)
        .filter(|(_, c)| !only_new || c.messages > 0)
        .map(|(head, _)| (address(muc, &head), head))
        .collect();
    let at = |jid: &str| match all.iter().position(|(j, _)| j == jid) {
        Some(n) => n..n + 1,
        None => 0..all.len(),
    };
    // Who asks for no page gets the first one; `<last/>` says where to go on (§3.1, XEP-0059 §2.1).
    let page = PageRequest::within(r.payload)?;
    let part = page.slice(all.len(), limits.archive_page.max(1), at);
    let with_messages = yes(r, "messages", true);
    let id = r.stanza.id();
    let wanted: Vec<Head> = all
        .get(part.clone())
        .unwrap_or_default()
        .iter()
        .map(|(_, h)| h.clone())
        .collect();
    let read = inbox::read(community, user, &wanted, bounds.counted).await;
    for c in read.map_err(failed)? {
        let item = entry(r, muc, &c, id.as_deref().filter(|_| with_messages));
        let _ = r.session.send(item);
    }
    let mut w = XmlWriter::new();
    w.open_ns("fin", INBOX)
        .attr_display("total", total)
        .attr_display("unread", new)
        .attr_display("all-unread", messages);
    let end = |n: usize| all.get(n).map(|(jid, _)| jid.clone());
    let given = PageResult {
        first: end(part.start)
            .filter(|_| !part.is_empty())
            .map(|jid| (jid, u32::try_from(part.start).ok())),
        last: part.end.checked_sub(1).and_then(end).filter(|_| !part.is_empty()),
        count: u32::try_from(all.len()).ok(),
    };
    given.write(&mut w);
    w.close();
    Ok(Answer::Payload(w))
}

fn failed(e: waddle_messages::Error) -> StanzaError {
    tracing::error!(error = %e, "an inbox cannot be read");
    StanzaError::new(Condition::InternalServerError).text("The inbox cannot be read; try again.")
}

fn room(muc: &str, waddle: &Waddle, channel: &Channel) -> String {
    [&*waddle_community::room_localpart(waddle, channel), "@", muc].concat()
}

fn address(muc: &str, head: &Head) -> String {
    match &head.with {
        HeadOf::Channel(waddle, channel) => room(muc, waddle, channel),
        HeadOf::Direct(peer) => peer.to_string(),
        HeadOf::Group(group) => [&*group.room, "@", muc].concat(),
    }
}

/// One conversation; with `queryid` its last message too.
fn entry(r: &IqRequest<'_>, muc: &str, c: &Conversation, queryid: Option<&str>) -> Outgoing {
    let (jid, last) = match &c.with {
        With::Channel {
            waddle, channel, row, ..
        } => {
            let last = row.as_ref().map(|m| (m.id, m.at, &m.stanza));
            (room(muc, waddle, channel), last)
        }
        With::Direct { peer, last } => (peer.to_string(), Some((last.id, last.sent_at, &last.stanza))),
        With::Group { group, last } => {
            let last = last.as_ref().map(|m| (m.id, m.sent_at, &m.stanza));
            ([&*group.room, "@", muc].concat(), last)
        }
    };
    let mut w = XmlWriter::message();
    w.attr("from", r.session.bare.as_str())
        .attr("to", r.session.jid.as_str());
    let id: Option<MessageId> = last.map(|(id, ..)| id);
    w.open_ns("entry", INBOX)
        .attr_display("unread", c.unread.messages)
        .attr("jid", &jid);
    if let Some(id) = id {
        w.attr_display("id", id);
    }
    if c.unread.mentions > 0 {
        // Ours: clients that do not know it pass over it.
        w.attr_display("mentions", c.unread.mentions);
    }
    w.close();
    if let (Some(queryid), Some((id, at, stanza))) = (queryid, last) {
        w.open_ns("result", ns::MAM)
            .attr("queryid", queryid)
            .attr_display("id", id);
        forward::write(&mut w, Some(&Delay::at(at)), stanza);
        w.close();
    }
    w.outgoing(Class::Message)
}
