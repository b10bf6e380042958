//! Room names: the localpart of a room, a channel's (`<waddle>.<channel>`) or a plain room's (`specs/identity.md`).

use crate::Slug;

/// What the localpart of an address on the room service may mean.
///
/// Only the list of waddles decides: a name with the shape of a channel whose first part is no waddle's
/// slug is a plain room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomName {
    /// `<waddle>.<channel>`, if a waddle of that slug exists.
    Channel {
        /// The waddle's slug.
        waddle: Slug,
        /// The channel's slug.
        channel: Slug,
    },
    /// A name whose part before the first dot is a slug, but whose rest is none: no channel can have it;
    /// if the waddle exists, the room does not.
    Below {
        /// The slug before the first dot.
        waddle: Slug,
    },
    /// Any other name.
    Plain,
}

impl RoomName {
    /// Reads a prepared localpart (RFC 7622 §3.3).
    pub fn parse(localpart: &str) -> Self {
        let Some((waddle, channel)) = localpart.split_once('.') else {
            return Self::Plain;
        };
        match (waddle.parse(), channel.parse()) {
            (Ok(waddle), Ok(channel)) => Self::Channel { waddle, channel },
            (Ok(waddle), Err(_)) => Self::Below { waddle },
            _ => Self::Plain,
        }
    }

    /// The localpart of a channel's room.
    pub fn localpart(waddle: &Slug, channel: &Slug) -> String {
        [waddle.as_str(), ".", channel.as_str()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert!(matches!(
            RoomName::parse("penguins.general"),
            RoomName::Channel { .. }
        ));
        assert!(matches!(RoomName::parse("penguins.a.b"), RoomName::Below { .. }));
        for plain in ["lounge", ".x", "Ä.b"] {
            assert_eq!(RoomName::parse(plain), RoomName::Plain, "{plain}");
        }
    }
}
