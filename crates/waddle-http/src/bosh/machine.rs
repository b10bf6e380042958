//! A session's requests and answers as a plain reducer: no clock, no HTTP, no stream (XEP-0124 §8–§15).
//!
//! Requests are worked on in the order of their numbers; the numbers that may come form a window. Answers leave in the
//! same order, the last ones are kept for a client that missed them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use ring::digest;
use waddle_core::Limits;
use waddle_stanza::XmlWriter;

use super::body::{self, Condition, Wrapper, XBOSH};

/// Names a request that waits for its answer.
pub type Ticket = u64;

/// Shortest time between two empty requests of a client that has none held.
const POLLING: Duration = Duration::from_secs(2);
/// Bytes of stanzas that one answer holds, if it is not one stanza alone.
const ANSWER: usize = 131_072;
/// How long a client that has nothing to wait for may take to ask again before it counts as gone when its session ends.
const GRACE: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give this to the stream.
    Feed(Input),
    /// Answer a request.
    Answer(Ticket, Bytes),
}

/// What the stream gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A stanza.
    Stanza(Bytes),
    /// The stream begins anew.
    Restart,
    /// The stream ends.
    Close,
}

/// What was agreed when the session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The session's name.
    pub sid: String,
    /// Longest wait for an answer.
    pub wait: Duration,
    /// Requests that may wait.
    pub hold: usize,
    /// Longest time without a request.
    pub inactivity: Duration,
    /// Longest pause.
    pub max_pause: Duration,
    /// Protocol version.
    pub version: (u32, u32),
    /// Whether the client uses acknowledgements.
    pub ack: bool,
}

impl Terms {
    /// Reads the first request.
    pub fn of(first: &Wrapper, sid: String, limits: &Limits) -> Self {
        let wait = first
            .wait
            .unwrap_or(limits.bosh_wait_seconds)
            .min(limits.bosh_wait_seconds);
        let hold = first.hold.unwrap_or(1).min(u64::from(limits.bosh_hold));
        let secs = Duration::from_secs;
        Self {
            sid,
            wait: secs(wait),
            // nobody waits for nothing
            hold: if wait == 0 { 0 } else { hold as usize },
            inactivity: secs(limits.bosh_inactivity_seconds),
            max_pause: secs(limits.bosh_pause_seconds),
            version: first.version.unwrap_or((1, 6)).min((1, 11)),
            ack: first.ack.is_some(),
        }
    }

    /// Requests that may be under way at a time.
    pub fn window(&self) -> u64 {
        self.hold as u64 + 1
    }
}

#[derive(Debug)]
struct Held {
    rid: u64,
    ticket: Option<Ticket>,
    until: Instant,
}

/// An answer that was made.
#[derive(Debug)]
struct Answered {
    rid: u64,
    body: Bytes,
    /// Who took it, unless nobody was there.
    ticket: Option<Ticket>,
    /// What is in it, until the client shows that it has it.
    said: Vec<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The session is over; whoever still asks is told so.
    Over(Option<Condition>),
}

/// A session.
#[derive(Debug)]
pub struct Machine {
    terms: Terms,
    /// The last number that was worked on.
    last: u64,
    early: BTreeMap<u64, (Wrapper, Ticket)>,
    held: VecDeque<Held>,
    answered: VecDeque<Answered>,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// What the first answer says besides; then nothing.
    greeting: Option<Greeting>,
    key: Option<String>,
    empty_at: Option<Instant>,
    silent_since: Option<Instant>,
    patience: Duration,
    end: End,
    /// Whether the stream cannot take more for now.
    choked: bool,
}

#[derive(Debug)]
struct Greeting {
    stream: Option<String>,
    from: Option<String>,
}

impl Machine {
    /// A session that begins with request number `rid`, which [`Machine::request`] then gets. It is answered when the
    /// stream has said its name and its features.
    pub fn new(terms: Terms, rid: u64) -> Self {
        Self {
            patience: terms.inactivity,
            terms,
            last: rid.saturating_sub(1),
            early: BTreeMap::new(),
            held: VecDeque::new(),
            answered: VecDeque::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            greeting: Some(Greeting {
                stream: None,
                from: None,
            }),
            key: None,
            empty_at: None,
            silent_since: None,
            end: End::Open,
            choked: false,
        }
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.end != End::Open
    }

