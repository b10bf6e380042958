//! The repositories, a file per topic: the only place of the product that holds SQL.

pub mod accounts;
pub mod archive;
pub mod credentials;
pub mod device_credentials;
pub mod login_sessions;
pub mod meta;
pub mod oauth;
pub mod offline;
pub mod roster;
