//! What happens to one person beside their waddles, for their streams: direct messages, requests, small groups, markers.

use waddle_core::{BareJid, ChannelId, MessageId, RoomName, UserId, WaddleId};
use waddle_messages::direct::{self, DirectNews};
use waddle_storage::repo::direct::{Request, get_request, requests};
use waddle_xmpp::direct::news::What;

use super::{
    hub::Hub,
    stream::{Mark, Need, Stream},
    view::EventView,
};
use crate::problem::Problem;

/// Requests of one person among which a new one is looked for.
const REQUESTS: usize = 20;

/// What happened to them.
#[derive(Debug)]
pub enum Personal {
    /// A direct message, and what did it.
    Direct(MessageId, DirectNews),
    /// Somebody asks.
    Asked(Request),
    /// A request was answered.
    Answered(i64, bool),
    /// A marker moved; in a channel, or in a conversation or group.
    Read(BareJid, Option<(WaddleId, ChannelId)>, MessageId),
    /// A group changed.
    Group(String),
    /// They are in a group no more.
    LeftGroup(String),
}

impl Hub {
    /// Reads what streams need of it; nothing where there is nothing to tell.
    pub(super) async fn personal(
        &self,
        user: &UserId,
        what: What,
    ) -> Result<Option<Personal>, waddle_community::Error> {
        let server = self.community().storage().server();
        Ok(match what {
            What::Said(id) => {
                let user = user.clone();
                let found = server.read(move |c| direct::one(c, &user, id)).await?;
                found.map(|news| Personal::Direct(id, news))
            }
            What::Asked { owner, jid, room } => {
                let found = server.read(move |c| {
                    let all = requests(c, &owner, None, REQUESTS)?;
                    let asked = all.into_iter().find(|r| r.jid == jid && r.room == room);
                    asked.map(|r| get_request(c, &owner, r.id)).transpose()
                });
                found.await?.map(Personal::Asked)
            }
            What::Answered { id, accepted } => Some(Personal::Answered(id, accepted)),
            What::Read { with, id } => {
                let place = self.channel_of(&with).await?;
                Some(Personal::Read(with, place, id))
            }
            What::Group(room) => Some(Personal::Group(room)),
            What::LeftGroup(room) => Some(Personal::LeftGroup(room)),
        })
    }

    /// The channel whose room this is.
    async fn channel_of(
        &self,
        room: &BareJid,
    ) -> Result<Option<(WaddleId, ChannelId)>, waddle_community::Error> {
        let Some(RoomName::Channel { waddle, channel }) =
            room.local().filter(|_| self.is_room(room)).map(RoomName::parse)
        else {
            return Ok(None);
        };
        let Some(waddle) = self.community().waddle_by_slug(&waddle) else {
            return Ok(None);
        };
        let access = self.community().access(waddle.id).await?;
        Ok(access.channel_by_slug(&channel).map(|c| (waddle.id, c.id)))
    }
}

/// A direct message as it is told.
fn direct_view(news: DirectNews) -> EventView {
    match news {
        DirectNews::Said {
            peer,
            message,
            replaces,
        } => EventView::DirectMessage {
            jid: peer.to_string(),
            message: Box::new(message.into()),
            replaces,
        },
        DirectNews::Deleted { peer, id } => EventView::DirectDeleted {
            jid: peer.to_string(),
            message_id: id,
        },
    }
}

impl Stream {
    /// Reads what was missed of direct messages, or says that it was too much.
    pub(super) async fn missed_direct(&mut self) -> Result<(), Problem> {
        let most = self.app.config.limits.http_stream_replay;
        let (user, after) = (self.user().clone(), self.cursor.place(None).message);
        let server = self.app.deps.community.storage().server();
        let missed = server
            .read(move |c| direct::since(c, &user, after, most))
            .await
            .map_err(waddle_community::Error::from)?;
        let Some(last) = missed.last().map(|(id, _)| *id) else {
            return Ok(());
        };
        self.direct_upto = last;
        if missed.len() > most {
            self.push(EventView::DirectReset, Need::Nothing, Mark::Direct(last));
            return Ok(());
        }
        for (id, news) in missed {
            self.push(direct_view(news), Need::Nothing, Mark::Direct(id));
        }
        Ok(())
    }

    /// Takes what happened to the person; streams about some waddles alone tell nothing of it but their markers.
    pub(super) fn happened(&mut self, what: &Personal) {
        let domain = &self.app.config.domain;
        let room = |group: &str| [group, "@muc.", domain].concat();
        let (event, mark) = match what {
            Personal::Read(with, Some((waddle, channel)), id) => {
                let wanted = self.chosen.as_ref().is_none_or(|c| c.contains(waddle));
                let event = EventView::InboxRead {
                    jid: with.to_string(),
                    waddle_id: Some(*waddle),
                    channel_id: Some(*channel),
                    message_id: *id,
                };
                if wanted {
                    self.push(event, Need::Channel(*waddle, *channel, "join"), Mark::Stay);
                }
                return;
            }
            _ if self.chosen.is_some() => return,
            Personal::Direct(id, _) if *id <= self.direct_upto => return,
            Personal::Direct(id, news) => (direct_view(news.clone()), Mark::Direct(*id)),
            Personal::Read(with, None, id) => {
                let event = EventView::InboxRead {
                    jid: with.to_string(),
                    waddle_id: None,
                    channel_id: None,
                    message_id: *id,
                };
                (event, Mark::Stay)
            }
            Personal::Asked(request) => {
                let request = Box::new(request.clone().into());
                (EventView::DirectRequested { request }, Mark::Stay)
            }
            Personal::Answered(request_id, accepted) => {
                let event = EventView::DirectRequestClosed {
                    request_id: *request_id,
                    accepted: *accepted,
                };
                (event, Mark::Stay)
            }
            Personal::Group(group) => {
                let jid = room(group);
                let group = group.clone();
                (EventView::DirectGroupUpdated { group, jid }, Mark::Stay)
            }
            Personal::LeftGroup(group) => {
                let jid = room(group);
                let group = group.clone();
                (EventView::DirectGroupLeft { group, jid }, Mark::Stay)
            }
        };
        self.push(event, Need::Nothing, mark);
    }
}
