//! Tables in the format of OpenFGA's `consolidated_1_1_tests.yaml`: models, tuples, and what a check, list objects
//! and list users must answer. Ours say `modelFile:` where OpenFGA's have the `model:` itself.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file takes what it needs"
)]

use std::{fs, path::Path, sync::Arc};

use serde_yaml_ng::Value;
use waddle_permissions::{
    Changes, CheckError, CheckLimits, LookupLimits, Object, Question, Schema, Snapshot, StoreLimits, Subject,
    Tuple, TupleStore, Wanted, WriteError,
};

const LIMITS: StoreLimits = StoreLimits {
    tuples: 10_000,
    cached: 0,
    log: 0,
};

pub fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

pub fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap()
}

fn tuple(v: &Value) -> Option<Tuple> {
    Some(Tuple::new(
        text(v, "object").parse().ok()?,
        text(v, "relation"),
        text(v, "user").parse().ok()?,
    ))
}

fn tuples(v: &Value, key: &str) -> Option<Vec<Tuple>> {
    list(v, key).iter().map(tuple).collect()
}

/// Our errors as OpenFGA's numbers: 2000 a request that names nothing of the model, 2002 too complex, 2021 no such
/// type and 2022 no such relation where a lookup is asked for them, 2027 a contextual tuple that is not allowed.
fn number(e: &CheckError, kind: Option<&str>, relation: Option<&str>) -> i64 {
    match e {
        CheckError::TooComplex(_) => 2002,
        CheckError::Name(WriteError::UnknownType { name, .. }) if kind == Some(name) => 2021,
        CheckError::Name(WriteError::UnknownRelation { name, .. }) if relation == Some(name) => 2022,
        CheckError::Name(_) => 2000,
    }
}

fn asked<'a>(store: &'a TupleStore, assertion: &Value) -> Result<Snapshot<'a>, i64> {
    let contextual = tuples(assertion, "contextualTuples").ok_or(2027)?;
    store.now().with(&contextual).map_err(|_| 2027)
}

fn allowed(at: &Snapshot<'_>, object: &Object, relation: &str, subject: &Subject) -> Result<bool, i64> {
    let question = Question {
        object: object.as_ref(),
        relation,
        subject: subject.as_ref(),
    };
    let decided = at.check(question, CheckLimits::default());
    // What explains tells of the same decision.
    let explained = at.explain(question, CheckLimits::default()).map(|e| e.decision);
    assert_eq!(explained, decided, "{object}#{relation}@{subject}");
    decided
        .map(waddle_permissions::Decision::is_allowed)
        .map_err(|e| number(&e, None, None))
}

/// The answer to an assertion, lists sorted, or the number of the error.
fn answer(store: &TupleStore, section: &str, assertion: &Value) -> Result<Value, i64> {
    let at = asked(store, assertion)?;
    let words = |mut list: Vec<String>| {
        list.sort();
        Value::from(list)
    };
    let request = assertion.get("request").unwrap_or(&Value::Null);
    match section {
        "checkAssertions" => {
            let t = tuple(&assertion["tuple"]).ok_or(2000)?;
            allowed(&at, &t.object, &t.relation, &t.subject).map(Value::from)
        }
        "listObjectsAssertions" => {
            let (kind, relation) = (text(request, "type"), text(request, "relation"));
            let subject: Subject = text(request, "user").parse().map_err(|_| 2000)?;
            let found = at
                .list_objects(kind, relation, subject.as_ref(), LookupLimits::default())
                .map_err(|e| number(&e, Some(kind), Some(relation)))?;
            for object in &found {
                assert_eq!(allowed(&at, object, relation, &subject), Ok(true), "{object}");
            }
            Ok(words(found.iter().map(Object::to_string).collect()))
        }
        _ => {
            let object: Object = text(request, "object").parse().map_err(|_| 2000)?;
            let relation = text(request, "relation");
            let mut all = Vec::new();
            for filter in list(request, "filters") {
                let filter = filter.as_str().unwrap();
                let (kind, set) = filter
                    .split_once('#')
                    .map_or((filter, None), |(k, r)| (k, Some(r)));
                let wanted = set.map_or(Wanted::Objects(kind), |r| Wanted::Usersets(kind, r));
                let found = at
                    .list_users(object.as_ref(), relation, wanted, LookupLimits::default())
                    .map_err(|e| {
                        let types = [kind, &object.kind];
                        let named = [Some(relation), set];
                        match &e {
                            CheckError::Name(WriteError::UnknownType { name, .. }) => {
                                number(&e, types.into_iter().find(|t| t == name), None)
                            }
                            CheckError::Name(WriteError::UnknownRelation { name, .. }) => {
                                number(&e, None, named.into_iter().flatten().find(|r| r == name))
                            }
                            CheckError::Name(_) | CheckError::TooComplex(_) => number(&e, None, None),
                        }
                    })?;
                let mut named = found.named;
                named.extend(found.everyone.then(|| Subject::Wildcard(kind.into())));
                for who in &named {
                    assert_eq!(
                        allowed(&at, &object, relation, who),
                        Ok(true),
                        "{object}#{relation}@{who}"
                    );
                }
                for who in &found.except {
                    assert_eq!(
                        allowed(&at, &object, relation, who),
                        Ok(false),
                        "{object}#{relation}@{who}"
                    );
                }
                all.extend(named.iter().map(Subject::to_string));
            }
            Ok(words(all))
        }
    }
}

