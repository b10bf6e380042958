//! How people are shown in lists.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;
use waddle_core::{BareJid, Did, UserId};
use waddle_identity::Account;

use crate::{App, problem::Problem};

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    user: UserId,
    jid: Option<BareJid>,
    did: Option<Did>,
    handle: Option<String>,
    display_name: Option<String>,
}

/// Somebody of another server, by address or as lists name them.
pub(super) fn elsewhere(app: &App, name: &str) -> Option<UserId> {
    let name = name.trim();
    if let Ok(user) = name.parse::<UserId>() {
        return user.as_remote().map(|_| user);
    }
    let jid: BareJid = name.parse().ok()?;
    let there = jid.local().is_some() && jid.domain() != app.config.domain;
    there.then(|| UserId::remote(&jid))
}

/// The user of a name, also one that is known to the network alone: by handle.
pub(super) async fn anybody(app: &App, name: &str) -> Result<UserId, Problem> {
    match elsewhere(app, name) {
        Some(user) => Ok(user),
        None => Ok(app.deps.identity.resolve_anybody(name).await?),
    }
}

/// People whose accounts were asked for at once.
pub(super) struct People(HashMap<UserId, Account>);

impl People {
    /// These, in one question.
    pub async fn of<'a>(app: &App, users: impl IntoIterator<Item = &'a UserId>) -> Result<Self, Problem> {
        let users: Vec<UserId> = users.into_iter().cloned().collect();
        let found = app.deps.identity.by_users(&users).await?;
        Ok(Self(found.into_iter().map(|a| (a.user.clone(), a)).collect()))
    }

    /// One of them as a list shows them.
    pub fn shown(&self, app: &App, user: &UserId) -> PersonView {
        let account = self.0.get(user);
        PersonView {
            user: user.clone(),
            jid: account
                .and_then(|a| app.deps.identity.jid(&a.localpart).ok())
                .or_else(|| user.as_remote()),
            did: user.as_did(),
            handle: account.and_then(|a| a.handle.clone()),
            display_name: account.and_then(|a| a.display_name.clone()),
        }
    }
}

/// A person as a list shows them.
pub(super) async fn shown(app: &App, user: &UserId) -> Result<PersonView, Problem> {
    Ok(People::of(app, [user]).await?.shown(app, user))
}
