//! The HTTP surface over a fresh directory, a file for each part of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod archive;
mod bosh;
mod communities;
mod contract;
mod devices_and_account;
mod document;
mod events;
mod events_groups;
mod events_personal;
mod framework;
mod integrations;
mod login;
mod messages;
mod moderation;
mod oauth;
mod permissions;
mod roles_and_places;
mod sockets;
mod stalled;
mod strangers;
mod support;
mod surface;
mod uploads;
