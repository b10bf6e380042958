//! What was kept for a client: the stored queue of its session, and retained messages
//! (`specs/mqtt.md`, *Durability*; MQTT 5.0 §3.3.1.3).

use std::sync::{Arc, atomic::Ordering};

use waddle_core::{Timestamp, TopicFilter};

use super::{
    Conn, End,
    outbound::{Backlog, Pending},
};
use crate::{
    codec::{Fault, Reason},
    core::run_of,
    link::{Item, Opts, Row, Stored},
    message::Left,
    metrics,
    policy::Action,
    space::Space,
    ticket::Ticket,
};

/// Retained messages taken at a time, and topics looked at for them.
const RETAINED_PAGE: usize = 32;
const RETAINED_LOOK: usize = 1_024;
/// The next page of the stored queue is read when fewer wait.
const FEW: usize = 16;

/// Retained messages that a new subscription is still to get.
#[derive(Debug)]
pub(super) struct Cursor {
    space: Arc<Space>,
    filter: TopicFilter,
    opts: Arc<Opts>,
    after: Option<Arc<str>>,
}

impl Conn {
    /// Asks for the next page of the stored queue, where it is wanted and there is room.
    pub(super) async fn read_backlog(&mut self) -> Result<(), End> {
        if self.link.reload.swap(false, Ordering::AcqRel) && self.outbound.backlog == Backlog::Live {
            self.outbound.backlog = Backlog::Wanted;
        }
        if self.outbound.backlog == Backlog::Wanted && self.outbound.pending.len() < FEW {
            self.outbound.backlog = Backlog::Loading;
            let after = self.outbound.last_row;
            if let Err(error) = self.core.load_backlog(&self.session, after).await {
                tracing::warn!(%error, "a session's queue cannot be read");
                return Err(Fault::new(Reason::IMPLEMENTATION, "the session's queue cannot be read").into());
            }
        }
        Ok(())
    }

    /// A page of the stored queue: what the client may no longer see is taken out.
    pub(super) async fn take_page(&mut self, page: Vec<Stored>, complete: bool) {
        for s in page {
            self.outbound.last_row = s.row;
            let bytes = s.message.payload.len() + s.message.topic.len();
            let space = match s.message.waddle {
                Some(w) => self.core.bare_space(w).await,
                None => Some(self.core.server_space.clone()),
            };
            let seen = space.filter(|sp| {
                s.released
                    || sp
                        .access
                        .may(&self.owner.who, Action::Subscribe, &s.message.topic)
            });
            let Some(space) = seen else {
                metrics::refused("delivery");
                self.gone(Some(s.row), bytes);
                continue;
            };
            let run = run_of(&s.message, s.opts.as_published, &space.view);
            self.outbound.pending_bytes += run.weight();
            self.outbound.pending.push_back(Pending {
                run,
                opts: s.opts,
                next: 0,
                rows: Some(Arc::new([Row { id: s.row, index: 0 }])),
                resend: s.packet.map(|id| (id, s.released)),
            });
        }
        self.outbound.backlog = if complete { Backlog::Live } else { Backlog::Wanted };
    }

    /// The retained messages of a filter are to be sent.
    pub(super) fn send_retained(&mut self, space: Arc<Space>, filter: TopicFilter, opts: Opts) {
        self.outbound.cursors.push_back(Cursor {
            space,
            filter,
            opts: Arc::new(opts),
            after: None,
        });
    }

    /// Goes on with the oldest cursor; whether it could.
    pub(super) async fn retained_page(&mut self, now: Timestamp) -> bool {
        let Some(c) = self.outbound.cursors.front_mut() else {
            return false;
        };
        let durable = self.session.durable() && c.opts.qos > 0;
        // Stored for the session like any message: then half its queue stays free for others.
        if durable && self.session.queued.load(Ordering::Relaxed) > self.core.limits.mqtt_queue_messages / 2 {
            return false;
        }
        let (space, opts) = (c.space.clone(), c.opts.clone());
        let (page, next) =
            space
                .retained
                .read()
                .page(&c.filter, c.after.as_deref(), RETAINED_PAGE, RETAINED_LOOK);
        match next {
            Some(t) => c.after = Some(t),
            None => {
                self.outbound.cursors.pop_front();
            }
        }
        for run in page {
            let standing = run
                .publisher
                .as_ref()
                .is_none_or(|p| space.access.trusts(p, &run.topic));
            if !standing
                || !space.access.may(&self.owner.who, Action::Subscribe, &run.topic)
                || run.left(0, now) == Left::Expired
            {
                continue;
            }
            if durable && run.qos > 0 {
                let ticket = Ticket::new(None);
                let to = vec![(self.session.clone(), opts.clone())];
                self.core.store(&run, to, None, &ticket).await;
            } else {
                self.take_item(Item::Run(run, opts.clone()), now, false);
            }
        }
        true
    }
}
