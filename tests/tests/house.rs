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
    ("mqtt", &["core", "outbox", "storage", "community", "identity"]),
    ("feed", &["core", "community", "muc", "mqtt"]),
    (
        "http",
        &[
            "core",
            "stanza",
            "storage",
            "community",
            "identity",
            "files",
            "hooks",
            "xmpp",
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
        ],
    ),
];

/// Crates that never touch a socket or a database.
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
        for dep in names(name) {
            assert!(
                may.contains(&dep.as_str()),
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
        let known = MAY_NAME.iter().any(|(n, _)| *n == name);
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
fn names_say_what_is_inside() {
    for path in all_sources() {
        let own = path.strip_prefix(root()).unwrap();
        let empty = own
            .iter()
            .any(|part| matches!(part.to_str(), Some("common" | "utils" | "util" | "helpers")));
        let stem = own.file_stem().and_then(|s| s.to_str());
        let empty = empty || matches!(stem, Some("common" | "utils" | "util" | "helpers"));
        assert!(!empty, "{} has a name that says nothing", own.display());
    }
}

#[test]
fn no_file_is_a_monolith() {
    for path in all_sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let most = if path.display().to_string().contains("/tests/") {
            700
        } else {
            600
        };
        assert!(
            lines <= most,
            "{} has {lines} lines: one idea a file",
            path.display()
        );
    }
}

/// What a crate's manifest names of ours, without the prefix.
fn names(name: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(format!("crates/waddle-{name}/Cargo.toml"))).unwrap();
    let own = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let own = own.split("\n[").next().unwrap_or_default();
    own.lines()
        .filter_map(|line| line.strip_prefix("waddle-"))
        .map(|dep| dep.split(['.', ' ', '=']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_readme_shows_every_crate_in_its_place() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let built = readme.split("## How it is built").nth(1).unwrap();
    let map = built.split("```").nth(1).unwrap();
    let rows: Vec<Vec<&str>> = map
        .lines()
        .skip(1)
        .map(|line| line.trim().split("  ").next().unwrap_or_default())
        .filter(|row| !row.is_empty())
        .map(|row| row.split(" · ").collect())
        .collect();
    let row = |name: &str| rows.iter().position(|row| row.contains(&name));
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let full = entry.unwrap().file_name().to_string_lossy().into_owned();
        let name = full.strip_prefix("waddle-").unwrap();
        let cell = format!("| [`{full}`](crates/{full}) |");
        assert!(built.contains(&cell), "the README's table of crates lacks {full}");
        let needs = names(name);
        let Some(at) = row(name) else {
            assert!(needs.is_empty(), "the README's map lacks {full}");
            continue;
        };
        for dep in needs {
            assert!(
                row(&dep).is_some_and(|below| below > at),
                "the README's map shows {full} beside or below waddle-{dep}, which it names"
            );
        }
    }
}

/// The pages of the repository.
fn pages(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                pages(&path, out);
            }
        } else if path.extension().is_some_and(|e| e == "md") {
            out.push(path);
        }
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut all = Vec::new();
    pages(&root(), &mut all);
    for page in all {
        let text = fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
        {
            if link.starts_with("http") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let found = place.is_empty()
                || fs::read_to_string(&target)
                    .unwrap()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == place);
            assert!(found, "{}: {link} leads to no heading", page.display());
        }
    }
}

#[test]
fn pages_that_the_code_names_are_there() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        for folder in ["specs/", "adrs/", "rfcs/"] {
            for (at, _) in text.match_indices(folder) {
                let name: String = text[at..]
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'))
                    .collect();
                let name = name.trim_end_matches('.');
                let kind = Path::new(name).extension();
                if kind.is_some_and(|e| e == "md" || e == "fga") {
                    assert!(
                        root().join(name).exists(),
                        "{} names {name}, which is not there",
                        path.display()
                    );
                }
            }
        }
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

#[test]
fn tests_that_their_page_names_are_there() {
    let page = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let mut code = String::new();
    for path in all_sources() {
        code += &fs::read_to_string(path).unwrap();
    }
    for entry in ["communities", "story"] {
        for file in fs::read_dir(root().join("tests").join(entry)).unwrap() {
            code += &fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        }
    }
    // Files stand behind the crate that a cell named last: `crate: path`, `path`.
    for line in page.lines() {
        let mut below = None;
        for word in quoted(line) {
            let (own, path) = word
                .split_once(": ")
                .map_or((None, word), |(name, path)| (Some(name), path));
            below = own.or(below);
            if let Some(name) = below
                && Path::new(path).extension().is_some_and(|e| e == "rs")
            {
                let file = format!("crates/waddle-{name}/{path}");
                assert!(
                    root().join(&file).exists(),
                    "tests/README.md names {file}, which is not there"
                );
            }
        }
    }
    // Names of tests are sentences: nothing else on the page has as many underscores.
    for word in page.split('`').skip(1).step_by(2) {
        let name = word.trim_end_matches('…');
        let sentence =
            name.matches('_').count() > 2 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(
            !sentence || code.contains(&format!("fn {name}")) || code.contains(&format!("def {name}")),
            "tests/README.md names {word}, which is not there"
        );
    }
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_table_of_relations_is_the_schema() {
    let schema = fs::read_to_string(root().join("specs/permissions.fga")).unwrap();
    let page = fs::read_to_string(root().join("specs/permissions.md")).unwrap();
    for part in schema.split("\ntype ").skip(1) {
        let kind = part.lines().next().unwrap().trim();
        let row = page.lines().find(|l| l.starts_with(&format!("| `{kind}` |")));
        let row = row.unwrap_or_else(|| panic!("specs/permissions.md has no row for {kind}"));
        let cells: Vec<&str> = row.split(" | ").collect();
        let defined = part
            .lines()
            .filter_map(|line| line.trim().strip_prefix("define "))
            .filter_map(|line| line.split_once(": "));
        for (relation, rewrite) in defined {
            let rewrite = rewrite.split(" #").next().unwrap_or_default();
            let cell = if rewrite.contains('[') { cells[1] } else { cells[2] };
            assert!(
                quoted(cell).contains(&relation),
                "specs/permissions.md does not show {kind}#{relation} where it belongs"
            );
        }
    }
}
