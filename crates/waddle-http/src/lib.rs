//! HTTP: login, API, WebSockets, status, metrics.
