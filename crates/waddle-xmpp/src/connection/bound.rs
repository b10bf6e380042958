//! Stanzas of a bound session: counted, limited, routed (`specs/xmpp.md`).

use ahash::AHashMap;
use tokio::time::Instant;
use waddle_core::{Timestamp, limits::Rate};
use waddle_stanza::{
    Condition, ErrorType, Kind, Outgoing, Stanza, StanzaError, StreamError, ns,
    sm::{SmRequest, enabled, failed},
};

use super::{sm::Sm, stream::Connection};
use crate::{
    metrics,
    rate::{Bucket, ByteBucket, Wait},
    router::{self, Routed},
    server::Server,
};

/// Rooms whose message rates one session has apart; more share the general bucket.
const ROOMS: usize = 64;
/// Messages of one session that wait for their commit; then reading waits.
pub(crate) const PENDING: u32 = 256;

/// The rate limits of a session (mission line 13).
#[derive(Debug)]
pub struct Buckets {
    bytes: ByteBucket,
    messages: Bucket,
    presence: Bucket,
    joins: Bucket,
    iq: Bucket,
    start: Bucket,
    bound_at: Timestamp,
    rooms: AHashMap<Box<str>, Bucket>,
}

/// What a stanza counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted<'a> {
    RoomMessage(&'a str),
    Message,
    Presence,
    Join,
    Iq,
}

impl Buckets {
    pub(super) fn new(server: &Server) -> Self {
        let (l, now) = (&server.limits, server.now());
        Self {
            bytes: ByteBucket::new(l.xmpp_bytes_per_second, now),
            messages: Bucket::new(l.xmpp_rate_messages, now),
            presence: Bucket::new(l.xmpp_rate_presence, now),
            joins: Bucket::new(l.xmpp_rate_joins, now),
            iq: Bucket::new(l.xmpp_rate_iq, now),
            start: Bucket::new(l.xmpp_rate_start, now),
            bound_at: now,
            rooms: AHashMap::new(),
        }
    }

    /// Microseconds to wait before the next read.
    pub(super) fn bytes(&mut self, server: &Server, n: usize) -> u64 {
        self.bytes
            .take(server.limits.xmpp_bytes_per_second, n, server.now())
    }

    /// Takes a token for one stanza.
    pub(crate) fn take(&mut self, server: &Server, what: Counted<'_>) -> Result<(), Wait> {
        let (l, now) = (&server.limits, server.now());
        let starting = now.since(self.bound_at).as_secs() < 60;
        let (bucket, rate): (&mut Bucket, Rate) = match what {
            Counted::Iq | Counted::Join if starting => (&mut self.start, l.xmpp_rate_start),
            Counted::Iq => (&mut self.iq, l.xmpp_rate_iq),
            Counted::Join => (&mut self.joins, l.xmpp_rate_joins),
            Counted::Presence => (&mut self.presence, l.xmpp_rate_presence),
            Counted::Message => (&mut self.messages, l.xmpp_rate_messages),
            Counted::RoomMessage(room) => {
                let rate = l.xmpp_rate_room_messages;
                if !self.rooms.contains_key(room) {
                    if self.rooms.len() >= ROOMS {
                        // Full buckets say nothing: a bucket that would be full again can go.
                        self.rooms.retain(|_, b| b.take(rate, rate.count, now).is_err());
                    }
                    if self.rooms.len() < ROOMS {
                        self.rooms.insert(room.into(), Bucket::new(rate, now));
                    }
                }
                match self.rooms.get_mut(room) {
                    Some(b) => (b, rate),
                    None => (&mut self.messages, l.xmpp_rate_messages),
                }
            }
        };
        bucket.take(rate, 1, now)
    }
}

/// The error of a limit (mission line 12): the stream stays open.
pub(crate) fn too_fast(Wait(seconds): Wait) -> StanzaError {
    let mut text = String::from("too much in a short time; wait ");
    text.push_str(&seconds.to_string());
    text.push_str(" s and send it again");
    StanzaError::new(Condition::PolicyViolation)
        .of_type(ErrorType::Wait)
        .text(text)
}

