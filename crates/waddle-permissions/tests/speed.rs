//! What a check costs: goals 5 µs from the cache, 50 µs without it at depth 5. Run by hand:
//! `cargo test --release -p waddle-permissions --test speed -- --ignored --nocapture`

use std::time::{Duration, Instant};

use waddle_permissions::{CheckLimits, Decision, ObjectRef, SubjectRef, TupleStore, waddle_schema};

const ROUNDS: u32 = 200_000;

fn each(mut f: impl FnMut(u32) -> Decision) -> Duration {
    let start = Instant::now();
    let allowed = (0..ROUNDS).filter(|i| f(*i).is_allowed()).count();
    let took = start.elapsed() / ROUNDS;
    assert!(allowed == 0 || allowed == ROUNDS as usize);
    took
}

#[test]
#[ignore = "a measurement, for release builds"]
fn cost_of_a_check() {
    let mut tuples = vec![
        "waddle:w#owner@user:local:olga".parse().unwrap(),
        "channel:c#parent@waddle:w".parse().unwrap(),
        "channel:c#viewer@waddle:w#viewer".parse().unwrap(),
        "channel:c#writer@waddle:w#member".parse().unwrap(),
    ];
    for i in 0..10_000 {
        tuples.push(format!("waddle:w#member@user:did:plc:{i:024}").parse().unwrap());
    }
    let (store, ignored) = TupleStore::load(waddle_schema(), 1_000_000, 8192, 0, tuples);
    assert!(ignored.is_empty());
    let users: Vec<String> = (0..1000).map(|i| format!("did:plc:{i:024}")).collect();
    let channel = ObjectRef {
        kind: "channel",
        id: "c",
    };
    let limits = CheckLimits::default();
    let subject = |id| SubjectRef::Object(ObjectRef { kind: "user", id });
    for (what, relation) in [("join", "join"), ("speak", "speak")] {
        for (who, id) in [
            ("member", None),
            ("owner", Some("local:olga")),
            ("stranger", Some("local:carol")),
        ] {
            let of = |i: u32| id.unwrap_or_else(|| &users[i as usize % users.len()]);
            let cold = each(|i| {
                store
                    .check_uncached(channel, relation, subject(of(i)), limits)
                    .unwrap()
            });
            let warm = each(|i| store.check(channel, relation, subject(of(i)), limits).unwrap());
            println!("channel#{what} of a {who}: {cold:?} decided, {warm:?} from the cache");
            if !cfg!(debug_assertions) {
                assert!(cold < Duration::from_micros(50) && warm < Duration::from_micros(5));
            }
        }
    }
}
