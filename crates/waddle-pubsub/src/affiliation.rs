//! Affiliations: [XEP-0060 §4.1](https://xmpp.org/extensions/xep-0060.html#affiliations).

/// What an entity is to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Affiliation {
    /// Nothing may be done.
    Outcast,
    /// As the access model says.
    #[default]
    None,
    /// On the whitelist.
    Member,
    /// May publish, but neither subscribe nor retrieve.
    PublishOnly,
    /// May publish, and everything a member may.
    Publisher,
    /// May do everything.
    Owner,
}

impl Affiliation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Outcast,
        Self::None,
        Self::Member,
        Self::PublishOnly,
        Self::Publisher,
        Self::Owner,
    ];

    /// The protocol's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::PublishOnly => "publish-only",
            Self::Publisher => "publisher",
            Self::Owner => "owner",
        }
    }

    /// The affiliation of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Whether a whitelist has it, and an owner's approval is not needed.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Member | Self::Publisher | Self::Owner)
    }

    /// Whether it may publish whatever the publish model.
    pub fn publishes(self) -> bool {
        matches!(self, Self::PublishOnly | Self::Publisher | Self::Owner)
    }
}
