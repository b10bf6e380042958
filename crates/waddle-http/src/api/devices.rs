//! `/waddles/{w}/devices`: devices with credentials of their own.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Device, NewDevice, On};
use waddle_core::{DeviceId, Slug, Timestamp, TopicRule, UserId, WaddleId};
use waddle_identity::NewDeviceCredential;

use super::visible;
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, behind},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, remove))
        .routes(routes!(renew, revoke))
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceView {
    id: DeviceId,
    name: Slug,
    /// Topics that it may use, as `home/sensors`, `read:home/state`, `write:home/button`.
    topics: Vec<String>,
    created_by: Option<UserId>,
    created_at: Timestamp,
    /// Since when its credential is void.
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

fn view(device: &Device) -> DeviceView {
    DeviceView {
        id: device.id,
        name: device.name.clone(),
        topics: device.topics.iter().map(ToString::to_string).collect(),
        created_by: device.made_by.clone(),
        created_at: device.made_at,
        revoked_at: device.revoked_at,
        last_used_at: device.last_use,
    }
}

/// A page of devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceList {
    devices: Vec<DeviceView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// The waddle, for who may manage its devices.
async fn managed(app: &App, auth: &Auth, w: &str) -> Result<WaddleId, Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    if access.waddle_allows("manage_devices", auth.user()) {
        Ok(waddle.id)
    } else {
        Err(Problem::forbidden())
    }
}

/// One page of a waddle's devices, by their names; for who may manage them.
#[utoipa::path(get, path = "/waddles/{w}/devices", tag = "devices", security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = DeviceList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<DeviceList>, Problem> {
    let waddle = managed(&app, &auth, &w).await?;
    let limit = paging.limit()?;
    let after: Option<Slug> = paging.after("devices")?;
    let found = app.deps.community.devices(waddle, after, limit).await?;
    Ok(Json(DeviceList {
        next: behind("devices", &found, limit, |d| &d.name),
        devices: found.iter().map(view).collect(),
    }))
}

/// A device to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeviceBody {
    /// Once in its waddle.
    name: Slug,
    /// Topics and what lies below them; `read:` or `write:` before one narrows it.
    topics: Vec<String>,
}

/// A device that was just given a credential.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceCredentialView {
    #[serde(flatten)]
    device: DeviceView,
    /// What it logs in as.
    username: String,
    /// The only time that it is told.
    password: String,
}

fn told(device: &Device, credential: &NewDeviceCredential) -> DeviceCredentialView {
    DeviceCredentialView {
        device: view(device),
        username: credential.username.clone(),
        password: credential.password.expose().to_owned(),
    }
}

fn place(app: &App, w: &str, device: DeviceId) -> String {
    app.config.at(&format!("/api/v1/waddles/{w}/devices/{device}"))
}

/// Make a device: the only time that its password is told.
#[utoipa::path(post, path = "/waddles/{w}/devices", tag = "devices", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = DeviceCredentialView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewDeviceBody>,
) -> Result<Created<DeviceCredentialView>, Problem> {
    let waddle = managed(&app, &auth, &w).await?;
    let rules = new.topics.iter().map(|t| t.parse::<TopicRule>());
    let topics: Vec<TopicRule> = rules
        .collect::<Result<_, _>>()
        .map_err(|e| Problem::invalid(format!("topics: {e}")))?;
    let wanted = NewDevice {
        name: new.name,
        topics,
    };
    let (community, identity) = (&app.deps.community, &app.deps.identity);
    let device = community.create_device(auth.user(), waddle, wanted).await?;
    let issued = identity.create_device_credential(device.id, waddle).await;
    let credential = match issued {
        Ok(credential) => credential,
        Err(e) => {
            // without a credential it is of no use
            community.delete_device(auth.user(), waddle, device.id).await?;
            return Err(e.into());
        }
    };
    community
        .set_device_credential(auth.user(), waddle, device.id, &credential.username)
        .await?;
    Ok(Created(place(&app, &w, device.id), told(&device, &credential)))
}

/// A device by its identifier or name; 404 for who may not view it.
async fn find(app: &App, auth: &Auth, w: &str, d: &str) -> Result<(WaddleId, Device), Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let community = &app.deps.community;
    let by_id = match d.parse() {
        Ok(id) => community.device(waddle.id, id).await?,
        Err(_) => None,
    };
    let found = match (by_id, d.parse::<Slug>()) {
        (Some(device), _) => Some(device),
        (None, Ok(name)) => community.device_by_name(waddle.id, &name).await?,
        (None, Err(_)) => None,
    };
    found
        .filter(|device| access.allows(On::Device(device.id), "view", auth.user()))
        .map(|device| (waddle.id, device))
        .ok_or_else(|| Problem::not_found("device"))
}

/// One device, for who may view it.
#[utoipa::path(get, path = "/waddles/{w}/devices/{d}", tag = "devices", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = DeviceView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, d)): Path<(String, String)>,
) -> Result<Json<DeviceView>, Problem> {
    let (_, device) = find(&app, &auth, &w, &d).await?;
    Ok(Json(view(&device)))
}

/// Delete a device: its connections end at once.
#[utoipa::path(delete, path = "/waddles/{w}/devices/{d}", tag = "devices", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, d)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, device) = find(&app, &auth, &w, &d).await?;
    app.deps
        .community
        .delete_device(auth.user(), waddle, device.id)
        .await?;
    gone(&app, device.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a credential, where there is one still.
async fn gone(app: &App, device: DeviceId) -> Result<(), Problem> {
    match app.deps.identity.revoke_device(device).await {
        Ok(()) | Err(waddle_identity::Error::NotFound) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Why a credential ends.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Why {
    /// Why, for the audit log.
    reason: Option<String>,
}

/// Make a device's credential void: its connections end at once, and it can be given a new one.
#[utoipa::path(delete, path = "/waddles/{w}/devices/{d}/credential", tag = "devices", security(("token" = ["manage"])),
    responses((status = 204, description = "Void.")))]
pub async fn revoke(
    State(app): State<App>,
    auth: Auth,
    Path((w, d)): Path<(String, String)>,
    Query(why): Query<Why>,
) -> Result<StatusCode, Problem> {
    let (waddle, device) = find(&app, &auth, &w, &d).await?;
    app.deps
        .community
        .revoke_device(auth.user(), waddle, device.id, why.reason.as_deref())
        .await?;
    gone(&app, device.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a device a new credential in place of its old one, whose connections end at once.
#[utoipa::path(post, path = "/waddles/{w}/devices/{d}/credential", tag = "devices", security(("token" = ["manage"])),
    responses((status = 201, description = "The only time that the password is told.", body = DeviceCredentialView)))]
pub async fn renew(
    State(app): State<App>,
    auth: Auth,
    Path((w, d)): Path<(String, String)>,
) -> Result<Created<DeviceCredentialView>, Problem> {
    let (waddle, device) = find(&app, &auth, &w, &d).await?;
    let (_, access) = visible(&app, auth.user(), &w).await?;
    if !access.allows(On::Device(device.id), "configure", auth.user()) {
        return Err(Problem::forbidden());
    }
    let credential = app
        .deps
        .identity
        .create_device_credential(device.id, waddle)
        .await?;
    app.deps
        .community
        .set_device_credential(auth.user(), waddle, device.id, &credential.username)
        .await?;
    let now = app.deps.community.device(waddle, device.id).await?;
    Ok(Created(
        place(&app, &w, device.id),
        told(&now.unwrap_or(device), &credential),
    ))
}
