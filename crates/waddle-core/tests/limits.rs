//! `specs/limits.md` is the table of `waddle_core::Limits`. `UPDATE=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;

use waddle_core::Limits;

fn text() -> String {
    let mut out = String::from(
        "# Limits\n\nNothing in Waddle is unbounded. Each bound is a key of `[limits]` in the configuration file; \
         this table is made from `waddle_core::Limits` and checked by a test. A rate is \
         `{ count = 10, seconds = 10 }`: that many in that time, in bursts up to the count.\n\n\
         | key | default | meaning, and what a caller gets beyond it |\n|---|---|---|\n",
    );
    for (name, default, meaning) in Limits::table() {
        let default = match default
            .strip_prefix("Rate { count: ")
            .and_then(|d| d.strip_suffix(" }"))
        {
            Some(rate) => rate.replace(", seconds: ", " per ") + " s",
            None => default,
        };
        writeln!(out, "| `{name}` | {default} | {} |", meaning.trim()).unwrap();
    }
    out
}

#[test]
fn the_table_of_limits_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/limits.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == text(),
        "specs/limits.md is old; run UPDATE=1 cargo test -p waddle-core --test limits"
    );
}
