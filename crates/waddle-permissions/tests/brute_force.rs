//! Every question agrees with a naive evaluator on random schemas and tuples: check, list objects, list users,
//! expand and explain.
#![expect(clippy::unwrap_used, reason = "tests")]

mod random;

use proptest::prelude::*;
use random::{
    DOCS, Facts, RELATIONS, STORE, Three, USERS, WIDE, Who, and, defines, doc, fact, not, or, schema,
    subject, subjects, truth, tuple,
};
use waddle_permissions::{
    Branch, Changes, CheckError, CheckLimits, Decision, Explanation, Fact, LookupLimits, ObjectRef, Question,
    Reason, Snapshot, Subject, SubjectRef, Tree, TupleStore, Wanted,
};

const LOOKUP: LookupLimits = LookupLimits {
    check: WIDE,
    steps: 1_000_000,
};

fn three(d: Decision) -> Three {
    match d {
        Decision::Allowed => Three::Yes,
        Decision::Denied => Three::No,
        Decision::Unknown => Three::Unknown,
    }
}

/// What a tree says of somebody; usersets that it names are decided one by one.
fn in_tree(at: &Snapshot<'_>, b: &Branch, s: &Subject) -> Three {
    let any = |list: &mut dyn Iterator<Item = Three>| list.fold(Three::No, or);
    match b {
        Branch::Cycle => Three::Unknown,
        Branch::Computed(t) => of_tree(at, t, s),
        Branch::From { trees, .. } => any(&mut trees.iter().map(|t| of_tree(at, t, s))),
        Branch::Union(parts) => any(&mut parts.iter().map(|p| in_tree(at, p, s))),
        Branch::Intersection(parts) => parts.iter().map(|p| in_tree(at, p, s)).fold(Three::Yes, and),
        Branch::Exclusion(base, out) => and(in_tree(at, base, s), not(in_tree(at, out, s))),
        Branch::Direct { subjects, omitted } => {
            assert_eq!(*omitted, 0);
            any(&mut subjects.iter().map(|named| match (named, s) {
                (Subject::Userset(o, r), _) => {
                    let question = Question {
                        object: o.as_ref(),
                        relation: r,
                        subject: s.as_ref(),
                    };
                    three(at.check(question, WIDE).unwrap())
                }
                (Subject::Wildcard(_), Subject::Object(_)) => Three::Yes,
                (named, s) if named == s => Three::Yes,
                _ => Three::No,
            }))
        }
    }
}

fn of_tree(at: &Snapshot<'_>, t: &Tree, s: &Subject) -> Three {
    let itself = matches!(s, Subject::Userset(o, r) if *o == t.object && *r == t.relation);
    if itself {
        Three::Yes
    } else {
        in_tree(at, &t.branch, s)
    }
}

