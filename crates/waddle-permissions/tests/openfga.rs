//! The check assertions of OpenFGA's own test tables, where `WADDLE_OPENFGA_TESTS` names the file
//! (`consolidated_1_1_tests.yaml` of the OpenFGA repository).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_yaml_ng::Value;
use waddle_permissions::{Changes, CheckError, CheckLimits, Schema, Tuple, TupleStore};

fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

fn tuple(v: &Value) -> Option<Tuple> {
    let field = |k: &str| v.get(k).and_then(Value::as_str).unwrap();
    Some(Tuple::new(
        field("object").parse().ok()?,
        field("relation"),
        field("user").parse().ok()?,
    ))
}

fn tuples(v: &Value, key: &str) -> Option<Vec<Tuple>> {
    list(v, key).iter().map(tuple).collect()
}

/// Whether a check answers; what has no answer has OpenFGA's number of the error.
fn check(store: &TupleStore, assertion: &Value) -> Result<bool, i64> {
    let Some(asked) = tuple(&assertion["tuple"]) else {
        return Err(2000);
    };
    let mut store = store.clone();
    let writes = tuples(assertion, "contextualTuples").ok_or(2027)?;
    store
        .apply(&Changes {
            writes,
            ..Changes::default()
        })
        .map_err(|_| 2027)?;
    let answer = store.check(
        asked.object.as_ref(),
        &asked.relation,
        asked.subject.as_ref(),
        CheckLimits::default(),
    );
    match answer {
        Ok(decision) => Ok(decision.is_allowed()),
        Err(CheckError::TooComplex(_)) => Err(2002),
        Err(CheckError::Name(_)) => Err(2000),
    }
}

#[test]
#[ignore = "needs OpenFGA's tables: make test runs it where WADDLE_OPENFGA_TESTS names them"]
fn check_assertions_of_openfga() {
    let path = std::env::var("WADDLE_OPENFGA_TESTS").unwrap();
    let all: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for test in list(&all, "tests") {
        let name = test["name"].as_str().unwrap();
        let mut held: Vec<Tuple> = Vec::new();
        for stage in list(test, "stages") {
            let schema = match Schema::parse(stage["model"].as_str().unwrap()) {
                Ok(s) => Arc::new(s),
                Err(e) => {
                    wrong.push(format!("{name}: {e}"));
                    continue;
                }
            };
            // Tuples of earlier stages stay, and count only where the new schema allows them.
            held.extend(tuples(stage, "tuples").unwrap());
            let (store, _) = TupleStore::load(schema, 10_000, 0, 0, held.clone());
            for assertion in list(stage, "checkAssertions") {
                let expected = match assertion.get("errorCode").and_then(Value::as_i64) {
                    Some(code) => Err(code),
                    None => Ok(assertion["expectation"].as_bool().unwrap()),
                };
                let got = check(&store, assertion);
                if got == expected {
                    right += 1;
                } else {
                    wrong.push(format!(
                        "{name}: {:?}: {got:?}, expected {expected:?}",
                        assertion["tuple"]
                    ));
                }
            }
        }
    }
    println!("{right} right, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(right > 300);
}
