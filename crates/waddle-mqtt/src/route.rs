//! From an accepted run to its receivers: sinks, subscribers, retained messages, stored queues (ADR 0008).

use std::sync::Arc;

use crate::{
    codec::connect::Will,
    core::{Core, Deny},
    message::{Envelope, Gather, Run},
    metrics,
    policy::Action,
    session::Owner,
    sink::Published,
    space::{Space, Targets},
    store::{Bound, Receiving},
    ticket::Ticket,
    trie,
};

/// The space has too many retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyRetained;

impl Core {
    /// Gives a run to everybody. The ticket is what an acknowledgement must wait for, if anything.
    ///
    /// A run with the retain flag has one message.
    pub async fn route(
        self: &Arc<Self>,
        space: &Arc<Space>,
        targets: &Targets,
        run: Arc<Run>,
        receiving: Option<Receiving>,
        ticket: impl FnOnce() -> Arc<Ticket>,
    ) -> Result<Option<Arc<Ticket>>, TooManyRetained> {
        if run.retain {
            self.keep(space, &run)?;
        }
        self.tell_sinks(&run);
        let mut durable: Vec<Bound> = Vec::new();
        for t in &targets.direct {
            if t.no_local && t.session.serial == run.from {
                continue;
            }
            if t.session.durable() && run.qos.min(t.opts.qos) > 0 {
                durable.push((t.session.clone(), t.opts.clone()));
            } else {
                t.session.with_link(|l| l.deliver(&run, &t.opts, &self.metrics));
            }
        }
        let wait = run.qos > 0 && (!durable.is_empty() || run.retain || receiving.is_some());
        let mut made = None;
        let stored = run.retain && space.waddle.is_some();
        if wait || stored || !durable.is_empty() {
            made = Some(ticket());
        }
        if let Some(t) = &made {
            if stored {
                self.store_retained(space, &run, t).await;
            }
            if !durable.is_empty() || receiving.is_some() {
                self.store(&run, durable, receiving, t).await;
            }
        }
        for share in &targets.shares {
            self.share(&run, share, made.as_ref()).await;
        }
        if let Some(t) = &made {
            t.commit(true);
        }
        Ok(if wait || shares_wait(&run, targets) {
            made
        } else {
            None
        })
    }

    fn tell_sinks(&self, run: &Run) {
        let Some(waddle) = run.waddle else { return };
        let sinks = self.sinks.load();
        for sink in sinks.iter() {
            if !sink.wants(waddle, &run.topic) {
                continue;
            }
            for i in 0..run.msgs.len() {
                sink.published(&Published {
                    waddle,
                    topic: &run.topic,
                    payload: &run.payload_bytes(i),
                    qos: run.qos,
                    retain: run.retain,
                    publisher: run.publisher.as_ref(),
                });
            }
        }
    }

    /// One member gets each message: in turn, those who are connected first.
    async fn share(
        self: &Arc<Self>,
        run: &Arc<Run>,
        share: &crate::space::Share,
        ticket: Option<&Arc<Ticket>>,
    ) {
        let n = share.members.len();
        let single: Vec<Arc<Run>> = if run.msgs.len() == 1 || n == 1 {
            vec![run.clone()]
        } else {
            (0..run.msgs.len()).map(|i| alone(run, i)).collect()
        };
        for run in single {
            let first = trie::turn(&share.next, n);
            let at = |k: usize| &share.members[(first + k) % n];
            let online = (0..n).map(at).find(|t| {
                t.session
                    .with_link(|l| !l.outbox.overflowed() && l.closing().is_none())
                    .unwrap_or(false)
            });
            let absent = || (0..n).map(at).find(|t| t.session.durable());
            let Some(t) = online.or_else(absent) else {
                self.metrics.dropped("no-share-member", run.msgs.len() as u64);
                continue;
            };
            if t.session.durable() && run.qos.min(t.opts.qos) > 0 {
                let ticket = ticket.cloned().unwrap_or_else(|| Ticket::new(None));
                self.store(&run, vec![(t.session.clone(), t.opts.clone())], None, &ticket)
                    .await;
            } else {
                t.session.with_link(|l| l.deliver(&run, &t.opts, &self.metrics));
            }
        }
    }

    fn keep(&self, space: &Space, run: &Arc<Run>) -> Result<(), TooManyRetained> {
        let mut kept = space.retained.write();
        if run.payload(0).is_empty() {
            kept.clear(&run.topic);
            return Ok(());
        }
        let l = &self.limits;
        kept.set(run.clone(), l.mqtt_retained, l.mqtt_retained_bytes)
            .map_err(|_| TooManyRetained)
    }

    /// Publishes a will, if its owner may.
    pub async fn publish_will(self: &Arc<Self>, owner: &Owner, from: u64, will: &Will) {
        let r = match self.resolve(owner, &will.topic, Action::Publish).await {
            Ok(r) => r,
            Err(Deny { text, .. }) => {
                metrics::refused("will");
                tracing::info!(user = %owner.who.user, text, "a will was not published");
                return;
            }
        };
        let response = match &will.response {
            Some(t) => match self.resolve(owner, t, Action::Publish).await {
                Ok(to) if Arc::ptr_eq(&to.space, &r.space) => to.topic,
                _ => "".into(),
            },
            None => "".into(),
        };
        let mut g = Gather::default();
        g.add_parts(&response, &will.props, &will.payload, will.expiry);
        let run = g.finish(Envelope {
            waddle: r.space.waddle,
            view: r.space.view.clone(),
            topic: r.topic.clone(),
            qos: will.qos,
            retain: will.retain,
            received: self.clock.now(),
            from,
            publisher: Some(owner.who.user.clone()),
        });
        let targets = r.space.targets(&r.topic);
        if self
            .route(&r.space, &targets, run, None, || Ticket::new(None))
            .await
            .is_err()
        {
            self.metrics.dropped("retained-full", 1);
        }
    }
}

fn shares_wait(run: &Run, targets: &Targets) -> bool {
    run.qos > 0
        && targets
            .shares
            .iter()
            .any(|s| s.members.iter().any(|m| m.session.durable() && m.opts.qos > 0))
}

/// Message `i` of a run as a run of its own.
pub fn alone(run: &Run, i: usize) -> Arc<Run> {
    let mut g = Gather::default();
    let expiry = run.msgs[i].expiry;
    g.add_parts(
        run.response(i),
        run.props(i),
        run.payload(i),
        (expiry != crate::message::FOREVER).then_some(expiry),
    );
    g.finish(Envelope {
        waddle: run.waddle,
        view: run.view.clone(),
        topic: run.topic.clone(),
        qos: run.qos,
        retain: run.retain,
        received: run.received,
        from: run.from,
        publisher: run.publisher.clone(),
    })
}
