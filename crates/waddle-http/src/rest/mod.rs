//! What every address of the API shares (`specs/http.md`): JSON in and out, pages of lists, scopes, the OpenAPI document.
//! How an address is written is told in [`crate::api`].

mod conditional;
mod document;
mod idempotency;
mod json;
mod page;
mod rules;
mod try_page;

pub use conditional::{Conditions, conditional};
pub use document::{Document, finish, serve};
pub use idempotency::idempotent;
pub use json::{Created, Json};
pub use page::{Paging, behind, next};
pub use rules::{Need, Rules, Scope};
pub use try_page::{page as try_page, script as try_script};
