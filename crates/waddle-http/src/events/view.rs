//! What streams tell.

use serde::Serialize;
use utoipa::ToSchema;
use waddle_community::ReportState;
use waddle_core::{ChannelId, JoinRequestId, MessageId, Slug, Timestamp, UserId, WaddleId};
use waddle_messages::MessageView;

use crate::api::{channels::ChannelView, direct::DirectRequestView, inbox::DirectMessageView};

/// A waddle at the beginning of a stream.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StreamWaddle {
    /// Its identifier.
    pub id: WaddleId,
    /// Its slug.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// The channels that one may see: others that one knew are gone.
    pub channels: Vec<ChannelId>,
}

/// How a membership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Departure {
    /// By their own will.
    Left,
    /// Taken off the list.
    Removed,
    /// Kicked.
    Kicked,
    /// Banned.
    Banned,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type")]
pub enum EventView {
    /// The stream begins: how things are now.
    #[serde(rename = "ready")]
    Ready {
        /// Whether what was missed follows.
        resumed: bool,
        /// Those that the stream is about.
        waddles: Vec<StreamWaddle>,
    },
    /// Too much was missed in a waddle: read it again.
    #[serde(rename = "reset")]
    Reset {
        /// Which.
        waddle_id: WaddleId,
    },
    /// Something was said.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// Where.
        waddle_id: WaddleId,
        /// In which channel.
        channel_id: ChannelId,
        /// Whether it mentions the one who reads, or everybody.
        mentions_me: bool,
        /// The message.
        message: Box<MessageView>,
    },
    /// A message has another text, a preview, is pinned or is not any more.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// Where.
        waddle_id: WaddleId,
        /// In which channel.
        channel_id: ChannelId,
        /// The message as it is now.
        message: Box<MessageView>,
    },
    /// The reactions to a message are others.
    #[serde(rename = "message.reactions")]
    MessageReactions {
        /// Where.
        waddle_id: WaddleId,
        /// In which channel.
        channel_id: ChannelId,
        /// The message as it is now.
        message: Box<MessageView>,
    },
    /// A message was taken back.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// Where.
        waddle_id: WaddleId,
        /// In which channel.
        channel_id: ChannelId,
        /// Which.
        message_id: MessageId,
    },
    /// One sees a channel that one did not see before.
    #[serde(rename = "channel.created")]
    ChannelCreated {
        /// Where.
        waddle_id: WaddleId,
        /// It.
        channel: Box<ChannelView>,
    },
    /// A channel was changed.
    #[serde(rename = "channel.updated")]
    ChannelUpdated {
        /// Where.
        waddle_id: WaddleId,
        /// As it is now.
        channel: Box<ChannelView>,
    },
    /// A channel is gone, or one does not see it any more.
    #[serde(rename = "channel.deleted")]
    ChannelDeleted {
        /// Where.
        waddle_id: WaddleId,
        /// Which.
        channel_id: ChannelId,
    },
    /// The order of the channels, or the categories, changed.
    #[serde(rename = "channels.reordered")]
    ChannelsReordered {
        /// Where.
        waddle_id: WaddleId,
        /// Those that one sees, in their order.
        channels: Vec<ChannelId>,
    },
    /// One belongs to a waddle now.
    #[serde(rename = "waddle.joined")]
    WaddleJoined {
        /// It.
        waddle: StreamWaddle,
    },
    /// A waddle was changed.
    #[serde(rename = "waddle.updated")]
    WaddleUpdated {
        /// Which.
        waddle_id: WaddleId,
        /// Its name now.
        name: String,
        /// What it is about.
        description: String,
    },
    /// One does not belong to a waddle any more, or it is gone.
    #[serde(rename = "waddle.left")]
    WaddleLeft {
        /// Which.
        waddle_id: WaddleId,
    },
    /// Somebody joined.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// Where.
        waddle_id: WaddleId,
        /// Who.
        user: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody's role, or what they may do, changed.
    #[serde(rename = "member.updated")]
    MemberUpdated {
        /// Where.
        waddle_id: WaddleId,
        /// Who.
        user: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody is no member any more.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// Where.
        waddle_id: WaddleId,
        /// Who.
        user: UserId,
        /// How.
        how: Departure,
        /// When.
        at: Timestamp,
    },
    /// Somebody may read and not write for a while, or may write again.
    #[serde(rename = "member.timed_out")]
    MemberTimedOut {
        /// Where.
        waddle_id: WaddleId,
        /// Who.
        user: UserId,
        /// Until when; null where it is over.
        until: Option<Timestamp>,
        /// When it was said.
        at: Timestamp,
    },
    /// The custom roles changed.
    #[serde(rename = "roles.updated")]
    RolesUpdated {
        /// Where.
        waddle_id: WaddleId,
    },
    /// One may read and not write for a while; until now where it is over.
    #[serde(rename = "timeout")]
    TimedOut {
        /// Where.
        waddle_id: WaddleId,
        /// Until when; null where it is over.
        until: Option<Timestamp>,
        /// Why, if it was said.
        reason: Option<String>,
    },
    /// Somebody asks to join; for who answers such requests.
    #[serde(rename = "join_request.created")]
    JoinRequested {
        /// Where.
        waddle_id: WaddleId,
        /// Which.
        request_id: JoinRequestId,
        /// Who.
        user: UserId,
    },
    /// Something was reported; for who reviews reports.
    #[serde(rename = "report.filed")]
    ReportFiled {
        /// Where.
        waddle_id: WaddleId,
        /// The report's number.
        report: i64,
        /// Whether it is a new one, not the same again.
        fresh: bool,
    },
    /// A report was claimed, resolved, dismissed or opened again; for who reviews reports.
    #[serde(rename = "report.handled")]
    ReportHandled {
        /// Where.
        waddle_id: WaddleId,
        /// The report's number.
        report: i64,
        /// Where it stands now.
        state: ReportState,
    },
    /// One has read up to somewhere, on whatever device.
    #[serde(rename = "inbox.read")]
    InboxRead {
        /// The address of the room or the person, as the inbox has it.
        jid: String,
        /// Of a channel.
        waddle_id: Option<WaddleId>,
        /// Of a channel.
        channel_id: Option<ChannelId>,
        /// The last message that is read.
        message_id: MessageId,
    },
    /// Somebody wrote to one, or one wrote to somebody on whatever device.
    #[serde(rename = "direct.message")]
    DirectMessage {
        /// The other one's address; of an occupant of a room with their nickname.
        jid: String,
        /// The message.
        message: Box<DirectMessageView>,
        /// The message that it corrects.
        replaces: Option<MessageId>,
    },
    /// A direct message was taken back.
    #[serde(rename = "direct.deleted")]
    DirectDeleted {
        /// The other one's address.
        jid: String,
        /// Which.
        message_id: MessageId,
    },
    /// Too many direct messages, or messages of small groups, were missed: read the inbox again.
    #[serde(rename = "direct.reset")]
    DirectReset,
    /// Somebody asks to write to one, or to add one to a group.
    #[serde(rename = "direct_request.created")]
    DirectRequested {
        /// Who, and what waits.
        request: Box<DirectRequestView>,
    },
    /// One answered a request, on whatever device.
    #[serde(rename = "direct_request.closed")]
    DirectRequestClosed {
        /// Which.
        request_id: i64,
        /// Whether they may write now.
        accepted: bool,
    },
    /// A small group that one is in has other people or another name.
    #[serde(rename = "direct_group.updated")]
    DirectGroupUpdated {
        /// Its identifier.
        group: String,
        /// The room's address.
        jid: String,
    },
    /// Somebody in a small group said something, or one said it on whatever device.
    #[serde(rename = "direct_group.message")]
    DirectGroupMessage {
        /// Its identifier.
        group: String,
        /// The room's address.
        jid: String,
        /// Who said it.
        author: Option<UserId>,
        /// Their nickname.
        nick: String,
        /// The message.
        message: Box<DirectMessageView>,
        /// The message that it corrects.
        replaces: Option<MessageId>,
    },
    /// A message of a small group was taken back.
    #[serde(rename = "direct_group.message_deleted")]
    DirectGroupMessageDeleted {
        /// The group's identifier.
        group: String,
        /// The room's address.
        jid: String,
        /// Which.
        message_id: MessageId,
    },
    /// One is in a small group no more.
    #[serde(rename = "direct_group.left")]
    DirectGroupLeft {
        /// Its identifier.
        group: String,
        /// The room's address.
        jid: String,
    },
}

