//! `feed …`: topics that appear in a channel.

use serde_json::json;
use waddle_community::{FeedMode, NewBinding};
use waddle_core::{BindingId, Slug, TopicFilter};

use super::{Outcome, Reply, failed, listed, parse, waddle};
use crate::{
    admin::Failure,
    app::{App, OPERATOR},
};

pub async fn bind(
    app: &App,
    slug: &str,
    channel: &str,
    filter: &str,
    mode: &str,
    name: Option<String>,
) -> Outcome {
    let waddle = waddle(app, slug)?;
    let channel: Slug = parse("channel", channel)?;
    let filter: TopicFilter = parse("filter", filter)?;
    let mode: FeedMode = parse("mode", mode)?;
    let found = app
        .community
        .channel_by_slug(waddle.id, &channel)
        .await
        .map_err(failed)?;
    let found = found.ok_or_else(|| {
        Failure(format!(
            "{0} has no channel {channel}; make it with waddle-server channel create {0} {channel}",
            waddle.slug
        ))
    })?;
    let new = NewBinding {
        filter: filter.clone(),
        channel: found.id,
        mode,
        name,
    };
    let made = app
        .community
        .bind_feed(OPERATOR, waddle.id, new)
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("{filter} appears in {}.{channel} as {mode}s", waddle.slug),
        json: json!({"id": made.id, "filter": filter, "channel": found.id, "mode": mode}),
    })
}

pub async fn list(app: &App, slug: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let bindings = app.community.bindings(waddle.id).await.map_err(failed)?;
    let channels = app.community.channels(waddle.id).await.map_err(failed)?;
    let line = |b: &waddle_community::Binding| {
        let channel = channels
            .iter()
            .find(|c| c.id == b.channel)
            .map_or("?", |c| c.slug.as_str());
        format!("{} {} in {channel} as {}s", b.id, b.filter, b.mode)
    };
    Ok(listed(
        bindings.iter().map(line).collect(),
        "no feeds",
        json!(bindings),
    ))
}

pub async fn unbind(app: &App, slug: &str, id: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let id: BindingId = parse("feed", id)?;
    app.community
        .unbind_feed(OPERATOR, waddle.id, id)
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("feed {id} is unbound"),
        json: json!({"id": id}),
    })
}
