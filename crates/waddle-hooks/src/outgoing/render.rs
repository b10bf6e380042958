//! What there is to tell: read from the archive and the audit log, in the order in which it happened, and shown as the
//! hook's maker may see it at that moment.

use serde_json::{Value, json};
use waddle_community::{Channel, Waddle, WaddleAccess, room_localpart};
use waddle_core::{ChannelId, MessageId, WaddleId};
use waddle_messages::{MessageView, News, NewsKind, Viewer, channel, names, news};
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
pub(super) async fn after(
    hooks: &Hooks,
    waddle: WaddleId,
    hook: &OutgoingHook,
    max: usize,
) -> Result<Vec<Tell>> {
    let (db, cursor) = (hooks.waddle_db(waddle).await?, hook.cursor);
    let (said, done) = db
        .read(move |conn| {
            let said = news::since(conn, waddle, MessageId(cursor.messages), max);
            Ok((said, hooks::audit_after(conn, cursor.audit, max)?))
        })
        .await?;
    let said = said?;
    let said = said.iter().map(of_news).collect();
    Ok(merged(said, done.iter().map(of_audit).collect(), max))
}

/// Both by their times, each in its own order, also where a clock went back: a cursor never passes what was not told.
/// Where one of both goes on behind `max`, what comes after its last is not due: it could be later than what was not read.
fn merged(said: Vec<Tell>, done: Vec<Tell>, max: usize) -> Vec<Tell> {
    let (said_goes_on, done_goes_on) = (said.len() >= max, done.len() >= max);
    let mut all = Vec::with_capacity(said.len() + done.len());
    let (mut said, mut done) = (said.into_iter().peekable(), done.into_iter().peekable());
    loop {
        let first = match (said.peek(), done.peek()) {
            (None, _) if said_goes_on => return all,
            (_, None) if done_goes_on => return all,
            (None, None) => return all,
            (Some(s), Some(d)) if s.at <= d.at => said.next(),
            (Some(_), None) => said.next(),
            (_, Some(_)) => done.next(),
        };
        all.extend(first);
    }
}

/// The event that a dead letter names, if it is still there.
pub(super) async fn one(hooks: &Hooks, waddle: WaddleId, letter: &DeadLetter) -> Result<Option<Tell>> {
    let (db, letter) = (hooks.waddle_db(waddle).await?, letter.clone());
    let found = db
        .read(move |conn| {
            if letter.audit {
                return Ok(Ok(hooks::audit(conn, letter.position)?.as_ref().map(of_audit)));
            }
            let found = news::since(conn, waddle, MessageId(letter.position.saturating_sub(1)), 1);
            let is_it = |n: &News| n.id.0 == letter.position;
            Ok(found.map(|n| n.into_iter().next().filter(is_it).as_ref().map(of_news)))
        })
        .await?;
    Ok(found?)
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

/// What a hook is to be told of an event.
#[derive(Debug)]
pub(super) enum Told {
    /// This.
    Data(Value),
    /// Nothing: its maker may not see it, or its channel is not among the hook's.
    Hidden,
    /// Nothing: it was taken back since, or has expired.
    Gone,
}

/// What an event says, where the hook's maker may see it now and its channel is among the hook's. An error where that
/// cannot be read: then nobody knows.
pub(super) async fn permitted(
    hooks: &Hooks,
    waddle: WaddleId,
    hook: &OutgoingHook,
    tell: &Tell,
) -> Result<Told> {
    let Some(data) = &tell.data else {
        return Ok(Told::Gone);
    };
    let access = hooks.community().access(waddle).await?;
    if !maker_may(&access, hook) {
        return Ok(Told::Hidden);
    }
    let only: Option<Vec<ChannelId>> = hook
        .channels
        .as_deref()
        .and_then(|c| serde_json::from_str(c).ok());
    if tell.audit {
        let target = data["target"].as_str().and_then(|t| t.strip_prefix("channel:"));
        let channel: Option<ChannelId> = target.and_then(|c| c.parse().ok());
        let chosen = only.is_none_or(|all| channel.is_some_and(|c| all.contains(&c)));
        let may = hook
            .made_by
            .as_ref()
            .is_none_or(|u| access.waddle_allows("read_audit", u));
        return Ok(if chosen && may {
            Told::Data(data.clone())
        } else {
            Told::Hidden
        });
    }
    let channel_id = data["channel_id"].as_str().and_then(|c| c.parse().ok());
    let Some(channel) = channel_id.and_then(|c| access.channel(c)) else {
        return Ok(Told::Gone);
    };
    let may = hook
        .made_by
        .as_ref()
        .is_none_or(|u| access.channel_allows(channel.id, "view", u));
    if !may || only.is_some_and(|all| !all.contains(&channel.id)) {
        return Ok(Told::Hidden);
    }
    let Some(id) = data["message_id"]
        .as_str()
        .and_then(|m| m.parse::<MessageId>().ok())
    else {
        return Ok(Told::Gone);
    };
    let mut out = about(&access.waddle(), &channel, hooks.community().domain());
    if tell.kind == "message.deleted" {
        out["message_id"] = json!(id);
        return Ok(Told::Data(out));
    }
    let viewer = Viewer {
        user: hook.made_by.clone(),
        addresses: hook.made_by.as_ref().is_none_or(|u| access.is_member(u)),
    };
    let db = hooks.waddle_db(waddle).await?;
    let view = db
        .read(move |conn| {
            let key = ArchiveKey::channel(channel.id);
            Ok(channel::one(conn, &key, channel.id, &viewer, id))
        })
        .await?;
    let mut view: MessageView = match view {
        Ok(view) if !view.deleted => view,
        Ok(_) | Err(waddle_messages::Error::NotFound) => return Ok(Told::Gone),
        Err(e) => return Err(e.into()),
    };
    names::put(&hooks.community().storage().server(), [&mut view]).await?;
    out["message"] = serde_json::to_value(view).map_err(|_| Error::Internal("a message is no JSON"))?;
    Ok(Told::Data(out))
}

#[cfg(test)]
mod tests {
    use waddle_core::Timestamp;

    use super::*;

    fn tells(audit: bool, times: &[i64]) -> Vec<Tell> {
        let one = |(n, at): (usize, &i64)| Tell {
            audit,
            position: i64::try_from(n).unwrap() + 1,
            kind: String::new(),
            at: Timestamp(*at),
            data: None,
        };
        times.iter().enumerate().map(one).collect()
    }

    fn order(said: &[i64], done: &[i64], max: usize) -> Vec<(bool, i64)> {
        let all = merged(tells(false, said), tells(true, done), max);
        all.iter().map(|t| (t.audit, t.position)).collect()
    }

    #[test]
    fn each_keeps_its_order_where_a_clock_went_back() {
        let all = order(&[10, 40], &[30, 20, 50], 100);
        assert_eq!(all, [(false, 1), (true, 1), (true, 2), (false, 2), (true, 3)]);
    }

    #[test]
    fn nothing_is_told_before_what_was_not_read() {
        // the archive goes on behind its second: the audit line of 50 may come before what follows
        assert_eq!(order(&[10, 40], &[50], 2), [(false, 1), (false, 2)]);
        assert_eq!(order(&[60], &[10, 40], 2), [(true, 1), (true, 2)]);
        assert_eq!(order(&[], &[], 2), []);
    }
}