impl EventView {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Reset { .. } => "reset",
            Self::MessageCreated { .. } => "message.created",
            Self::MessageUpdated { .. } => "message.updated",
            Self::MessageReactions { .. } => "message.reactions",
            Self::MessageDeleted { .. } => "message.deleted",
            Self::ChannelCreated { .. } => "channel.created",
            Self::ChannelUpdated { .. } => "channel.updated",
            Self::ChannelDeleted { .. } => "channel.deleted",
            Self::ChannelsReordered { .. } => "channels.reordered",
            Self::WaddleJoined { .. } => "waddle.joined",
            Self::WaddleUpdated { .. } => "waddle.updated",
            Self::WaddleLeft { .. } => "waddle.left",
            Self::MemberJoined { .. } => "member.joined",
            Self::MemberUpdated { .. } => "member.updated",
            Self::MemberLeft { .. } => "member.left",
            Self::RolesUpdated { .. } => "roles.updated",
            Self::TimedOut { .. } => "timeout",
            Self::JoinRequested { .. } => "join_request.created",
            Self::MemberTimedOut { .. } => "member.timed_out",
            Self::ReportFiled { .. } => "report.filed",
            Self::ReportHandled { .. } => "report.handled",
            Self::InboxRead { .. } => "inbox.read",
            Self::DirectMessage { .. } => "direct.message",
            Self::DirectDeleted { .. } => "direct.deleted",
            Self::DirectReset => "direct.reset",
            Self::DirectRequested { .. } => "direct_request.created",
            Self::DirectRequestClosed { .. } => "direct_request.closed",
            Self::DirectGroupUpdated { .. } => "direct_group.updated",
            Self::DirectGroupMessage { .. } => "direct_group.message",
            Self::DirectGroupMessageDeleted { .. } => "direct_group.message_deleted",
            Self::DirectGroupLeft { .. } => "direct_group.left",
        }
    }
}

/// An event as a WebSocket carries it; over SSE the cursor is the `id`, the type the `event`.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamEvent {
    /// Shown again after a break, it continues behind this event.
    pub cursor: String,
    #[serde(flatten)]
    /// What happened.
    pub event: EventView,
}
