//! Rooms: the room actor and room features, a file each ([XEP-0045](https://xmpp.org/extensions/xep-0045.html)).
//! Knows no socket.
//!
//! ```text
//! Rooms::route ─► mailbox ─► RoomActor ─► Room::handle(Input, now) ─► Effects ─► outboxes, storage, community
//!                                 ▲                                                   │
//!                                 └───────────── commits, in order ◄──────────────────┘
//! ```
//! - `state` is the reducer's core: inputs, effects, and the queue that keeps commits, broadcasts and the archive
//!   in one order; `room` is what a room is.
//! - A feature is a file with an `impl Room`: `join`, `presence`, `message`, `private`, `subject`, `history`,
//!   `admin`, `affiliations`, `owner`, `register`, `invite`, `voice`, `disco`, `avatar`, `relay`, `archive`,
//!   `removal`, `post`; `audience` says who is told of whom.
//! - `actor` and `rooms` are the shell: mailboxes, supervision, storage, the list of active rooms.
//!
//! Invariants: a room never waits, neither for a socket nor for a commit; nothing that is archived is broadcast
//! before its commit; what only the room may say is stripped from what clients say.

mod activity;
mod actor;
mod admin;
mod affiliations;
mod api;
mod archive;
mod audience;
mod avatar;
mod channel_config;
mod channel_hats;
mod config;
mod direct;
mod disco;
mod error;
mod events;
mod fan;
mod ghost;
pub mod hats;
mod history;
mod invite;
mod iq;
mod join;
mod legible;
mod load;
mod manage;
mod mentions;
mod message;
mod metrics;
mod moderate;
mod nick;
mod noted;
mod occupant_id;
mod occupants;
mod owner;
mod people;
mod pins;
mod policy;
mod post;
mod presence;
mod preview;
mod private;
mod purge;
mod register;
mod relay;
mod removal;
mod room;
mod rooms;
mod rules;
mod say;
mod screening;
mod search;
mod service;
mod show;
mod silence;
mod slash;
mod slow_mode;
mod stamp;
mod standing;
mod state;
mod subject;
mod voice;

pub use api::{
    ActError, BOT, Deps, Figures, Inbound, Post, PostError, Posted, Poster, Postman, Sender, WEBHOOK,
};
pub use direct::{GroupError, GroupNews, NewGroup};
pub use error::Refusal;
pub use load::LoadError;
pub use rooms::{Previewer, Reading, Rooms};
pub use slash::{SlashCall, SlashCommand, SlashCommands, SlashOption, Typed, Whisper};
pub use standing::{Affiliation, Role};
