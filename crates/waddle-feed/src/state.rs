//! The feeds of one waddle as a plain reducer: readings in, a line at a time and channel out.
//!
//! What a binding may not post yet, or what its channel has no place for, gathers in the binding's surplus and
//! becomes one line as soon as both have room. While there is a surplus, everything goes into it, so that
//! nothing overtakes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ahash::AHashMap;
use waddle_community::{Binding, FeedMode};
use waddle_core::{ChannelId, Limits, Timestamp};
use waddle_muc::PostError;

use crate::{
    bucket::Bucket,
    filters::Filters,
    line::{self, Line},
    payload::Reading,
    surplus::Surplus,
};

/// How often a busy room is asked again.
const TRIES: u32 = 5;
/// The time before it is.
const PAUSE: Duration = Duration::from_secs(1);

/// One binding at work.
#[derive(Debug)]
struct Feed {
    binding: Binding,
    nick: Arc<str>,
    /// None where the rate lets nothing through.
    bucket: Option<Bucket>,
    surplus: Option<Surplus>,
}

/// What waits for one channel.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Line>,
    /// The first one is being posted.
    posting: bool,
    /// How often the first one was refused by a busy room, and until when it rests.
    refused: u32,
    rest: Option<Timestamp>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the channel.
    Posted,
    /// It is tried again.
    Again,
    /// It is lost.
    Lost(&'static str),
}

/// The feeds of one waddle.
#[derive(Debug)]
pub struct FeedState {
    limits: Arc<Limits>,
    feeds: Vec<Feed>,
    filters: Arc<Filters>,
    lanes: AHashMap<ChannelId, Lane>,
    /// Feeds with a surplus.
    behind: usize,
}

