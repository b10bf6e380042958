//! Clients nobody here wrote, as small programs for the end-to-end tests.
