//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0 §3.8–§3.11).

use std::sync::Arc;

use waddle_core::TopicFilter;
use waddle_storage::repo::mqtt::{self as rows, SubscriptionRow};

use super::{Conn, End};
use crate::{
    codec::{
        Fault, Reason, Version,
        subscribe::{Retained, Subscribe, Wanted, put_codes},
    },
    core::Deny,
    link::Opts,
    metrics, mount,
    session::Subscription,
};

const SUBACK: u8 = 9;
const UNSUBACK: u8 = 11;

impl Conn {
    pub(super) async fn subscribe(&mut self, s: Subscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(s.wanted.len());
        let mut text = None;
        let mut store = Vec::new();
        let mut retained = Vec::new();
        for w in &s.wanted {
            match self.subscribe_one(w, s.identifier).await {
                Ok((sub, new)) => {
                    codes.push(Reason(w.qos));
                    let wants = match w.retained {
                        Retained::Send => true,
                        Retained::IfNew => new,
                        Retained::Never => false,
                    };
                    store.push(SubscriptionRow {
                        filter: w.filter.clone(),
                        qos: sub.qos,
                        no_local: sub.no_local,
                        as_published: sub.as_published,
                        identifier: sub.id,
                    });
                    if wants && sub.group.is_none() {
                        retained.push(sub);
                    }
                }
                Err(deny) => {
                    metrics::refused("subscribe");
                    codes.push(deny.reason);
                    text.get_or_insert(deny.text);
                }
            }
        }
        if self.session.durable() && !store.is_empty() {
            let row = self.session.row;
            let stored = self
                .core
                .db
                .write(move |tx| store.iter().try_for_each(|s| rows::subscribe(tx, row, s)))
                .await;
            if let Err(error) = stored {
                tracing::warn!(%error, "a subscription is not stored");
                return Err(Fault::new(Reason::IMPLEMENTATION, "a subscription could not be stored").into());
            }
        }
        let version = self.version;
        let text = text.filter(|_| self.problems);
        put_codes(version, SUBACK, s.id, &codes, text, self.out.tail());
        for sub in retained {
            for p in sub.placed {
                let Ok(filter) = p.filter.parse::<TopicFilter>() else {
                    continue;
                };
                let opts = Opts {
                    qos: sub.qos,
                    // What is sent on subscribing always says that it was retained (§3.3.1.3).
                    as_published: true,
                    prefixed: p.prefixed,
                    ids: sub.id.into_iter().collect(),
                };
                self.send_retained(p.space, filter, opts);
            }
        }
        Ok(())
    }

    async fn subscribe_one(&mut self, w: &Wanted, id: Option<u32>) -> Result<(Subscription, bool), Deny> {
        let Some(shared) = mount::shared(&w.filter, self.core.limits.mqtt_topic_levels) else {
            return Err(Deny {
                reason: Reason::FILTER_INVALID,
                text: "not a topic filter, or one with too many levels",
            });
        };
        let Ok(filter) = shared.filter.parse::<TopicFilter>() else {
            return Err(Deny {
                reason: Reason::FILTER_INVALID,
                text: "not a topic filter",
            });
        };
        {
            let subs = self.session.subs.lock();
            if subs.len() >= self.core.limits.mqtt_subscriptions && !subs.contains_key(w.filter.as_str()) {
                return Err(Deny {
                    reason: Reason::QUOTA,
                    text: "too many subscriptions",
                });
            }
        }
        let placed = self.core.places(&self.owner, &filter).await?;
        let sub = Subscription {
            qos: w.qos,
            no_local: w.no_local || self.bridge,
            as_published: w.as_published || self.bridge,
            id,
            group: shared.group.map(Into::into),
            placed,
        };
        // Entered before the old one is left: a re-subscription loses no message.
        sub.enter(&self.session);
        let key: Arc<str> = w.filter.as_str().into();
        let old = self.session.subs.lock().insert(key, sub.clone());
        match &old {
            Some(old) => {
                let mut gone = old.clone();
                gone.placed.retain(|p| {
                    !sub.placed
                        .iter()
                        .any(|n| Arc::ptr_eq(&n.space, &p.space) && n.filter == p.filter)
                });
                gone.leave(&self.session);
            }
            None => self.core.metrics.subscription(1),
        }
        Ok((sub, old.is_none()))
    }

    pub(super) async fn unsubscribe(&mut self, id: u16, filters: Vec<String>) -> Result<(), End> {
        let mut codes = Vec::with_capacity(filters.len());
        for f in &filters {
            let old = self.session.subs.lock().remove(f.as_str());
            codes.push(match old {
                Some(sub) => {
                    sub.leave(&self.session);
                    self.core.metrics.subscription(-1);
                    Reason::SUCCESS
                }
                None if mount::shared(f, usize::MAX).is_none() && self.version == Version::V5 => {
                    Reason::FILTER_INVALID
                }
                None => Reason::NO_SUBSCRIPTION,
            });
        }
        if self.session.durable() {
            let row = self.session.row;
            let stored = self
                .core
                .db
                .write(move |tx| filters.iter().try_for_each(|f| rows::unsubscribe(tx, row, f)))
                .await;
            if let Err(error) = stored {
                tracing::warn!(%error, "an end of subscription is not stored");
                return Err(Fault::new(Reason::IMPLEMENTATION, "the change could not be stored").into());
            }
        }
        put_codes(self.version, UNSUBACK, id, &codes, None, self.out.tail());
        Ok(())
    }
}
