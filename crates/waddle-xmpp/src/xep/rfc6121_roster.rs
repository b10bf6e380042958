//! The roster and what of RFC 6121 is asked by IQ ([RFC 6121 §2](https://www.rfc-editor.org/rfc/rfc6121#section-2)).

use waddle_core::{BareJid, Limits};
use waddle_stanza::{Class, Condition, Element, Outgoing, StanzaError, XmlWriter, ns};
use waddle_storage::repo::roster::{self, Contact};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Xep};
use crate::{
    router::subscription,
    server::Server,
    session::{Flag, Session},
};

/// Roster, its versions and the session request of RFC 3921.
pub struct Roster;

impl Extension for Roster {
    fn xep(&self) -> Xep {
        Xep {
            number: 0,
            title: "RFC 6121 roster",
            version: "2011",
            notes: "roster, versions, pushes, subscriptions with pre-approval",
        }
    }

    fn stream_features(&self, _: &Server, out: &mut XmlWriter) {
        out.empty("ver", ns::ROSTER_VERSIONING);
        out.empty("sub", ns::PRE_APPROVAL);
    }

    fn features(&self, _: super::Scope) -> &'static [&'static str] {
        &[ns::ROSTER]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::ROSTER), ("session", ns::SESSION)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if r.payload.is("session", ns::SESSION) {
                return Ok(Answer::Empty);
            }
            if !r.own() {
                return Err(Condition::Forbidden.into());
            }
            if r.set { set(&r).await } else { get(&r).await }
        })
    }
}

async fn get(r: &IqRequest<'_>) -> IqResult {
    let owner = r.session.localpart().to_owned();
    let known = r.payload.attr("ver").map(std::borrow::Cow::into_owned);
    // From here on it gets pushes: what changes while the roster is read is not missed.
    r.session.set(Flag::Interested, true);
    let most = r.server.limits.xmpp_roster_changes;
    let read = r.server.db.read(move |conn| {
        if let Some(since) = known.and_then(|k| k.parse().ok())
            && let Some(changes) = roster::changes(conn, &owner, since, most)?
        {
            return Ok(Known::Changes(changes));
        }
        Ok(Known::All(
            roster::version(conn, &owner)?,
            roster::all(conn, &owner)?,
        ))
    });
    match read.await {
        Ok(Known::Changes(changes)) => Ok(Answer::Followed(
            changes
                .iter()
                .map(|(version, c)| pushed(r.server, r.session, c, *version))
                .collect(),
        )),
        Ok(Known::All(version, contacts)) => {
            let mut w = XmlWriter::with_capacity(256 + contacts.len() * 96);
            w.open_ns("query", ns::ROSTER).attr_display("ver", version);
            for c in contacts.iter().filter(|c| c.listed) {
                item(&mut w, c);
            }
            w.close();
            Ok(Answer::Payload(w))
        }
        Err(e) => {
            tracing::error!(error = %e, "a roster could not be read");
            Err(Condition::InternalServerError.into())
        }
    }
}

/// What a client has to learn of the roster (§2.6.3).
enum Known {
    /// Only this, each with its version.
    Changes(Vec<(i64, Contact)>),
    /// Everything.
    All(i64, Vec<Contact>),
}

async fn set(r: &IqRequest<'_>) -> IqResult {
    let bad = |text: &str| StanzaError::new(Condition::BadRequest).text(text);
    let mut items = r.payload.children().filter(|c| c.is("item", ns::ROSTER));
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(bad("a roster set has exactly one item (RFC 6121 §2.1.5)"));
    };
    let jid = item.attr("jid").ok_or_else(|| bad("the item lacks a jid"))?;
    let contact: BareJid = jid
        .parse::<waddle_core::Jid>()
        .map(|j| j.bare())
        .map_err(|_| StanzaError::new(Condition::JidMalformed))?;
    let user = r.session.bare.clone();
    if item.attr("subscription").as_deref() == Some("remove") {
        subscription::remove(r.server, user, contact).await?;
        return Ok(Answer::Empty);
    }
    if contact == user {
        return Err(StanzaError::new(Condition::NotAllowed).text("your own roster does not hold yourself"));
    }
    let name = item
        .attr("name")
        .map(std::borrow::Cow::into_owned)
        .filter(|n| !n.is_empty());
    let groups = groups(item, &r.server.limits)?;
    if name
        .as_ref()
        .is_some_and(|n| n.len() > r.server.limits.xmpp_roster_name_bytes)
    {
        return Err(StanzaError::new(Condition::NotAcceptable).text("the name is too long"));
    }
    subscription::set(r.server, user, contact, name, groups).await?;
    Ok(Answer::Empty)
}

/// RFC 6121 §2.3.3: no empty group, none too long, none twice.
fn groups(item: Element<'_>, limits: &Limits) -> Result<Vec<String>, StanzaError> {
    let mut out: Vec<String> = Vec::new();
    for g in item.children().filter(|c| c.is("group", ns::ROSTER)) {
        let name = g.text().into_owned();
        if name.is_empty()
            || name.len() > limits.xmpp_roster_name_bytes
            || out.len() >= limits.xmpp_roster_groups
        {
            return Err(
                StanzaError::new(Condition::NotAcceptable).text("a group's name is empty or too long")
            );
        }
        if out.contains(&name) {
            return Err(StanzaError::new(Condition::BadRequest).text("a group is named twice"));
        }
        out.push(name);
    }
    Ok(out)
}

/// One item of a roster.
pub(crate) fn item(w: &mut XmlWriter, c: &Contact) {
    w.open("item")
        .attr("jid", c.jid.as_str())
        .attr_opt("name", c.name.as_deref());
    w.attr(
        "subscription",
        ["none", "to", "from", "both"][usize::from(c.subscription & 3)],
    );
    w.attr_opt("ask", c.asked.then_some("subscribe"));
    w.attr_opt("approved", c.approved.then_some("true"));
    for g in &c.groups {
        w.leaf("group", g);
    }
    w.close();
}

/// A roster push to each interested session (RFC 6121 §2.1.6).
pub(crate) fn push(server: &Server, owner: &BareJid, contact: &Contact, version: i64) {
    for s in server.sessions.of(owner.local().unwrap_or_default()) {
        if s.is(Flag::Interested) {
            let _ = s.send(pushed(server, &s, contact, version));
        }
    }
}

/// A roster push; a contact that is no item any more was removed.
fn pushed(server: &Server, to: &Session, contact: &Contact, version: i64) -> Outgoing {
    let mut w = XmlWriter::iq();
    w.attr("type", "set")
        .attr("id", &server.random_text::<9>())
        .attr("to", to.jid.as_str());
    w.open_ns("query", ns::ROSTER).attr_display("ver", version);
    if contact.listed {
        item(&mut w, contact);
    } else {
        w.open("item")
            .attr("jid", contact.jid.as_str())
            .attr("subscription", "remove")
            .close();
    }
    w.outgoing(Class::Iq)
}
