//! Rules of the house as tests: which crate may name which, how files begin, what may stand where.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Who may depend on whom: everything not listed is forbidden. Dev-dependencies are not looked at.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("outbox", &[]),
    ("fetch", &[]),
    ("permissions", &["core"]),
    ("stanza", &["core", "outbox"]),
    ("storage", &["core"]),
    ("files", &["core", "storage"]),
    ("community", &["core", "permissions", "storage"]),
    ("identity", &["core", "fetch", "stanza", "storage", "community"]),
    ("preview", &["fetch"]),
    ("messages", &["core", "stanza", "storage", "archive", "community"]),
    ("archive", &["core", "stanza", "storage"]),
    (
        "muc",
        &[
            "core",
            "outbox",
            "permissions",
            "stanza",
            "storage",
            "archive",
            "community",
            "messages",
        ],
    ),
    ("pubsub", &["core", "stanza", "storage"]),
    (
        "xmpp",
        &[
            "core",
            "pubsub",
            "outbox",
            "permissions",
            "stanza",
            "storage",
            "archive",
            "community",
            "identity",
            "files",
            "muc",
            "messages",
        ],
    ),
    (
        "mqtt",
        &[
            "core",
            "outbox",
            "permissions",
            "storage",
            "community",
            "identity",
        ],
    ),
    ("feed", &["core", "stanza", "storage", "community", "muc", "mqtt"]),
    (
        "http",
        &[
            "core",
            "stanza",
            "permissions",
            "storage",
            "community",
            "identity",
            "files",
            "hooks",
            "xmpp",
            "mqtt",
            "muc",
            "messages",
        ],
    ),
    (
        "hooks",
        &[
            "core",
            "fetch",
            "stanza",
            "storage",
            "community",
            "identity",
            "messages",
            "muc",
        ],
    ),
    ("bench", &[]),
    (
        "server",
        &[
            "core",
            "permissions",
            "stanza",
            "storage",
            "community",
            "identity",
            "files",
            "muc",
            "xmpp",
            "mqtt",
            "feed",
            "hooks",
            "fetch",
            "http",
            "messages",
            "preview",
            "fetch",
            "archive",
        ],
    ),
];

/// Crates that never touch a socket, a clock or a database.
const PURE: &[&str] = &["core", "permissions", "stanza"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(
                name.as_str(),
                "target" | "node_modules" | ".git" | "peers" | "fuzz"
            ) {
                sources(&path, out);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut out = Vec::new();
    sources(&root().join("crates"), &mut out);
    sources(&root().join("tests"), &mut out);
    out
}

#[test]
fn dependencies_point_down() {
    for (name, may) in MAY_NAME {
        let manifest = fs::read_to_string(root().join(format!("crates/waddle-{name}/Cargo.toml"))).unwrap();
        let own = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let own = own.split("\n[").next().unwrap_or_default();
        for line in own.lines() {
            let Some(dep) = line.strip_prefix("waddle-") else {
                continue;
            };
            let dep = dep.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(
                may.contains(&dep),
                "waddle-{name} may not name waddle-{dep} (crates/waddle-{name}/Cargo.toml)"
            );
        }
    }
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .replace("waddle-", "");
        let known = MAY_NAME.iter().any(|(n, _)| *n == name) || matches!(name.as_str(), "cli" | "web");
        assert!(known, "waddle-{name} is not in the table of dependencies");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        let ok = text.starts_with("//!") || text.starts_with("#![");
        assert!(ok, "{} does not open with //!", path.display());
    }
}

#[test]
fn no_file_is_a_monolith() {
    for path in all_sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= 800,
            "{} has {lines} lines: one idea a file",
            path.display()
        );
    }
}

#[test]
fn sql_is_in_the_storage_crate_alone() {
    for path in all_sources() {
        let shown = path.display().to_string();
        if shown.contains("waddle-storage") || shown.ends_with("house.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE OR"] {
            assert!(!text.contains(word), "{shown} contains SQL ({word})");
        }
    }
}

#[test]
fn pure_crates_know_no_runtime() {
    for name in PURE {
        let manifest = fs::read_to_string(root().join(format!("crates/waddle-{name}/Cargo.toml"))).unwrap();
        let own = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let own = own.split("\n[").next().unwrap_or_default();
        for dep in ["tokio", "libsql", "kameo", "axum", "reqwest"] {
            assert!(
                !own.lines().any(|l| l.starts_with(dep)),
                "waddle-{name} depends on {dep}"
            );
        }
    }
}

#[test]
fn xml_is_not_built_with_format() {
    for path in all_sources() {
        let shown = path.display().to_string();
        if shown.contains("/tests/") || shown.contains("waddle-bench") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.trim_start();
            let suspicious = line.contains("format!(\"<")
                || line.contains("format!(r\"<")
                || line.contains("format!(r#\"<");
            let ours = suspicious && !line.starts_with("//") && !shown.contains("waddle-http");
            assert!(
                !ours,
                "{shown}:{}: XML is built by the writer, which escapes",
                number + 1
            );
        }
    }
}
