//! Publish-subscribe.
