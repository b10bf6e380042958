//! Sessions and the time: carries out what the machine decides, between waiting requests and the XMPP stream.

use std::{
    collections::{HashMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{Sink, Stream};
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Notify, oneshot};
use waddle_stanza::{Framing, Stanza, StreamHeader, ns, stream_close};
use waddle_xmpp::TextFrames;

use super::{
    body::{self, Condition, Wrapper},
    machine::{Effect, Input, Machine, Terms, Ticket},
};
use crate::config::HttpConfig;

/// Bytes that wait in one direction before the other side is told to wait.
const ENOUGH: usize = 262_144;
/// How long a session that is over answers that it is.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a stanza in the inbox counts besides its bytes.
const ITEM: usize = 128;

/// The sessions, bounded by `bosh_sessions`.
#[derive(Default)]
pub struct Sessions(Arc<Mutex<HashMap<String, Arc<Session>>>>);

/// One session.
pub struct Session {
    state: Mutex<State>,
    changed: Notify,
    open: Bytes,
    sid: String,
    all: Weak<Mutex<HashMap<String, Arc<Session>>>>,
}

struct State {
    machine: Machine,
    tickets: HashMap<Ticket, oneshot::Sender<Bytes>>,
    next_ticket: Ticket,
    /// For the stream.
    inbox: VecDeque<Bytes>,
    inbox_bytes: usize,
    /// What a client that keeps to the rules can have in the inbox at the most.
    inbox_most: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Sessions {
    /// The session of this name.
    pub fn get(&self, sid: &str) -> Option<Arc<Session>> {
        self.0.lock().get(sid).cloned()
    }

    /// Makes a session, or says why not. Whoever gets it starts it or forgets it.
    pub fn create(
        &self,
        config: &HttpConfig,
        first: &Wrapper,
    ) -> Result<(Arc<Session>, BoshSocket), Condition> {
        let to = first
            .to
            .as_deref()
            .filter(|t| !t.is_empty())
            .ok_or(Condition::ImproperAddressing)?;
        // as the stream's header would be answered, which BOSH has no place for
        if !to.trim_end_matches('.').eq_ignore_ascii_case(&config.domain) {
            return Err(Condition::HostUnknown);
        }
        let rid = first.rid.ok_or(Condition::BadRequest)?;
        let mut random = [0; 24];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Condition::InternalServerError)?;
        let sid = URL_SAFE_NO_PAD.encode(random);
        let header = StreamHeader {
            to: Some(config.domain.clone()),
            from: first.from.clone(),
            lang: first.lang.clone(),
            version: "1.0".into(),
            id: None,
            namespace: ns::CLIENT,
        };
        let terms = Terms::of(first, sid.clone(), &config.limits);
        let bodies = (terms.window() as usize).saturating_mul(config.limits.bosh_body_bytes);
        let mut all = self.0.lock();
        if all.len() >= config.limits.bosh_sessions {
            return Err(Condition::InternalServerError);
        }
        let session = Arc::new(Session {
            state: Mutex::new(State {
                machine: Machine::new(terms, rid),
                tickets: HashMap::new(),
                next_ticket: 0,
                inbox: VecDeque::new(),
                inbox_bytes: 0,
                inbox_most: bodies.saturating_add(ENOUGH),
                closed: false,
                reader: None,
                writer: None,
            }),
            changed: Notify::new(),
            open: header.to_bytes(Framing::WebSocket),
            sid: sid.clone(),
            all: Arc::downgrade(&self.0),
        });
        all.insert(sid, session.clone());
        drop(all);
        Ok((session.clone(), BoshSocket(session)))
    }
}

/// Takes a waiting request out of the machine where its client hung up.
struct Waiting {
    session: Arc<Session>,
    ticket: Ticket,
    answered: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let mut state = self.session.state.lock();
        state.tickets.remove(&self.ticket);
        state.machine.lost(self.ticket, Instant::now());
        self.session.changed.notify_one();
    }
}

impl Session {
    /// Takes a request and waits for its answer.
    pub async fn request(self: Arc<Self>, wrapper: Wrapper) -> Bytes {
        let (send, receive) = oneshot::channel();
        let ticket = {
            let mut state = self.state.lock();
            state.next_ticket += 1;
            let ticket = state.next_ticket;
            state.tickets.insert(ticket, send);
            self.act(&mut state, |m, now, out| m.request(wrapper, ticket, now, out));
            ticket
        };
        let mut waiting = Waiting {
            session: self,
            ticket,
            answered: false,
        };
        let answer = receive.await;
        waiting.answered = true;
        answer.unwrap_or_else(|_| body::terminate(Some(Condition::InternalServerError), &[]))
    }

    /// Begins to keep the time.
    pub fn start(self: &Arc<Self>) {
        tokio::spawn(keep_time(self.clone()));
    }

    /// Forgets a session that was not started.
    pub fn forget(&self) {
        if let Some(all) = self.all.upgrade() {
            all.lock().remove(&self.sid);
        }
    }

