//! What messages are beside the archive (`specs/messages.md`): what belongs together is noted in the archive's own
//! transaction, and read back as the message that people see.
//!
//! - [`facts`] reads from a stanza what it says of other messages, files and people; most say nothing of the kind.
//! - [`index`] writes it, within the transaction that archives the message.
//! - [`view`] is a message as people see it: its last text, reactions counted, files, preview.
//! - [`names`] puts the names to it that its authors show now, which are with the accounts.
//! - [`channel`] lists and finds the messages of a channel, [`search`] those of a waddle, [`inbox`] what is unread;
//!   [`direct`] tells what is done between two people.
//! - [`act`] is what a person does with messages; `waddle_muc::Rooms` carries it out. [`news`] is what was done.
//!
//! Knows no session and no room; SQL is in `waddle_storage::repo::messages`.

pub mod act;
pub mod attachment;
pub mod channel;
pub mod direct;
mod error;
pub mod facts;
pub mod inbox;
pub mod index;
pub mod names;
pub mod news;
pub mod search;
pub mod sweep;
pub mod text;
pub mod view;

pub use act::{Act, NewMessage};
pub use attachment::Attachment;
pub use channel::{ChannelMessages, Page};
pub use error::{Error, Result};
pub use facts::Facts;
pub use news::{News, NewsKind};
pub use view::{Author, AuthorKind, Mention, MentionKind, MessageView, Preview, Reaction, Viewer};
pub use waddle_storage::repo::messages::Range;