impl FeedState {
    /// No feeds yet.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            feeds: Vec::new(),
            filters: Arc::default(),
            lanes: AHashMap::default(),
            behind: 0,
        }
    }

    /// The bindings are these from now on; those that stay keep their buckets.
    pub fn bind(&mut self, bindings: Vec<Binding>, now: Timestamp) {
        let mut old: AHashMap<_, _> = self.feeds.drain(..).map(|f| (f.binding.id, f)).collect();
        for binding in bindings.into_iter().filter(|b| b.mode == FeedMode::Message) {
            let (bucket, surplus) = match old.remove(&binding.id) {
                Some(f) => (f.bucket, f.surplus),
                None => (Bucket::new(self.limits.feed_rate, now), None),
            };
            self.feeds.push(Feed {
                nick: line::nick(&binding, self.limits.muc_nick_bytes).into(),
                binding,
                bucket,
                surplus,
            });
        }
        self.filters = Arc::new(Filters::new(self.feeds.iter().map(|f| &f.binding.filter)));
        self.behind = self.feeds.iter().filter(|f| f.surplus.is_some()).count();
    }

    /// The filters of all feeds.
    pub fn filters(&self) -> &Arc<Filters> {
        &self.filters
    }

    /// Something was published; how many feeds took it.
    pub fn reading(&mut self, topic: &str, reading: &Reading, now: Timestamp) -> usize {
        if *reading == Reading::Empty {
            return 0;
        }
        let (filters, mut taken, mut shown) = (self.filters.clone(), 0, None);
        for i in filters.matching(topic) {
            let feed = &mut self.feeds[i];
            let Some(bucket) = &mut feed.bucket else { continue };
            taken += 1;
            let name: &String = shown.get_or_insert_with(|| line::name(topic));
            if let Some(surplus) = &mut feed.surplus {
                surplus.add(name, reading);
                continue;
            }
            let room = has_room(&self.lanes, &self.limits, feed.binding.channel);
            if room && bucket.take(now) {
                let body = line::body(name, reading);
                push(&mut self.lanes, feed.line(body));
            } else {
                feed.surplus = Some(Surplus::new(name, reading));
                self.behind += 1;
            }
        }
        taken
    }

    /// Each surplus that may be posted by now becomes one line. Returns how many readings share lines with others.
    pub fn tick(&mut self, now: Timestamp) -> u64 {
        self.gather(|bucket| bucket.take(now), false)
    }

    /// Each surplus becomes one line, whatever its rate: the end is near.
    pub fn flush(&mut self) -> u64 {
        self.gather(|_| true, true)
    }

    fn gather(&mut self, mut may: impl FnMut(&mut Bucket) -> bool, any_room: bool) -> u64 {
        let mut shared = 0;
        if self.behind == 0 {
            return shared;
        }
        for feed in self.feeds.iter_mut().filter(|f| f.surplus.is_some()) {
            let room = any_room || has_room(&self.lanes, &self.limits, feed.binding.channel);
            if room
                && feed.bucket.as_mut().is_some_and(&mut may)
                && let Some(surplus) = feed.surplus.take()
            {
                self.behind -= 1;
                shared += if surplus.count() > 1 { surplus.count() } else { 0 };
                push(&mut self.lanes, feed.line(surplus.line()));
            }
        }
        shared
    }

    /// Lines that are to be posted now: the first of each channel where none is on its way.
    pub fn start(&mut self, now: Timestamp, out: &mut Vec<Line>) {
        for lane in self.lanes.values_mut() {
            if !lane.posting
                && lane.rest.is_none_or(|t| t <= now)
                && let Some(first) = lane.waiting.front()
            {
                out.push(first.clone());
                lane.posting = true;
                lane.rest = None;
            }
        }
    }

    /// What became of the line that was posted in a channel.
    pub fn posted(&mut self, channel: ChannelId, result: Result<(), PostError>, now: Timestamp) -> Fate {
        let Some(lane) = self.lanes.get_mut(&channel) else {
            return Fate::Posted;
        };
        lane.posting = false;
        let fate = match (result, lane.waiting.front_mut()) {
            (Ok(()), _) => Fate::Posted,
            (Err(PostError::Nick), Some(first)) if *first.nick != *line::NICK => {
                first.nick = line::NICK.into();
                Fate::Again
            }
            (Err(PostError::Busy), _) if lane.refused < TRIES => {
                lane.refused += 1;
                lane.rest = Some(now.plus(PAUSE));
                Fate::Again
            }
            (Err(e), _) => Fate::Lost(match e {
                PostError::NoChannel => "no-channel",
                PostError::Nick => "nick",
                PostError::Busy => "busy",
                PostError::Rule => "rule",
                PostError::Slow => "slow",
                PostError::Storage => "storage",
            }),
        };
        if fate != Fate::Again {
            lane.refused = 0;
            lane.waiting.pop_front();
            if lane.waiting.is_empty() {
                self.lanes.remove(&channel);
            }
        }
        fate
    }

    /// When there is something to do that no reading or answer brings about.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let rested = self.lanes.values().filter_map(|l| l.rest);
        let behind = self
            .feeds
            .iter()
            .take(if self.behind > 0 { usize::MAX } else { 0 });
        let ready = behind
            .filter(|f| f.surplus.is_some() && has_room(&self.lanes, &self.limits, f.binding.channel))
            .filter_map(|f| f.bucket.as_ref().map(|b| b.ready(now)));
        rested.chain(ready).min()
    }

    /// Whether nothing waits.
    pub fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.behind == 0
    }

    /// Whether there is no feed.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// Lines that wait, and readings that wait to become lines.
    pub fn waiting(&self) -> usize {
        let lines: usize = self.lanes.values().map(|l| l.waiting.len()).sum();
        lines + self.behind
    }
}

fn has_room(lanes: &AHashMap<ChannelId, Lane>, limits: &Limits, channel: ChannelId) -> bool {
    lanes
        .get(&channel)
        .is_none_or(|l| l.waiting.len() < limits.feed_lines.max(1))
}

fn push(lanes: &mut AHashMap<ChannelId, Lane>, line: Line) {
    lanes.entry(line.channel).or_default().waiting.push_back(line);
}

