//! `invite …`: links with which people make accounts (XEP-0401).

use serde_json::json;
use waddle_xmpp::Registration;

use super::{Outcome, Reply, failed};
use crate::{admin::Failure, app::App};

pub async fn create(app: &App, name: Option<&str>) -> Outcome {
    if app.registration == Registration::Closed {
        return Err(Failure(
            "registration is closed; set registration to invite or open and start the server again".into(),
        ));
    }
    let (invitation, new) = app.identity.invite(None, name, false).await.map_err(failed)?;
    let uri = invitation.uri(&app.identity.config().domain, new.token.expose());
    Ok(Reply {
        text: format!("{} (until {})", new.url, new.expires_at),
        json: json!({"url": new.url.as_str(), "uri": uri, "expires_at": new.expires_at}),
    })
}
