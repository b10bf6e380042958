//! What an account shows of itself and keeps for itself, in more than one format: vCards, avatars, bookmarks.

pub(crate) mod avatar;
pub(crate) mod bookmarks;
pub(crate) mod channels;
pub(crate) mod displayed;
pub(crate) mod picture;
pub(crate) mod vcard;
pub(crate) mod vcard_map;

use waddle_pubsub::{Service, ns as pubsub};
use waddle_stanza::forms::{Field, FieldKind, Form, FormKind};

use crate::session::Session;

/// A node configuration with these fields.
fn config(fields: &[(&str, &str)]) -> Form {
    fields.iter().fold(
        Form::of_type(FormKind::Submit, pubsub::NODE_CONFIG),
        |form, (var, value)| form.field(Field::new(var, FieldKind::TextSingle).value(*value)),
    )
}

/// The service of a session's own account.
fn own(session: &Session) -> Service {
    Service::Account(session.bare.clone())
}
