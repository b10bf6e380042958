//! The room's avatar: a vCard that owners publish and everybody may read ([XEP-0486], XEP-0054).
//!
//! [XEP-0486]: https://xmpp.org/extensions/xep-0486.html

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use waddle_core::Timestamp;
use waddle_stanza::{Class, Element, Stanza, XmlWriter};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    message::not_stored,
    room::{Kind, Room},
    standing::Affiliation,
    state::{Effects, Write},
};

/// XEP-0054.
pub(crate) const VCARD: &str = "vcard-temp";

/// A vCard, and the hashes of its pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Avatar {
    /// A complete `<vCard/>`.
    pub vcard: Bytes,
    /// XEP-0153: SHA-1 of each picture, in hexadecimal.
    pub hashes: Vec<String>,
}

impl Avatar {
    /// A stored vCard.
    pub fn stored(vcard: Bytes) -> Option<Self> {
        let parsed = Stanza::parse(vcard.clone()).ok()?;
        let hashes = hashes(parsed.root()).unwrap_or_default();
        Some(Self { vcard, hashes })
    }
}

/// The hashes of all pictures; `None` where one is no base64.
fn hashes(vcard: Element<'_>) -> Option<Vec<String>> {
    let pictures = vcard.children().filter(|c| c.is("PHOTO", VCARD));
    let data = pictures.filter_map(|photo| photo.child_text("BINVAL", VCARD));
    data.map(|text| {
        let text: String = text.split_whitespace().collect();
        let picture = STANDARD.decode(text).ok()?;
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &picture);
        Some(
            sum.as_ref()
                .iter()
                .flat_map(|b| [b >> 4, b & 15])
                .filter_map(|n| char::from_digit(n.into(), 16))
                .collect(),
        )
    })
    .collect()
}

impl Room {
    /// The room's vCard; an empty one where there is none.
    pub(crate) fn vcard(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let mut w = inbound.stanza.result(None);
        match &self.avatar {
            Some(avatar) => w.trusted(&avatar.vcard),
            None => w.empty("vCard", VCARD),
        };
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    /// An owner publishes a vCard, or takes it away with an empty one.
    pub(crate) fn set_vcard(
        &mut self,
        inbound: Arrived,
        vcard: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        self.may_look(&inbound.sender)?;
        let Kind::Plain(p) = &self.kind else {
            return Err(error::not_allowed(
                "the picture of a channel is set in its waddle, not in its room",
            ));
        };
        if p.people.affiliation(&inbound.sender.jid.bare()) != Affiliation::Owner {
            return Err(error::forbidden("only owners may set the picture of a room"));
        }
        let locked = p.locked;
        let avatar = if vcard.children().next().is_none() {
            None
        } else {
            let hashes = hashes(vcard).ok_or_else(|| error::bad_request("the picture is no base64"))?;
            let mut w = XmlWriter::new();
            w.copy(vcard);
            let vcard = w.finish();
            if vcard.len() > self.limits.muc_vcard_bytes {
                return Err(error::not_acceptable(
                    "this vCard is too big; choose a smaller picture",
                ));
            }
            Some(Avatar { vcard, hashes })
        };
        let write = Write::Avatar(avatar.as_ref().map(|a| a.vcard.clone()));
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                    if room.avatar != avatar {
                        room.avatar = avatar;
                        room.tell_codes(&["104"], fx);
                    }
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
            }
        };
        if locked {
            // It is stored with the settings, once the room is open.
            self.in_turn(Box::new(then), now, fx);
        } else {
            self.write(write, true, Box::new(then), fx);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_for_each_picture() {
        let xml = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGVs\nbG8=</BINVAL></PHOTO>\
                   <PHOTO><BINVAL>eA==</BINVAL></PHOTO></vCard>";
        let avatar = Avatar::stored(Bytes::from_static(xml.as_bytes())).unwrap();
        assert_eq!(
            avatar.hashes,
            [
                "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
                "11f6ad8ec52a2984abaafd7c3b516503785c2072"
            ]
        );
        let bad = Stanza::parse("<vCard xmlns='vcard-temp'><PHOTO><BINVAL>?</BINVAL></PHOTO></vCard>".into())
            .unwrap();
        assert_eq!(hashes(bad.root()), None);
    }
}
