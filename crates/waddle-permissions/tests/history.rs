//! Changes over time on random schemas: what was decided before is not remembered wrongly, older revisions answer as
//! they did, watchers end with the same tuples, contextual tuples answer as stored ones.

mod random;

use std::collections::BTreeSet;

use proptest::prelude::*;
use random::{DOCS, RELATIONS, STORE, WIDE, Who, defines, doc, fact, schema, subject, subjects, tuple};
use waddle_permissions::{
    Changes, Consistency, LookupLimits, Question, RevisionError, Snapshot, StoreLimits, Subject, Tuple,
    TupleStore, Wanted,
};

type Step = Vec<(bool, (usize, usize, Who))>;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop::collection::vec((any::<bool>(), fact()), 1..5), 1..12)
}

/// The changes of a step; one tuple is not both written and deleted.
fn changes(step: &Step) -> Changes {
    let mut out = Changes::default();
    for (write, f) in step {
        let t = tuple(f);
        if !out.writes.contains(&t) && !out.deletes.contains(&t) {
            if *write {
                out.writes.push(t);
            } else {
                out.deletes.push(t);
            }
        }
    }
    out
}

fn held(at: &Snapshot<'_>) -> BTreeSet<Tuple> {
    let list: Vec<Tuple> = at.tuples().collect();
    let set: BTreeSet<Tuple> = list.iter().cloned().collect();
    assert_eq!(list.len(), set.len(), "a tuple stands twice");
    set
}

