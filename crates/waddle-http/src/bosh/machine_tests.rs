//! The session's rules, step by step, with a clock that the test moves.

use super::*;

#[test]
fn requests_that_nobody_can_take_do_not_pile_up() {
    let mut b = Bench::new(1);
    let mut out = Vec::new();
    b.m.choke(true, b.now, &mut out);
    for rid in 11..14 {
        b.ask(with(rid, b"<message/>"));
        assert!(!b.m.is_over() && b.answers.is_empty(), "{rid}");
    }
    b.ask(wrapper(14));
    assert!(b.m.is_over());
    assert_eq!(b.answers.len(), 4);
    assert!(b.answers.iter().all(|(_, a)| a.contains("policy-violation")));
}

const FEATURES: &[u8] = b"<features/>";

struct Bench {
    m: Machine,
    now: Instant,
    next: Ticket,
    fed: Vec<Input>,
    answers: Vec<(Ticket, String)>,
}

fn wrapper(rid: u64) -> Wrapper {
    Wrapper {
        rid: Some(rid),
        sid: Some("s".into()),
        ..Wrapper::default()
    }
}

fn with(rid: u64, stanza: &'static [u8]) -> Wrapper {
    Wrapper {
        payloads: vec![Bytes::from_static(stanza)],
        ..wrapper(rid)
    }
}

impl Bench {
    /// A session that began with request 10, answered.
    fn new(hold: u64) -> Self {
        let mut b = Self::begun(hold, Wrapper::default());
        b.say(FEATURES);
        assert_eq!(b.answers.len(), 1);
        b.answers.clear();
        b.fed.clear();
        b
    }

    fn begun(hold: u64, first: Wrapper) -> Self {
        let first = Wrapper {
            rid: Some(10),
            hold: Some(hold),
            wait: Some(1_000),
            ..first
        };
        let terms = Terms::of(&first, "s".into(), &Limits::default());
        let mut b = Self {
            m: Machine::new(terms, 10),
            now: Instant::now(),
            next: 0,
            fed: Vec::new(),
            answers: Vec::new(),
        };
        b.ask(first);
        b
    }

    fn done(&mut self, out: Vec<Effect>) {
        for e in out {
            match e {
                Effect::Feed(i) => self.fed.push(i),
                Effect::Answer(t, b) => self.answers.push((t, String::from_utf8(b.to_vec()).unwrap())),
            }
        }
    }

    fn ask(&mut self, w: Wrapper) -> Ticket {
        self.next += 1;
        let mut out = Vec::new();
        self.m.request(w, self.next, self.now, &mut out);
        self.done(out);
        self.next
    }

    fn say(&mut self, s: &'static [u8]) {
        let mut out = Vec::new();
        self.m.say(Bytes::from_static(s), self.now, &mut out);
        self.done(out);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let mut out = Vec::new();
        self.m.tick(self.now, &mut out);
        self.done(out);
    }

    /// The answers since the last call, as (ticket, has this word).
    fn answered(&mut self, word: &str) -> Vec<(Ticket, bool)> {
        self.answers
            .drain(..)
            .map(|(t, b)| (t, b.contains(word)))
            .collect()
    }
}

