//! [XEP-0441](https://xmpp.org/extensions/xep-0441.html) Message Archive Management Preferences: what an account wants
//! archived. They are heeded where messages are stored (`router::keep`).

use waddle_archive::prefs;
use waddle_stanza::{Condition, StanzaError, XmlWriter, ns};
use waddle_storage::{StorageError, repo::archive_prefs};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Target, Xep};

/// Archiving preferences.
pub struct ArchivePrefs;

impl Extension for ArchivePrefs {
    fn xep(&self) -> Xep {
        Xep {
            number: 441,
            title: "Message Archive Management Preferences",
            version: "0.2.0",
            notes: "always, never, roster; both lists, bare and full addresses; stored",
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("prefs", ns::MAM)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if r.target == Target::Server {
                return Err(Condition::ServiceUnavailable.into());
            }
            if !r.own() {
                return Err(Condition::Forbidden.into());
            }
            let owner = r.session.localpart().to_owned();
            let now = if r.set {
                let new = prefs::read(r.payload, r.server.limits.archive_prefs_jids)?;
                r.server.choosers.note(&owner);
                let write = r.server.db.write(move |tx| {
                    archive_prefs::set(tx, &owner, &new)?;
                    archive_prefs::get(tx, &owner)
                });
                write.await
            } else {
                r.server.db.read(move |c| archive_prefs::get(c, &owner)).await
            };
            let mut w = XmlWriter::new();
            prefs::write(&mut w, &now.map_err(|e| failed(&e))?);
            Ok(Answer::Payload(w))
        })
    }
}

fn failed(e: &StorageError) -> StanzaError {
    if e.is_temporary() {
        return StanzaError::new(Condition::ResourceConstraint).text("try again in a moment");
    }
    tracing::error!(error = %e, "archiving preferences could not be read or stored");
    StanzaError::new(Condition::InternalServerError).text("the preferences could not be read or stored")
}
