//! Bounds, atomic changes, revisions, old tuples under a new schema, big groups.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use waddle_permissions::{
    Changes, CheckError, CheckLimits, Decision, Exceeded, Object, Schema, StoreLimits, Subject, Tuple,
    TupleStore, WriteError,
};

fn limits(tuples: usize) -> StoreLimits {
    StoreLimits {
        tuples,
        cached: 1024,
        log: 1000,
    }
}

fn schema(body: &str) -> Arc<Schema> {
    Arc::new(Schema::parse(&format!("model\n schema 1.1\ntype user\n{body}")).unwrap())
}

const GROUPS: &str = "type group
  relations
    define member: [user, group#member, user:*]
type doc
  relations
    define viewer: [user, group#member, user:*]
    define blocked: [user, group#member]
    define view: viewer but not blocked";

fn store(body: &str) -> TupleStore {
    TupleStore::new(schema(body), limits(1_000_000))
}

fn write(store: &mut TupleStore, tuples: &[&str]) {
    let writes = tuples.iter().map(|t| t.parse().unwrap()).collect();
    store
        .apply(&Changes {
            writes,
            deletes: vec![],
        })
        .unwrap();
}

fn check(store: &TupleStore, question: &str, limits: CheckLimits) -> Result<Decision, CheckError> {
    let t: Tuple = question.parse().unwrap();
    store.check(t.object.as_ref(), &t.relation, t.subject.as_ref(), limits)
}

fn ask(store: &TupleStore, question: &str) -> Decision {
    check(store, question, CheckLimits::default()).unwrap()
}

#[test]
fn a_cycle_never_grants_and_never_hides_a_grant() {
    let mut s = store(GROUPS);
    write(
        &mut s,
        &[
            "group:a#member@group:b#member",
            "group:b#member@group:a#member",
            "doc:1#viewer@user:ann",
            "doc:1#blocked@group:a#member",
            "doc:2#viewer@group:a#member",
        ],
    );
    // Whether Ann is blocked cannot be told, so she may not.
    assert_eq!(ask(&s, "doc:1#view@user:ann"), Decision::Unknown);
    assert_eq!(ask(&s, "doc:2#view@user:ann"), Decision::Unknown);
    write(&mut s, &["group:b#member@user:ann"]);
    assert_eq!(ask(&s, "doc:2#view@user:ann"), Decision::Allowed);
    assert_eq!(ask(&s, "doc:1#view@user:ann"), Decision::Denied);
}

#[test]
fn a_wildcard_yields_to_an_exclusion() {
    let mut s = store(GROUPS);
    write(&mut s, &["doc:1#viewer@user:*", "doc:1#blocked@user:ann"]);
    assert_eq!(ask(&s, "doc:1#view@user:ann"), Decision::Denied);
    assert_eq!(ask(&s, "doc:1#view@user:never-heard-of"), Decision::Allowed);
    assert_eq!(ask(&s, "doc:1#viewer@group:g#member"), Decision::Denied);
}

#[test]
fn depth_and_steps_are_bounded() {
    for (length, fine) in [(20, true), (24, true), (25, false), (50, false), (1000, false)] {
        let mut s = store(GROUPS);
        write(&mut s, &["group:0#member@user:ann"]);
        let writes = (1..length)
            .map(|i| {
                format!("group:{i}#member@group:{}#member", i - 1)
                    .parse()
                    .unwrap()
            })
            .chain([format!("doc:1#viewer@group:{}#member", length - 1)
                .parse()
                .unwrap()])
            .collect();
        s.apply(&Changes {
            writes,
            deletes: vec![],
        })
        .unwrap();
        let got = check(&s, "doc:1#viewer@user:ann", CheckLimits::default());
        let expected = if fine {
            Ok(Decision::Allowed)
        } else {
            Err(CheckError::TooComplex(Exceeded::Depth))
        };
        assert_eq!(got, expected, "{length}");
        // What is denied for certain is denied, however deep the rest.
        assert_eq!(ask(&s, "doc:2#view@user:ann"), Decision::Denied);
        // The call stack is safe whatever the configuration says.
        let wide = CheckLimits {
            depth: u32::MAX,
            steps: 100_000,
        };
        assert_eq!(
            check(&s, "doc:1#viewer@user:ann", wide).is_ok(),
            length <= 127,
            "{length}"
        );
    }
}

#[test]
fn a_wide_relation_runs_into_the_steps() {
    let mut s = store(GROUPS);
    let writes = (0..2000)
        .map(|i| format!("doc:1#viewer@group:{i}#member").parse().unwrap())
        .collect();
    s.apply(&Changes {
        writes,
        deletes: vec![],
    })
    .unwrap();
    let few = CheckLimits {
        depth: 25,
        steps: 1000,
    };
    assert_eq!(
        check(&s, "doc:1#viewer@user:ann", few),
        Err(CheckError::TooComplex(Exceeded::Steps))
    );
    assert_eq!(ask(&s, "doc:1#viewer@user:ann"), Decision::Denied);
}

#[test]
fn a_hundred_thousand_members_of_a_group_in_a_group() {
    let mut s = store(GROUPS);
    let group = Object::new("group", "big").unwrap();
    let writes = (0..100_000)
        .map(|i| {
            let user = Object::new("user", &format!("did:plc:{i:024}")).unwrap();
            Tuple::new(group.clone(), "member", Subject::Object(user))
        })
        .collect();
    s = TupleStore::load(s.schema().clone(), limits(1_000_000), 7, {
        let w: Vec<Tuple> = writes;
        w
    })
    .0;
    write(
        &mut s,
        &[
            "group:outer#member@group:big#member",
            "doc:1#viewer@group:outer#member",
        ],
    );
    assert_eq!((s.len(), s.revision()), (100_002, 8));
    assert_eq!(
        ask(&s, "doc:1#view@user:did:plc:000000000000000000099999"),
        Decision::Allowed
    );
    assert_eq!(
        ask(&s, "doc:1#view@user:did:plc:000000000000000000100000"),
        Decision::Denied
    );
}

#[test]
fn a_change_is_whole_or_not_at_all() {
    let mut s = store(GROUPS);
    write(&mut s, &["doc:1#viewer@user:ann"]);
    let before = s.revision();
    let refused = s.apply(&Changes {
        writes: vec![
            "doc:1#viewer@user:bob".parse().unwrap(),
            "doc:1#viewer@doc:2".parse().unwrap(),
        ],
        deletes: vec!["doc:1#viewer@user:ann".parse().unwrap()],
    });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`doc#viewer` takes [user, group#member, user:*], not `doc:2`"
    );
    assert_eq!(ask(&s, "doc:1#viewer@user:ann"), Decision::Allowed);
    assert_eq!(ask(&s, "doc:1#viewer@user:bob"), Decision::Denied);
    assert_eq!(s.revision(), before);

    let same: Tuple = "doc:1#viewer@user:ann".parse().unwrap();
    let both = Changes {
        writes: vec![same.clone()],
        deletes: vec![same.clone()],
    };
    assert!(matches!(s.apply(&both), Err(WriteError::Contradiction(_))));
    // What is there already, or gone already, is no error and no new revision.
    let again = Changes {
        writes: vec![same],
        deletes: vec!["doc:9#viewer@user:zoe".parse().unwrap()],
    };
    let done = s.apply(&again).unwrap();
    assert_eq!((done.written, done.deleted, done.revision), (0, 0, before));

    let mut full = TupleStore::new(schema(GROUPS), limits(1));
    write(&mut full, &["doc:1#viewer@user:ann"]);
    let more = Changes {
        writes: vec!["doc:1#viewer@user:bob".parse().unwrap()],
        deletes: vec![],
    };
    assert_eq!(full.apply(&more), Err(WriteError::Full { max: 1 }));
    let swap = Changes {
        deletes: vec!["doc:1#viewer@user:ann".parse().unwrap()],
        ..more
    };
    assert!(full.apply(&swap).is_ok());
}

#[test]
fn a_new_revision_forgets_what_was_decided() {
    let mut s = store(GROUPS);
    write(&mut s, &["doc:1#viewer@user:ann"]);
    assert_eq!(ask(&s, "doc:1#view@user:ann"), Decision::Allowed);
    s.apply(&Changes {
        writes: vec![],
        deletes: vec!["doc:1#viewer@user:ann".parse().unwrap()],
    })
    .unwrap();
    assert_eq!(ask(&s, "doc:1#view@user:ann"), Decision::Denied);
    // The number of the freed object goes to somebody else, who inherits nothing.
    write(&mut s, &["doc:2#viewer@user:eve"]);
    assert_eq!(ask(&s, "doc:1#view@user:eve"), Decision::Denied);
    assert_eq!(s.objects_len(), 2);
}

#[test]
fn names_that_no_tuple_uses_cost_nothing() {
    let mut s = store(GROUPS);
    for round in 0..100 {
        let t: Tuple = format!("doc:{round}#viewer@user:u{round}").parse().unwrap();
        s.apply(&Changes {
            writes: vec![t.clone()],
            deletes: vec![],
        })
        .unwrap();
        s.apply(&Changes {
            writes: vec![],
            deletes: vec![t],
        })
        .unwrap();
    }
    assert_eq!((s.objects_len(), s.len(), s.revision()), (0, 0, 200));
}

#[test]
fn tuples_of_an_older_schema_are_left_out() {
    let old = store(GROUPS);
    let kept: Vec<Tuple> = [
        "doc:1#viewer@user:ann",
        "doc:1#viewer@group:g#member",
        "group:g#member@user:bob",
    ]
    .iter()
    .map(|t| t.parse().unwrap())
    .collect();
    drop(old);
    let new = schema("type doc\n relations\n  define viewer: [user]");
    let (s, ignored) = TupleStore::load(new, limits(100), 3, kept);
    assert_eq!((s.len(), ignored.len()), (1, 2));
    assert_eq!(ask(&s, "doc:1#viewer@user:ann"), Decision::Allowed);
    assert_eq!(ask(&s, "doc:1#viewer@user:bob"), Decision::Denied);
}

#[test]
fn unknown_names_are_errors_with_a_hint() {
    let s = store(GROUPS);
    for (question, expected) in [
        (
            "dok:1#view@user:ann",
            "there is no type `dok`; did you mean `doc`?",
        ),
        (
            "doc:1#veiw@user:ann",
            "type `doc` has no relation `veiw`; did you mean `view`?",
        ),
        ("doc:1#view@robot:r", "there is no type `robot`"),
        ("doc:1#view@group:g#owner", "type `group` has no relation `owner`"),
    ] {
        assert_eq!(
            check(&s, question, CheckLimits::default())
                .unwrap_err()
                .to_string(),
            expected
        );
    }
}

#[test]
fn an_object_has_what_its_own_relation_grants() {
    let s = store(GROUPS);
    // Nothing names them, and still a userset is itself.
    assert_eq!(ask(&s, "group:g#member@group:g#member"), Decision::Allowed);
    assert_eq!(ask(&s, "group:g#member@group:h#member"), Decision::Denied);
}

#[test]
fn lookups_by_subject_and_object() {
    let mut s = store(GROUPS);
    write(
        &mut s,
        &[
            "doc:1#viewer@user:ann",
            "doc:2#blocked@user:ann",
            "doc:1#viewer@group:g#member",
        ],
    );
    let ann = Object::new("user", "ann").unwrap();
    let mut of: Vec<String> = s.tuples_of(ann.as_ref()).iter().map(Tuple::to_string).collect();
    of.sort();
    assert_eq!(of, ["doc:1#viewer@user:ann", "doc:2#blocked@user:ann"]);
    let doc = Object::new("doc", "1").unwrap();
    assert_eq!(s.tuples_about(doc.as_ref()).len(), 2);
    assert_eq!(s.subjects(doc.as_ref(), "viewer").count(), 2);
    assert!(s.has(doc.as_ref(), "viewer", Subject::Object(ann).as_ref()));
}
