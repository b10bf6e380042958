//! Namespaces of XEP-0060.

/// Requests of everybody.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// Requests of owners.
pub const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// Notifications.
pub const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// Conditions of errors.
pub const ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// Form type of a node's configuration.
pub const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// Form type of what is known of a node.
pub const META_DATA: &str = "http://jabber.org/protocol/pubsub#meta-data";
/// Form type of preconditions.
pub const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
/// Form type of a subscription's options.
pub const SUBSCRIBE_OPTIONS: &str = "http://jabber.org/protocol/pubsub#subscribe_options";
/// The node of an account's bookmarks (XEP-0402): nobody else reads it.
pub const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
/// Form type of a request for approval.
pub const AUTHORIZATION: &str = "http://jabber.org/protocol/pubsub#subscribe_authorization";