    /// Bytes that wait for a request to answer.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// A request came.
    pub fn request(&mut self, wrapper: Wrapper, ticket: Ticket, now: Instant, out: &mut Vec<Effect>) {
        if let End::Over(why) = self.end {
            let said = self.take_waiting();
            out.push(Effect::Answer(ticket, body::terminate(why, &said)));
            return;
        }
        let Some(rid) = wrapper.rid else {
            return self.refuse(ticket, Condition::BadRequest, out);
        };
        if rid <= self.last {
            return self.again(rid, ticket, now, out);
        }
        if rid > self.last.saturating_add(self.terms.window()) {
            // §14.1: it cannot be that so many are under way
            return self.refuse(ticket, Condition::ItemNotFound, out);
        }
        if self.held.len() as u64 > self.terms.window() {
            // numbers that were worked on but not answered count as well
            return self.refuse(ticket, Condition::PolicyViolation, out);
        }
        self.silent_since = None;
        if let Some((_, older)) = self.early.insert(rid, (wrapper, ticket)) {
            out.push(Effect::Answer(older, body::open().finish()));
        }
        while let Some((wrapper, ticket)) = self.last.checked_add(1).and_then(|r| self.early.remove(&r)) {
            self.last += 1;
            self.work(wrapper, ticket, now, out);
            if self.is_over() {
                break;
            }
        }
        self.settle(now, out);
    }

    /// A request that was seen before: its answer was perhaps lost.
    fn again(&mut self, rid: u64, ticket: Ticket, now: Instant, out: &mut Vec<Effect>) {
        if let Some(held) = self.held.iter_mut().find(|h| h.rid == rid) {
            self.silent_since = None;
            if let Some(older) = held.ticket.replace(ticket) {
                out.push(Effect::Answer(older, body::open().finish()));
            }
            return self.settle(now, out);
        }
        match self.answered.iter_mut().find(|a| a.rid == rid) {
            Some(a) => {
                a.ticket = Some(ticket);
                out.push(Effect::Answer(ticket, a.body.clone()));
            }
            None => self.refuse(ticket, Condition::ItemNotFound, out),
        }
    }

    /// What a new request says of the answers before it (§9.2): by its `ack`; or it comes after an answer that was
    /// taken, which the client had to see first. One that nobody took is not seen, unless so much was asked since that
    /// the client cannot wait for it any more.
    fn heard(&mut self, rid: u64, ack: Option<u64>) {
        let ack = ack.filter(|_| self.terms.ack);
        let window = self.terms.window() + 1;
        for a in &mut self.answered {
            let has = ack.map_or(a.ticket.is_some(), |ack| a.rid <= ack);
            if has || a.rid + window < rid {
                a.said = Vec::new();
            }
        }
    }

    /// Ends the session because of a request.
    fn refuse(&mut self, ticket: Ticket, why: Condition, out: &mut Vec<Effect>) {
        out.push(Effect::Answer(ticket, body::terminate(Some(why), &[])));
        self.finish(Some(why), out);
    }

