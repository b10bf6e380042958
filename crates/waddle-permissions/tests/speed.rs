//! What questions cost: goals 5 µs from the cache and 50 µs without it at depth 5 among a million tuples. Run by hand:
//! `cargo test --release -p waddle-permissions --test speed -- --ignored --nocapture --test-threads 1`
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use waddle_permissions::{
    Changes, CheckError, CheckLimits, Consistency, Decision, LookupLimits, ObjectRef, Question, Schema,
    StoreLimits, SubjectRef, Tuple, TupleStore, Wanted, waddle_schema,
};

const LIMITS: StoreLimits = StoreLimits {
    tuples: 2_000_000,
    cached: 8192,
    log: 10_000,
};

fn each(rounds: u32, mut f: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    for i in 0..rounds {
        f(i);
    }
    start.elapsed() / rounds
}

/// Bytes of memory that the process holds.
fn memory() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn object<'a>(kind: &'a str, id: &'a str) -> ObjectRef<'a> {
    ObjectRef { kind, id }
}

fn user(id: &str) -> SubjectRef<'_> {
    SubjectRef::Object(object("user", id))
}

fn did(i: usize) -> String {
    format!("did:plc:{i:024}")
}

/// A waddle: 100,000 members, 500 channels, 250 roles, and overrides for the rest of a million.
fn a_million() -> Vec<Tuple> {
    let mut tuples: Vec<Tuple> = vec!["waddle:w#owner@user:local:olga".parse().unwrap()];
    let mut add = |text: String| tuples.push(text.parse().unwrap());
    for i in 0..100_000 {
        add(format!("waddle:w#member@user:{}", did(i)));
    }
    for c in 0..500 {
        add(format!("channel:c{c}#parent@waddle:w"));
        add(format!("channel:c{c}#viewer@waddle:w#viewer"));
        add(format!("channel:c{c}#writer@waddle:w#member"));
        add(format!("feed:f{c}#parent@channel:c{c}"));
    }
    for r in 0..250 {
        add(format!("role:r{r}#parent@waddle:w"));
        add(format!("channel:c{r}#moderator@role:r{r}#member"));
    }
    let rest = 1_000_000 - tuples.len();
    for i in 0..rest {
        let n = i / 3;
        let text = match i % 3 {
            0 => format!(
                "role:r{}#member@user:{}",
                n % 250,
                did((n / 250 + n % 250 * 400) % 100_000)
            ),
            1 => format!(
                "channel:c{}#viewer@user:{}",
                n % 500,
                did((n / 500 + n % 500 * 200) % 100_000)
            ),
            _ => format!("message:m{i}#author@user:{}", did(i % 100_000)),
        };
        tuples.push(text.parse().unwrap());
    }
    tuples
}

#[test]
#[ignore = "a measurement, for release builds"]
fn a_million_tuples() {
    let tuples = a_million();
    let count = tuples.len();
    let before = memory();
    let start = Instant::now();
    let (mut store, ignored) = TupleStore::load(waddle_schema(), LIMITS, 0, tuples.iter().cloned());
    let took = start.elapsed();
    assert!(ignored.is_empty());
    let grown = memory().saturating_sub(before);
    println!(
        "load: {} tuples of {count} in {took:?}, {} bytes each, {} objects",
        store.len(),
        grown / store.len(),
        store.objects_len()
    );
    let limits = CheckLimits::default();
    let users: Vec<String> = (0..100_000).step_by(97).map(did).collect();
    let feeds: Vec<String> = (0..500).map(|c| format!("f{c}")).collect();
    let channels: Vec<String> = (0..500).map(|c| format!("c{c}")).collect();
    // feed#view, channel#view, channel#viewer, waddle#viewer, waddle#member, …
    let questions: [(&str, &[String], &str); 3] = [
        ("feed", &feeds, "view"),
        ("channel", &channels, "speak"),
        ("channel", &channels, "moderate"),
    ];
    for (kind, ids, relation) in questions {
        for (who, id) in [
            ("a member", None),
            ("the owner", Some("local:olga")),
            ("a stranger", Some("local:eve")),
        ] {
            let of = |i: u32| id.unwrap_or_else(|| &users[i as usize * 31 % users.len()]);
            let on = |i: u32| object(kind, &ids[i as usize * 17 % ids.len()]);
            let cold = each(100_000, |i| {
                black_box(
                    store
                        .check_uncached(on(i), relation, user(of(i)), limits)
                        .unwrap(),
                );
            });
            // As many questions as the cache holds, each asked again.
            let warm = each(200_000, |i| {
                black_box(
                    store
                        .check(on(i % 1000), relation, user(of(i % 1000)), limits)
                        .unwrap(),
                );
            });
            println!("{kind}#{relation} of {who}: {cold:?} decided, {warm:?} from the cache");
            if !cfg!(debug_assertions) {
                assert!(cold < Duration::from_micros(50) && warm < Duration::from_micros(5));
            }
        }
    }
    let lookup = LookupLimits::default();
    let took = each(20, |i| {
        let who = &users[i as usize * 31 % users.len()];
        let found = store
            .now()
            .list_objects("channel", "join", user(who), lookup)
            .unwrap();
        assert_eq!(found.len(), 500);
    });
    println!("list objects: the 500 channels that a member may join: {took:?}");
    let took = each(3, |_| {
        let all = store
            .now()
            .list_users(object("channel", "c7"), "join", Wanted::Objects("user"), lookup);
        assert_eq!(all.unwrap().named.len(), 100_001);
    });
    println!("list users: the 100,001 who may join a channel: {took:?}");
    let change = |i: u32| Changes {
        writes: vec![
            format!("channel:c{}#muted@user:{}", i % 500, did(i as usize))
                .parse()
                .unwrap(),
        ],
        deletes: Vec::new(),
    };
    let took = each(10_000, |i| {
        store.apply(&change(i)).unwrap();
    });
    println!("one tuple more: {took:?}");
    let exact = Consistency::Exact(store.revision() - 1000);
    let took = each(100, |_| {
        black_box(store.at(exact).unwrap());
    });
    println!("a snapshot 1,000 revisions ago: {took:?}");
    let question = Question {
        object: object("channel", "c7"),
        relation: "speak",
        subject: user(&users[0]),
    };
    let at = store.at(exact).unwrap();
    let took = each(10_000, |_| {
        black_box(at.check(question, limits).unwrap());
    });
    println!("a check in it: {took:?}");
    let took = each(10_000, |_| {
        black_box(store.now().explain(question, limits).unwrap());
    });
    println!("explain: {took:?}");
}

