//! What there is to tell: read from the archive and the audit log, in the order in which it happened, and shown as the
//! hook's maker may see it at that moment.

use serde_json::{Value, json};
use waddle_community::{Channel, Waddle, WaddleAccess, room_localpart};
use waddle_core::{ChannelId, MessageId, WaddleId};
use waddle_messages::{MessageView, News, NewsKind, Viewer, channel, news};
use waddle_storage::repo::{
    archive::ArchiveKey,
    hooks::{self, DeadLetter, OutgoingHook},
};

use super::worker::Tell;
use crate::{Error, Hooks, Result};

/// The event's name.
fn name(kind: NewsKind) -> Option<&'static str> {
    Some(match kind {
        NewsKind::Posted => "message.created",
        NewsKind::Edited(_) | NewsKind::Previewed(_) => "message.updated",
        NewsKind::Retracted(_) => "message.deleted",
        NewsKind::Reacted(_) => "message.reactions",
        NewsKind::Pinned(_) => "message.pinned",
        NewsKind::Unpinned(_) => "message.unpinned",
        NewsKind::Other => return None,
    })
}

fn of_news(n: &News) -> Tell {
    let target = n.kind.target(n.id);
    Tell {
        audit: false,
        position: n.id.0,
        // what has no name is wanted by nobody, and moves the cursor
        kind: name(n.kind).unwrap_or_default().to_owned(),
        at: waddle_core::Timestamp(n.id.0),
        data: target.map(|id| json!({ "channel_id": n.channel, "message_id": id })),
    }
}

fn of_audit(e: &waddle_community::AuditEntry) -> Tell {
    Tell {
        audit: true,
        position: e.id,
        kind: e.action.clone(),
        at: e.at,
        data: Some(json!({
            "actor": e.actor, "action": e.action, "target": e.target, "detail": e.detail, "reason": e.reason,
        })),
    }
}

/// What happened after a hook's cursor, at most `max` of each kind, the oldest first.
pub(super) async fn after(hooks: &Hooks, waddle: WaddleId, hook: &OutgoingHook, max: usize) -> Result<Vec<Tell>> {
    let (db, cursor) = (hooks.waddle_db(waddle).await?, hook.cursor);
    let (said, done) = db
        .read(move |conn| {
            let said = news::since(conn, waddle, MessageId(cursor.messages), max);
            Ok((said, hooks::audit_after(conn, cursor.audit, max)?))
        })
        .await?;
    let said = said.map_err(|_| Error::Internal("the archive cannot be read"))?;
    // Where one of both goes on, what comes after its last is not due: it could be later than what was not read.
    let end = |full: bool, last: Option<i64>| if full { last } else { None };
    let said_end = end(said.len() >= max, said.last().map(|n| n.id.0));
    let done_end = end(done.len() >= max, done.last().map(|e| e.at.0));
    let mut all: Vec<Tell> = said.iter().map(of_news).chain(done.iter().map(of_audit)).collect();
    // stable: each keeps its own order where a clock went back
    all.sort_by_key(|t| t.at);
    if let Some(end) = [said_end, done_end].into_iter().flatten().min() {
        let due = all.iter().take_while(|t| t.at.0 <= end).count();
        all.truncate(due.max(1));
    }
    Ok(all)
}

/// The event that a dead letter names, if it is still there.
pub(super) async fn one(
    hooks: &Hooks,
    waddle: WaddleId,
    _hook: &OutgoingHook,
    letter: &DeadLetter,
) -> Result<Option<Tell>> {
    let (db, letter) = (hooks.waddle_db(waddle).await?, letter.clone());
    db.read(move |conn| {
        if letter.audit {
            return Ok(hooks::audit(conn, letter.position)?.as_ref().map(of_audit));
        }
        let found = news::since(conn, waddle, MessageId(letter.position - 1), 1);
        let found = found.ok().and_then(|n| n.into_iter().next());
        Ok(found.filter(|n| n.id.0 == letter.position).as_ref().map(of_news))
    })
    .await
    .map_err(Error::from)
}

fn about(waddle: &Waddle, channel: &Channel, domain: &str) -> Value {
    json!({
        "waddle": { "id": waddle.id, "slug": waddle.slug, "name": waddle.name },
        "channel": {
            "id": channel.id, "slug": channel.slug, "name": channel.name,
            "jid": format!("{}@muc.{domain}", room_localpart(waddle, channel)),
        },
    })
}

/// Whether a hook's maker may manage webhooks still; one without a maker is the operator's.
pub(super) fn maker_may(access: &WaddleAccess, hook: &OutgoingHook) -> bool {
    let maker = hook.made_by.as_ref();
    maker.is_none_or(|u| access.waddle_allows("manage_webhooks", u))
}

/// What to say of an event, if the hook's maker may see it now and its channel is among the hook's; nothing where it is
/// not to be told, or where it was taken back since.
pub(super) async fn permitted(
    hooks: &Hooks,
    waddle: WaddleId,
    hook: &OutgoingHook,
    tell: &Tell,
) -> Result<Option<Value>> {
    let Some(data) = &tell.data else { return Ok(None) };
    let access = hooks.community().access(waddle).await?;
    if !maker_may(&access, hook) {
        return Ok(None);
    }
    let only: Option<Vec<ChannelId>> = hook.channels.as_deref().and_then(|c| serde_json::from_str(c).ok());
    if tell.audit {
        let target = data["target"].as_str().and_then(|t| t.strip_prefix("channel:"));
        let channel: Option<ChannelId> = target.and_then(|c| c.parse().ok());
        let chosen = only.is_none_or(|all| channel.is_some_and(|c| all.contains(&c)));
        let may = hook.made_by.as_ref().is_none_or(|u| access.waddle_allows("read_audit", u));
        return Ok((chosen && may).then(|| data.clone()));
    }
    let channel_id = data["channel_id"].as_str().and_then(|c| c.parse().ok());
    let Some(channel) = channel_id.and_then(|c| access.channel(c)) else {
        return Ok(None);
    };
    let may = hook
        .made_by
        .as_ref()
        .is_none_or(|u| access.channel_allows(channel.id, "view", u));
    if !may || only.is_some_and(|all| !all.contains(&channel.id)) {
        return Ok(None);
    }
    let Some(id) = data["message_id"].as_str().and_then(|m| m.parse::<MessageId>().ok()) else {
        return Ok(None);
    };
    let mut out = about(&access.waddle(), &channel, hooks.community().domain());
    if tell.kind == "message.deleted" {
        out["message_id"] = json!(id);
        return Ok(Some(out));
    }
    let viewer = Viewer {
        user: hook.made_by.clone(),
        addresses: hook.made_by.as_ref().is_none_or(|u| access.is_member(u)),
    };
    let db = hooks.waddle_db(waddle).await?;
    let view: Option<MessageView> = db
        .read(move |conn| {
            let key = ArchiveKey::channel(channel.id);
            Ok(channel::one(conn, &key, channel.id, &viewer, id).ok())
        })
        .await?;
    let Some(view) = view.filter(|v| !v.deleted) else {
        return Ok(None);
    };
    out["message"] = serde_json::to_value(view).map_err(|_| Error::Internal("a message is no JSON"))?;
    Ok(Some(out))
}
