//! A load generator that runs the same work on Waddle and on a peer.

fn main() {}
