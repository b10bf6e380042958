//! Avatars: [XEP-0084](https://xmpp.org/extensions/xep-0084.html) is where they are, vCards show the same picture
//! ([XEP-0398](https://xmpp.org/extensions/xep-0398.html)), and presence says its hash
//! ([XEP-0153](https://xmpp.org/extensions/xep-0153.html)).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ring::digest;
use waddle_core::Jid;
use waddle_pubsub::{Request, Service};
use waddle_stanza::{Element, Stanza, StanzaError, XmlWriter};

use super::{config, own};
use crate::{server::Server, session::Session};

/// The node of what is said about avatars.
pub const METADATA: &str = "urn:xmpp:avatar:metadata";
/// The node of the pictures.
pub const DATA: &str = "urn:xmpp:avatar:data";
/// Presence's word on the avatar.
pub const UPDATE: &str = "vcard-temp:x:update";

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// SHA-1 of its bytes, in hexadecimal.
    pub hash: String,
    /// Its media type, if it is said.
    pub kind: Option<String>,
    /// Its bytes in Base64.
    pub base64: String,
    /// How many bytes there are.
    pub bytes: usize,
}

/// The hash of the picture that metadata describe and that is stored here; and its media type.
pub fn described(metadata: Element<'_>) -> Option<(String, Option<String>)> {
    if !metadata.is("metadata", METADATA) {
        return None;
    }
    let info = metadata
        .children()
        .find(|c| c.is("info", METADATA) && c.attr("url").is_none())?;
    let hash = info.attr("id")?;
    let hex = hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| (hash.to_ascii_lowercase(), info.attr("type").map(Into::into)))
}

/// The hash in a payload of metadata.
pub fn hash_of(payload: &Bytes) -> Option<Box<str>> {
    let stanza = Stanza::parse(payload.clone()).ok()?;
    described(stanza.root()).map(|(hash, _)| hash.into())
}

/// The picture of a `<PHOTO/>`; `None`: there is none, or it cannot be read.
pub fn of_photo(photo: Element<'_>) -> Option<Picture> {
    let text: String = photo
        .child_text("BINVAL", photo.ns())?
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let data = STANDARD.decode(&text).ok().filter(|d| !d.is_empty())?;
    let kind = photo
        .child_text("TYPE", photo.ns())
        .map(|t| t.trim().to_owned())
        .filter(|t| !t.is_empty());
    Some(Picture {
        hash: hash(&data),
        kind,
        base64: text,
        bytes: data.len(),
    })
}

impl Picture {
    /// Of a file.
    pub fn of(kind: &str, data: &[u8]) -> Self {
        Self {
            hash: hash(data),
            kind: Some(kind.to_owned()),
            base64: STANDARD.encode(data),
            bytes: data.len(),
        }
    }
}

fn hash(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// The publications that make a picture the avatar, open to everybody as vCards are.
pub fn publications(picture: Option<&Picture>) -> Vec<Request> {
    let open = config(&[("pubsub#access_model", "open")]);
    let with = |request: Request| match request {
        Request::Publish {
            node, item, options, ..
        } => Request::Publish {
            node,
            item,
            options,
            defaults: Some(open.clone()),
        },
        other => other,
    };
    let mut meta = XmlWriter::new();
    meta.open_ns("metadata", METADATA);
    let Some(p) = picture else {
        return vec![with(Request::publish(METADATA, "current", meta.finish()))];
    };
    meta.open("info")
        .attr("id", &p.hash)
        .attr_display("bytes", p.bytes)
        .attr("type", p.kind.as_deref().unwrap_or("image/png"));
    let mut data = XmlWriter::with_capacity(p.base64.len() + 64);
    data.open_ns("data", DATA).text(&p.base64);
    vec![
        with(Request::publish(DATA, &p.hash, data.finish())),
        with(Request::publish(METADATA, &p.hash, meta.finish())),
    ]
}

/// An account's avatar, as far as `from` may see it.
pub async fn of(server: &Arc<Server>, service: &Service, from: &Jid) -> Result<Option<Picture>, StanzaError> {
    let found = server
        .pubsub
        .stored(service.clone(), from.clone(), METADATA.to_owned(), 1)
        .await?;
    let Some((hash, kind)) = found
        .last()
        .and_then(|i| i.payload.clone())
        .and_then(|p| Stanza::parse(p).ok())
        .and_then(|s| described(s.root()))
    else {
        return Ok(None);
    };
    let data = server
        .pubsub
        .stored_item(service.clone(), from.clone(), DATA.to_owned(), hash.clone())
        .await?;
    let Some(stanza) = data.and_then(|i| i.payload).and_then(|p| Stanza::parse(p).ok()) else {
        return Ok(None);
    };
    let base64: String = stanza
        .root()
        .text()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    // A picture that is not the one its metadata speak of is none.
    let Ok(bytes) = STANDARD.decode(&base64) else {
        return Ok(None);
    };
    Ok((self::hash(&bytes) == hash).then_some(Picture {
        hash,
        kind,
        base64,
        bytes: bytes.len(),
    }))
}

/// A session is there: the hash that its presence will say.
pub async fn remember(server: &Arc<Server>, session: &Arc<Session>) {
    let me = session.bare.as_jid().clone();
    let found = server
        .pubsub
        .stored(own(session), me, METADATA.to_owned(), 1)
        .await
        .unwrap_or_default();
    *session.avatar.lock() = found.last().and_then(|i| i.payload.as_ref()).and_then(hash_of);
}

/// An available presence with the hash of the avatar in it, unless it says something about it itself (XEP-0398 §4).
pub fn stamped(session: &Session, presence: &Stanza) -> Option<Stanza> {
    let hash = session.avatar.lock().clone()?;
    let update = presence.root().child("x", UPDATE);
    if update.is_some_and(|x| x.has("photo", UPDATE)) {
        return None;
    }
    let mut w = XmlWriter::new();
    w.open_ns("x", UPDATE).leaf("photo", &hash);
    let stamped = presence
        .rewrite()
        .strip(|e| e.is("x", UPDATE))
        .append(&w.finish())
        .finish()
        .head()
        .build();
    stamped.to_stanza().ok()
}
