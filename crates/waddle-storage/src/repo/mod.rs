//! The repositories, a file per topic: the only place of the product that holds SQL.

pub mod accounts;
pub mod archive;
pub mod archive_prefs;
pub mod audit;
pub mod bindings;
pub mod channels;
pub mod credentials;
pub mod departed;
pub mod device_credentials;
pub mod files;
pub mod invites;
pub mod login_sessions;
pub mod members;
pub mod meta;
pub mod mqtt;
pub mod oauth;
pub mod offline;
pub mod pubsub;
pub mod pubsub_items;
pub mod room_list;
pub mod rooms;
pub mod roster;
pub mod tuples;
pub mod waddle_devices;
pub mod waddles;
pub mod words;
