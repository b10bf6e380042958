//! What is read at the start: stored sessions, their subscriptions and wills (`specs/mqtt.md`, *Durability*).

use std::sync::{Arc, atomic::Ordering};

use serde::{Deserialize, Serialize};
use waddle_storage::{
    StorageError,
    repo::mqtt::{self as rows, SessionRow, SubscriptionRow},
};

use crate::{
    Mount,
    codec::connect::Will,
    core::Core,
    mount,
    session::{Owner, Session, SessionKey, Subscription},
};

/// Sessions read from the database at a time.
const PAGE: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
struct WillMeta {
    topic: String,
    qos: u8,
    retain: bool,
    delay: u32,
    expiry: Option<u32>,
    response: Option<String>,
}

/// A will as it is stored.
pub fn will_row(will: Option<&Will>) -> Option<rows::WillRow> {
    let w = will?;
    let meta = WillMeta {
        topic: w.topic.clone(),
        qos: w.qos,
        retain: w.retain,
        delay: w.delay,
        expiry: w.expiry,
        response: w.response.clone(),
    };
    Some((
        serde_json::to_string(&meta).ok()?,
        w.payload.clone(),
        w.props.clone(),
    ))
}

fn will_of(row: rows::WillRow) -> Option<Will> {
    let (meta, payload, props) = row;
    let m: WillMeta = serde_json::from_str(&meta).ok()?;
    Some(Will {
        topic: m.topic,
        payload,
        qos: m.qos,
        retain: m.retain,
        delay: m.delay,
        expiry: m.expiry,
        response: m.response,
        props,
    })
}

impl Core {
    /// Reads the stored sessions. Clients that were connected when the server died are gone from now on.
    pub async fn restore(self: &Arc<Self>) -> Result<usize, StorageError> {
        let (mut after, mut n) = (0, 0);
        loop {
            let page = self.db.read(move |c| rows::sessions(c, after, PAGE)).await?;
            let full = page.len() == PAGE;
            for row in page {
                after = row.id;
                self.restore_one(row).await?;
                n += 1;
            }
            if !full {
                return Ok(n);
            }
        }
    }

    async fn restore_one(self: &Arc<Self>, row: SessionRow) -> Result<(), StorageError> {
        let id = row.id;
        let Ok(who) = serde_json::from_str(&row.principal) else {
            return self.db.write(move |tx| rows::delete_session(tx, id)).await;
        };
        let mount = match row.waddle {
            Some(w) => Mount::Waddle(w),
            None => Mount::Person { home: row.home },
        };
        let owner = Owner {
            who: Arc::new(who),
            mount,
        };
        let key = SessionKey {
            user: row.user,
            waddle: row.waddle,
            client: row.client_id.into(),
        };
        let s = Session::new(key.clone(), owner.clone(), id, row.expiry);
        let now = self.clock.now();
        let gone = row.gone_at.unwrap_or(now);
        s.gone.store(gone.0.max(1), Ordering::Relaxed);
        let most = self.limits.mqtt_subscriptions;
        let (subs, (queued, bytes)) = self
            .db
            .read(move |c| Ok((rows::subscriptions(c, id, most)?, rows::queue_size(c, id)?)))
            .await?;
        s.queued.store(queued, Ordering::Relaxed);
        s.queued_bytes.store(bytes, Ordering::Relaxed);
        if row.gone_at.is_none() {
            let expiry = row.expiry;
            self.db
                .write(move |tx| rows::leave_session(tx, id, expiry, gone, true))
                .await?;
        }
        self.sessions.insert(key, s.clone());
        self.enlist(&s);
        for sub in subs {
            self.restore_subscription(&s, &owner, sub).await;
        }
        let absent = now.since(gone).as_secs();
        let will = row.will.and_then(will_of);
        let will_in = will.as_ref().map(|w| u64::from(w.delay).saturating_sub(absent));
        *s.will.lock() = will;
        self.schedule(&s, will_in, absent);
        Ok(())
    }

    async fn restore_subscription(self: &Arc<Self>, s: &Arc<Session>, owner: &Owner, row: SubscriptionRow) {
        let Some(shared) = mount::shared(&row.filter, self.limits.mqtt_topic_levels) else {
            return;
        };
        let Ok(filter) = shared.filter.parse() else {
            return;
        };
        // What may no longer be seen is gone with the restart; the row goes when the client comes back.
        let Ok(placed) = self.places(owner, &filter).await else {
            tracing::info!(user = %owner.who.user, filter = row.filter, "a stored subscription has no right any more");
            return;
        };
        let sub = Subscription {
            qos: row.qos,
            no_local: row.no_local,
            as_published: row.as_published,
            id: row.identifier,
            group: shared.group.map(Into::into),
            placed,
        };
        sub.enter(s);
        s.subs.lock().insert(row.filter.as_str().into(), sub);
        self.metrics.subscription(1);
    }
}
