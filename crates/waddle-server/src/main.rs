//! Configuration, supervision, wiring, shutdown; no logic.

fn main() {}