    /// Lets the machine work and does what it says.
    fn act(&self, state: &mut State, work: impl FnOnce(&mut Machine, Instant, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        let now = Instant::now();
        work(&mut state.machine, now, &mut out);
        self.carry_out(state, &mut out);
        if state.inbox_bytes > state.inbox_most && !state.machine.is_over() {
            // nobody gets what is dropped here: the session is over
            state.inbox.clear();
            state.inbox_bytes = 0;
            state.machine.finish(Some(Condition::PolicyViolation), &mut out);
            self.carry_out(state, &mut out);
        }
        let choked = state.inbox_bytes > ENOUGH;
        state.machine.choke(choked, now, &mut out);
        self.carry_out(state, &mut out);
        if state.machine.waiting_bytes() < ENOUGH
            && let Some(w) = state.writer.take()
        {
            w.wake();
        }
        self.changed.notify_one();
    }

    /// Lets time pass.
    fn tick(&self, state: &mut State) {
        let mut out = Vec::new();
        state.machine.tick(Instant::now(), &mut out);
        self.carry_out(state, &mut out);
        if state.machine.waiting_bytes() < ENOUGH
            && let Some(w) = state.writer.take()
        {
            w.wake();
        }
    }

    fn carry_out(&self, state: &mut State, out: &mut Vec<Effect>) {
        for effect in out.drain(..) {
            let bytes = match effect {
                Effect::Answer(ticket, body) => {
                    if let Some(send) = state.tickets.remove(&ticket) {
                        let _ = send.send(body);
                    }
                    continue;
                }
                Effect::Feed(Input::Stanza(bytes)) => bytes,
                Effect::Feed(Input::Restart) => self.open.clone(),
                Effect::Feed(Input::Close) => {
                    state.closed = true;
                    stream_close(Framing::WebSocket)
                }
            };
            state.inbox_bytes += bytes.len() + ITEM;
            state.inbox.push_back(bytes);
            if let Some(w) = state.reader.take() {
                w.wake();
            }
        }
    }
}

/// Waits for the machine's next moment until the session is over and everybody could hear of it.
async fn keep_time(session: Arc<Session>) {
    let mut farewell = None;
    loop {
        let deadline = {
            let mut state = session.state.lock();
            if state.machine.is_dead(Instant::now()) {
                // nobody is there to be told; the stream sees a lost connection, which may be resumed, and takes back
                // what was not fetched
                state.closed = true;
                state.inbox.clear();
                if let Some(w) = state.reader.take() {
                    w.wake();
                }
                break;
            }
            session.tick(&mut state);
            if state.machine.is_over() {
                // a last request may still come
                Some(*farewell.get_or_insert_with(|| Instant::now() + FAREWELL))
            } else {
                state.machine.deadline()
            }
        };
        let time = async {
            match deadline {
                Some(t) => tokio::time::sleep_until(t.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = session.changed.notified() => {}
            () = time => if farewell.is_some() { break },
        }
    }
    session.forget();
    let mut state = session.state.lock();
    state.closed = true;
    let mut out = Vec::new();
    state.machine.finish(None, &mut out);
    out.retain(|e| matches!(e, Effect::Answer(..)));
    session.carry_out(&mut state, &mut out);
    for w in [state.reader.take(), state.writer.take()].into_iter().flatten() {
        w.wake();
    }
}

/// A session as the XMPP server sees it: whole text messages, as over a WebSocket (RFC 7395).
pub struct BoshSocket(Arc<Session>);

impl Stream for BoshSocket {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state.lock();
        if let Some(bytes) = state.inbox.pop_front() {
            state.inbox_bytes = state.inbox_bytes.saturating_sub(bytes.len() + ITEM);
            if state.inbox.is_empty() {
                // requests that waited for room are answered
                self.0.act(&mut state, |_, _, _| ());
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Sink<Bytes> for BoshSocket {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state.lock();
        if state.machine.is_over() || state.closed && state.inbox.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.machine.waiting_bytes() >= ENOUGH {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: Bytes) -> io::Result<()> {
        let mut state = self.0.state.lock();
        if state.machine.is_over() {
            // it stays with whoever wants to send it
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // the frame of a WebSocket's stream is the wrapper here
        let framing = item.starts_with(b"<open") || item.starts_with(b"<close");
        if framing
            && let Ok(parsed) = Stanza::parse(item.clone())
            && parsed.root().in_ns(ns::FRAMING)
        {
            let root = parsed.root();
            if root.name() == "open" {
                let text = |name| root.attr(name).map(std::borrow::Cow::into_owned);
                state.machine.named(text("id"), text("from"));
            } else {
                self.0.act(&mut state, |m, _, out| m.finish(None, out));
            }
            return Ok(());
        }
        if item.starts_with(b"<stream:error") {
            self.0.act(&mut state, |m, _, out| {
                m.last_words(item);
                m.finish(Some(Condition::RemoteStreamError), out);
            });
            return Ok(());
        }
        self.0.act(&mut state, |m, now, out| m.say(item, now, out));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl TextFrames for BoshSocket {
    fn unfetched(&mut self) -> Vec<Bytes> {
        self.0.state.lock().machine.unfetched(Instant::now())
    }
}

impl BoshSocket {
    fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        self.0.act(&mut state, |m, _, out| m.finish(None, out));
    }
}

impl Drop for BoshSocket {
    fn drop(&mut self) {
        self.close();
    }
}
