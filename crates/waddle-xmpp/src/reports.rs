//! Reports on messages of channels (XEP-0377) go to the moderators of the waddle too, and moderators hear that there is
//! something to look at (`specs/moderation.md`, "Reports").

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use waddle_community::{Complaint, Event, On, ReportSource, Role};
use waddle_core::{Jid, MessageId, RoomName, Timestamp, WaddleId};
use waddle_storage::repo::reports::Report;

use crate::{direct, server::Server, session::Session};

/// Between two messages about the reports of one waddle.
const PAUSE: Duration = Duration::from_secs(60);
/// Moderators of each kind that are told at the most.
const MOST: usize = 50;

/// Passes reports on messages of channels on to their waddles. What is about no message of a channel that the reporter
/// can see stays with the server's administrators.
pub(crate) fn pass_on(server: &Arc<Server>, session: &Arc<Session>, reports: Vec<Report>) {
    let found: Vec<(WaddleId, Complaint)> = reports.iter().flat_map(|r| complaints(server, r)).collect();
    if found.is_empty() {
        return;
    }
    let (community, user, via) = (server.community.clone(), session.user.clone(), session.via());
    server.runtime.spawn(via.scope(async move {
        for (waddle, complaint) in found {
            if let Err(error) = community.report_message(&user, waddle, complaint).await {
                tracing::debug!(%waddle, %error, "a report stays with the server");
            }
        }
    }));
}

fn complaints(server: &Server, report: &Report) -> Vec<(WaddleId, Complaint)> {
    let named = |by: &str, id: &str| {
        let room: Jid = by.parse().ok()?;
        if room.domain() != server.config.muc_domain {
            return None;
        }
        let RoomName::Channel { waddle, channel } = RoomName::parse(room.local()?) else {
            return None;
        };
        let waddle = server.community.waddle_by_slug(&waddle)?;
        let channel = server
            .community
            .access_now(waddle.id)?
            .channel_by_slug(&channel)?;
        let complaint = Complaint {
            source: ReportSource::Xmpp,
            channel: channel.id,
            message: id.parse::<MessageId>().ok()?,
            reason: report.reason.chars().take(200).collect(),
            text: report.text.as_ref().map(|t| t.chars().take(2_000).collect()),
        };
        Some((waddle.id, complaint))
    };
    report.ids.iter().filter_map(|(by, id)| named(by, id)).collect()
}

/// Tells moderators of new reports, at most once in [`PAUSE`] for each waddle.
pub(crate) async fn watch(server: Arc<Server>) {
    use tokio::sync::broadcast::error::RecvError;
    let mut events = server.community.events();
    let mut told: BTreeMap<WaddleId, Timestamp> = BTreeMap::new();
    loop {
        let event = tokio::select! {
            e = events.recv() => e,
            () = server.stop.cancelled() => return,
        };
        match event {
            Ok(Event::ReportFiled {
                waddle, fresh: true, ..
            }) => {
                let now = server.now();
                told.retain(|_, at| now < at.plus(PAUSE));
                if let Entry::Vacant(first) = told.entry(waddle) {
                    first.insert(now);
                    tell(&server, waddle).await;
                }
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell(server: &Arc<Server>, id: WaddleId) {
    let community = &server.community;
    let (Some(waddle), Ok(access)) = (community.waddle_by_id(id), community.access(id).await) else {
        return;
    };
    let text = [
        "Something in ",
        &waddle.name,
        " was reported. The command \u{201c}List reports\u{201d} of any of its channels, or of spaces.",
        &server.config.domain,
        ", shows what waits.",
    ]
    .concat();
    for role in [Role::Owner, Role::Admin, Role::Moderator] {
        let members = community.members_page(id, Some(role), None, MOST).await;
        for member in members.unwrap_or_default() {
            if !access.allows(On::Waddle, "review_reports", &member.user) {
                continue;
            }
            if let Ok(Some(account)) = server.identity.by_user(&member.user).await
                && let Some(to) = server.account(&account.localpart)
            {
                direct::notice(server, &to, &text);
            }
        }
    }
}