#[test]
fn a_session_begins_with_its_terms_and_the_features() {
    let mut b = Bench::begun(
        5,
        Wrapper {
            ack: Some(1),
            version: Some((1, 99)),
            ..Wrapper::default()
        },
    );
    assert_eq!(b.fed, [Input::Restart]);
    assert!(b.answers.is_empty(), "the features are not there yet");
    assert_eq!(b.m.deadline(), None, "it waits for the stream, not for the time");
    b.m.named(Some("stream-1".into()), Some("example.org".into()));
    b.say(FEATURES);
    let (_, text) = b.answers.pop().unwrap();
    for part in [
        "sid=\"s\"",
        "wait=\"60\"",
        "hold=\"2\"",
        "requests=\"3\"",
        "inactivity=\"60\"",
        "maxpause=\"300\"",
        "ver=\"1.11\"",
        "ack=\"10\"",
        "authid=\"stream-1\"",
        "from=\"example.org\"",
        "xmpp:version=\"1.0\"",
        "xmpp:restartlogic=\"true\"",
        "<features/>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("polling"));
    b.ask(wrapper(11));
    b.say(b"<a/>");
    assert!(!b.answers[0].1.contains("sid="), "the terms are told once");
}

#[test]
fn a_request_waits_for_something_to_say_the_next_one_or_the_time() {
    let mut b = Bench::new(1);
    let first = b.ask(with(11, b"<x/>"));
    assert_eq!(b.fed, [Input::Stanza(Bytes::from_static(b"<x/>"))]);
    assert!(b.answers.is_empty());
    b.say(b"<y/>");
    assert_eq!(b.answered("<y/>"), [(first, true)]);
    // two stanzas while nobody waits: one answer with both
    b.say(b"<a/>");
    b.say(b"<b/>");
    let second = b.ask(wrapper(12));
    assert_eq!(b.answered("<a/><b/>"), [(second, true)]);
    // more requests than are held: the oldest goes
    let (third, fourth) = (b.ask(wrapper(13)), b.ask(wrapper(14)));
    assert_eq!(b.answered("type="), [(third, false)]);
    b.pass(59);
    assert!(b.answers.is_empty());
    assert_eq!(b.m.deadline(), Some(b.now + Duration::from_secs(1)));
    b.pass(1);
    assert_eq!(b.answered("type="), [(fourth, false)]);
}

#[test]
fn requests_are_worked_on_in_order() {
    let mut b = Bench::new(2);
    b.ask(with(13, b"<c/>"));
    b.ask(with(12, b"<b/>"));
    assert!(b.fed.is_empty());
    b.ask(with(11, b"<a/>"));
    let order: Vec<_> = b.fed.iter().map(|i| format!("{i:?}")).collect();
    assert!(order[0].contains("<a/>") && order[1].contains("<b/>") && order[2].contains("<c/>"));
    assert_eq!(b.answers.len(), 1, "two are held");
    // one beyond the window ends it all
    b.answers.clear();
    let far = b.ask(wrapper(17));
    let ends = b.answered("condition=\"item-not-found\"");
    assert!(ends.contains(&(far, true)) && ends.len() == 3, "{ends:?}");
    assert!(b.m.is_over() && b.fed.last() == Some(&Input::Close));
    let late = b.ask(wrapper(14));
    assert_eq!(b.answered("terminate"), [(late, true)]);
}

#[test]
fn a_repeated_request_gets_its_answer_again() {
    let mut b = Bench::new(1);
    b.ask(with(11, b"<x/>"));
    b.say(b"<y/>");
    b.answers.clear();
    b.fed.clear();
    let again = b.ask(with(11, b"<x/>"));
    assert_eq!(b.answered("<y/>"), [(again, true)]);
    assert!(b.fed.is_empty(), "what it brought is not brought twice");
    // one that still waits: the newer connection waits on
    let old = b.ask(wrapper(12));
    let new = b.ask(wrapper(12));
    assert_eq!(b.answered("terminate"), [(old, false)]);
    b.say(b"<z/>");
    assert_eq!(b.answered("<z/>"), [(new, true)]);
    // the client hung up while it waited: the answer waits for it
    let lost = b.ask(wrapper(13));
    b.m.lost(lost, b.now);
    b.say(b"<kept/>");
    assert!(b.answers.is_empty());
    let back = b.ask(wrapper(13));
    assert_eq!(b.answered("<kept/>"), [(back, true)]);
    // too old to be known
    let old = b.ask(wrapper(10));
    assert_eq!(b.answered("item-not-found"), [(old, true)]);
}

#[test]
fn silence_ends_a_session_and_a_pause_postpones_it() {
    let mut b = Bench::new(1);
    assert!(!b.m.is_dead(b.now));
    b.pass(59);
    assert!(!b.m.is_dead(b.now));
    b.pass(1);
    assert!(b.m.is_dead(b.now));

    let mut b = Bench::new(1);
    let held = b.ask(wrapper(11));
    b.pass(30);
    let pause = b.ask(Wrapper {
        pause: Some(1_000),
        ..wrapper(12)
    });
    assert_eq!(b.answered("terminate"), [(held, false), (pause, false)]);
    b.pass(299);
    assert!(!b.m.is_dead(b.now), "as long as is allowed");
    b.pass(1);
    assert!(b.m.is_dead(b.now));
    let back = b.ask(wrapper(13));
    b.say(b"<a/>");
    assert_eq!(b.answered("<a/>"), [(back, true)]);
    b.pass(61);
    assert!(b.m.is_dead(b.now), "the pause is over with the next request");
}

#[test]
fn polling_too_often_is_against_the_rules() {
    let mut b = Bench::new(0);
    let first = b.ask(wrapper(11));
    assert_eq!(b.answered("terminate"), [(first, false)], "at once");
    b.pass(2);
    let second = b.ask(wrapper(12));
    assert_eq!(b.answered("terminate"), [(second, false)]);
    b.pass(1);
    b.ask(with(13, b"<x/>"));
    b.pass(1);
    b.ask(wrapper(14));
    b.answers.clear();
    b.pass(1);
    let hasty = b.ask(wrapper(15));
    assert_eq!(b.answered("policy-violation")[0], (hasty, true));
}

#[test]
fn both_sides_may_end_it() {
    let mut b = Bench::new(1);
    let held = b.ask(wrapper(11));
    let end = b.ask(Wrapper {
        terminate: true,
        ..with(12, b"<presence type='unavailable'/>")
    });
    assert_eq!(b.answered("type=\"terminate\""), [(held, true), (end, true)]);
    assert!(matches!(b.fed[0], Input::Stanza(_)) && b.fed[1] == Input::Close);

    let mut b = Bench::new(1);
    b.m.last_words(Bytes::from_static(b"<error/>"));
    let mut out = Vec::new();
    b.m.finish(Some(Condition::RemoteStreamError), &mut out);
    b.done(out);
    let next = b.ask(wrapper(11));
    let (t, text) = b.answers.pop().unwrap();
    assert!(
        t == next && text.contains("remote-stream-error") && text.contains("<error/>"),
        "{text}"
    );
}

#[test]
fn keys_follow_each_other() {
    let sha1 = |t: &str| -> String {
        let h = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, t.as_bytes());
        h.as_ref().iter().map(|b| format!("{b:02x}")).collect()
    };
    let (k1, k3) = ("seed".to_owned(), "other".to_owned());
    let (k2, k4) = (sha1(&k1), sha1(&k3));
    let begin = || {
        let mut b = Bench::begun(
            1,
            Wrapper {
                new_key: Some(sha1(&k2)),
                ..Wrapper::default()
            },
        );
        b.say(FEATURES);
        b.answers.clear();
        b
    };
    let keyed = |rid, key: &str| Wrapper {
        key: Some(key.to_owned()),
        ..wrapper(rid)
    };
    let mut b = begin();
    b.ask(keyed(11, &k2));
    b.ask(Wrapper {
        new_key: Some(k4.clone()),
        ..keyed(12, &k1)
    });
    b.ask(keyed(13, &k3));
    assert!(!b.m.is_over());
    for wrong in [wrapper(11), keyed(11, &k1), keyed(11, "x")] {
        let mut b = begin();
        b.ask(wrong);
        assert!(b.m.is_over() && b.answers[0].1.contains("item-not-found"));
    }
}

