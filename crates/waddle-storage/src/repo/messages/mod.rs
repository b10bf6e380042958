//! What belongs to messages beside the archive (`specs/messages.md`): links between them, reactions, mentions, files,
//! pins, previews, markers and the full text. Everything here is written in the archive's own transaction; the row of
//! the archive itself goes through [`archive`](super::archive), and whatever deletes it deletes all of this (triggers).

mod bury;
mod files;
mod links;
mod list;
mod marks;
mod pins;
mod reactions;
pub mod search;
mod settings;

pub use bury::{Buried, bury, parts_of};
pub use files::{FileRemoval, due_files, file_postponed, file_removed, last_file, name_files};
pub use links::{Link, began, edited, first_of, link, links, named, replies, root_of};
pub use list::{Range, list, of_thread, these};
pub use marks::{
    EVERYONE, HERE, Marker, Peer, Unread, forget_reader, latest, latest_id, mark, marker, markers, mention,
    mentioned, mentions, peers, unread, unread_from,
};
pub use pins::{Pin, Preview, keep_preview_if, pin, pinned, pins, previews, set_preview, unpin};
pub use reactions::{Reactions, reactions, reactions_of, reactors, set_reactions};
pub use settings::{set_previews_wanted, wants_previews};

use waddle_core::MessageId;

/// Identifiers as one parameter, for `json_each`.
fn json(ids: &[MessageId]) -> String {
    let mut out = String::with_capacity(ids.len() * 17 + 2);
    out.push('[');
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&id.0.to_string());
    }
    out.push(']');
    out
}
