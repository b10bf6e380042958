//! Check agrees with a naive evaluator: Kleene's three-valued logic iterated to its least fixed point over
//! every object and relation (`specs/permissions.md`, "Cycles"), on random schemas and tuples.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use proptest::prelude::*;
use waddle_permissions::{
    Changes, CheckLimits, Decision, Object, ObjectRef, Schema, Subject, SubjectRef, Tuple, TupleStore,
};

const RELATIONS: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// The right side of a `define`. Every relation of type `doc` may have tuples; `parent` has documents.
#[derive(Debug, Clone)]
enum Expr {
    Direct,
    Computed(usize),
    FromParent(usize),
    Or(Vec<Expr>),
    And(Vec<Expr>),
    ButNot(Box<Expr>, Box<Expr>),
}

fn leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (0..4usize).prop_map(Expr::Computed),
        (0..4usize).prop_map(Expr::FromParent)
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let inner = leaf().prop_recursive(2, 6, 3, |e| {
        prop_oneof![
            prop::collection::vec(e.clone(), 2..4).prop_map(Expr::Or),
            prop::collection::vec(e.clone(), 2..4).prop_map(Expr::And),
            (e.clone(), e).prop_map(|(a, b)| Expr::ButNot(Box::new(a), Box::new(b))),
        ]
    });
    // The relation's own tuples in one place, as the language has it.
    prop_oneof![
        Just(Expr::Direct),
        inner.clone().prop_map(|e| Expr::Or(vec![Expr::Direct, e])),
        inner.clone().prop_map(|e| Expr::And(vec![Expr::Direct, e])),
        inner
            .clone()
            .prop_map(|e| Expr::ButNot(Box::new(Expr::Direct), Box::new(e))),
        inner.prop_map(|e| Expr::ButNot(Box::new(e), Box::new(Expr::Direct))),
    ]
}

fn print(e: &Expr, out: &mut String) {
    let list = |parts: &[Expr], op: &str, out: &mut String| {
        out.push('(');
        for (i, p) in parts.iter().enumerate() {
            if i > 0 {
                write!(out, " {op} ").unwrap();
            }
            print(p, out);
        }
        out.push(')');
    };
    match e {
        Expr::Direct => {
            out.push_str("[user, user:*, doc#r0, doc#r1, doc#r2, doc#r3]");
        }
        Expr::Computed(r) => out.push_str(RELATIONS[*r]),
        Expr::FromParent(r) => write!(out, "{} from parent", RELATIONS[*r]).unwrap(),
        Expr::Or(p) => list(p, "or", out),
        Expr::And(p) => list(p, "and", out),
        Expr::ButNot(a, b) => {
            out.push('(');
            print(a, out);
            out.push_str(" but not ");
            print(b, out);
            out.push(')');
        }
    }
}

fn schema_text(defines: &[Expr]) -> String {
    let mut s =
        String::from("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define parent: [doc]\n");
    for (r, e) in RELATIONS.iter().zip(defines) {
        write!(s, "    define {r}: ").unwrap();
        print(e, &mut s);
        s.push('\n');
    }
    s
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Three {
    No,
    Unknown,
    Yes,
}
use Three::{No, Unknown, Yes};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    User(usize),
    Everyone,
    Set(usize, usize),
    /// Only for `parent`.
    Doc(usize),
}

/// relation 4 is `parent`.
type Facts = Vec<(usize, usize, Who)>;

/// The naive evaluator.
struct Naive<'a> {
    defines: &'a [Expr],
    facts: &'a Facts,
    subject: &'a Who,
    values: BTreeMap<(usize, usize), Three>,
}

