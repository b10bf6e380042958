//! The one way from here to servers that strangers name: webhooks' receivers, pages whose preview is shown, account
//! servers (`specs/integrations.md`, "Requests to other servers").
//!
//! [`Guard`] says which URLs and addresses are allowed; [`Fetcher`] resolves names itself, drops every address that is
//! not, and connects to what it checked, so that a name cannot point elsewhere between the two. Each redirect is checked
//! like the first address. Time, size and the number of redirects are bounded; no proxy, cookie or decompression.

mod client;
mod error;
pub mod guard;

pub use client::{FetchConfig, Fetched, Fetcher, Overlong};
pub use error::FetchError;
pub use guard::{Guard, Refused, is_public};
