//! Archived messages (XEP-0313).
