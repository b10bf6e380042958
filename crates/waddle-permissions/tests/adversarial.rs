//! What somebody could build to make the engine slow, wrong or talkative: cycles under every operator, long chains,
//! lattices, big groups, wildcards under exclusions. Every question answers within its bounds, or says that it is too
//! complex; none grants by accident.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use waddle_permissions::{
    Branch, Changes, CheckError, CheckLimits, Decision, Exceeded, LookupLimits, Object, Question, Schema,
    StoreLimits, Subject, Tuple, TupleStore, Wanted,
};

const LIMITS: StoreLimits = StoreLimits {
    tuples: 1_000_000,
    cached: 1024,
    log: 100,
};

const SCHEMA: &str = "model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member, user:*]
type folder
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent
type doc
  relations
    define a: [user, user:*, doc#or, doc#and, doc#not, group#member]
    define b: [user, user:*, doc#or, doc#and, doc#not, group#member]
    define or: a or b
    define and: a and b
    define not: a but not b";

fn store(tuples: &[&str]) -> TupleStore {
    load(tuples.iter().map(|t| t.parse().unwrap()))
}

fn load(tuples: impl IntoIterator<Item = Tuple>) -> TupleStore {
    let (store, ignored) = TupleStore::load(Arc::new(Schema::parse(SCHEMA).unwrap()), LIMITS, 0, tuples);
    assert!(ignored.is_empty(), "{ignored:?}");
    store
}

fn check(s: &TupleStore, question: &str) -> Result<Decision, CheckError> {
    let t: Tuple = question.parse().unwrap();
    let question = Question {
        object: t.object.as_ref(),
        relation: &t.relation,
        subject: t.subject.as_ref(),
    };
    let decided = s.now().check(question, CheckLimits::default());
    let explained = s.now().explain(question, CheckLimits::default());
    assert_eq!(explained.map(|e| e.decision), decided, "{t}");
    decided
}

fn users(
    s: &TupleStore,
    object: &str,
    relation: &str,
) -> Result<(Vec<String>, bool, Vec<String>), CheckError> {
    let object: Object = object.parse().unwrap();
    let found = s.now().list_users(
        object.as_ref(),
        relation,
        Wanted::Objects("user"),
        LookupLimits::default(),
    )?;
    let texts = |list: Vec<Subject>| list.iter().map(Subject::to_string).collect();
    Ok((texts(found.named), found.everyone, texts(found.except)))
}

fn objects(s: &TupleStore, kind: &str, relation: &str, who: &str) -> Result<Vec<String>, CheckError> {
    let who: Subject = who.parse().unwrap();
    let found = s
        .now()
        .list_objects(kind, relation, who.as_ref(), LookupLimits::default())?;
    Ok(found.iter().map(Object::to_string).collect())
}

#[test]
fn cycles_under_every_operator_grant_nothing() {
    for through in ["or", "and", "not"] {
        // doc:1#x follows from itself through its own tuples, on one side and on both.
        for sides in [&["a"][..], &["b"], &["a", "b"]] {
            let cycle: Vec<String> = sides
                .iter()
                .map(|s| format!("doc:1#{s}@doc:1#{through}"))
                .collect();
            let cycle: Vec<&str> = cycle.iter().map(String::as_str).collect();
            let s = store(&cycle);
            for relation in ["a", "b", "or", "and", "not"] {
                let answer = check(&s, &format!("doc:1#{relation}@user:eve")).unwrap();
                assert_ne!(answer, Decision::Allowed, "{through} {sides:?} {relation}");
                assert_eq!(users(&s, "doc:1", relation).unwrap().0, [""; 0]);
                assert_eq!(objects(&s, "doc", relation, "user:eve").unwrap(), [""; 0]);
            }
        }
    }
    // The excluded side is a cycle: nobody can tell whether she is excluded, so she is not let in.
    let s = store(&["doc:1#a@user:ann", "doc:1#b@doc:1#not"]);
    assert_eq!(check(&s, "doc:1#not@user:ann"), Ok(Decision::Unknown));
    assert_eq!(check(&s, "doc:1#or@user:ann"), Ok(Decision::Allowed));
    assert_eq!(check(&s, "doc:1#and@user:ann"), Ok(Decision::Unknown));
    assert_eq!(users(&s, "doc:1", "not").unwrap().0, [""; 0]);
    assert_eq!(objects(&s, "doc", "or", "user:ann").unwrap(), ["doc:1"]);
    // What stands without the cycle stands.
    let s = store(&["doc:1#a@user:ann", "doc:1#a@doc:1#and", "doc:1#b@user:ann"]);
    assert_eq!(check(&s, "doc:1#and@user:ann"), Ok(Decision::Allowed));
    assert_eq!(check(&s, "doc:1#not@user:ann"), Ok(Decision::Denied));
}

#[test]
fn two_documents_that_exclude_each_other_let_nobody_in() {
    let s = store(&[
        "doc:1#a@user:ann",
        "doc:2#a@user:ann",
        "doc:1#b@doc:2#not",
        "doc:2#b@doc:1#not",
    ]);
    for d in ["doc:1", "doc:2"] {
        assert_eq!(check(&s, &format!("{d}#not@user:ann")), Ok(Decision::Unknown));
        assert_eq!(users(&s, d, "not").unwrap().0, [""; 0]);
        let object: Object = d.parse().unwrap();
        assert!(
            s.now()
                .expand(object.as_ref(), "not", 10, CheckLimits::default())
                .is_ok()
        );
    }
    assert_eq!(objects(&s, "doc", "not", "user:ann").unwrap(), [""; 0]);
}

#[test]
fn a_chain_of_a_thousand_is_too_deep_to_check_and_no_trouble_to_list() {
    let mut tuples: Vec<Tuple> = (1..1000)
        .map(|i| format!("folder:{i}#parent@folder:{}", i - 1).parse().unwrap())
        .collect();
    tuples.push("folder:0#viewer@user:ann".parse().unwrap());
    let s = load(tuples);
    let deep = Err(CheckError::TooComplex(Exceeded::Depth));
    assert_eq!(check(&s, "folder:999#viewer@user:ann"), deep);
    assert_eq!(check(&s, "folder:20#viewer@user:ann"), Ok(Decision::Allowed));
    assert_eq!(check(&s, "folder:20#viewer@user:eve"), Ok(Decision::Denied));
    // Upwards by the indexes there is no depth, and nothing in doubt is on the way.
    assert_eq!(objects(&s, "folder", "viewer", "user:ann").unwrap().len(), 1000);
    assert_eq!(objects(&s, "folder", "viewer", "user:eve").unwrap(), [""; 0]);
    // A list is whole or not at all.
    assert!(matches!(
        users(&s, "folder:999", "viewer"),
        Err(CheckError::TooComplex(_))
    ));
    assert_eq!(users(&s, "folder:20", "viewer").unwrap().0, ["user:ann"]);
    let last: Object = "folder:999".parse().unwrap();
    let tree = s
        .now()
        .expand(last.as_ref(), "viewer", 10, CheckLimits::default());
    assert_eq!(tree, Err(CheckError::TooComplex(Exceeded::Depth)));
}

#[test]
fn a_lattice_runs_into_the_steps_and_not_into_the_night() {
    // Twenty layers of twenty folders, each below all of the layer before: 20^20 ways up.
    let tuples = (1..20).flat_map(|layer| {
        (0..20).flat_map(move |a| {
            (0..20).map(move |b| -> Tuple {
                format!("folder:{layer}-{a}#parent@folder:{}-{b}", layer - 1)
                    .parse()
                    .unwrap()
            })
        })
    });
    let s = load(tuples);
    // What was decided is remembered, so a check sees each folder once.
    assert_eq!(check(&s, "folder:19-0#viewer@user:eve"), Ok(Decision::Denied));
    assert_eq!(users(&s, "folder:19-0", "viewer").unwrap().0, [""; 0]);
    // A tree shows every way, which is too much.
    let top: Object = "folder:19-0".parse().unwrap();
    let tree = s.now().expand(top.as_ref(), "viewer", 10, CheckLimits::default());
    assert_eq!(tree, Err(CheckError::TooComplex(Exceeded::Steps)));
    // And an explanation says where it stops.
    let eve: Subject = "user:eve".parse().unwrap();
    let question = Question {
        object: top.as_ref(),
        relation: "viewer",
        subject: eve.as_ref(),
    };
    let why = s.now().explain(question, CheckLimits::default()).unwrap();
    assert!(why.steps().len() < 4_000 && why.to_string().contains("… more was left out"));
}

#[test]
fn every_group_in_every_group() {
    let tuples = (0..40).flat_map(|a| {
        (0..40).map(move |b| -> Tuple { format!("group:{a}#member@group:{b}#member").parse().unwrap() })
    });
    let mut s = load(tuples);
    // Nothing unknown can be remembered on the way, so the bounds end it: no answer, and no grant.
    assert!(matches!(
        check(&s, "group:0#member@user:eve"),
        Err(CheckError::TooComplex(_))
    ));
    assert_eq!(objects(&s, "group", "member", "user:eve").unwrap(), [""; 0]);
    let writes = vec!["group:39#member@user:ann".parse().unwrap()];
    let deletes = Vec::new();
    s.apply(&Changes { writes, deletes }).unwrap();
    assert_eq!(objects(&s, "group", "member", "user:ann").unwrap().len(), 40);
    assert_eq!(check(&s, "group:39#member@user:ann"), Ok(Decision::Allowed));
}

#[test]
fn a_hundred_thousand_members_of_a_group_in_a_group() {
    let mut tuples: Vec<Tuple> = (0..100_000)
        .map(|i| format!("group:big#member@user:did:plc:{i:024}").parse().unwrap())
        .collect();
    for t in [
        "group:outer#member@group:big#member",
        "doc:1#a@group:outer#member",
        "doc:1#b@user:did:plc:000000000000000000000007",
        "doc:2#a@group:outer#member",
        "doc:2#b@group:big#member",
    ] {
        tuples.push(t.parse().unwrap());
    }
    let s = load(tuples);
    let seventh = "user:did:plc:000000000000000000000007";
    assert_eq!(check(&s, &format!("doc:1#or@{seventh}")), Ok(Decision::Allowed));
    assert_eq!(check(&s, &format!("doc:1#not@{seventh}")), Ok(Decision::Denied));
    let (named, everyone, _) = users(&s, "doc:1", "not").unwrap();
    assert_eq!((named.len(), everyone), (99_999, false));
    assert!(!named.contains(&seventh.to_owned()));
    assert_eq!(users(&s, "doc:2", "not").unwrap().0.len(), 0);
    assert_eq!(objects(&s, "doc", "or", seventh).unwrap(), ["doc:1", "doc:2"]);
    assert_eq!(objects(&s, "doc", "not", "group:big#member").unwrap(), ["doc:1"]);
    // A leaf shows what it has room for and says how much more there is.
    let big: Object = "group:big".parse().unwrap();
    let tree = s
        .now()
        .expand(big.as_ref(), "member", 100, CheckLimits::default())
        .unwrap();
    let Branch::Direct { subjects, omitted } = tree.branch else {
        unreachable!()
    };
    assert_eq!((subjects.len(), omitted), (100, 99_900));
    // Too many for the bounds: no list rather than half of one.
    let few = LookupLimits {
        steps: 50_000,
        ..LookupLimits::default()
    };
    let one: Object = "doc:1".parse().unwrap();
    let half = s
        .now()
        .list_users(one.as_ref(), "not", Wanted::Objects("user"), few);
    assert_eq!(half, Err(CheckError::TooComplex(Exceeded::Steps)));
}

#[test]
fn wildcards_under_exclusions() {
    let s = store(&[
        "doc:1#a@user:*",
        "doc:1#b@user:eve",
        "doc:2#a@user:ann",
        "doc:2#b@user:*",
        "doc:3#a@user:*",
        "doc:3#b@user:*",
        "doc:4#a@group:all#member",
        "group:all#member@user:*",
        "doc:4#b@doc:1#not",
    ]);
    assert_eq!(check(&s, "doc:1#not@user:eve"), Ok(Decision::Denied));
    assert_eq!(check(&s, "doc:1#not@user:never-seen"), Ok(Decision::Allowed));
    assert_eq!(
        users(&s, "doc:1", "not").unwrap(),
        (vec![], true, vec!["user:eve".to_owned()])
    );
    assert_eq!(users(&s, "doc:2", "not").unwrap(), (vec![], false, vec![]));
    assert_eq!(users(&s, "doc:3", "not").unwrap(), (vec![], false, vec![]));
    // Everybody but those who are not excluded from doc:1: Eve alone.
    assert_eq!(check(&s, "doc:4#not@user:eve"), Ok(Decision::Allowed));
    assert_eq!(check(&s, "doc:4#not@user:ann"), Ok(Decision::Denied));
    assert_eq!(
        users(&s, "doc:4", "not").unwrap(),
        (vec!["user:eve".to_owned()], false, vec![])
    );
    assert_eq!(objects(&s, "doc", "not", "user:eve").unwrap(), ["doc:4"]);
    assert_eq!(objects(&s, "doc", "not", "user:never-seen").unwrap(), ["doc:1"]);
    // A wildcard is no userset.
    assert_eq!(check(&s, "doc:1#a@group:all#member"), Ok(Decision::Denied));
}

#[test]
fn explanations_read_like_sentences() {
    let mut s = TupleStore::new(waddle_permissions::waddle_schema(), LIMITS);
    let writes: Vec<Tuple> = [
        "waddle:w#member@user:bob",
        "channel:c#parent@waddle:w",
        "channel:c#writer@waddle:w#member",
        "channel:c#muted@user:eve",
        "waddle:w#member@user:eve",
    ]
    .iter()
    .map(|t| t.parse().unwrap())
    .collect();
    let deletes = Vec::new();
    s.apply(&Changes { writes, deletes }).unwrap();
    let channel: Object = "channel:c".parse().unwrap();
    let why = |who: &str| {
        let who: Subject = who.parse().unwrap();
        let question = Question {
            object: channel.as_ref(),
            relation: "speak",
            subject: who.as_ref(),
        };
        s.now()
            .explain(question, CheckLimits::default())
            .unwrap()
            .to_string()
    };
    let bob = why("user:bob");
    let chain = [
        "user:bob has channel:c#speak",
        "tuple channel:c#writer@waddle:w#member",
        "user:bob has waddle:w#member",
        "tuple waddle:w#member@user:bob",
        "but not: user:bob does not have what excludes",
        "no tuple of channel:c#muted leads to user:bob",
    ];
    let mut rest = bob.as_str();
    for line in chain {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line} in\n{bob}"));
        rest = &rest[at..];
    }
    let eve = why("user:eve");
    assert!(eve.starts_with("user:eve does not have channel:c#speak"), "{eve}");
    assert!(eve.contains("tuple channel:c#muted@user:eve"), "{eve}");
    assert!(
        !eve.contains("writer"),
        "what does not decide is not told:\n{eve}"
    );
    assert!(why("user:carol").contains("no tuple of channel:c#writer leads to user:carol"));
}