/// Every tuple that an explanation rests on is there, every grant ends in one, and no cycle grants.
fn sound(at: &Snapshot<'_>, e: &Explanation, r: &Reason) {
    match &r.fact {
        Fact::Tuple(t) => assert!(at.contains(t), "{t}\n{e}"),
        Fact::Relation(o, relation, d) => {
            let question = Question {
                object: o.as_ref(),
                relation,
                subject: e.subject.as_ref(),
            };
            let truth = at.check(question, WIDE).unwrap();
            // What a cycle hid on this way may be decided on another.
            assert!(*d == truth || *d == Decision::Unknown, "{o}#{relation}\n{e}");
            if *d == Decision::Allowed {
                assert!(!r.because.is_empty(), "{e}");
                for part in &r.because {
                    assert!(
                        !matches!(part.fact, Fact::NoTuple(..) | Fact::Cycle(..) | Fact::Limit),
                        "{e}"
                    );
                }
            }
        }
        _ => {}
    }
    for part in &r.because {
        sound(at, e, part);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_question_agrees_with_the_naive_evaluator(
        defines in defines(),
        facts in prop::collection::vec(fact(), 0..14),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let schema = schema(&defines);
        // A relation that can never hold is refused.
        prop_assume!(schema.is_some());
        let mut store = TupleStore::new(schema.unwrap(), STORE);
        let mut facts: Facts = facts;
        facts.dedup();
        store.apply(&Changes { writes: facts.iter().map(tuple).collect(), deletes: vec![] }).unwrap();
        for i in gone {
            if facts.is_empty() { break; }
            let f = facts[i.index(facts.len())].clone();
            facts.retain(|x| *x != f);
            store.apply(&Changes { writes: vec![], deletes: vec![tuple(&f)] }).unwrap();
        }
        let mut held: Vec<String> = store.tuples().map(|t| t.to_string()).collect();
        let mut expected: Vec<String> = facts.iter().map(|f| tuple(f).to_string()).collect();
        held.sort();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(held, expected);

        let at = store.now();
        for who in subjects() {
            let s = subject(&who);
            for (r, name) in RELATIONS.iter().enumerate() {
                let mut may = Vec::new();
                for d in 0..DOCS {
                    let expected = truth(&defines, &facts, &who, d, r);
                    let (object, s) = (doc(d), s.as_ref());
                    for _ in 0..2 {
                        let got = store.check(object.as_ref(), name, s, WIDE);
                        prop_assert_eq!(got.clone(), Ok(expected), "doc:{}#{}@{}", d, name, s);
                    }
                    // The usual bounds may leave it undecided, but never decide otherwise.
                    let few = CheckLimits { depth: 4, steps: 20 };
                    let bounded = store.check_uncached(object.as_ref(), name, s, few);
                    if let Ok(got) = bounded {
                        prop_assert!(got == expected, "bounded: {:?}", got);
                    }
                    if expected == Decision::Allowed {
                        may.push(object.clone());
                    }
                    let question = Question { object: object.as_ref(), relation: name, subject: s };
                    let why = at.explain(question, WIDE).unwrap();
                    prop_assert_eq!(why.decision, expected);
                    sound(&at, &why, &why.reason);
                    // A tree shows every way, so it may be too large where a decision is not.
                    match at.expand(object.as_ref(), name, 100, WIDE) {
                        Ok(tree) => prop_assert_eq!(of_tree(&at, &tree, &subject(&who)), three(expected)),
                        Err(e) => prop_assert!(matches!(e, CheckError::TooComplex(_))),
                    }
                }
                let found = at.list_objects("doc", name, s.as_ref(), LOOKUP).unwrap();
                prop_assert_eq!(found, may, "doc#{}@{}", name, s);
                let few = LookupLimits { check: CheckLimits { depth: 4, steps: 20 }, steps: 60 };
                match at.list_objects("doc", name, s.as_ref(), few) {
                    Ok(found) => prop_assert_eq!(found, at.list_objects("doc", name, s.as_ref(), LOOKUP).unwrap()),
                    Err(e) => prop_assert!(matches!(e, CheckError::TooComplex(_))),
                }
            }
        }
        for d in 0..DOCS {
            for (r, name) in RELATIONS.iter().enumerate() {
                let decided = |who: &Who| truth(&defines, &facts, who, d, r) == Decision::Allowed;
                let object = doc(d);
                let found = at.list_users(object.as_ref(), name, Wanted::Objects("user"), LOOKUP).unwrap();
                prop_assert_eq!(found.everyone, decided(&Who::Everyone), "doc:{}#{}", d, name);
                prop_assert!(found.everyone || found.except.is_empty());
                for u in 0..=USERS {
                    let (who, s) = (Who::User(u), subject(&Who::User(u)));
                    let listed = found.named.contains(&s) || found.everyone && !found.except.contains(&s);
                    prop_assert_eq!(listed, decided(&who), "doc:{}#{}@{}: {:?}", d, name, s, found);
                    prop_assert!(!(found.named.contains(&s) && found.except.contains(&s)));
                }
                for (set, set_name) in RELATIONS.iter().enumerate() {
                    let wanted = Wanted::Usersets("doc", set_name);
                    let found = at.list_users(object.as_ref(), name, wanted, LOOKUP).unwrap();
                    let sets = (0..DOCS).map(|d| Who::Set(d, set));
                    let expected: Vec<Subject> = sets.filter(|w| decided(w)).map(|w| subject(&w)).collect();
                    prop_assert_eq!(found.named, expected, "doc:{}#{} of {}", d, name, set_name);
                    prop_assert!(!found.everyone);
                }
            }
        }
    }
}

#[test]
fn names_are_borrowed_alike() {
    let o = doc(1);
    assert_eq!(
        SubjectRef::Object(o.as_ref()),
        SubjectRef::Object(ObjectRef { kind: "doc", id: "1" })
    );
}
