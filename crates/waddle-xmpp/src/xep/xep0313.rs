//! [XEP-0313](https://xmpp.org/extensions/xep-0313.html) Message Archive Management of direct messages.

use waddle_archive::{
    query::{Kind, Source},
    worth,
};
use waddle_stanza::{Condition, XmlWriter, ns};
use waddle_storage::repo::archive::ArchiveKey;

use super::{
    Answer, BoxFuture, Extension, IqRequest, IqResult, MessageEvent, Phase, Scope, Target, Verdict, Xep,
};
use crate::router::message::Type;

/// The archive of an account.
pub struct Archive;

impl Extension for Archive {
    fn xep(&self) -> Xep {
        Xep {
            number: 313,
            title: "Message Archive Management",
            version: "1.1.3",
            notes: "accounts and rooms: all filters, flipped pages, counts, metadata; committed before delivery; retention by age and number",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account {
            &[ns::MAM, ns::MAM_EXTENDED, ns::MAM_GROUPCHAT_FIELD]
        } else {
            &[]
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::MAM), ("metadata", ns::MAM)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if r.target == Target::Server {
                return Err(Condition::ServiceUnavailable.into());
            }
            if !r.own() {
                // Another user's archive is nobody's business (§7).
                return Err(Condition::Forbidden.into());
            }
            let source = Source {
                db: &r.server.db,
                key: &ArchiveKey::user(&r.session.user),
                address: r.session.bare.as_str(),
                kind: Kind::Account,
                most: r.server.limits.archive_page,
            };
            let answer = source.answer(r.payload, r.set, r.session.jid.as_str()).await?;
            for item in answer.results {
                let _ = r.session.send(item);
            }
            let mut w = XmlWriter::new();
            w.trusted(&answer.payload);
            Ok(Answer::Payload(w))
        })
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Archive]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        let root = event.stanza.root();
        event.archive = matches!(Type::of(event.stanza), Type::Chat | Type::Normal)
            && worth::is_kept(root)
            && !root.has("x", ns::MUC_USER);
        Verdict::Continue
    }
}
