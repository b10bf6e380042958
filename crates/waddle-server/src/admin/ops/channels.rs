//! `channel …`: channels of a waddle.

use serde_json::json;
use waddle_community::{ChannelKind, NewChannel, room_localpart};
use waddle_core::Slug;

use super::{Outcome, Reply, failed, listed, parse, waddle};
use crate::{
    admin::Failure,
    app::{App, OPERATOR},
};

pub async fn create(app: &App, slug: &str, channel: &str, kind: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let slug: Slug = parse("channel", channel)?;
    let new = NewChannel {
        kind: parse::<ChannelKind>("type", kind)?,
        ..NewChannel::text(slug, channel)
    };
    let made = app
        .community
        .create_channel(OPERATOR, waddle.id, new)
        .await
        .map_err(failed)?;
    let jid = format!(
        "{}@muc.{}",
        room_localpart(&waddle, &made),
        app.community.domain()
    );
    Ok(Reply {
        text: format!("created channel {jid}"),
        json: json!({"id": made.id, "room_id": format!("{}/{}", waddle.slug, made.slug), "jid": jid}),
    })
}

pub async fn list(app: &App, slug: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let channels = app.community.channels(waddle.id).await.map_err(failed)?;
    let lines = channels
        .iter()
        .map(|c| format!("{} ({})", c.slug, c.kind))
        .collect();
    Ok(listed(
        lines,
        "no channels",
        json!(channels.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    ))
}

pub async fn delete(app: &App, slug: &str, channel: &str) -> Outcome {
    let waddle = waddle(app, slug)?;
    let slug: Slug = parse("channel", channel)?;
    let found = app
        .community
        .channel_by_slug(waddle.id, &slug)
        .await
        .map_err(failed)?;
    let found = found.ok_or_else(|| Failure(format!("{} has no channel {slug}", waddle.slug)))?;
    app.community
        .delete_channel(OPERATOR, waddle.id, found.id)
        .await
        .map_err(failed)?;
    Ok(Reply {
        text: format!("deleted channel {slug} of {}", waddle.slug),
        json: json!({"id": found.id}),
    })
}
