//! Settings of a room: every field of the configuration form ([XEP-0045 §16.5.3]) that means something here.
//!
//! [XEP-0045 §16.5.3]: https://xmpp.org/extensions/xep-0045.html#registrar-formtype-owner

/// A set of roles: a sum of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleSet(pub u8);

impl RoleSet {
    /// Visitors.
    pub const VISITOR: u8 = 1;
    /// Participants.
    pub const PARTICIPANT: u8 = 2;
    /// Moderators.
    pub const MODERATOR: u8 = 4;
    /// Everybody.
    pub const ALL: Self = Self(7);

    /// Whether one of the constants is in it.
    pub fn has(self, role: u8) -> bool {
        self.0 & role != 0
    }
}

/// Who may send private messages through a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateMessages {
    /// Everybody.
    Anyone,
    /// Who has voice.
    Participants,
    /// Moderators; others may answer them.
    Moderators,
    /// Nobody.
    Nobody,
}

impl PrivateMessages {
    pub(super) fn to_row(self) -> i64 {
        match self {
            Self::Moderators => 0,
            Self::Anyone => 1,
            Self::Participants => 2,
            Self::Nobody => 3,
        }
    }

    pub(super) fn from_row(n: i64) -> Self {
        match n {
            0 => Self::Moderators,
            2 => Self::Participants,
            3 => Self::Nobody,
            _ => Self::Anyone,
        }
    }
}

/// Settings of a room (XEP-0045 §10.2). A channel's follow from the channel and are not stored here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSettings {
    /// Seconds after which a message disappears; 0 for never. Only channels have it.
    pub expire_seconds: u64,
    /// The name that people read.
    pub title: String,
    /// One line on what it is for.
    pub description: String,
    /// The language that is spoken, as in `xml:lang`; empty where unknown.
    pub lang: String,
    /// Whether it stays when the last occupant leaves.
    pub persistent: bool,
    /// Whether it is listed.
    pub public: bool,
    /// Whether only members may enter.
    pub members_only: bool,
    /// Whether newcomers enter without voice.
    pub moderated: bool,
    /// The password, if one is asked for.
    pub password: Option<String>,
    /// Whether everybody sees real addresses, not only moderators.
    pub whois_anyone: bool,
    /// The most occupants; 0 for the server's limit.
    pub max_occupants: u32,
    /// Whether participants may change the subject.
    pub change_subject: bool,
    /// Whether every member may invite others, not only admins.
    pub allow_invites: bool,
    /// Who may send private messages.
    pub private: PrivateMessages,
    /// Whose presence everybody sees.
    pub presence_of: RoleSet,
    /// Who besides admins may read the list of members.
    pub member_list_for: RoleSet,
    /// Whether messages are archived.
    pub archive: bool,
    /// For how many days; 0 for as long as the server does.
    pub retention_days: u32,
    /// The most messages of history for a newcomer; `None` for the server's limit.
    pub max_history: Option<u32>,
    /// Whom to ask about the room: bare JIDs.
    pub contacts: Vec<String>,
}

impl Default for RoomSettings {
    /// A new plain room: gone with its last occupant, listed, open, half anonymous, archived while it lasts.
    fn default() -> Self {
        Self {
            expire_seconds: 0,
            title: String::new(),
            description: String::new(),
            lang: String::new(),
            persistent: false,
            public: true,
            members_only: false,
            moderated: false,
            password: None,
            whois_anyone: false,
            max_occupants: 0,
            change_subject: false,
            allow_invites: false,
            private: PrivateMessages::Anyone,
            presence_of: RoleSet::ALL,
            member_list_for: RoleSet(RoleSet::MODERATOR),
            archive: true,
            retention_days: 0,
            max_history: None,
            contacts: Vec::new(),
        }
    }
}