impl Connection {
    /// One top-level element of a bound session.
    pub(super) async fn stanza(&mut self, stanza: Stanza) {
        let kind = stanza.kind();
        if kind == Kind::Other {
            return self.nonza(&stanza).await;
        }
        let began = Instant::now();
        metrics::received(kind, 1);
        let server = self.server.clone();
        let lang = self.lang.clone();
        let Some(b) = self.bound() else { return };
        let session = b.session.clone();
        if kind != Kind::Message {
            // What follows a message does not overtake it (RFC 6120 §10.1), and an archive shows what was sent to it.
            session.settled(1).await;
        }
        let span = if waddle_core::sample::STANZA_SPANS.sample() {
            tracing::info_span!(
                "xmpp.stanza.process",
                stanza_type = metrics::name(kind),
                from = %session.jid,
                to = stanza.root().attr("to").as_deref()
            )
        } else {
            tracing::Span::none()
        };
        let Some(b) = self.bound() else { return };
        if let Some(sm) = &mut b.sm {
            sm.handled_one();
        }
        let routed =
            span.in_scope(|| router::route(&server, &session, &mut b.buckets, &stanza, lang.as_deref()));
        match routed {
            Routed::Done => {}
            Routed::Later(work) => {
                use tracing::Instrument as _;
                work.instrument(span).await;
            }
            Routed::Error(e) => {
                if let Some(reply) = e.reply(&stanza, None, Some(session.jid.as_str())) {
                    let _ = session.send(reply);
                }
            }
            Routed::Close(e) => self.close(Some(e), None).await,
        }
        // Nobody may have more waiting for their commit than this: reading waits, others go on.
        session.settled(PENDING).await;
        metrics::latency(kind, began.elapsed());
    }

    async fn nonza(&mut self, stanza: &Stanza) {
        let root = stanza.root();
        if root.in_ns(ns::SM) && self.server.registry.has(198) {
            // Nothing is acknowledged before its commit.
            let session = self.bound().map(|b| b.session.clone());
            if let Some(s) = session.filter(|_| root.name() == "r") {
                s.settled(1).await;
            }
            let answer = self.stream_management(SmRequest::read(root));
            match answer {
                Ok(Some(item)) => {
                    self.out.push(item);
                    self.flush = true;
                }
                Ok(None) => {}
                Err(e) => self.close_with(Some(e.to_bytes())).await,
            }
            return;
        }
        if let Some(extension) = self.server.registry.nonza(root) {
            if let Some(b) = self.bound() {
                extension.on_nonza(&b.session, root);
            }
            return;
        }
        if root.in_ns(ns::STREAMS) && root.name() == "error" {
            return self.close(None, None).await;
        }
        self.close(Some(StreamError::UnsupportedStanzaType), None).await;
    }

    pub(super) fn stream_management(
        &mut self,
        request: Option<SmRequest>,
    ) -> Result<Option<Outgoing>, waddle_stanza::sm::SmError> {
        let server = self.server.clone();
        let bad = |c| Ok(Some(Outgoing::nonza(failed(c, None))));
        let Some(b) = self.bound() else { return Ok(None) };
        match (request, &mut b.sm) {
            (Some(SmRequest::Enable { resume, max }), None) => {
                let id = server.random_text::<15>();
                let seconds = server.limits.xmpp_resume_seconds;
                let seconds = max.map_or(seconds, |m| m.min(seconds));
                let resumable = resume && seconds > 0;
                b.sm = Some(Box::new(Sm::new(&server.limits, resumable.then_some(seconds))));
                if resumable {
                    b.session.set_resumption_id(&id);
                }
                let location = server.config.resume_location.as_deref();
                let answer = enabled(resumable.then_some((&*id, seconds, location)));
                Ok(Some(Outgoing::nonza(answer)))
            }
            (Some(SmRequest::Enable { .. } | SmRequest::Resume { .. }), _) => {
                bad(Condition::UnexpectedRequest)
            }
            (Some(SmRequest::Request), Some(sm)) => Ok(Some(sm.answer())),
            (Some(SmRequest::Ack(h)), Some(sm)) => {
                sm.acknowledge(h)?;
                Ok(sm.request())
            }
            (Some(_), None) => bad(Condition::UnexpectedRequest),
            (None, _) => bad(Condition::BadRequest),
        }
    }
}
