//! `waddle …`: communities and their members.

use serde_json::json;
use waddle_community::{NewWaddle, RemovalKind, Role, Visibility};
use waddle_core::Slug;

use super::{Outcome, Reply, failed, listed, parse, person, waddle};
use crate::app::{App, OPERATOR};

pub async fn create(app: &App, slug: &str, owner: &str, name: Option<String>, visibility: &str) -> Outcome {
    let slug: Slug = parse("waddle", slug)?;
    let owner = person(app, owner).await?;
    let new = NewWaddle {
        name: name.unwrap_or_else(|| slug.to_string()),
        slug,
        description: String::new(),
        visibility: parse::<Visibility>("visibility", visibility)?,
        owner: Some(owner.clone()),
    };
    let made = app.community.create_waddle(OPERATOR, new).await.map_err(failed)?;
    Ok(Reply {
        text: format!(
            "created waddle {} with the channels general and announcements; owner {owner}",
            made.slug
        ),
        json: json!({"id": made.id, "slug": made.slug, "owner": owner}),
    })
}

pub async fn add_member(app: &App, slug: &str, name: &str, role: &str) -> Outcome {
    let (waddle, user) = (waddle(app, slug)?, person(app, name).await?);
    let role: Role = parse("role", role)?;
    app.community
        .add_member(OPERATOR, waddle.id, &user, role)
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("{name} is {role} of {}", waddle.slug),
        json: json!({"waddle": waddle.slug, "user": user, "role": role}),
    })
}

pub async fn remove_member(app: &App, slug: &str, name: &str, reason: Option<&str>) -> Outcome {
    let (waddle, user) = (waddle(app, slug)?, person(app, name).await?);
    let removed = app
        .community
        .remove_member(OPERATOR, waddle.id, &user, RemovalKind::Removed, reason)
        .await;
    removed.map_err(failed)?;
    Ok(Reply {
        text: format!("{name} is no member of {} any more", waddle.slug),
        json: json!({"waddle": waddle.slug, "user": user}),
    })
}

pub fn list(app: &App) -> Reply {
    let all = app.community.waddles();
    let lines = all
        .iter()
        .map(|w| format!("{} {} ({})", w.slug, w.name, w.visibility))
        .collect();
    listed(
        lines,
        "no waddles yet",
        json!(all.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    )
}

pub async fn delete(app: &App, slug: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    app.community
        .delete_waddle(OPERATOR, waddle.id)
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("deleted waddle {} with everything in it", waddle.slug),
        json: json!({"id": waddle.id}),
    })
}
