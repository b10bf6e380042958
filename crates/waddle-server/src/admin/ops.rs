//! What each administrative command does.
