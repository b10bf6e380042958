//! Changes of affiliation in a channel: they are changes of membership of its waddle, made by the community,
//! which asks whether the actor may. What follows in the room comes back as events.

use std::sync::Arc;

use waddle_community::{Community, Error, Page, RemovalKind, Role as WaddleRole};
use waddle_core::{BareJid, UserId, WaddleId};
use waddle_stanza::{Class, Outgoing, ns};
use waddle_storage::{Storage, repo::accounts::Accounts};

use crate::{
    api::Arrived,
    error::{self, Outcome, Refusal},
    standing::Affiliation,
};

/// Changes of one request.
#[derive(Debug)]
pub struct Manage {
    /// In order.
    pub changes: Vec<Change>,
}

/// A change of one affiliation.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose.
    pub jid: BareJid,
    /// What they become.
    pub affiliation: Affiliation,
    /// Why.
    pub reason: Option<Arc<str>>,
}

/// People listed at the most.
const MOST: usize = 1_000;

/// Makes the changes one after the other; the first that fails ends it and is the answer.
pub(crate) async fn change(
    community: &Community,
    storage: &Storage,
    domain: &str,
    waddle: WaddleId,
    inbound: &Arrived,
    changes: Vec<Change>,
) -> Outcome<Outgoing> {
    let actor = &inbound.sender.user;
    for c in changes {
        let user = user_of(storage, domain, &c.jid)
            .await?
            .ok_or_else(|| error::item_not_found("there is no such person on this server"))?;
        let role = match c.affiliation {
            Affiliation::Owner => Some(WaddleRole::Owner),
            Affiliation::Admin => Some(WaddleRole::Admin),
            Affiliation::Member => Some(WaddleRole::Member),
            Affiliation::None | Affiliation::Outcast => None,
        };
        let done = match role {
            Some(role) => match community.role_of(waddle, &user).await.map_err(refusal)? {
                Some(now) if now == role => Ok(()),
                // A moderator is shown as admin: who says so changes nothing.
                Some(WaddleRole::Moderator) if role == WaddleRole::Admin => Ok(()),
                Some(_) => community.set_role(actor, waddle, &user, role).await,
                None => community.add_member(actor, waddle, &user, role).await,
            },
            None if c.affiliation == Affiliation::None
                && community.access(waddle).await.map_err(refusal)?.is_banned(&user) =>
            {
                community.unban(actor, waddle, &user).await
            }
            None => {
                let kind = if c.affiliation == Affiliation::Outcast {
                    RemovalKind::Banned
                } else {
                    RemovalKind::Removed
                };
                let reason = c.reason.as_deref();
                community.remove_member(actor, waddle, &user, kind, reason).await
            }
        };
        done.map_err(refusal)?;
    }
    Ok(inbound.stanza.result(None).outgoing(Class::Iq))
}

/// The people of one affiliation.
pub(crate) async fn list(
    community: &Community,
    storage: &Storage,
    domain: &str,
    waddle: WaddleId,
    inbound: &Arrived,
    wanted: Affiliation,
) -> Outcome<Outgoing> {
    let mut people: Vec<(UserId, Option<String>)> = Vec::new();
    let page = Page {
        offset: 0,
        limit: MOST,
    };
    if wanted == Affiliation::Outcast {
        let bans = community.bans(waddle, page).await.map_err(refusal)?;
        people.extend(bans.into_iter().map(|b| (b.user, b.reason)));
    } else {
        let roles: &[WaddleRole] = match wanted {
            Affiliation::Owner => &[WaddleRole::Owner],
            Affiliation::Admin => &[WaddleRole::Admin, WaddleRole::Moderator],
            _ => &[WaddleRole::Member],
        };
        for role in roles {
            let members = community.members_page(waddle, Some(*role), None, MOST).await;
            people.extend(members.map_err(refusal)?.into_iter().map(|m| (m.user, None)));
        }
        people.truncate(MOST);
    }
    let mut w = inbound.stanza.result(None);
    w.open_ns("query", ns::MUC_ADMIN);
    for (user, reason) in people {
        let Some(jid) = jid_of(storage, domain, &user).await? else {
            continue;
        };
        w.open("item")
            .attr("affiliation", wanted.as_str())
            .attr("jid", &jid);
        if let Some(reason) = reason {
            w.leaf("reason", &reason);
        }
        w.close();
    }
    Ok(w.outgoing(Class::Iq))
}

pub(crate) async fn user_of(storage: &Storage, domain: &str, jid: &BareJid) -> Outcome<Option<UserId>> {
    if jid.domain() != domain {
        // Of another server; whoever has no name there is a server, and nobody.
        return Ok(jid.local().map(|_| UserId::remote(jid)));
    }
    let Some(local) = jid.local() else {
        return Ok(None);
    };
    let server = storage.server();
    let found = Accounts(&server).by_localpart(local).await;
    Ok(found.map_err(|e| refusal(e.into()))?.map(|a| a.user))
}

pub(crate) async fn jid_of(storage: &Storage, domain: &str, user: &UserId) -> Outcome<Option<String>> {
    if let Some(jid) = user.as_remote() {
        return Ok(Some(jid.to_string()));
    }
    let server = storage.server();
    let found = Accounts(&server).by_user(user).await;
    let found = found.map_err(|e| refusal(e.into()))?;
    Ok(found.map(|a| [&a.localpart, "@", domain].concat()))
}

pub(crate) fn refusal(e: Error) -> Refusal {
    match e {
        Error::Forbidden => error::not_allowed("your role in the waddle does not give you this right"),
        Error::NotFound(_) => error::item_not_found("there is no such person in this waddle"),
        Error::Conflict(why) => error::conflict(why),
        Error::Limit { .. } => error::busy(e.to_string()),
        Error::Invalid { .. } | Error::Expired(_) => error::bad_request(e.to_string()),
        e if e.is_temporary() => error::busy("the database is busy; try again in a moment"),
        e => {
            tracing::error!(error = %e, "a change of members failed");
            error::internal("the change could not be stored")
        }
    }
}
