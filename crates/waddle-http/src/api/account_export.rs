//! Everything of a person as lines of JSON (`/account/export`): what is small at once, the archive page by page as the
//! client reads it.

use bytes::Bytes;
use futures::{Stream, stream::unfold};
use serde_json::{Value, json};
use waddle_core::{MessageId, UserId};
use waddle_identity::Account;
use waddle_storage::{
    Db, StorageError,
    repo::{
        archive::{self, ArchiveKey, Filter, Start},
        blocking, personal, roster,
    },
};

use super::account::view;
use crate::{App, problem::Problem};

/// Rows read at a time.
const PAGE: usize = 500;

fn line(out: &mut String, kind: &str, mut value: Value) {
    value["type"] = kind.into();
    out.push_str(&value.to_string());
    out.push('\n');
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// All but the archive.
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
    personal_lines(app, &account.localpart, &mut out).await?;
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

async fn personal_lines(app: &App, localpart: &str, out: &mut String) -> Result<(), Problem> {
    let owner = localpart.to_owned();
    let db = app.deps.community.storage().server();
    let read = db.read(move |conn| {
        Ok((
            roster::all(conn, &owner)?,
            blocking::list(conn, &owner)?,
            personal::vcard(conn, &owner)?,
        ))
    });
    let (contacts, blocked, vcard) = read.await?;
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
        line(
            out,
            "vcard",
            json!({ "vcard": String::from_utf8_lossy(&card.vcard) }),
        );
    }
    Ok(())
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
                "stanza": String::from_utf8_lossy(&m.stanza),
            }),
        );
    }
    let last = page.items.last().map(|m| m.id).filter(|_| !page.complete);
    Ok((out, last))
}

enum Turn {
    Head(String),
    Messages(Option<MessageId>),
    Over,
}

/// The file, part by part.
pub fn lines(
    app: App,
    user: UserId,
    head: String,
) -> impl Stream<Item = Result<Bytes, StorageError>> + use<> {
    unfold(Turn::Head(head), move |turn| {
        let (app, user) = (app.clone(), user.clone());
        async move {
            match turn {
                Turn::Head(head) => Some((Ok(Bytes::from(head)), Turn::Messages(None))),
                Turn::Messages(after) => {
                    let db = app.deps.community.storage().server();
                    Some(match page(&db, &user, after).await {
                        Ok((text, last)) => {
                            let then = last.map_or(Turn::Over, |id| Turn::Messages(Some(id)));
                            (Ok(Bytes::from(text)), then)
                        }
                        // the file breaks off, visibly
                        Err(e) => (Err(e), Turn::Over),
                    })
                }
                Turn::Over => None,
            }
        }
    })
}
