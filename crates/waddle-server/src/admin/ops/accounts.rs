//! `account …`: local accounts, and the list of all.

use serde_json::json;
use waddle_core::Secret;

use super::{Outcome, Reply, failed, listed};
use crate::{admin::Failure, app::App};

/// Accounts read at a time.
const PAGE: usize = 500;

pub async fn create(app: &App, name: &str, password: &Secret, admin: bool) -> Outcome {
    let account = app
        .identity
        .create_local(name, password, admin)
        .await
        .map_err(failed)?;
    let jid = app.identity.jid(&account.localpart).map_err(failed)?;
    let kind = if admin { "administrator" } else { "account" };
    Ok(Reply {
        text: format!("created {kind} {jid}"),
        json: json!({"jid": jid, "user": account.user, "admin": admin}),
    })
}

pub async fn passwd(app: &App, name: &str, password: &Secret) -> Outcome {
    let account = app
        .identity
        .resolve_account(name)
        .await
        .map_err(|e| Failure(format!("{name}: {e}")))?;
    app.identity
        .set_password(&account.user, password)
        .await
        .map_err(failed)?;
    let text = format!(
        "the password of {} is changed; its sessions and tokens have ended",
        account.localpart
    );
    Ok(Reply {
        text,
        json: json!({"user": account.user}),
    })
}

pub async fn list(app: &App) -> Outcome {
    let (mut lines, mut data) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let page = app.identity.list(after.as_deref(), PAGE).await.map_err(failed)?;
        for a in &page {
            let jid = app.identity.jid(&a.localpart).map_err(failed)?;
            let admin = if a.admin { " administrator" } else { "" };
            let handle = a.handle.as_ref().map(|h| format!(" @{h}")).unwrap_or_default();
            lines.push(format!("{jid}{handle}{admin}"));
            data.push(json!({
                "jid": jid, "user": a.user, "handle": a.handle, "admin": a.admin,
                "created_at": a.created_at, "last_login_at": a.last_login_at,
            }));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.localpart.clone()),
            _ => break,
        }
    }
    Ok(listed(lines, "no accounts yet", data.into()))
}

pub async fn delete(app: &App, name: &str) -> Outcome {
    let account = app
        .identity
        .resolve_account(name)
        .await
        .map_err(|e| Failure(format!("{name}: {e}")))?;
    let gone = app
        .identity
        .delete_account(&app.community, &account.user)
        .await
        .map_err(|e| Failure(format!("{name} cannot be deleted: {e}")))?;
    Ok(Reply {
        text: format!("deleted {}", gone.localpart),
        json: json!({"user": gone.user}),
    })
}
