//! Affiliations and roles, and the decision that they make visible ([XEP-0045 §5]).
//!
//! In a channel they are computed from the permissions of its waddle; in a plain room they are what its
//! owners and admins wrote down.
//!
//! [XEP-0045 §5]: https://xmpp.org/extensions/xep-0045.html#connect

/// The lasting association of a person with a room, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Affiliation {
    /// Banned.
    Outcast,
    /// No association.
    None,
    /// May enter a members-only room.
    Member,
    /// May moderate, and choose members and outcasts.
    Admin,
    /// May do everything.
    Owner,
}

impl Affiliation {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(s: &str) -> Option<Self> {
        Some(match s {
            "outcast" => Self::Outcast,
            "none" => Self::None,
            "member" => Self::Member,
            "admin" => Self::Admin,
            "owner" => Self::Owner,
            _ => return None,
        })
    }
}

/// What an occupant may do during this visit, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Not in the room.
    None,
    /// May read.
    Visitor,
    /// May speak.
    Participant,
    /// May silence and remove others.
    Moderator,
}

impl Role {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(s: &str) -> Option<Self> {
        Some(match s {
            "none" => Self::None,
            "visitor" => Self::Visitor,
            "participant" => Self::Participant,
            "moderator" => Self::Moderator,
            _ => return None,
        })
    }
}

/// What a person is in a room: the decision, once made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether they may enter (and stay).
    pub join: bool,
    /// Their affiliation.
    pub affiliation: Affiliation,
    /// The role they enter with.
    pub role: Role,
}

impl Standing {
    /// The standing of somebody who may not even know that the room exists.
    pub const STRANGER: Self = Self {
        join: false,
        affiliation: Affiliation::None,
        role: Role::None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_order_is_strength() {
        for a in [
            Affiliation::Outcast,
            Affiliation::None,
            Affiliation::Member,
            Affiliation::Admin,
            Affiliation::Owner,
        ] {
            assert_eq!(Affiliation::parse(a.as_str()), Some(a));
        }
        for r in [Role::None, Role::Visitor, Role::Participant, Role::Moderator] {
            assert_eq!(Role::parse(r.as_str()), Some(r));
        }
        assert!(Affiliation::parse("Owner").is_none() && Role::parse("").is_none());
        assert!(Affiliation::Owner > Affiliation::Admin && Role::Visitor < Role::Participant);
    }
}