impl Naive<'_> {
    fn decide(mut self, docs: usize, doc: usize, relation: usize) -> Three {
        loop {
            let mut next = BTreeMap::new();
            for d in 0..docs {
                for r in 0..4 {
                    let itself = *self.subject == Who::Set(d, r);
                    next.insert(
                        (d, r),
                        if itself {
                            Yes
                        } else {
                            self.eval(&self.defines[r], d, r)
                        },
                    );
                }
            }
            if next == self.values {
                return self.values[&(doc, relation)];
            }
            self.values = next;
        }
    }

    fn eval(&self, expr: &Expr, doc: usize, relation: usize) -> Three {
        match expr {
            Expr::Direct => {
                let mut any = No;
                for (_, _, who) in self
                    .facts
                    .iter()
                    .filter(|(fd, fr, _)| (*fd, *fr) == (doc, relation))
                {
                    let v = match (who, self.subject) {
                        (Who::User(a), Who::User(b)) if a == b => Yes,
                        (Who::Everyone, Who::User(_) | Who::Everyone) => Yes,
                        (Who::Set(d, r), _) => self.values[&(*d, *r)],
                        _ => No,
                    };
                    any = or(any, v);
                }
                any
            }
            Expr::Computed(r) => self.values[&(doc, *r)],
            Expr::FromParent(r) => self
                .facts
                .iter()
                .filter_map(|f| match f {
                    (fd, 4, Who::Doc(parent)) if *fd == doc => Some(self.values[&(*parent, *r)]),
                    _ => None,
                })
                .fold(No, or),
            Expr::Or(p) => p.iter().map(|p| self.eval(p, doc, relation)).fold(No, or),
            Expr::And(p) => p.iter().map(|p| self.eval(p, doc, relation)).fold(Yes, and),
            Expr::ButNot(base, out) => {
                and(self.eval(base, doc, relation), not(self.eval(out, doc, relation)))
            }
        }
    }
}

fn or(a: Three, b: Three) -> Three {
    match (a, b) {
        (Yes, _) | (_, Yes) => Yes,
        (No, No) => No,
        _ => Unknown,
    }
}

fn not(a: Three) -> Three {
    match a {
        Yes => No,
        No => Yes,
        Unknown => Unknown,
    }
}

fn and(a: Three, b: Three) -> Three {
    not(or(not(a), not(b)))
}

fn doc(d: usize) -> Object {
    Object::new("doc", &d.to_string()).unwrap()
}

fn subject(w: &Who) -> Subject {
    match w {
        Who::User(u) => Subject::Object(Object::new("user", &u.to_string()).unwrap()),
        Who::Everyone => Subject::Wildcard("user".into()),
        Who::Set(d, r) => Subject::Userset(doc(*d), RELATIONS[*r].into()),
        Who::Doc(d) => Subject::Object(doc(*d)),
    }
}

fn tuple((d, r, w): &(usize, usize, Who)) -> Tuple {
    let relation = if *r == 4 { "parent" } else { RELATIONS[*r] };
    Tuple::new(doc(*d), relation, subject(w))
}

const DOCS: usize = 4;
const USERS: usize = 3;

fn fact() -> impl Strategy<Value = (usize, usize, Who)> {
    let who = prop_oneof![
        6 => (0..USERS).prop_map(Who::User),
        1 => Just(Who::Everyone),
        5 => (0..DOCS, 0..4usize).prop_map(|(d, r)| Who::Set(d, r)),
    ];
    prop_oneof![
        3 => (0..DOCS, 0..4usize, who),
        1 => (0..DOCS, 0..DOCS).prop_map(|(d, p)| (d, 4, Who::Doc(p))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn check_agrees_with_the_naive_evaluator(
        defines in prop::collection::vec(expr(), 4),
        facts in prop::collection::vec(fact(), 0..14),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let schema = Schema::parse(&schema_text(&defines));
        // A relation that can never hold is refused.
        prop_assume!(schema.is_ok());
        let schema = schema.unwrap();
        let mut store = TupleStore::new(Arc::new(schema), 1000, 256);
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

        // One user whom no tuple names, everyone, and usersets too.
        let subjects = (0..=USERS).map(Who::User).chain([Who::Everyone, Who::Set(0, 0), Who::Set(1, 2)]);
        for s in subjects {
            for d in 0..DOCS {
                for (r, name) in RELATIONS.iter().enumerate() {
                    let values = (0..DOCS).flat_map(|d| (0..4).map(move |r| ((d, r), Unknown))).collect();
                    let naive = Naive { defines: &defines, facts: &facts, subject: &s, values };
                    let expected = match naive.decide(DOCS, d, r) {
                        Yes => Decision::Allowed,
                        No => Decision::Denied,
                        Unknown => Decision::Unknown,
                    };
                    let limits = CheckLimits { depth: 100, steps: 100_000 };
                    for _ in 0..2 {
                        let got = store.check(doc(d).as_ref(), name, subject(&s).as_ref(), limits);
                        prop_assert_eq!(got.clone(), Ok(expected), "doc:{}#{}@{}", d, name, subject(&s));
                    }
                    // The usual bounds may leave it undecided, but never decide otherwise.
                    let bounded = store.check_uncached(
                        doc(d).as_ref(), name, subject(&s).as_ref(), CheckLimits { depth: 4, steps: 20 },
                    );
                    if let Ok(got) = bounded {
                        prop_assert!(got == expected, "bounded: {:?}", got);
                    }
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
