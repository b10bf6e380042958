//! Codes for tokens, and their end (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 7009).

use std::collections::HashMap;

use axum::{
    Form, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ring::digest;
use serde_json::json;
use waddle_core::Secret;

use super::{OPEN, SCOPE, error};
use crate::App;

type Fields = Form<HashMap<String, String>>;

/// RFC 7636 §4.6.
fn fits(challenge: &str, verifier: &str) -> bool {
    // The challenge is no secret: it went through the browser.
    (43..=128).contains(&verifier.len())
        && B64.encode(digest::digest(&digest::SHA256, verifier.as_bytes())) == challenge
}

/// `POST /oauth/token`.
pub async fn exchange(State(app): State<App>, Form(f): Fields) -> Response {
    let get = |name: &str| f.get(name).map_or("", String::as_str);
    if get("grant_type") != "authorization_code" {
        return error("unsupported_grant_type", "only authorization_code is given here");
    }
    // A code works once, whatever comes of it.
    let granted = app.oauth.redeem(get("code")).filter(|g| {
        g.request.client_id == get("client_id")
            && g.request.redirect_uri == get("redirect_uri")
            && fits(&g.request.challenge, get("code_verifier"))
    });
    let Some(grant) = granted else {
        return error(
            "invalid_grant",
            "the code is wrong, was used or has expired; ask for a new one",
        );
    };
    let identity = &app.deps.identity;
    let account = match identity.by_user(&grant.user).await {
        Ok(Some(account)) => account,
        Ok(None) => return error("invalid_grant", "there is no such account any more"),
        Err(e) => return crate::Problem::from(e).into_response(),
    };
    match identity.issue_token(&account, &grant.request.client.name).await {
        Ok(issued) => {
            let days = app.config.limits.identity_session_days;
            let body = json!({
                "access_token": issued.token.expose(),
                "token_type": "Bearer",
                "expires_in": days * 86_400,
                "scope": SCOPE,
            });
            (OPEN, Json(body)).into_response()
        }
        Err(e) => crate::Problem::from(e).into_response(),
    }
}

/// `POST /oauth/revoke`: who shows a token may end it; one that is none has ended.
pub async fn revoke(State(app): State<App>, Form(f): Fields) -> Response {
    let identity = &app.deps.identity;
    let token = Secret::new(f.get("token").map_or("", String::as_str));
    if let Ok(who) = identity.verify_token(&token).await
        && let Err(e) = identity.revoke_token(&who.user, who.credential).await
    {
        return crate::Problem::from(e).into_response();
    }
    (StatusCode::OK, OPEN).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn proof_of_possession() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(fits(challenge, verifier));
        assert!(!fits(challenge, &verifier.to_lowercase()) && !fits(challenge, "short"));
    }
}
