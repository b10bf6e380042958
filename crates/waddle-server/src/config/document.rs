//! `specs/configuration.md`: made from the settings themselves, so that it cannot lag behind.

use std::fmt::Write;

use super::Config;

/// The text of the page.
pub fn page() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         A setting is read from the environment (`WADDLE_` and the key in capitals), else from the file given by \
         `--config` (TOML, the key as written here), else it has the default. A wrong value or an unknown key stops \
         the start with one line. Switches take `on` or `off`; a listener takes `address:port`, several separated by \
         commas, port 0 for any free one, or `off`. Bounds stand below `[limits]` in the file: `specs/limits.md`; rules for MQTT topics below `[mqtt_policy]`: \
         `specs/topics.md`; components, host and secret, below `[components]`. \
         Telemetry follows the standard `OTEL_*` variables: `OTEL_EXPORTER_OTLP_ENDPOINT` (http) turns it on.\n\n\
         This page is generated from `crates/waddle-server/src/config/mod.rs` and checked by a test.\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    for (key, default, meaning) in Config::table() {
        let default = if default.is_empty() {
            "none".into()
        } else {
            format!("`{default}`")
        };
        // Writing to a String cannot fail.
        let _: std::fmt::Result = writeln!(out, "| `{key}` | {default} | {} |", meaning.trim());
    }
    out.push_str(
        "\n## Signals and exit codes\n\n\
         SIGTERM and SIGINT stop the server within 10 s: clients get `<system-shutdown/>`, sessions and databases are \
         closed. SIGHUP reads the certificate again; a file that cannot be used keeps the old one.\n\n\
         | exit code | meaning |\n|---|---|\n\
         | 0 | done |\n| 1 | the command failed |\n| 2 | wrong usage |\n| 3 | the configuration cannot be used |\n\
         | 4 | an address cannot be bound |\n| 5 | the data directory is in use, unreadable or of a newer version |\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test -p waddle-server` writes the page.
    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/configuration.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == page(),
            "run UPDATE=1 cargo test -p waddle-server to renew specs/configuration.md"
        );
    }
}
