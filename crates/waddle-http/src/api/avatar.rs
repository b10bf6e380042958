//! `/account/avatar`: one's own picture, as every client shows it (XEP-0084).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_xmpp::Avatar;

use super::direct::own;
use crate::{App, auth::Auth, problem::Problem};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, set, remove))
}

/// One's own picture.
#[utoipa::path(get, path = "/account/avatar", tag = "account", security(("token" = ["read"])),
    responses((status = 200, description = "The picture.", content((String = "image/png"), (String = "image/jpeg"),
        (String = "image/gif"), (String = "image/webp"), (String = "application/octet-stream")))))]
pub async fn show(State(app): State<App>, auth: Auth) -> Result<Response, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let found = direct.avatar(&own).await?;
    let picture = found.ok_or_else(|| Problem::not_found("picture; set one with PUT"))?;
    let kind = HeaderValue::from_static(picture.kind);
    Ok(([(header::CONTENT_TYPE, kind)], picture.bytes).into_response())
}

/// Set one's own picture: whoever sees one's profile is told.
#[utoipa::path(put, path = "/account/avatar", tag = "account", security(("token" = ["account"])),
    request_body(content((String = "image/png"), (String = "image/jpeg"), (String = "image/gif"),
        (String = "image/webp")), description = "The picture; square and small ones are shown best."),
    responses((status = 204, description = "Set.")))]
pub async fn set(State(app): State<App>, auth: Auth, body: Bytes) -> Result<StatusCode, Problem> {
    let most = app.config.limits.avatar_bytes;
    if body.len() > most {
        return Err(Problem::of_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a picture has at most {most} bytes"),
        ));
    }
    let picture = Avatar::of(body.into()).ok_or_else(|| {
        Problem::of_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send a picture: PNG, JPEG, GIF or WebP".into(),
        )
    })?;
    let (direct, own) = own(&app, &auth).await?;
    direct.set_avatar(&own, Some(&picture)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take one's own picture away.
#[utoipa::path(delete, path = "/account/avatar", tag = "account", security(("token" = ["account"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(State(app): State<App>, auth: Auth) -> Result<StatusCode, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    direct.set_avatar(&own, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
