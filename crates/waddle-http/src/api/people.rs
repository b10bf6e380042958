//! How people are shown in lists.

use serde::Serialize;
use utoipa::ToSchema;
use waddle_core::{BareJid, Did, UserId};

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

/// A person as a list shows them.
pub(super) async fn shown(app: &App, user: &UserId) -> Result<PersonView, Problem> {
    let account = app.deps.identity.by_user(user).await?;
    Ok(PersonView {
        user: user.clone(),
        jid: account
            .as_ref()
            .and_then(|a| app.deps.identity.jid(&a.localpart).ok()),
        did: user.as_did(),
        handle: account.as_ref().and_then(|a| a.handle.clone()),
        display_name: account.and_then(|a| a.display_name),
    })
}