    /// Takes the next request in order.
    fn work(&mut self, wrapper: Wrapper, ticket: Ticket, now: Instant, out: &mut Vec<Effect>) {
        if !self.key_fits(&wrapper) {
            return self.refuse(ticket, Condition::ItemNotFound, out);
        }
        self.heard(self.last, wrapper.ack);
        let first = wrapper.sid.is_none();
        let empty = wrapper.payloads.is_empty() && !wrapper.restart && !wrapper.terminate && !first;
        if empty && self.terms.hold == 0 && wrapper.pause.is_none() {
            // §12: polling too often
            let before = self.empty_at.replace(now);
            if before.is_some_and(|b| now.saturating_duration_since(b) < POLLING) && self.waiting.is_empty() {
                return self.refuse(ticket, Condition::PolicyViolation, out);
            }
        } else {
            self.empty_at = None;
        }
        if first || wrapper.restart {
            out.push(Effect::Feed(Input::Restart));
        }
        for p in wrapper.payloads {
            out.push(Effect::Feed(Input::Stanza(p)));
        }
        self.held.push_back(Held {
            rid: self.last,
            ticket: Some(ticket),
            until: now + self.terms.wait,
        });
        self.patience = self.terms.inactivity;
        if wrapper.terminate {
            return self.finish(None, out);
        }
        if let Some(pause) = wrapper.pause {
            // §11: everything that waits is answered, and the client may be silent for longer
            self.patience = Duration::from_secs(pause)
                .min(self.terms.max_pause)
                .max(self.terms.inactivity);
            while self.greeting.is_none() && !self.held.is_empty() {
                // its own answer has nothing in it
                self.answer(self.held.len() > 1, out);
            }
        }
    }

