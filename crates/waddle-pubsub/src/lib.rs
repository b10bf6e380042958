//! Publish-subscribe: nodes, items, subscriptions, personal eventing. Knows no socket.
//!
//! [XEP-0060](https://xmpp.org/extensions/xep-0060.html) on a host of its own and
//! [XEP-0163](https://xmpp.org/extensions/xep-0163.html) on accounts are one engine, [`PubSub`]: a [`Request`] is read
//! from the payload of an IQ, carried out in one step of the server's database, answered after its commit; what
//! follows goes to the [`Host`] in the order of the commits, each notification written once. [`access`] decides who
//! may do what and is pure. Collections are not there.

pub mod access;
mod affiliation;
mod config;
mod config_form;
mod disco;
mod engine;
mod error;
mod event;
mod metrics;
pub mod ns;
mod ops;
mod options;
mod presence;
mod request;
mod service;
mod stored;
mod view;

pub use affiliation::Affiliation;
pub use config::{Access, Config, ItemReply, Notification, OrMax, PublishModel, SendLast, WhenFull};
pub use engine::{Answer, Changed, Host, Interests, PubSub, Resource};
pub use error::{Error, Result};
pub use options::Options;
pub use request::{NewItem, Request};
pub use service::Service;
pub use stored::StoredItem;
