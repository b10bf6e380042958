//! Changes of waddles, channels and permissions, passed on to the rooms they concern (`specs/rooms.md`).

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use waddle_community::{Event, Users};
use waddle_core::{RoomName, Slug, WaddleId};

use crate::{
    load::settings_of,
    purge,
    rooms::{Inner, WeakRooms},
    state::Input,
};

/// Listens as long as the service lives.
pub(crate) async fn listen(rooms: WeakRooms, mut changes: Receiver<Event>) {
    loop {
        let change = changes.recv().await;
        let Some(rooms) = rooms.upgrade() else { return };
        match change {
            Ok(event) => pass_on(&rooms, event).await,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(
                    missed,
                    "changes of permissions were missed; every room checks everybody"
                );
                for name in rooms.names() {
                    rooms.tell(&name, Input::Recheck(None));
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn pass_on(rooms: &Arc<Inner>, event: Event) {
    let community = &rooms.deps.community;
    match event {
        Event::TuplesChanged {
            waddle,
            users,
            channels,
            ..
        } => {
            let users = match users {
                Users::Some(users) => Some(users),
                Users::All => None,
            };
            each(rooms, waddle, |_, channel| {
                channels
                    .concern(channel.id)
                    .then(|| Input::Recheck(users.clone()))
            })
            .await;
        }
        Event::MemberRolesChanged { waddle, user, .. } => {
            each(rooms, waddle, |_, _| Some(Input::Roles(Some(user.clone())))).await;
        }
        Event::RolesChanged { waddle, .. } => each(rooms, waddle, |_, _| Some(Input::Roles(None))).await,
        Event::MemberRemoved {
            waddle,
            user,
            kind,
            reason,
            ..
        } => {
            each(rooms, waddle, |_, _| {
                Some(Input::Removed(user.clone(), kind, reason.clone()))
            })
            .await;
        }
        Event::WaddleUpdated(w) => {
            each(rooms, w.id, |waddle, channel| {
                Some(Input::Renewed(Box::new(settings_of(waddle, channel))))
            })
            .await;
        }
        Event::ChannelUpdated { slug, channel } => {
            if let Some(waddle) = community.waddle_by_id(channel.waddle) {
                let settings = settings_of(&waddle, &channel);
                let name = RoomName::localpart(&slug, &channel.slug);
                rooms.tell(&name, Input::Slow(channel.slow_mode_seconds));
                rooms.tell(&name, Input::Renewed(Box::new(settings)));
            }
        }
        Event::ChannelDeleted { slug, channel } => {
            rooms.tell(&RoomName::localpart(&slug, &channel.slug), Input::Deleted);
        }
        Event::PurgeStarted { waddle } => purge::begin(rooms, waddle),
        Event::WaddleDeleted { slug, .. } => below(rooms, &slug, || Input::Deleted),
        Event::WaddleCreated(w) => below(rooms, &w.slug, || Input::Claimed),
        _ => {}
    }
}

/// Tells the active rooms whose names begin with a slug.
fn below(rooms: &Arc<Inner>, slug: &Slug, input: impl Fn() -> Input) {
    let prefix = [slug.as_str(), "."].concat();
    for name in rooms.names().iter().filter(|n| n.starts_with(&prefix)) {
        rooms.tell(name, input());
    }
}

/// Tells the rooms of all channels of a waddle, as far as they are active.
async fn each(
    rooms: &Arc<Inner>,
    waddle: WaddleId,
    input: impl Fn(&waddle_community::Waddle, &waddle_community::Channel) -> Option<Input>,
) {
    let community = &rooms.deps.community;
    let Some(row) = community.waddle_by_id(waddle) else {
        return;
    };
    let Ok(access) = community.access(waddle).await else {
        return;
    };
    for channel in access.channels() {
        let name = RoomName::localpart(&row.slug, &channel.slug);
        if let Some(input) = input(&row, &channel) {
            rooms.tell(&name, input);
        }
    }
}