    /// §15: the key of a request is what SHA-1 made the key of the one before of.
    fn key_fits(&mut self, wrapper: &Wrapper) -> bool {
        if let Some(known) = &self.key {
            let Some(shown) = &wrapper.key else { return false };
            let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, shown.as_bytes());
            let digits = |b: &u8| [b >> 4, b & 15].map(|d| char::from(b"0123456789abcdef"[usize::from(d)]));
            let hex: String = hash.as_ref().iter().flat_map(digits).collect();
            if !hex.eq_ignore_ascii_case(known) {
                return false;
            }
            self.key = Some(shown.clone());
        }
        if let Some(new) = &wrapper.new_key {
            self.key = Some(new.clone());
        }
        true
    }

    /// The stream has a name: the first answer tells it.
    pub fn named(&mut self, stream: Option<String>, from: Option<String>) {
        if let Some(g) = &mut self.greeting {
            (g.stream, g.from) = (stream, from);
        }
    }

    /// The stream says something.
    pub fn say(&mut self, stanza: Bytes, now: Instant, out: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        self.waiting_bytes += stanza.len();
        self.waiting.push_back(stanza);
        self.settle(now, out);
    }

    /// The stream's error: it leaves with the end of the session.
    pub fn last_words(&mut self, error: Bytes) {
        if !self.is_over() {
            self.waiting_bytes += error.len();
            self.waiting.push_back(error);
        }
    }

    /// Whether the stream takes more; while it does not, requests wait.
    pub fn choke(&mut self, choked: bool, now: Instant, out: &mut Vec<Effect>) {
        self.choked = choked;
        if !choked {
            self.settle(now, out);
        }
    }

    /// The client hung up while it waited: its answer will be asked for again.
    pub fn lost(&mut self, ticket: Ticket, now: Instant) {
        for h in &mut self.held {
            if h.ticket == Some(ticket) {
                h.ticket = None;
            }
        }
        for a in &mut self.answered {
            if a.ticket == Some(ticket) {
                a.ticket = None;
            }
        }
        self.early.retain(|_, (_, t)| *t != ticket);
        self.watch(now);
    }

    /// The stream ended, or somebody ends the session.
    pub fn finish(&mut self, why: Option<Condition>, out: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        let mut tickets = self.held.drain(..).filter_map(|h| h.ticket).collect::<Vec<_>>();
        tickets.extend(std::mem::take(&mut self.early).into_values().map(|(_, t)| t));
        // the oldest hears what is left, and the others that it is over
        for t in tickets {
            let said = self.take_waiting();
            out.push(Effect::Answer(t, body::terminate(why, &said)));
        }
        self.end = End::Over(why);
        out.push(Effect::Feed(Input::Close));
    }

    fn take_waiting(&mut self) -> Vec<Bytes> {
        self.waiting_bytes = 0;
        self.waiting.drain(..).collect()
    }

    /// Takes out what the client does not have for certain, in order: what no answer took along, what was in answers
    /// that nobody took, and, where the client does not ask any more, what was in the last ones. It gets none of it
    /// after this.
    pub fn unfetched(&mut self, now: Instant) -> Vec<Bytes> {
        let silent = self
            .silent_since
            .is_some_and(|s| now >= s + GRACE.min(self.patience));
        let mut left = Vec::new();
        self.answered.retain_mut(|a| {
            let lost = silent || a.ticket.is_none();
            if lost {
                left.append(&mut a.said);
            }
            !lost
        });
        left.extend(self.take_waiting());
        left
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.settle(now, out);
    }

    /// When [`Machine::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        // what waits for the stream has no time of its own
        let timed = self.greeting.is_none() && !self.choked;
        let held = self.held.iter().filter(|h| h.ticket.is_some() && timed);
        let silence = self.silent_since.map(|s| s + self.patience);
        [held.map(|h| h.until).min(), silence].into_iter().flatten().min()
    }

    /// Whether the client was silent for too long.
    pub fn is_dead(&self, now: Instant) -> bool {
        self.silent_since.is_some_and(|s| now >= s + self.patience)
    }

    /// Answers what is to be answered now.
    fn settle(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while !self.is_over() && self.wants_answer(now) {
            self.answer(true, out);
        }
        self.watch(now);
    }

    fn wants_answer(&self, now: Instant) -> bool {
        let Some(first) = self.held.front() else {
            return false;
        };
        if self.greeting.is_some() {
            // the first answer waits for the features, which are the stream's first words
            return !self.waiting.is_empty();
        }
        if !self.waiting.is_empty() {
            return true;
        }
        if self.choked {
            return false;
        }
        self.held.len() > self.terms.hold || first.until <= now
    }

    /// Answers the oldest request, with what waits if it may.
    fn answer(&mut self, tell: bool, out: &mut Vec<Effect>) {
        let Some(held) = self.held.pop_front() else { return };
        let mut w = body::open();
        self.greet(&mut w);
        if self.terms.ack && held.rid != self.last {
            w.attr_display("ack", self.last);
        }
        let (mut size, mut said) = (0, Vec::new());
        while let Some(next) = self.waiting.front().filter(|_| tell) {
            if size > 0 && size + next.len() > ANSWER {
                break;
            }
            size += next.len();
            w.trusted(next);
            said.extend(self.waiting.pop_front());
        }
        self.waiting_bytes -= size;
        let body = w.finish();
        self.answered.push_back(Answered {
            rid: held.rid,
            body: body.clone(),
            ticket: held.ticket,
            said,
        });
        // one more than the window: a pause may come beside it
        while self.answered.len() as u64 > self.terms.window() + 1 {
            self.answered.pop_front();
        }
        if let Some(ticket) = held.ticket {
            out.push(Effect::Answer(ticket, body));
        }
    }

    /// §7.2: what the first answer says about the session.
    fn greet(&mut self, w: &mut XmlWriter) {
        let Some(greeting) = self.greeting.take() else {
            return;
        };
        let t = &self.terms;
        let version = [t.version.0.to_string(), t.version.1.to_string()].join(".");
        w.attr("sid", &t.sid)
            .attr_display("wait", t.wait.as_secs())
            .attr_display("hold", t.hold)
            .attr_display("requests", t.window())
            .attr_display("inactivity", t.inactivity.as_secs())
            .attr_display("maxpause", t.max_pause.as_secs())
            .attr("ver", &version);
        if t.hold == 0 {
            w.attr_display("polling", POLLING.as_secs());
        }
        if t.ack {
            w.attr_display("ack", self.last);
        }
        w.attr_opt("authid", greeting.stream.as_deref())
            .attr_opt("from", greeting.from.as_deref())
            .attr("charsets", "UTF-8")
            .attr("xmlns:xmpp", XBOSH)
            .attr("xmpp:version", "1.0")
            .attr("xmpp:restartlogic", "true");
    }

    /// Notes since when nobody waits.
    fn watch(&mut self, now: Instant) {
        let somebody = self.held.iter().any(|h| h.ticket.is_some()) || !self.early.is_empty();
        if somebody {
            self.silent_since = None;
        } else {
            self.silent_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