fn expected(assertion: &Value) -> Result<Value, i64> {
    if let Some(code) = assertion.get("errorCode").and_then(Value::as_i64) {
        return Err(code);
    }
    Ok(match &assertion["expectation"] {
        Value::Null => Value::Sequence(Vec::new()),
        Value::Sequence(items) => {
            let mut items: Vec<String> = items.iter().map(|i| i.as_str().unwrap().to_owned()).collect();
            items.sort();
            Value::from(items)
        }
        other => other.clone(),
    })
}

/// What came of the tables of one file.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Checks, list objects and list users that were answered as expected.
    pub right: [usize; 3],
    /// Of these, again with all tuples brought along by the question.
    pub again: usize,
    pub wrong: Vec<String>,
}

fn model(stage: &Value) -> Schema {
    let inline = stage.get("model").and_then(Value::as_str).map(str::to_owned);
    let text = inline.unwrap_or_else(|| {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::read_to_string(top.join(text(stage, "modelFile"))).unwrap()
    });
    Schema::parse(&text).unwrap()
}

/// Asks everything in a file, of a store that was loaded, of one whose schema was changed in place, and of an
/// empty one to which each question brings all tuples.
pub fn run(path: &Path) -> Outcome {
    let all: Value = serde_yaml_ng::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let sections = ["checkAssertions", "listObjectsAssertions", "listUsersAssertions"];
    let mut out = Outcome::default();
    for test in list(&all, "tests") {
        let name = text(test, "name");
        let mut held: Vec<Tuple> = Vec::new();
        let stages = list(test, "stages");
        let mut changed: Option<TupleStore> = None;
        for stage in stages {
            let schema = Arc::new(model(stage));
            // Tuples of earlier stages stay, and count only where the new schema allows them.
            let writes = tuples(stage, "tuples").unwrap();
            held.extend(writes.clone());
            let (store, _) = TupleStore::load(schema.clone(), LIMITS, 0, held.clone());
            let brought = TupleStore::new(schema.clone(), LIMITS);
            let changed = changed.get_or_insert_with(|| TupleStore::new(schema.clone(), LIMITS));
            changed.change_schema(schema);
            let deletes = Vec::new();
            changed.apply(&Changes { writes, deletes }).unwrap();
            for (section, right) in sections.into_iter().zip(&mut out.right) {
                for assertion in list(stage, section) {
                    let expected = expected(assertion);
                    let got = answer(&store, section, assertion);
                    if got == expected {
                        *right += 1;
                    } else {
                        let wrong = format!("{name}: {assertion:?}: {got:?}, expected {expected:?}");
                        out.wrong.push(wrong);
                    }
                    assert_eq!(
                        answer(changed, section, assertion),
                        got,
                        "{name}: schema changed in place"
                    );
                    if stages.len() == 1 {
                        let mut assertion = assertion.clone();
                        let all = list(&assertion, "contextualTuples")
                            .iter()
                            .chain(list(stage, "tuples"));
                        assertion["contextualTuples"] = Value::Sequence(all.cloned().collect());
                        assert_eq!(
                            answer(&brought, section, &assertion),
                            got,
                            "{name}: brought along"
                        );
                        out.again += 1;
                    }
                }
            }
        }
    }
    out
}
