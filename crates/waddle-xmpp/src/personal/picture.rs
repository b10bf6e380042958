//! An account's avatar by other means than a client: read and set as a picture, published and told like one that a client
//! set ([XEP-0084](https://xmpp.org/extensions/xep-0084.html)).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use waddle_pubsub::Service;
use waddle_stanza::{Condition, StanzaError};

use super::avatar::{self, Picture};
use crate::direct::{Direct, DirectError, Own};

/// A picture: its media type and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avatar {
    /// `image/png`, `image/jpeg`, `image/gif`, `image/webp`, or `application/octet-stream`.
    pub kind: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Avatar {
    /// A picture of a kind that every client shows, told by how it begins; `None` for anything else.
    pub fn of(bytes: Vec<u8>) -> Option<Self> {
        let kind = match &*bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return None,
        };
        Some(Self { kind, bytes })
    }
}

fn failed(e: &StanzaError) -> DirectError {
    match e.kind {
        Condition::NotAcceptable | Condition::BadRequest | Condition::NotAllowed => {
            DirectError::Invalid("this picture cannot be published; take a smaller one")
        }
        _ => DirectError::Failed,
    }
}

impl Direct {
    /// The avatar of an account.
    ///
    /// # Errors
    /// [`DirectError::Failed`] where the database fails.
    pub async fn avatar(&self, own: &Own) -> Result<Option<Avatar>, DirectError> {
        let service = Service::Account(own.bare.clone());
        let found = avatar::of(&self.0, &service, own.bare.as_jid()).await;
        let Some(picture) = found.map_err(|e| failed(&e))? else {
            return Ok(None);
        };
        let bytes = STANDARD.decode(&picture.base64).ok();
        // Whatever the client called it that set it.
        Ok(bytes.map(|bytes| {
            Avatar::of(bytes.clone()).unwrap_or(Avatar {
                kind: "application/octet-stream",
                bytes,
            })
        }))
    }

    /// Makes a picture the avatar of an account, or takes its avatar away.
    ///
    /// # Errors
    /// [`DirectError::Invalid`] where it is too large to be published, [`DirectError::Failed`] where the database fails.
    pub async fn set_avatar(&self, own: &Own, picture: Option<&Avatar>) -> Result<(), DirectError> {
        let picture = picture.map(|a| Picture::of(a.kind, &a.bytes));
        let publish = avatar::publications(picture.as_ref());
        let service = Service::Account(own.bare.clone());
        let done = self.0.pubsub.all(service, own.bare.as_jid().clone(), publish);
        done.await.map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_how_they_begin() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n\0"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
            (b"", None),
        ] {
            assert_eq!(Avatar::of(bytes.to_vec()).map(|a| a.kind), kind);
        }
    }
}
