//! An account's vCard ([XEP-0054](https://xmpp.org/extensions/xep-0054.html)): what was stored as such, or as vCard4
//! (XEP-0292), or is known from the login; the photo is the avatar (XEP-0398).

use std::sync::Arc;

use waddle_core::Jid;
use waddle_pubsub::{Request, Service};
use waddle_stanza::{Condition, Element, Stanza, StanzaError, XmlWriter};
use waddle_storage::repo::personal::{self, VCard};

use super::{
    avatar, config, own,
    vcard_map::{self, TEMP},
};
use crate::{server::Server, session::Session, xep::Answer};

/// The node of vCard4.
pub const NODE: &str = "urn:xmpp:vcard4";

/// What the database knows.
#[derive(Default)]
struct Known {
    stored: Option<VCard>,
    name: Option<String>,
}

async fn known(server: &Server, account: &str) -> Result<Known, StanzaError> {
    let account = account.to_owned();
    let read = server.db.read(move |conn| {
        Ok(Known {
            stored: personal::vcard(conn, &account)?,
            name: personal::display_name(conn, &account)?,
        })
    });
    read.await.map_err(failed)
}

fn failed(e: waddle_storage::StorageError) -> StanzaError {
    tracing::error!(error = %e, "a vCard could not be read or stored");
    Condition::InternalServerError.into()
}

/// The vCard of an account, as far as `from` may see it; `None` where there is nothing to show.
pub async fn of(
    server: &Arc<Server>,
    service: &Service,
    from: &Jid,
) -> Result<Option<XmlWriter>, StanzaError> {
    let account = service.key();
    let known = known(server, account).await?;
    // Who may not see a node sees what is there besides.
    let v4 = server
        .pubsub
        .stored(service.clone(), from.clone(), NODE.to_owned(), 1)
        .await
        .unwrap_or_default()
        .pop()
        .and_then(|i| i.payload);
    let picture = avatar::of(server, service, from).await.unwrap_or_default();
    let mut w = XmlWriter::new();
    w.open_ns("vCard", TEMP);
    let empty = w.len();
    let stored = known.stored.as_ref();
    let newer = v4.filter(|v| stored.is_none_or(|s| s.vcard4 != *v));
    if let Some(card) = newer.and_then(|v| Stanza::parse(v).ok()) {
        vcard_map::from_v4(&mut w, card.root());
    } else if let Some(card) = stored.and_then(|s| Stanza::parse(s.vcard.clone()).ok()) {
        for e in card.root().children() {
            w.copy(e);
        }
    } else if let Some(name) = known.name.filter(|n| !n.is_empty()) {
        w.leaf("FN", &name);
    }
    if let Some(p) = picture {
        w.open("PHOTO")
            .leaf("TYPE", p.kind.as_deref().unwrap_or("image/png"))
            .leaf("BINVAL", &p.base64)
            .close();
    }
    // An empty one that was stored is shown as such (§3.1).
    Ok((w.len() > empty || stored.is_some()).then_some(w))
}

/// Answers a request for a vCard. Whether somebody has none or does not exist is the same to others (§3.3).
pub async fn get(
    server: &Arc<Server>,
    service: &Service,
    from: &Jid,
    own: bool,
) -> Result<Answer, StanzaError> {
    match of(server, service, from).await? {
        Some(w) => Ok(Answer::Payload(w)),
        None if own => {
            let mut w = XmlWriter::new();
            w.open_ns("vCard", TEMP);
            Ok(Answer::Payload(w))
        }
        None => Err(Condition::ItemNotFound.into()),
    }
}

/// Stores a session's vCard: the fields here and as vCard4, the photo as its avatar.
pub async fn set(
    server: &Arc<Server>,
    session: &Arc<Session>,
    vcard: Element<'_>,
) -> Result<Answer, StanzaError> {
    let mut w = XmlWriter::new();
    w.open_ns("vCard", TEMP);
    for e in vcard.children().filter(|c| !c.is("PHOTO", TEMP)) {
        w.copy(e);
    }
    let v4 = vcard_map::to_v4(vcard);
    let card = VCard {
        vcard: w.finish(),
        vcard4: v4.clone(),
    };
    let photo = vcard.child("PHOTO", TEMP);
    let picture = photo.and_then(avatar::of_photo);
    let has_data = photo
        .and_then(|p| p.child_text("BINVAL", TEMP))
        .is_some_and(|t| !t.trim().is_empty());
    if has_data && picture.is_none() {
        return Err(StanzaError::new(Condition::BadRequest).text("the photo is not Base64"));
    }
    let owner = session.localpart().to_owned();
    let write = server.db.write(move |tx| personal::set_vcard(tx, &owner, &card));
    write.await.map_err(failed)?;
    let mut publish = match Request::publish(NODE, "current", v4) {
        Request::Publish {
            node, item, options, ..
        } => vec![Request::Publish {
            node,
            item,
            options,
            defaults: Some(config(&[("pubsub#access_model", "open")])),
        }],
        other => vec![other],
    };
    let had = session.avatar.lock().clone();
    if picture.as_ref().map(|p| p.hash.as_str()) != had.as_deref() {
        publish.extend(avatar::publications(picture.as_ref()));
    }
    server
        .pubsub
        .all(own(session), session.jid.clone(), publish)
        .await?;
    Ok(Answer::Empty)
}
