//! Direct messages beyond the messages themselves (`specs/moderation.md`, "Direct messages"): from whom an account takes
//! them, requests that wait for consent, small private groups. HTTP and ad-hoc commands ask here.

pub(crate) mod departed;
pub mod groups;
pub mod news;

use std::sync::Arc;

use tokio::sync::broadcast;
use waddle_core::{BareJid, Jid, UserId};
use waddle_stanza::{Class, Stanza, XmlWriter};
use waddle_storage::{
    StorageError,
    repo::{
        accounts,
        direct::{self, Request, RequestPolicy},
        messages::Unread,
    },
};

use self::news::{DirectNews, What};
use crate::{
    router::{Origin, deliver, deliver::Post, inbound},
    server::Server,
};

/// Why something about direct messages could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectError {
    /// There is no such request or group, or it is somebody else's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Somebody does not want to be added.
    #[error("{0} does not take requests from you")]
    Refused(BareJid),
    /// A bound is reached.
    #[error("at most {max} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// A value that is none.
    #[error("{0}")]
    Invalid(&'static str),
    /// Too much to people who do not know one.
    #[error("too much in a short time; wait {0} s and try again")]
    TooFast(u32),
    /// The database failed, or a room was busy.
    #[error("it could not be stored; try again in a moment")]
    Failed,
}

impl From<StorageError> for DirectError {
    fn from(e: StorageError) -> Self {
        match e {
            StorageError::NotFound => Self::NotFound("request"),
            e => {
                if !e.is_temporary() {
                    tracing::error!(error = %e, "direct messages");
                }
                Self::Failed
            }
        }
    }
}

/// An account of this server, as it acts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its address.
    pub bare: BareJid,
    /// The subject of permissions.
    pub user: UserId,
}

impl Own {
    fn local(&self) -> String {
        self.bare.local().unwrap_or_default().to_owned()
    }
}

/// From whom an account takes messages without being asked.
pub fn policy(server: &Server, own: &Own) -> RequestPolicy {
    server.policies.of(&own.local())
}

/// Sets it. Requests that wait stay.
pub async fn set_policy(server: &Server, own: &Own, policy: RequestPolicy) -> Result<(), DirectError> {
    let owner = own.local();
    let stored = owner.clone();
    server
        .db
        .write(move |tx| direct::set_policy(tx, &stored, policy))
        .await?;
    server.policies.note(&owner, policy);
    Ok(())
}

