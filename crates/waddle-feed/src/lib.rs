//! Topics become feeds: bindings that turn device readings into channel messages.