/// The bound on steps is the bound on time: what the longest check costs, by what costs most.
#[test]
#[ignore = "a measurement, for release builds"]
fn the_longest_check() {
    let schema =
        "model\n schema 1.1\ntype user\ntype group\n relations\n  define member: [user, group#member]";
    let schema = std::sync::Arc::new(Schema::parse(schema).unwrap());
    // Layers of groups, each with all groups of the next one as members: a hundred thousand tuples lead on.
    let width = 100;
    let tuples = (0..20).flat_map(|layer| {
        (0..width).flat_map(move |a| {
            (0..width).map(move |b| -> Tuple {
                format!("group:{layer}-{a}#member@group:{}-{b}#member", layer + 1)
                    .parse()
                    .unwrap()
            })
        })
    });
    let (store, _) = TupleStore::load(schema.clone(), LIMITS, 0, tuples);
    let ask = |store: &TupleStore, id: &str, limits| {
        store.check(object("group", id), "member", user("eve"), limits)
    };
    let limits = CheckLimits::default();
    let start = Instant::now();
    let answer = ask(&store, "0-0", limits);
    println!("a lattice: {answer:?} after {:?}", start.elapsed());
    assert!(matches!(answer, Err(CheckError::TooComplex(_))));
    // A cycle through every group: nothing unknown can be remembered on the way.
    let ring = (0..24).flat_map(|a| {
        (0..24).map(move |b| -> Tuple { format!("group:{a}#member@group:{b}#member").parse().unwrap() })
    });
    let (store, _) = TupleStore::load(schema, LIMITS, 0, ring);
    let start = Instant::now();
    let answer = ask(&store, "0", limits);
    let took = start.elapsed();
    println!(
        "every group in every group: {answer:?} after {took:?}, {:?} a step",
        took / limits.steps
    );
    assert_ne!(answer, Ok(Decision::Allowed));
    if !cfg!(debug_assertions) {
        assert!(took < Duration::from_millis(100));
    }
}

/// The workload that `tests/peers/zanzibar` gives to others, asked in this process; `WADDLE_WORKLOAD` names it.
#[test]
#[ignore = "a measurement, for release builds"]
fn the_workload_of_the_peers() {
    let Ok(dir) = std::env::var("WADDLE_WORKLOAD") else {
        return;
    };
    let read = |name: &str| fs::read_to_string(format!("{dir}/{name}")).unwrap();
    let schema = std::sync::Arc::new(Schema::parse(&read("model.fga")).unwrap());
    let tuples: Vec<Tuple> = read("tuples.txt").lines().map(|l| l.parse().unwrap()).collect();
    let questions: Vec<(bool, Tuple)> = read("checks.txt")
        .lines()
        .map(|l| (l.starts_with('+'), l[2..].parse().unwrap()))
        .collect();
    let count = tuples.len();
    let (store, ignored) = TupleStore::load(schema, LIMITS, 0, tuples);
    assert!(ignored.is_empty());
    for cache in ["off", "on"] {
        let mut times = Vec::new();
        let start = Instant::now();
        for i in 0..questions.len() * 41 {
            let (allowed, t) = &questions[i % questions.len()];
            let (object, subject) = (t.object.as_ref(), t.subject.as_ref());
            let begin = Instant::now();
            let got = if cache == "on" {
                store.check(object, &t.relation, subject, CheckLimits::default())
            } else {
                store.check_uncached(object, &t.relation, subject, CheckLimits::default())
            };
            let took = begin.elapsed();
            assert_eq!(got.unwrap().is_allowed(), *allowed, "{t}");
            // The first round warms up.
            if i >= questions.len() {
                times.push(took);
            }
        }
        let all = start.elapsed().as_secs_f64() * 40.0 / 41.0;
        times.sort();
        let us = |d: Duration| d.as_nanos() as f64 / 1000.0;
        let mean = times.iter().map(|d| us(*d)).sum::<f64>() / times.len() as f64;
        println!(
            "{{\"system\":\"Waddle\",\"way\":\"in process\",\"cache\":\"{cache}\",\"tuples\":{count},\"asking\":1,\"checks\":{},\"mean_us\":{mean:.3},\"p50_us\":{:.3},\"p99_us\":{:.3},\"per_second\":{:.0}}}",
            times.len(),
            us(times[times.len() / 2]),
            us(times[times.len() * 99 / 100]),
            times.len() as f64 / all
        );
    }
}
