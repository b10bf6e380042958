//! Tables of expectations: schemas and tuples, and who may and may not.
//!
//! A table is a file `tests/tables/*.txt`; a line is one of
//!
//! ```text
//! schema <path from the top of the repository>   the schema, once, at the top
//! # anything                                     a comment
//! == a title                                     forgets all tuples; begins a case
//! + object#relation@subject                      writes a tuple
//! - object#relation@subject                      deletes a tuple
//! ! object#relation@subject                      a tuple that must be refused
//! allow|deny|unknown object#relation name …      what a check must answer for each name (user:<name>)
//! ```
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, sync::Arc};

use waddle_permissions::{Changes, CheckLimits, Decision, Object, Schema, Subject, Tuple, TupleStore};

#[derive(Default)]
struct Outcome {
    checks: usize,
    wrong: Vec<String>,
}

fn run(path: &Path) -> Outcome {
    let mut out = Outcome::default();
    let mut schema: Option<Arc<Schema>> = None;
    let mut store: Option<TupleStore> = None;
    for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        let at = format!("{}:{}", path.file_name().unwrap().to_str().unwrap(), number + 1);
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let mut change = |changes: Changes| store.as_mut().unwrap().apply(&changes);
        match word {
            "" | "#" => {}
            "schema" => {
                let top = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
                let text = fs::read_to_string(Path::new(top).join(rest)).unwrap();
                schema = Some(Arc::new(Schema::parse(&text).unwrap()));
            }
            "==" => store = Some(TupleStore::new(schema.clone().unwrap(), 1000, 64)),
            "+" | "!" => {
                let written = change(Changes {
                    writes: vec![rest.parse().unwrap()],
                    ..Changes::default()
                });
                if written.is_ok() != (word == "+") {
                    out.wrong.push(format!("{at}: {line}: {written:?}"));
                }
            }
            "-" => {
                let gone = change(Changes {
                    deletes: vec![rest.parse().unwrap()],
                    ..Changes::default()
                });
                if gone.map(|a| a.deleted) != Ok(1) {
                    out.wrong.push(format!("{at}: {line}: not there"));
                }
            }
            "allow" | "deny" | "unknown" => {
                let expected = match word {
                    "allow" => Decision::Allowed,
                    "deny" => Decision::Denied,
                    _ => Decision::Unknown,
                };
                let mut words = rest.split_whitespace();
                let (object, relation) = words.next().unwrap().split_once('#').unwrap();
                let object: Object = object.parse().unwrap();
                for name in words {
                    let name = if name.contains(':') {
                        name.to_owned()
                    } else {
                        format!("user:{name}")
                    };
                    let subject: Subject = name.parse().unwrap();
                    let store = store.as_ref().unwrap();
                    // Twice: the second answer may come from the cache.
                    for _ in 0..2 {
                        out.checks += 1;
                        let got = store.check(
                            object.as_ref(),
                            relation,
                            subject.as_ref(),
                            CheckLimits::default(),
                        );
                        if got != Ok(expected) {
                            out.wrong.push(format!(
                                "{at}: {object}#{relation}@{subject}: {got:?}, expected {expected:?}"
                            ));
                        }
                    }
                }
            }
            other => out.wrong.push(format!("{at}: `{other}` is no word of a table")),
        }
    }
    out
}

#[test]
fn every_table() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut total = Outcome::default();
    for file in fs::read_dir(dir).unwrap() {
        let done = run(&file.unwrap().path());
        total.checks += done.checks;
        total.wrong.extend(done.wrong);
    }
    assert!(total.wrong.is_empty(), "\n{}", total.wrong.join("\n"));
    assert!(total.checks > 200, "only {} checks", total.checks);
}

/// Every tuple that the tables write is one of the forms that `specs/permissions.md` names.
#[test]
fn every_relation_of_the_schema_is_in_the_tables_or_the_specification() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schema = Schema::parse(&fs::read_to_string(top.join("specs/permissions.fga")).unwrap()).unwrap();
    let text = fs::read_to_string(top.join("specs/permissions.md")).unwrap();
    for t in schema.types() {
        for r in schema.relation_names(t) {
            let name = format!("`{r}`");
            assert!(
                text.contains(&name),
                "specs/permissions.md does not name {}#{r}",
                schema.type_name(t)
            );
        }
    }
    assert!("waddle:1#member@user:a".parse::<Tuple>().is_ok());
}