impl Feed {
    fn line(&self, body: String) -> Line {
        Line {
            channel: self.binding.channel,
            nick: self.nick.clone(),
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use waddle_core::{BindingId, Clock as _, ManualClock, WaddleId, limits::Rate};

    use super::*;

    fn binding(filter: &str, name: &str) -> Binding {
        Binding {
            id: BindingId::new(),
            waddle: WaddleId::new(),
            filter: filter.parse().unwrap(),
            channel: ChannelId::new(),
            mode: FeedMode::Message,
            name: name.to_owned(),
            made_by: None,
            made_at: Timestamp(0),
        }
    }

    struct Bench {
        clock: Arc<ManualClock>,
        state: FeedState,
    }

    impl Bench {
        fn new(bindings: Vec<Binding>) -> Self {
            let limits = Limits {
                feed_rate: Rate {
                    count: 2,
                    seconds: 10,
                },
                feed_lines: 4,
                ..Limits::default()
            };
            let clock = ManualClock::at(Timestamp(1_000_000_000));
            let mut state = FeedState::new(Arc::new(limits));
            state.bind(bindings, clock.now());
            Self { clock, state }
        }

        fn publish(&mut self, topic: &str, payload: &str) -> usize {
            let reading = crate::read(payload.as_bytes(), 1_000);
            self.state.reading(topic, &reading, self.clock.now())
        }

        /// Everything that can be posted now, with a room that takes it.
        fn lines(&mut self) -> Vec<String> {
            let (mut all, now) = (Vec::new(), self.clock.now());
            for _ in 0..1_000 {
                let mut out = Vec::new();
                self.state.tick(now);
                self.state.start(now, &mut out);
                if out.is_empty() {
                    break;
                }
                for line in out {
                    assert_eq!(self.state.posted(line.channel, Ok(()), now), Fate::Posted);
                    all.push(line.body);
                }
            }
            all
        }

        fn wait(&mut self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_reading_becomes_a_line() {
        let b = binding("home/sensors/#", "home/sensors/#");
        let mut bench = Bench::new(vec![b.clone()]);
        assert!(bench.state.is_idle());
        bench.publish(
            "home/sensors/temperature/kitchen",
            r#"{"value": 21.5, "unit": "°C"}"#,
        );
        let mut out = Vec::new();
        bench.state.start(bench.clock.now(), &mut out);
        let want = Line {
            channel: b.channel,
            nick: "sensors".into(),
            body: "kitchen: 21.5 °C".to_owned(),
        };
        assert_eq!(out, [want]);
        assert!(!bench.state.is_idle());
        assert_eq!(
            bench.state.posted(b.channel, Ok(()), bench.clock.now()),
            Fate::Posted
        );
        assert!(bench.state.is_idle());
        assert_eq!(bench.publish("home/other", "1"), 0);
        assert_eq!(
            bench.publish("home/sensors/x", ""),
            0,
            "a retained message is cleared"
        );
        assert_eq!(bench.publish("home/sensors/x", "NaN"), 1);
        assert_eq!(bench.lines(), ["x: unreadable (not a number)"]);
    }

    #[test]
    fn surplus_becomes_one_line_when_there_is_room_again() {
        let mut bench = Bench::new(vec![binding("t/+", "Attic")]);
        let values = ["20.0", "20.5", "21", "19.0", "22.4"];
        for v in values.iter().chain(&["20.0"; 11]) {
            bench.publish("t/x", &format!(r#"{{"value":{v},"unit":"°C"}}"#));
        }
        assert_eq!(bench.lines(), ["x: 20.0 °C", "x: 20.5 °C"]);
        assert_eq!(
            bench.state.due(bench.clock.now()),
            Some(bench.clock.now().plus(Duration::from_secs(5)))
        );
        bench.wait(4);
        assert!(bench.lines().is_empty());
        bench.wait(1);
        assert_eq!(bench.lines(), ["x: 14 changes, 19.0–22.4 °C"]);
        assert_eq!(bench.state.due(bench.clock.now()), None);
        bench.publish("t/x", "5");
        assert!(bench.lines().is_empty());
        bench.wait(100);
        assert_eq!(bench.lines(), ["x: 5"], "a surplus of one is itself");
        bench.publish("t/x", "6");
        assert_eq!(bench.lines(), ["x: 6"]);
    }

    #[test]
    fn bindings_keep_their_buckets_apart_and_over_changes() {
        let (a, b) = (binding("t/#", "A"), binding("t/x", "B"));
        let card = Binding {
            mode: FeedMode::Card,
            ..binding("t/#", "C")
        };
        let mut bench = Bench::new(vec![a.clone(), b.clone(), card.clone()]);
        assert_eq!(bench.publish("t/x", "1"), 2);
        assert_eq!(bench.publish("t/y", "1"), 1);
        assert_eq!(bench.lines().len(), 3);
        bench.state.bind(vec![a, card], bench.clock.now());
        assert_eq!(bench.publish("t/x", "1"), 1);
        assert!(bench.lines().is_empty(), "the bucket of A is empty");
        bench.state.bind(vec![], bench.clock.now());
        assert!(bench.state.is_empty() && bench.state.is_idle());
    }

    #[test]
    fn a_channel_gets_a_line_at_a_time_in_order() {
        let channel = ChannelId::new();
        let all: Vec<Binding> = (0..4)
            .map(|i| Binding {
                channel,
                ..binding(&format!("t/{i}"), "T")
            })
            .collect();
        let mut bench = Bench::new(all);
        for round in 0..3 {
            for i in 0..4 {
                bench.publish(&format!("t/{i}"), &round.to_string());
            }
        }
        let (mut out, now) = (Vec::new(), bench.clock.now());
        bench.state.start(now, &mut out);
        bench.state.start(now, &mut out);
        assert_eq!(out.len(), 1, "the second waits for the first");
        // Four had a place; everything else is surplus although the buckets had tokens left.
        assert_eq!(
            bench.state.due(now),
            None,
            "no room, so the answer is what is waited for"
        );
        bench.state.posted(channel, Ok(()), now);
        assert_eq!(bench.lines()[..4], ["1: 0", "2: 0", "3: 0", "0: 2 changes, 1–2"]);
        assert!(bench.state.is_idle());
    }

    #[test]
    fn a_room_that_refuses() {
        let b = binding("t", "T");
        let mut bench = Bench::new(vec![b.clone()]);
        let refuse = |bench: &mut Bench, e| {
            let (mut out, now) = (Vec::new(), bench.clock.now());
            bench.state.start(now, &mut out);
            assert_eq!(out.len(), 1);
            (bench.state.posted(b.channel, Err(e), now), out.remove(0))
        };
        bench.publish("t", "1");
        for _ in 0..TRIES {
            assert_eq!(refuse(&mut bench, PostError::Busy).0, Fate::Again);
            assert!(bench.lines().is_empty(), "not at once");
            let due = bench.state.due(bench.clock.now()).unwrap();
            bench.clock.set(due);
        }
        assert_eq!(refuse(&mut bench, PostError::Busy).0, Fate::Lost("busy"));
        assert!(bench.state.is_idle());
        bench.publish("t", "2");
        assert_eq!(refuse(&mut bench, PostError::Nick).0, Fate::Again);
        let (fate, line) = refuse(&mut bench, PostError::Nick);
        assert_eq!((fate, &*line.nick), (Fate::Lost("nick"), "feed"));
        bench.wait(10);
        bench.publish("t", "3");
        assert_eq!(
            refuse(&mut bench, PostError::NoChannel).0,
            Fate::Lost("no-channel")
        );
        assert_eq!(bench.state.waiting(), 0);
    }

    #[test]
    fn at_the_end_nothing_waits_for_its_rate() {
        let mut bench = Bench::new(vec![binding("t", "T")]);
        for n in 0..9 {
            bench.publish("t", &n.to_string());
        }
        assert_eq!(bench.state.flush(), 7);
        assert_eq!(bench.lines(), ["t: 0", "t: 1", "t: 7 changes, 2–8"]);
    }

    proptest::proptest! {
        /// Whatever comes when, every reading is in exactly one line, in order, and no more lines come than may.
        #[test]
        fn nothing_is_lost_or_overtaken(steps in proptest::collection::vec((0_u64..4, proptest::bool::ANY), 1..80)) {
            let mut bench = Bench::new(vec![binding("t", "T")]);
            let (mut sent, mut elapsed, mut lines) = (0_u64, 0, Vec::new());
            for (wait, drain) in steps {
                bench.wait(wait);
                elapsed += wait;
                bench.publish("t", &sent.to_string());
                sent += 1;
                if drain {
                    lines.extend(bench.lines());
                }
            }
            lines.extend(bench.lines());
            proptest::prop_assert!(lines.len() as u64 <= 2 + elapsed / 5);
            bench.state.flush();
            lines.extend(bench.lines());
            let mut next = 0_u64;
            for line in lines {
                let what = line.strip_prefix("t: ").unwrap();
                let (low, high) = match what.split_once(" changes, ") {
                    Some((n, range)) => {
                        let (low, high) = range.split_once('–').unwrap();
                        let (n, low, high): (u64, u64, u64) = (n.parse().unwrap(), low.parse().unwrap(), high.parse().unwrap());
                        proptest::prop_assert_eq!(high + 1 - low, n);
                        (low, high)
                    }
                    None => (what.parse().unwrap(), what.parse().unwrap()),
                };
                proptest::prop_assert_eq!(low, next);
                next = high + 1;
            }
            proptest::prop_assert_eq!(next, sent);
        }
    }
}
