//! The page that an invitation to an account leads to (XEP-0401 §5.2, XEP-0379 §3.3): who invites, the address that a
//! chat program opens, and what to do without one.

use axum::{http::StatusCode, response::Response};

use crate::{
    App,
    pages::{Part, fill, page},
};

const PAGE: &str = include_str!("../assets/invitation.html");

/// The page of a live invitation; nothing where the token is none.
pub async fn landing(app: &App, token: &str) -> Option<Response> {
    let found = match app.deps.identity.invitation(token).await {
        Ok(found) => found?,
        Err(error) => {
            tracing::error!(%error, "an invitation could not be read");
            return None;
        }
    };
    let domain = &app.config.domain;
    let uri = found.uri(domain, token);
    let heading = match &found.inviter {
        Some(inviter) if found.contact => [inviter.as_str(), "@", domain, " invites you to chat"].concat(),
        _ => ["You are invited to ", domain].concat(),
    };
    let name = found.localpart.map(|l| [&l, "@", domain].concat());
    let until = found.expires_at.to_string();
    let main = fill(
        PAGE,
        &[
            ("heading", Part::Text(&heading)),
            ("uri", Part::Text(&uri)),
            ("domain", Part::Text(domain)),
            (
                "name",
                Part::Text(name.as_deref().unwrap_or("a name of your choice")),
            ),
            ("token", Part::Text(token)),
            ("until", Part::Text(until.get(..10).unwrap_or(&until))),
        ],
    );
    Some(page(app, StatusCode::OK, "Invitation", &main))
}
