//! What moderators do to people: timeouts, kicks, bans, purges.

use std::time::Duration;

use waddle_community::{BanDetails, PurgeRequest, RemovalKind};
use waddle_stanza::forms::{Field, FieldKind, Form};

use super::{JID, ModCommand, REASON, Scene, done, now, number, person, refused, text};
use crate::command::{Asker, StepResult};

const MINUTES: &str = "minutes";
const HOURS: &str = "hours";
const LAST: &str = "last";
const SINCE: &str = "since-hours";
const HERE: &str = "this-channel";
const PURGE: &str = "purge";
const YEAR: u64 = 366 * 24;

/// What is to be filled out; `here`: a channel was asked.
pub(super) fn form(command: ModCommand, form: Form, here: bool) -> Form {
    let single = |var: &str, label: &str| Field::new(var, FieldKind::TextSingle).label(label);
    let flag = |var: &str, label: &str| Field::new(var, FieldKind::Boolean).label(label).flag(false);
    let form = form.field(
        Field::new(JID, FieldKind::JidSingle)
            .label("Address of the person")
            .required(),
    );
    let form = match command {
        ModCommand::Timeout => form.field(single(MINUTES, "For how many minutes").value("10").required()),
        ModCommand::Ban => form
            .field(single(HOURS, "For how many hours; empty for ever"))
            .field(flag(PURGE, "Also purge what they said")),
        ModCommand::Purge => {
            let form = form
                .field(single(LAST, "Only the last so many messages"))
                .field(single(SINCE, "Only of the last so many hours"));
            if here {
                form.field(flag(HERE, "Only in this channel"))
            } else {
                form
            }
        }
        _ => form,
    };
    match command {
        ModCommand::EndTimeout | ModCommand::Unban => form,
        _ => form.field(single(REASON, "Reason")),
    }
}

/// Does it.
pub(super) async fn act(command: ModCommand, asker: &Asker<'_>, scene: &Scene, form: &Form) -> StepResult {
    let community = &asker.server.community;
    let (id, actor) = (scene.waddle.id, asker.user());
    let user = person(asker, form).await?;
    let reason = text(form, REASON);
    match command {
        ModCommand::Timeout => {
            let minutes = number(form, MINUTES, 28 * 24 * 60)?.unwrap_or(10);
            let until = now(asker).plus(Duration::from_secs(minutes * 60));
            community
                .timeout_member(actor, id, &user, until, reason)
                .await
                .map_err(refused)?;
            done(format!("they may read but not write until {until}"))
        }
        ModCommand::EndTimeout => {
            community.end_timeout(actor, id, &user).await.map_err(refused)?;
            done("they may write again")
        }
        ModCommand::Kick => {
            let kicked = community.remove_member(actor, id, &user, RemovalKind::Kicked, reason);
            kicked.await.map_err(refused)?;
            done("they are out of the waddle, and may come back")
        }
        ModCommand::Ban => {
            let until = number(form, HOURS, YEAR)?.map(|h| now(asker).plus(Duration::from_secs(h * 3_600)));
            let details = BanDetails {
                reason: reason.map(str::to_owned),
                expires_at: until,
            };
            community
                .ban_member(actor, id, &user, details)
                .await
                .map_err(refused)?;
            if form.flag(PURGE) == Some(true) {
                let request = PurgeRequest {
                    reason: reason.map(str::to_owned),
                    ..PurgeRequest::default()
                };
                let begun = community.start_purge(actor, id, &user, request).await;
                begun.map_err(refused)?;
            }
            done(match until {
                Some(until) => format!("they are banned until {until}"),
                None => "they are banned".to_owned(),
            })
        }
        ModCommand::Unban => {
            community.unban(actor, id, &user).await.map_err(refused)?;
            done("they may come back")
        }
        ModCommand::Purge => {
            let hours = number(form, SINCE, 100 * YEAR)?;
            let request = PurgeRequest {
                channel: scene.channel.filter(|_| form.flag(HERE) == Some(true)),
                last: number(form, LAST, 1_000_000)?,
                since: hours.map(|h| now(asker).minus(Duration::from_secs(h * 3_600))),
                reason: reason.map(str::to_owned),
            };
            let begun = community.start_purge(actor, id, &user, request).await;
            begun.map_err(refused)?;
            done("their messages are being retracted; it goes on by itself")
        }
        ModCommand::Reports | ModCommand::Handle => done(""),
    }
}