/// Both answer everything alike.
fn same(a: &Snapshot<'_>, b: &Snapshot<'_>) {
    for who in subjects() {
        let s = subject(&who);
        for name in RELATIONS {
            for d in 0..DOCS {
                let object = doc(d);
                let question = Question {
                    object: object.as_ref(),
                    relation: name,
                    subject: s.as_ref(),
                };
                assert_eq!(
                    a.check(question, WIDE),
                    b.check(question, WIDE),
                    "{object}#{name}@{s}"
                );
            }
            let all = LookupLimits {
                check: WIDE,
                steps: 1_000_000,
            };
            let list = |at: &Snapshot<'_>| at.list_objects("doc", name, s.as_ref(), all);
            assert_eq!(list(a), list(b), "doc#{name}@{s}");
        }
    }
    for d in 0..DOCS {
        for name in RELATIONS {
            let object = doc(d);
            let list = |at: &Snapshot<'_>| {
                at.list_users(
                    object.as_ref(),
                    name,
                    Wanted::Objects("user"),
                    LookupLimits::default(),
                )
            };
            assert_eq!(list(a), list(b), "{object}#{name}");
            let tree = |at: &Snapshot<'_>| at.expand(object.as_ref(), name, 100, WIDE);
            assert_eq!(tree(a), tree(b), "{object}#{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn older_revisions_and_watchers_see_what_was(defines in defines(), steps in steps()) {
        let schema = schema(&defines);
        prop_assume!(schema.is_some());
        let schema = schema.unwrap();
        let mut store = TupleStore::new(schema.clone(), STORE);
        let mut then: Vec<BTreeSet<Tuple>> = vec![held(&store.now())];
        for step in &steps {
            // Something is in the cache before each change.
            let _ = store.check(doc(0).as_ref(), RELATIONS[0], subject(&Who::User(0)).as_ref(), WIDE);
            let before = store.revision();
            let done = store.apply(&changes(step)).unwrap();
            prop_assert_eq!(done.revision, before + u64::from(done.written + done.deleted > 0));
            if done.revision > before {
                then.push(held(&store.now()));
            }
            for who in subjects() {
                for name in RELATIONS {
                    let (object, s) = (doc(1), subject(&who));
                    let question = (object.as_ref(), name, s.as_ref());
                    let fresh = store.check_uncached(question.0, question.1, question.2, WIDE);
                    prop_assert_eq!(&store.check(question.0, question.1, question.2, WIDE), &fresh);
                    prop_assert_eq!(&store.check(question.0, question.1, question.2, WIDE), &fresh);
                }
            }
        }
        prop_assert_eq!(store.revision() as usize, then.len() - 1);
        for (revision, tuples) in then.iter().enumerate() {
            let at = store.at(Consistency::Exact(revision as u64)).unwrap();
            prop_assert_eq!(at.revision(), revision as u64);
            prop_assert_eq!(&held(&at), tuples);
            let (was, ignored) = TupleStore::load(schema.clone(), STORE, revision as u64, tuples.iter().cloned());
            prop_assert!(ignored.is_empty());
            same(&at, &was.now());

            // A watcher that stopped there goes on and ends with the same tuples.
            let mut watcher = was;
            for entry in store.changes_after(revision as u64).unwrap() {
                let pick = |written: bool| -> Vec<Tuple> {
                    entry.changes.iter().filter(|c| c.written == written).map(|c| c.tuple.clone()).collect()
                };
                let done = watcher.apply(&Changes { writes: pick(true), deletes: pick(false) }).unwrap();
                prop_assert_eq!(done.revision, entry.revision);
                prop_assert_eq!(done.written + done.deleted, entry.changes.len());
            }
            prop_assert_eq!(held(&watcher.now()), held(&store.now()));
            prop_assert_eq!(watcher.revision(), store.revision());
        }

        // A store that was closed and opened again takes its past with it.
        let past: Vec<_> = store.changes_after(0).unwrap().cloned().collect();
        let (mut again, _) = TupleStore::load(schema, STORE, store.revision(), store.tuples());
        again.remember(past);
        for (revision, tuples) in then.iter().enumerate() {
            prop_assert_eq!(&held(&again.at(Consistency::Exact(revision as u64)).unwrap()), tuples);
        }
    }

    #[test]
    fn contextual_tuples_answer_as_stored_ones(
        defines in defines(),
        stored in prop::collection::vec(fact(), 0..8),
        brought in prop::collection::vec(fact(), 0..8),
        changed in steps(),
    ) {
        let schema = schema(&defines);
        prop_assume!(schema.is_some());
        let schema = schema.unwrap();
        let load = |facts: &[(usize, usize, Who)]| {
            TupleStore::load(schema.clone(), STORE, 0, facts.iter().map(tuple)).0
        };
        let mut all = stored.clone();
        all.extend(brought.clone());
        let brought: Vec<Tuple> = brought.iter().map(tuple).collect();
        let mut store = load(&stored);
        let with_all = load(&all);
        let at = store.now().with(&brought).unwrap();
        prop_assert_eq!(held(&at), held(&with_all.now()));
        same(&at, &with_all.now());
        drop(at);

        // The same at an older revision.
        let first = store.revision();
        for step in &changed {
            store.apply(&changes(step)).unwrap();
        }
        let at = store.at(Consistency::Exact(first)).unwrap().with(&brought).unwrap();
        prop_assert_eq!(held(&at), held(&with_all.now()));
        same(&at, &with_all.now());
    }
}

#[test]
fn what_is_not_held_any_more_is_said() {
    let schema = waddle_permissions::waddle_schema();
    let few = StoreLimits {
        tuples: 1000,
        cached: 8,
        log: 3,
    };
    let mut store = TupleStore::new(schema, few);
    let write = |store: &mut TupleStore, names: &[&str]| {
        let writes = names
            .iter()
            .map(|n| format!("waddle:w#member@user:{n}").parse().unwrap())
            .collect();
        let deletes = Vec::new();
        store.apply(&Changes { writes, deletes }).unwrap();
    };
    for name in ["a", "b", "c", "d"] {
        write(&mut store, &[name]);
    }
    assert_eq!(store.changes_after(1).unwrap().count(), 3);
    assert_eq!(store.changes_after(4).unwrap().count(), 0);
    let too_old = RevisionError::TooOld {
        wanted: 0,
        oldest: 1,
        now: 4,
    };
    assert_eq!(store.changes_after(0).err(), Some(too_old));
    assert_eq!(store.at(Consistency::Exact(0)).err(), Some(too_old));
    assert_eq!(store.at(Consistency::AtLeast(0)).unwrap().revision(), 4);
    assert!(too_old.to_string().contains("from revision 1 on"));
    let ahead = RevisionError::Ahead { wanted: 5, now: 4 };
    assert_eq!(store.changes_after(5).err(), Some(ahead));
    assert_eq!(store.at(Consistency::AtLeast(5)).err(), Some(ahead));
    assert_eq!(store.at(Consistency::Exact(5)).err(), Some(ahead));
    // One change with more tuples than the log holds: nothing older is left, and what is now can be had.
    write(&mut store, &["e", "f", "g", "h"]);
    assert_eq!(store.at(Consistency::Exact(5)).unwrap().revision(), 5);
    assert!(matches!(
        store.changes_after(4).err(),
        Some(RevisionError::TooOld { oldest: 5, .. })
    ));
    // A past that does not fit is not believed.
    let past: Vec<_> = store.changes_after(5).unwrap().cloned().collect();
    write(&mut store, &["i"]);
    store.remember(past);
    assert_eq!(store.changes_after(6).unwrap().count(), 0);
    assert!(store.changes_after(5).is_err());
}

#[test]
fn a_revision_before_a_ban_still_says_yes_and_the_one_after_never() {
    let mut store = TupleStore::new(waddle_permissions::waddle_schema(), STORE);
    let list = |texts: &[&str]| -> Vec<Tuple> { texts.iter().map(|t| t.parse().unwrap()).collect() };
    let writes = list(&[
        "waddle:w#member@user:bob",
        "channel:c#parent@waddle:w",
        "channel:c#viewer@waddle:w#viewer",
    ]);
    let deletes = Vec::new();
    let before = store.apply(&Changes { writes, deletes }).unwrap().revision;
    let deletes = list(&["waddle:w#member@user:bob"]);
    let writes = list(&["waddle:w#banned@user:bob"]);
    let after = store.apply(&Changes { writes, deletes }).unwrap().revision;
    let bob: Subject = "user:bob".parse().unwrap();
    let channel: waddle_permissions::Object = "channel:c".parse().unwrap();
    let question = Question {
        object: channel.as_ref(),
        relation: "join",
        subject: bob.as_ref(),
    };
    let ask = |c: Consistency| store.at(c).unwrap().check(question, WIDE).unwrap().is_allowed();
    assert!(ask(Consistency::Exact(before)));
    assert!(!ask(Consistency::Exact(after)));
    assert!(!ask(Consistency::AtLeast(before)));
    assert!(!ask(Consistency::Latest));
}
