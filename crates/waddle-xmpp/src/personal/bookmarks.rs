//! Bookmarks: [XEP-0402](https://xmpp.org/extensions/xep-0402.html) is where they are; private storage
//! ([XEP-0048](https://xmpp.org/extensions/xep-0048.html) over XEP-0049) shows and takes the same ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use waddle_core::{BareJid, Jid};
use waddle_pubsub::{Request, Service, StoredItem};
use waddle_stanza::{Condition, Element, Stanza, StanzaError, XmlWriter};

use super::{config, own};
use crate::{server::Server, session::Session};

/// The node of bookmarks, and the namespace of one.
pub const NODE: &str = "urn:xmpp:bookmarks:1";
/// The namespace of the list in private storage.
pub const STORAGE: &str = "storage:bookmarks";

/// What both formats say of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Bookmark {
    pub name: String,
    pub autojoin: bool,
    pub nick: String,
    pub password: String,
}

impl Bookmark {
    fn read(e: Element<'_>) -> Self {
        let text = |name| e.child_text(name, e.ns()).unwrap_or_default().into_owned();
        Self {
            name: e.attr("name").unwrap_or_default().into_owned(),
            autojoin: e.attr("autojoin").is_some_and(|a| a == "1" || a == "true"),
            nick: text("nick"),
            password: text("password"),
        }
    }

    fn write(&self, w: &mut XmlWriter) {
        if !self.name.is_empty() {
            w.attr("name", &self.name);
        }
        if self.autojoin {
            w.attr("autojoin", "true");
        }
        if !self.nick.is_empty() {
            w.leaf("nick", &self.nick);
        }
        if !self.password.is_empty() {
            w.leaf("password", &self.password);
        }
    }
}

fn parsed(item: &StoredItem) -> Option<Stanza> {
    let stanza = Stanza::parse(item.payload.clone()?).ok()?;
    stanza.root().is("conference", NODE).then_some(stanza)
}

async fn stored(server: &Server, account: &BareJid) -> Result<Vec<StoredItem>, StanzaError> {
    let service = Service::Account(account.clone());
    server
        .pubsub
        .stored(service, account.as_jid().clone(), NODE.to_owned(), usize::MAX)
        .await
}

/// The rooms that are bookmarked.
pub(super) async fn ids(server: &Server, account: &BareJid) -> Result<BTreeSet<String>, StanzaError> {
    Ok(stored(server, account).await?.into_iter().map(|i| i.id).collect())
}

/// Before the server itself writes bookmarks: who else could read them, since some client wanted it so, no longer can.
pub(super) async fn make_private(server: &Server, account: &BareJid) -> Result<(), StanzaError> {
    let request = Request::Configure {
        node: NODE.to_owned(),
        set: Some(config(&[("pubsub#access_model", "whitelist")])),
    };
    let service = Service::Account(account.clone());
    let done = server
        .pubsub
        .request(service, account.as_jid().clone(), request)
        .await;
    match done {
        // It is made private when the first one comes.
        Err(e) if e.kind == Condition::ItemNotFound => Ok(()),
        done => done.map(drop),
    }
}

/// The list as private storage has it; `rest` is what is stored there besides: addresses of pages.
pub async fn list(
    server: &Arc<Server>,
    session: &Arc<Session>,
    rest: Option<&Bytes>,
) -> Result<XmlWriter, StanzaError> {
    let mut w = XmlWriter::new();
    w.open_ns("storage", STORAGE);
    for item in stored(server, &session.bare).await? {
        if let Some(stanza) = parsed(&item) {
            w.open("conference").attr("jid", &item.id);
            Bookmark::read(stanza.root()).write(&mut w);
            w.close();
        }
    }
    if let Some(rest) = rest.and_then(|r| Stanza::parse(r.clone()).ok()) {
        for e in rest.root().children() {
            w.copy(e);
        }
    }
    Ok(w)
}

/// Takes a list: what is new or changed is published, what is missing retracted. The answer is what is kept in private
/// storage.
pub async fn take(
    server: &Arc<Server>,
    session: &Arc<Session>,
    storage: Element<'_>,
) -> Result<Bytes, StanzaError> {
    let mut wanted = BTreeMap::new();
    let mut rest = XmlWriter::new();
    rest.open_ns("storage", STORAGE);
    for e in storage.children() {
        if e.is("conference", STORAGE)
            && let Some(jid) = e.attr("jid").and_then(|j| j.parse::<Jid>().ok())
        {
            wanted.insert(jid.bare_str().to_owned(), Bookmark::read(e));
        } else {
            rest.copy(e);
        }
    }
    let mut requests = Vec::new();
    let mut gone = Vec::new();
    for item in stored(server, &session.bare).await? {
        let now = parsed(&item);
        match wanted.remove(&item.id) {
            // What both say the same stays as it is, with all that the other format does not know.
            Some(b) if now.as_ref().is_some_and(|s| Bookmark::read(s.root()) == b) => {}
            Some(b) => requests.push(publication(&item.id, &b, now.as_ref())),
            None => gone.push(item.id),
        }
    }
    requests.extend(wanted.iter().map(|(jid, b)| publication(jid, b, None)));
    if !gone.is_empty() {
        requests.push(Request::Retract {
            node: NODE.to_owned(),
            ids: gone,
            notify: true,
        });
    }
    if !requests.is_empty() {
        server
            .pubsub
            .all(own(session), session.jid.clone(), requests)
            .await?;
    }
    Ok(rest.finish())
}

/// One bookmark; the extensions of what was there stay (XEP-0402 §3.3).
pub(super) fn publication(jid: &str, bookmark: &Bookmark, before: Option<&Stanza>) -> Request {
    let mut w = XmlWriter::new();
    w.open_ns("conference", NODE);
    bookmark.write(&mut w);
    if let Some(extensions) = before.and_then(|s| s.root().child("extensions", NODE)) {
        w.copy(extensions);
    }
    let private = config(&[
        ("pubsub#persist_items", "true"),
        ("pubsub#max_items", "max"),
        ("pubsub#send_last_published_item", "never"),
        ("pubsub#access_model", "whitelist"),
        ("pubsub#notify_delete", "true"),
        ("pubsub#notify_retract", "true"),
    ]);
    match Request::publish(NODE, jid, w.finish()) {
        Request::Publish {
            node, item, options, ..
        } => Request::Publish {
            node,
            item,
            options,
            defaults: Some(private),
        },
        other => other,
    }
}
