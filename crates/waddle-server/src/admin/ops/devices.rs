//! `device …`: devices with credentials of their own.

use serde_json::json;
use waddle_community::NewDevice;
use waddle_core::{Slug, TopicRule};

use super::{Outcome, Reply, failed, listed, parse, waddle};
use crate::{
    admin::Failure,
    app::{App, OPERATOR},
};

/// Devices read at a time.
const PAGE: usize = 500;

pub async fn create(app: &App, slug: &str, name: &str, topics: &[String]) -> Outcome {
    let waddle = waddle(app, slug)?;
    let slug: Slug = parse("device", name)?;
    let topics = topics
        .iter()
        .map(|t| parse("topic", t))
        .collect::<Result<Vec<TopicRule>, _>>()?;
    let new = NewDevice { name: slug, topics };
    let device = app
        .community
        .create_device(OPERATOR, waddle.id, new)
        .await
        .map_err(failed)?;
    let credential = app.identity.create_device_credential(device.id, waddle.id).await;
    let credential = match credential {
        Ok(c) => c,
        Err(e) => {
            // Without a credential the device is of no use; take back what was made.
            app.community
                .delete_device(OPERATOR, waddle.id, device.id)
                .await
                .map_err(failed)?;
            return Err(failed(e));
        }
    };
    app.community
        .set_device_credential(OPERATOR, waddle.id, device.id, &credential.username)
        .await
        .map_err(failed)?;
    let shown: Vec<String> = device.topics.iter().map(ToString::to_string).collect();
    Ok(Reply {
        text: format!(
            "user name {} password {} topics {} (the password is shown this once)",
            credential.username,
            credential.password.expose(),
            shown.join(" ")
        ),
        json: json!({
            "id": device.id, "username": credential.username,
            "password": credential.password.expose(), "topics": shown,
        }),
    })
}

pub async fn list(app: &App, slug: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let (mut lines, mut data) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let devices = app.community.devices(waddle.id, after, PAGE).await;
        let devices = devices.map_err(failed)?;
        for d in &devices {
            let state = if d.revoked_at.is_some() {
                "revoked"
            } else {
                "active"
            };
            let used = d
                .last_use
                .map_or_else(|| "never used".into(), |t| format!("last used {t}"));
            lines.push(format!("{} {state}, {used}", d.name));
            data.push(json!(d));
        }
        if devices.len() < PAGE {
            break;
        }
        after = devices.last().map(|d| d.name.clone());
    }
    Ok(listed(lines, "no devices", data.into()))
}

pub async fn revoke(app: &App, slug: &str, name: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let slug: Slug = parse("device", name)?;
    let found = app
        .community
        .device_by_name(waddle.id, &slug)
        .await
        .map_err(failed)?;
    let found = found.ok_or_else(|| Failure(format!("{} has no device {slug}", waddle.slug)))?;
    app.community
        .revoke_device(OPERATOR, waddle.id, found.id, None)
        .await
        .map_err(failed)?;
    app.identity.revoke_device(found.id).await.map_err(failed)?;
    Ok(Reply {
        text: format!("revoked device {slug} of {}", waddle.slug),
        json: json!({"id": found.id}),
    })
}
