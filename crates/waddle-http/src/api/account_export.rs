//! Everything of a person as lines of JSON (`/account/export`): what is small at once; nodes, what waits and the archive
//! page by page as the client reads it.

use bytes::Bytes;
use futures::{Stream, stream::unfold};
use serde_json::{Value, json};
use waddle_core::{MessageId, Timestamp, UserId};
use waddle_identity::Account;
use waddle_storage::{
    Db, StorageError,
    repo::{
        archive::{self, ArchiveKey, Filter, Start},
        blocking, bots, direct, offline, personal, pubsub, pubsub_items, roster,
    },
};

use super::account::view;
use crate::{App, problem::Problem};

/// Rows read at a time.
const PAGE: usize = 500;
/// Waiting messages read at a time; each may be as long as a stanza.
const FEW: usize = 50;

fn line(out: &mut String, kind: &str, mut value: Value) {
    value["type"] = kind.into();
    out.push_str(&value.to_string());
    out.push('\n');
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn text(xml: &[u8]) -> String {
    String::from_utf8_lossy(xml).into_owned()
}

/// All that is small.
pub async fn head(app: &App, account: &Account) -> Result<String, Problem> {
    let (identity, user) = (&app.deps.identity, &account.user);
    let mut out = String::new();
    line(&mut out, "account", json(view(app, account)));
    for (w, role) in app.deps.community.waddles_of(user).await? {
        line(
            &mut out,
            "waddle",
            json!({ "id": w.id, "slug": w.slug, "name": w.name, "role": role }),
        );
    }
    for s in identity.sessions(user).await? {
        line(
            &mut out,
            "session",
            json!({ "id": s.id, "created_at": s.created_at, "expires_at": s.expires_at }),
        );
    }
    for t in identity.tokens(user).await? {
        line(
            &mut out,
            "token",
            json!({ "label": t.label, "created_at": t.created_at, "expires_at": t.expires_at, "last_used_at": t.last_used_at }),
        );
    }
    for t in identity.access_tokens(user).await? {
        line(
            &mut out,
            "access_token",
            json!({ "label": t.label, "scopes": t.scopes, "created_at": t.created_at, "expires_at": t.expires_at }),
        );
    }
    personal_lines(app, account, &mut out).await?;
    if let Some(files) = &app.deps.files {
        let mut before = None;
        loop {
            let page = files.list(user, before, PAGE).await?;
            for f in &page {
                line(
                    &mut out,
                    "file",
                    json!({
                        "name": f.name, "size": f.size, "content_type": f.kind, "uploaded_at": f.at,
                        "expires_at": f.expires_at, "url": files.address(&f.id, &f.name),
                    }),
                );
            }
            before = page.last().map(|f| f.at);
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(out)
}

async fn personal_lines(app: &App, account: &Account, out: &mut String) -> Result<(), Problem> {
    let (owner, user) = (account.localpart.clone(), account.user.clone());
    let db = app.deps.community.storage().server();
    let read = db.read(move |conn| {
        Ok((
            roster::all(conn, &owner)?,
            blocking::list(conn, &owner)?,
            personal::vcard(conn, &owner)?,
            personal::privates(conn, &owner)?,
            direct::policy(conn, &owner)?,
            bots::of_owner(conn, &user)?,
        ))
    });
    let (contacts, blocked, vcard, private, policy, bots) = read.await?;
    line(out, "direct_policy", json!({ "policy": policy }));
    for b in bots {
        line(
            out,
            "bot",
            json!({
                "id": b.id, "name": b.name, "description": b.description, "avatar_url": b.avatar_url,
                "callback_url": b.callback, "made_at": b.made_at,
            }),
        );
    }
    for c in contacts {
        line(
            out,
            "contact",
            json!({
                "jid": c.jid, "name": c.name, "groups": c.groups,
                "sees_them": c.to(), "seen_by_them": c.from(),
            }),
        );
    }
    for jid in blocked {
        line(out, "blocked", json!({ "jid": jid.to_string() }));
    }
    if let Some(card) = vcard {
        line(out, "vcard", json!({ "vcard": text(&card.vcard) }));
    }
    for payload in private {
        line(out, "private", json!({ "payload": text(&payload) }));
    }
    Ok(())
}

/// The next node with its items, all of which are within what one account may keep; its name.
async fn node(db: &Db, owner: &str, after: String) -> Result<(String, Option<String>), StorageError> {
    let owner = owner.to_owned();
    let read = db.read(move |conn| {
        let Some(node) = pubsub::nodes(conn, &owner, &after, 1)?.into_iter().next() else {
            return Ok(None);
        };
        let (mut items, mut seq) = (Vec::new(), i64::MIN);
        loop {
            let page = pubsub_items::after(conn, node.id, seq, Timestamp(0), PAGE)?;
            let last = page.last().map(|i| i.seq).filter(|_| page.len() == PAGE);
            items.extend(page);
            match last {
                Some(last) => seq = last,
                None => return Ok(Some((node, items))),
            }
        }
    });
    let mut out = String::new();
    let Some((node, items)) = read.await? else {
        return Ok((out, None));
    };
    line(
        &mut out,
        "node",
        json!({ "node": node.name, "created_at": node.created_at }),
    );
    for item in items {
        line(
            &mut out,
            "item",
            json!({
                "node": node.name, "id": item.id, "published_at": item.at,
                "payload": item.payload.as_deref().map(text),
            }),
        );
    }
    Ok((out, Some(node.name)))
}

type Place = (Timestamp, i64);

/// Messages that wait for the person.
async fn waiting(
    db: &Db,
    owner: &str,
    after: Option<Place>,
) -> Result<(String, Option<Place>), StorageError> {
    let owner = owner.to_owned();
    let page = db
        .read(move |conn| offline::page(conn, &owner, after, FEW))
        .await?;
    let mut out = String::new();
    for (at, _, stanza) in &page {
        line(&mut out, "waiting", json!({ "at": at, "stanza": text(stanza) }));
    }
    let last = page.last().map(|(at, id, _)| (*at, *id));
    Ok((out, last.filter(|_| page.len() == FEW)))
}

async fn page(
    db: &Db,
    user: &UserId,
    after: Option<MessageId>,
) -> Result<(String, Option<MessageId>), StorageError> {
    let key = ArchiveKey::user(user);
    let start = after.map_or(Start::First, Start::After);
    let read = db.read(move |conn| archive::page(conn, &key, &Filter::default(), start, PAGE, false));
    let page = read.await?;
    let mut out = String::new();
    for m in &page.items {
        line(
            &mut out,
            "message",
            json!({
                "id": m.id.to_string(), "at": m.at, "with": m.peer, "author": m.author,
                "stanza": text(&m.stanza),
            }),
        );
    }
    let last = page.items.last().map(|m| m.id).filter(|_| !page.complete);
    Ok((out, last))
}

/// What comes next, behind what.
enum Turn {
    Head(String),
    Nodes(String),
    Waiting(Option<Place>),
    Messages(Option<MessageId>),
    Over,
}

/// The file, part by part.
pub fn lines(
    app: App,
    account: Account,
    head: String,
) -> impl Stream<Item = Result<Bytes, StorageError>> + use<> {
    unfold(Turn::Head(head), move |turn| {
        let (app, account) = (app.clone(), account.clone());
        async move {
            let db = app.deps.community.storage().server();
            let part = match turn {
                Turn::Head(head) => Ok((head, Turn::Nodes(String::new()))),
                Turn::Nodes(after) => node(&db, &account.localpart, after).await.map(|(text, last)| {
                    let then = last.map_or(Turn::Waiting(None), Turn::Nodes);
                    (text, then)
                }),
                Turn::Waiting(after) => waiting(&db, &account.localpart, after).await.map(|(text, last)| {
                    let then = last.map_or(Turn::Messages(None), |place| Turn::Waiting(Some(place)));
                    (text, then)
                }),
                Turn::Messages(after) => page(&db, &account.user, after).await.map(|(text, last)| {
                    let then = last.map_or(Turn::Over, |id| Turn::Messages(Some(id)));
                    (text, then)
                }),
                Turn::Over => return None,
            };
            Some(match part {
                Ok((text, then)) => (Ok(Bytes::from(text)), then),
                // the file breaks off, visibly
                Err(e) => (Err(e), Turn::Over),
            })
        }
    })
}
