//! [XEP-0049](https://xmpp.org/extensions/xep-0049.html) Private XML Storage.

use waddle_stanza::{Condition, ErrorType, Stanza, StanzaError, XmlWriter};
use waddle_storage::{StorageError, repo::personal as store};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};
use crate::personal::bookmarks;

/// Private storage.
pub struct Private;

/// Its namespace.
pub const NS: &str = "jabber:iq:private";

impl Extension for Private {
    fn xep(&self) -> Xep {
        Xep {
            number: 49,
            title: "Private XML Storage",
            version: "1.2",
            notes: "durable, 1 MiB an account",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[NS]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", NS)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            match r.target {
                Target::Own => {}
                // §2.3: nobody has a look at what is private to others.
                Target::Other(_) => return Err(Condition::Forbidden.into()),
                Target::Server => return Err(Condition::ServiceUnavailable.into()),
            }
            if r.set { set(&r).await } else { get(&r).await }
        })
    }
}

fn failed(e: StorageError) -> StanzaError {
    match e {
        StorageError::Constraint(_) => StanzaError::new(Condition::ResourceConstraint)
            .of_type(ErrorType::Modify)
            .text("there is no room for more; store something shorter"),
        e => {
            tracing::error!(error = %e, "private storage failed");
            Condition::InternalServerError.into()
        }
    }
}

async fn get(r: &IqRequest<'_>) -> IqResult {
    let mut children = r.payload.children();
    let (Some(asked), None) = (children.next(), children.next()) else {
        return Err(StanzaError::new(Condition::BadRequest).text("one element is asked for at a time"));
    };
    if asked.ns().is_empty() || asked.ns() == NS {
        return Err(StanzaError::new(Condition::BadRequest).text("the element has no namespace of its own"));
    }
    let (owner, name, ns) = (
        r.session.localpart().to_owned(),
        asked.name().to_owned(),
        asked.ns().to_owned(),
    );
    let found = r
        .server
        .db
        .read(move |conn| store::private(conn, &owner, &name, &ns))
        .await
        .map_err(failed)?;
    let mut w = XmlWriter::new();
    w.open_ns("query", NS);
    if asked.is("storage", bookmarks::STORAGE) && r.server.registry.has(402) {
        let list = bookmarks::list(r.server, r.session, found.as_ref()).await?;
        w.trusted(&list.finish());
    } else if let Some(found) = found {
        w.trusted(&found);
    } else {
        w.copy(asked);
    }
    Ok(Answer::Payload(w))
}

async fn set(r: &IqRequest<'_>) -> IqResult {
    let elements: Vec<_> = r.payload.children().collect();
    if elements.is_empty() {
        return Err(StanzaError::new(Condition::BadRequest).text("there is nothing to store"));
    }
    let mut stored = Vec::new();
    for e in elements {
        let ns = e.ns();
        // §2.3: these are the protocol's own.
        if ns.is_empty() || ns.starts_with("jabber:") || ns == "vcard-temp" {
            return Err(Condition::NotAcceptable.into());
        }
        let bytes = if e.is("storage", bookmarks::STORAGE) && r.server.registry.has(402) {
            bookmarks::take(r.server, r.session, e).await?
        } else {
            e.to_bytes()
        };
        // An element without anything in it removes what was there.
        let empty = Stanza::parse(bytes.clone())
            .is_ok_and(|s| !s.root().has_content() && s.root().attrs().all(|a| a.name() == "xmlns"));
        stored.push((e.name().to_owned(), ns.to_owned(), (!empty).then_some(bytes)));
    }
    let (owner, most) = (
        r.session.localpart().to_owned(),
        r.server.limits.xmpp_private_bytes,
    );
    let write = r.server.db.write(move |tx| {
        for (name, ns, bytes) in &stored {
            store::set_private(tx, &owner, name, ns, bytes.as_ref(), most)?;
        }
        Ok(())
    });
    write.await.map_err(failed)?;
    Ok(Answer::Empty)
}
