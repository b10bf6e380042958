//! The XMPP server as its clients see it, a file for each part of it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod advertised;
mod archive;
mod blocking;
mod channels;
mod client_state;
mod commands;
mod components;
mod contacts;
mod direct;
mod external;
mod inbox;
mod login;
mod messages;
mod passing;
mod pep;
mod pubsub;
mod push;
mod registration;
mod rooms;
mod routing;
mod sessions;
mod strangers;
mod streams;
mod support;
mod transports;
mod upload;
