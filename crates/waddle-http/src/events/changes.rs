//! How a stream follows the changes of waddles: what its client knows of them is compared with what is so now.

use waddle_community::{Event, RemovalKind};
use waddle_core::{ChannelId, WaddleId};

use super::{
    stream::{Mark, Need, Stream},
    view::EventView,
};
use crate::{api::channels::view as channel_view, problem::Problem};

impl Stream {
    /// Takes a change.
    pub async fn changed(&mut self, event: &Event) -> Result<(), Problem> {
        let waddle_id = event.waddle();
        let user = self.user().clone();
        match event {
            Event::WaddleUpdated(waddle) => {
                let event = EventView::WaddleUpdated {
                    waddle_id,
                    name: waddle.name.clone(),
                    description: waddle.description.clone(),
                };
                self.push(event, Need::Member(waddle_id), Mark::Stay);
            }
            Event::WaddleDeleted { .. } => self.left(waddle_id),
            Event::MemberAdded { user: who, .. } if *who == user => self.joined(waddle_id).await?,
            Event::MemberRemoved { user: who, kind, .. }
                if *who == user && !matches!(kind, RemovalKind::Removed) =>
            {
                self.left(waddle_id);
            }
            Event::ChannelCreated { channel, .. } | Event::ChannelUpdated { channel, .. } => {
                self.look_again(waddle_id, |id| id == channel.id, true).await?;
            }
            Event::ChannelDeleted { channel, .. } => {
                let known = self
                    .visible
                    .get_mut(&waddle_id)
                    .is_some_and(|v| v.remove(&channel.id));
                if known {
                    let event = EventView::ChannelDeleted {
                        waddle_id,
                        channel_id: channel.id,
                    };
                    self.push(event, Need::Member(waddle_id), Mark::Stay);
                }
            }
            Event::TuplesChanged { users, channels, .. } if users.concerns(&user) => {
                let is_member = match self.access(waddle_id).await? {
                    Some(access) => access.is_member(&user),
                    None => false,
                };
                match (is_member, self.visible.contains_key(&waddle_id)) {
                    (false, _) => self.left(waddle_id),
                    (true, false) => self.joined(waddle_id).await?,
                    (true, true) => {
                        self.look_again(waddle_id, |id| channels.concern(id), false)
                            .await?;
                    }
                }
            }
            Event::OrderChanged { .. } => {
                if let Some(access) = self.access(waddle_id).await? {
                    let channels = access.visible_channels(&user).iter().map(|c| c.id).collect();
                    let event = EventView::ChannelsReordered { waddle_id, channels };
                    self.push(event, Need::Member(waddle_id), Mark::Stay);
                }
            }
            Event::RolesChanged { .. } => {
                self.push(
                    EventView::RolesUpdated { waddle_id },
                    Need::Member(waddle_id),
                    Mark::Stay,
                );
            }
            Event::TimedOut {
                user: who,
                until,
                reason,
                ..
            } if *who == user => {
                let event = EventView::TimedOut {
                    waddle_id,
                    until: Some(*until),
                    reason: reason.as_deref().map(str::to_owned),
                };
                self.push(event, Need::Member(waddle_id), Mark::Stay);
            }
            Event::TimeoutEnded { user: who, .. } if *who == user => {
                let event = EventView::TimedOut {
                    waddle_id,
                    until: None,
                    reason: None,
                };
                self.push(event, Need::Member(waddle_id), Mark::Stay);
            }
            Event::JoinRequested { request, .. } => {
                let event = EventView::JoinRequested {
                    waddle_id,
                    request_id: request.id,
                    user: request.user.clone(),
                };
                self.push(event, Need::Waddle(waddle_id, "invite"), Mark::Stay);
            }
            Event::ReportFiled { report, fresh, .. } => {
                let event = EventView::ReportFiled {
                    waddle_id,
                    report: *report,
                    fresh: *fresh,
                };
                self.push(event, Need::Waddle(waddle_id, "review_reports"), Mark::Stay);
            }
            Event::ReportHandled { report, state, .. } => {
                let event = EventView::ReportHandled {
                    waddle_id,
                    report: *report,
                    state: *state,
                };
                self.push(event, Need::Waddle(waddle_id, "review_reports"), Mark::Stay);
            }
            _ => {}
        }
        Ok(())
    }

    /// One belongs to a waddle now.
    async fn joined(&mut self, waddle_id: WaddleId) -> Result<(), Problem> {
        let wanted = self.chosen.as_ref().is_none_or(|c| c.contains(&waddle_id));
        if !wanted || self.visible.contains_key(&waddle_id) {
            return Ok(());
        }
        self.seat.follow(waddle_id).await?;
        if let Some(access) = self.access(waddle_id).await? {
            let waddle = self.seen(&access);
            self.push(
                EventView::WaddleJoined { waddle },
                Need::Member(waddle_id),
                Mark::Stay,
            );
        }
        Ok(())
    }

    /// One does not belong to a waddle any more.
    fn left(&mut self, waddle_id: WaddleId) {
        if self.visible.remove(&waddle_id).is_some() {
            self.seat.unfollow(waddle_id);
            self.push(EventView::WaddleLeft { waddle_id }, Need::Nothing, Mark::Stay);
        }
    }

    /// Compares what one sees of some channels with what the client knows; those that stay are told where `updated`.
    async fn look_again(
        &mut self,
        waddle_id: WaddleId,
        which: impl Fn(ChannelId) -> bool,
        updated: bool,
    ) -> Result<(), Problem> {
        let Some(access) = self.access(waddle_id).await? else {
            return Ok(());
        };
        let waddle = access.waddle();
        let mut known = self.visible.remove(&waddle_id).unwrap_or_default();
        for channel in access.channels().iter().filter(|c| which(c.id)) {
            let sees = access.channel_allows(channel.id, "view", self.user());
            let shown = || Box::new(channel_view(&self.app, &waddle, channel));
            let need = Need::Channel(waddle_id, channel.id, "view");
            let (event, need) = match (sees, known.contains(&channel.id)) {
                (true, false) => {
                    known.insert(channel.id);
                    let channel = shown();
                    (EventView::ChannelCreated { waddle_id, channel }, need)
                }
                (true, true) if updated => {
                    let channel = shown();
                    (EventView::ChannelUpdated { waddle_id, channel }, need)
                }
                (false, true) => {
                    known.remove(&channel.id);
                    let channel_id = channel.id;
                    (
                        EventView::ChannelDeleted {
                            waddle_id,
                            channel_id,
                        },
                        Need::Member(waddle_id),
                    )
                }
                _ => continue,
            };
            self.push(event, need, Mark::Stay);
        }
        self.visible.insert(waddle_id, known);
        Ok(())
    }
}