/// The requests that wait for an account, the newest first.
pub async fn requests(
    server: &Server,
    own: &Own,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Request>, DirectError> {
    let owner = own.local();
    let limit = limit.min(server.limits.direct_requests);
    Ok(server
        .db
        .read(move |c| direct::requests(c, &owner, before, limit))
        .await?)
}

/// Accepts a request: who asked is let from now on, and what waited is delivered with the time that it was sent; or the
/// account enters the group. Each message waits until it is stored elsewhere, and the request until nothing waits and
/// the account is in the group: what fails in between, or a crash, leaves it to be accepted again.
///
/// # Errors
/// [`DirectError::Failed`] where not everything could be delivered; [`DirectError::Full`] where the group is.
pub async fn accept(server: &Arc<Server>, own: &Own, id: i64) -> Result<Request, DirectError> {
    let (owner, max) = (own.local(), server.limits.direct_allowed);
    let accepted = server.db.write(move |tx| {
        let request = direct::get_request(tx, &owner, id)?;
        let held = direct::held(tx, id)?;
        if request.room.is_none() {
            let at = tx.now();
            direct::allow(tx, &owner, &request.jid, at, max)?;
        }
        Ok((request, held))
    });
    let (request, held) = accepted.await?;
    let mut gone = None;
    if let Some(room) = &request.room {
        match groups::enter(server, room, own).await {
            Err(e @ DirectError::NotFound(_)) => gone = Some(e),
            entered => entered?,
        }
    }
    let mut unreadable = Vec::new();
    for (held, at, stanza) in held {
        // In the sender's name: what is said in the server's by others than the server is stripped on the way.
        let said_by = Stanza::parse(stanza.clone())
            .ok()
            .and_then(|s| s.from().ok().flatten());
        let Some(from) = said_by else {
            unreadable.push(held);
            continue;
        };
        let delayed = deliver::delayed(stanza, at, from.bare_str());
        let Ok(stanza) = delayed.to_stanza() else {
            unreadable.push(held);
            continue;
        };
        let user = account(server, &from).await?;
        let origin = Origin::accepted_as(from, user, held);
        inbound(server, origin.clone(), stanza).await;
        origin.settled(1).await;
    }
    let done = server.db.write(move |tx| {
        let left = direct::held(tx, id)?;
        let done = left.iter().all(|(held, ..)| unreadable.contains(held));
        if done {
            direct::close(tx, id)?;
        }
        Ok(done)
    });
    let done = done.await?;
    if done {
        server.news.tell(&own.user, What::Answered { id, accepted: true });
    }
    match gone {
        Some(e) => Err(e),
        None if done => Ok(request),
        None => Err(DirectError::Failed),
    }
}

/// Refuses a request: what waited is gone, and who asked is not told and cannot ask again for a while.
pub async fn refuse(server: &Server, own: &Own, id: i64) -> Result<(), DirectError> {
    let owner = own.local();
    let refused = server.db.write(move |tx| {
        let request = direct::get_request(tx, &owner, id)?;
        let at = tx.now();
        direct::refuse(tx, request.id, at)
    });
    refused.await?;
    server
        .news
        .tell(&own.user, What::Answered { id, accepted: false });
    Ok(())
}

/// The account of this server that an address is of.
async fn account(server: &Server, jid: &Jid) -> Result<Option<UserId>, DirectError> {
    match jid.local().map(str::to_owned) {
        Some(local) if server.is_local(jid) => {
            Ok(server.db.read(move |c| accounts::user_of(c, &local)).await?)
        }
        _ => Ok(None),
    }
}

/// Tells an account that somebody asks to write to it.
pub(crate) fn tell_of_request(server: &Arc<Server>, post: &Post, stanza: &Stanza, recipient: &UserId) {
    let asker = crate::router::consent::asker(server, &post.from, stanza);
    let who = asker.as_ref().unwrap_or(&post.from).bare();
    let asked = What::Asked {
        owner: post.to.local().unwrap_or_default().to_owned(),
        jid: who.clone(),
        room: None,
    };
    server.news.tell(recipient, asked);
    let text = [
        who.as_str(),
        " would like to write to you. What they wrote waits until you accept or refuse it: run the command \
         \u{201c}Requests to write to me\u{201d} of your account, or look under Requests on the web page.",
    ]
    .concat();
    notice(server, &post.to.bare(), &text);
}

/// A message of the server to an account.
pub(crate) fn notice(server: &Arc<Server>, to: &BareJid, text: &str) {
    let mut w = XmlWriter::message();
    w.attr("from", &server.config.domain)
        .attr("to", to.as_str())
        .attr("id", &server.random_text::<9>())
        .leaf("body", text);
    if let Ok(stanza) = w.outgoing(Class::Message).to_stanza() {
        crate::router::inbound_now(server, Origin::elsewhere(server.domain.clone()), stanza);
    }
}

/// Direct messages of all accounts, for those who ask from outside.
#[derive(Clone)]
pub struct Direct(pub(crate) Arc<Server>);

impl Direct {
    /// What happens to people from now on: direct messages, requests, groups, markers.
    pub fn news(&self) -> broadcast::Receiver<DirectNews> {
        self.0.news.follow()
    }

    /// From whom an account takes messages without being asked.
    pub fn policy(&self, own: &Own) -> RequestPolicy {
        policy(&self.0, own)
    }

    /// Sets it.
    pub async fn set_policy(&self, own: &Own, to: RequestPolicy) -> Result<(), DirectError> {
        set_policy(&self.0, own, to).await
    }

    /// The requests that wait for an account, the newest first.
    pub async fn requests(
        &self,
        own: &Own,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Request>, DirectError> {
        requests(&self.0, own, before, limit).await
    }

    /// Accepts a request.
    pub async fn accept(&self, own: &Own, id: i64) -> Result<Request, DirectError> {
        accept(&self.0, own, id).await
    }

    /// Refuses a request.
    pub async fn refuse(&self, own: &Own, id: i64) -> Result<(), DirectError> {
        refuse(&self.0, own, id).await
    }

    /// The groups that an account is in.
    pub async fn groups(&self, own: &Own) -> Result<Vec<groups::GroupView>, DirectError> {
        Ok(self.0.rooms.groups_of(&own.bare).await?)
    }

    /// How much an account has not read of each of these.
    pub async fn unread(&self, own: &Own, groups: &[groups::GroupView]) -> Result<Vec<Unread>, DirectError> {
        groups::unread(&self.0, own, groups).await
    }

    /// One of them.
    pub async fn group(&self, own: &Own, room: &str) -> Result<groups::GroupView, DirectError> {
        Ok(self.0.rooms.group(room, &own.bare).await?)
    }

    /// Makes a group.
    pub async fn make_group(
        &self,
        own: &Own,
        name: &str,
        people: Vec<BareJid>,
    ) -> Result<(direct::Group, Vec<(BareJid, groups::Added)>), DirectError> {
        groups::make(&self.0, own, name, people).await
    }

    /// Adds somebody to a group.
    pub async fn add(&self, own: &Own, room: &str, jid: &BareJid) -> Result<groups::Added, DirectError> {
        groups::add(&self.0, own, room, jid).await
    }

    /// Takes somebody out of a group, oneself too.
    pub async fn remove(&self, own: &Own, room: &str, jid: &BareJid) -> Result<(), DirectError> {
        groups::remove(&self.0, own, room, jid).await
    }

    /// Gives a group another name.
    pub async fn rename(&self, own: &Own, room: &str, name: &str) -> Result<direct::Group, DirectError> {
        groups::rename(&self.0, own, room, name).await
    }
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Direct({})", self.0.config.domain)
    }
}