#[test]
fn a_full_stream_lets_requests_wait() {
    let mut b = Bench::new(0);
    let mut out = Vec::new();
    b.m.choke(true, b.now, &mut out);
    let slow = b.ask(with(11, b"<x/>"));
    b.m.choke(true, b.now, &mut out);
    b.done(out);
    b.answers.clear();
    assert_eq!(b.m.deadline(), None);
    let next = b.ask(with(12, b"<x/>"));
    assert!(b.answers.is_empty() && slow < next);
    let mut out = Vec::new();
    b.m.choke(false, b.now, &mut out);
    b.done(out);
    assert!(!b.answers.is_empty());
}

#[test]
fn great_answers_are_cut_between_stanzas() {
    let mut b = Bench::new(1);
    let big: &'static [u8] = vec![b'x'; 100_000].leak();
    b.say(big);
    b.say(big);
    b.ask(wrapper(11));
    assert_eq!(b.answers.len(), 1);
    b.ask(wrapper(12));
    assert_eq!(b.answers.len(), 2);
    assert_eq!(b.m.waiting_bytes(), 0);
}

fn texts(left: Vec<Bytes>) -> Vec<String> {
    left.iter()
        .map(|b| String::from_utf8(b.to_vec()).unwrap())
        .collect()
}

#[test]
fn what_the_client_does_not_have_is_left() {
    // taken, and a later request came: it has the first, the second waits
    let mut b = Bench::new(1);
    b.ask(wrapper(11));
    b.say(b"<a/>");
    let held = b.ask(wrapper(12));
    b.m.lost(held, b.now);
    b.say(b"<b/>");
    b.say(b"<c/>");
    assert_eq!(texts(b.m.unfetched(b.now)), ["<b/>", "<c/>"]);
    assert!(b.m.unfetched(b.now).is_empty(), "once");
    // nor can the client get it now
    b.ask(wrapper(12));
    assert!(b.answers.iter().filter(|(_, a)| a.contains("<b/>")).count() == 0);

    // the client asks for what it missed
    let mut b = Bench::new(1);
    let held = b.ask(wrapper(11));
    b.m.lost(held, b.now);
    b.say(b"<a/>");
    b.ask(wrapper(11));
    b.ask(wrapper(12));
    b.pass(100);
    assert!(b.m.unfetched(b.now).is_empty());

    // a request that crossed does not say that it has what nobody took
    let mut b = Bench::new(1);
    let held = b.ask(wrapper(11));
    b.m.lost(held, b.now);
    b.say(b"<a/>");
    b.ask(with(12, b"<x/>"));
    assert_eq!(texts(b.m.unfetched(b.now)), ["<a/>"]);
}

