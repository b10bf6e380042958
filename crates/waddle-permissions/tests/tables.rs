//! Tables of expectations: schemas and tuples, and who may and may not.
//!
//! A table is a file `tests/tables/*.yaml` in the format of OpenFGA's own (`format`), or `tests/tables/*.txt`, where
//! a line is one of
//!
//! ```text
//! schema <path from the top of the repository>   the schema, once, at the top
//! # anything                                     a comment
//! == a title                                     forgets all tuples; begins a case
//! + object#relation@subject                      writes a tuple
//! - object#relation@subject                      deletes a tuple
//! ! object#relation@subject                      a tuple that must be refused
//! allow|deny|unknown object#relation name …      what a check must answer for each name (user:<name>)
//! objects name type#relation = …                 the objects that they have the relation to, all of them
//! users object#relation = …                      who has the relation, all of them; `*` is everyone, `-name` but not
//! ```
//!
//! Whatever a line expects of a check, list objects and list users are asked too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, sync::Arc};

use waddle_permissions::{
    Changes, CheckLimits, Decision, LookupLimits, Object, Schema, StoreLimits, Subject, Subjects, Tuple,
    TupleStore, Wanted,
};

mod format;

const LIMITS: StoreLimits = StoreLimits {
    tuples: 1000,
    cached: 64,
    log: 100,
};

fn subject(name: &str) -> Subject {
    let name = if name.contains(':') {
        name.to_owned()
    } else {
        format!("user:{name}")
    };
    name.parse().unwrap()
}

fn objects(store: &TupleStore, kind: &str, relation: &str, subject: &Subject) -> Vec<Object> {
    let found = store
        .now()
        .list_objects(kind, relation, subject.as_ref(), LookupLimits::default());
    found.unwrap()
}

fn users(store: &TupleStore, object: &Object, relation: &str, like: &Subject) -> Subjects {
    let wanted = match like {
        Subject::Object(o) => Wanted::Objects(&o.kind),
        Subject::Wildcard(kind) => Wanted::Objects(kind),
        Subject::Userset(o, r) => Wanted::Usersets(&o.kind, r),
    };
    let found = store
        .now()
        .list_users(object.as_ref(), relation, wanted, LookupLimits::default());
    found.unwrap()
}

/// Whether both lookups find that the subject has the relation.
fn looked_up(store: &TupleStore, object: &Object, relation: &str, subject: &Subject) -> (bool, bool) {
    let among = users(store, object, relation, subject);
    let by_wildcard = match subject {
        Subject::Wildcard(_) => among.everyone,
        Subject::Object(_) => among.everyone && !among.except.contains(subject),
        Subject::Userset(..) => false,
    };
    (
        objects(store, &object.kind, relation, subject).contains(object),
        by_wildcard || among.named.contains(subject),
    )
}

#[derive(Default)]
struct Outcome {
    checks: usize,
    lists: usize,
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
            "==" => store = Some(TupleStore::new(schema.clone().unwrap(), LIMITS)),
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
                    let subject = subject(name);
                    let store = store.as_ref().unwrap();
                    let allowed = expected == Decision::Allowed;
                    let found = looked_up(store, &object, relation, &subject);
                    // An object that no tuple names is in no list, although a userset is itself.
                    if found != (allowed, allowed) {
                        out.wrong.push(format!(
                            "{at}: {object}#{relation}@{subject}: listed (by subject, by object): {found:?}"
                        ));
                    }
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
            "objects" => {
                let (question, answer) = rest.split_once('=').unwrap();
                let (name, of) = question.trim().split_once(' ').unwrap();
                let (kind, relation) = of.split_once('#').unwrap();
                let mut expected: Vec<String> = answer
                    .split_whitespace()
                    .map(|id| format!("{kind}:{id}"))
                    .collect();
                expected.sort();
                let got = objects(store.as_ref().unwrap(), kind, relation, &subject(name));
                let got: Vec<String> = got.iter().map(Object::to_string).collect();
                out.lists += 1;
                if got != expected {
                    out.wrong.push(format!("{at}: {line}: {got:?}"));
                }
            }
            "users" => {
                let (question, answer) = rest.split_once('=').unwrap();
                let (object, relation) = question.trim().split_once('#').unwrap();
                let mut expected = Subjects::default();
                for word in answer.split_whitespace() {
                    match word.strip_prefix('-') {
                        Some(name) => expected.except.push(subject(name)),
                        None if word == "*" => expected.everyone = true,
                        None => expected.named.push(subject(word)),
                    }
                }
                expected.named.sort();
                expected.except.sort();
                let like = subject("anybody");
                let got = users(store.as_ref().unwrap(), &object.parse().unwrap(), relation, &like);
                out.lists += 1;
                if got != expected {
                    out.wrong.push(format!("{at}: {line}: {got:?}"));
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
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let done = format::run(&path);
            total.checks += done.right[0];
            total.lists += done.right[1] + done.right[2];
            total.wrong.extend(done.wrong);
        } else {
            let done = run(&path);
            total.checks += done.checks;
            total.lists += done.lists;
            total.wrong.extend(done.wrong);
        }
    }
    assert!(total.wrong.is_empty(), "\n{}", total.wrong.join("\n"));
    assert!(total.checks > 200, "only {} checks", total.checks);
    assert!(total.lists > 30, "only {} lists", total.lists);
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