#[test]
fn the_last_answer_is_left_where_nobody_asks_again() {
    let mut b = Bench::new(1);
    b.ask(wrapper(11));
    b.say(b"<a/>");
    assert!(b.m.unfetched(b.now).is_empty(), "it is on its way");
    b.pass(60);
    assert!(b.m.is_dead(b.now));
    assert_eq!(texts(b.m.unfetched(b.now)), ["<a/>"]);
}

#[test]
fn acknowledgements_are_believed() {
    let begun = || {
        let first = Wrapper {
            ack: Some(1),
            ..Wrapper::default()
        };
        let mut b = Bench::begun(1, first);
        b.say(FEATURES);
        b.ask(wrapper(11));
        b.say(b"<a/>");
        b
    };
    let mut b = begun();
    b.ask(Wrapper {
        ack: Some(10),
        ..wrapper(12)
    });
    assert_eq!(b.m.unfetched(b.now), [""; 0], "the answer may be on its way");
    b.m.lost(3, b.now);
    b.pass(10);
    assert_eq!(texts(b.m.unfetched(b.now)), ["<a/>"]);
    let mut b = begun();
    b.ask(wrapper(12));
    b.m.lost(3, b.now);
    b.pass(10);
    assert!(b.m.unfetched(b.now).is_empty(), "none is missing");
}

#[test]
fn the_end_leaves_what_nobody_hears() {
    let mut b = Bench::new(1);
    b.say(b"<a/>");
    let mut out = Vec::new();
    b.m.finish(None, &mut out);
    b.done(out);
    assert_eq!(texts(b.m.unfetched(b.now)), ["<a/>"]);
    let late = b.ask(wrapper(11));
    assert_eq!(b.answered("<a/>"), [(late, false)]);
    // and a pause brings nothing
    let mut b = Bench::new(1);
    b.say(b"<a/>");
    let pause = b.ask(Wrapper {
        pause: Some(10),
        ..wrapper(11)
    });
    assert_eq!(b.answered("<a/>"), [(pause, false)]);
    let next = b.ask(wrapper(12));
    assert_eq!(b.answered("<a/>"), [(next, true)]);
}
