//! One hook's task: reads what happened after its cursor, delivers, moves the cursor.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::Notify;
use url::Url;
use waddle_community::{Actor, AuditLine, Need};
use waddle_core::{HookId, Secret, Timestamp, WaddleId};
use waddle_storage::repo::hooks::{self, Cursor, DeadLetter, OutgoingHook};

use super::{
    event::Filter,
    render::{self, Told},
};
use crate::{Error, Hooks, Result, hooks::Inner, metrics, places::Place, sign};

/// Things that are read at a time.
const BATCH: usize = 100;
/// How long a hook waits before it looks without being woken.
const LOOK: Duration = Duration::from_secs(600);
/// The first pause after a failure, and the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3_600);
/// Attempts at an event that its receiver says it cannot read (400, 413, 415, 422), over about ten minutes: one bad event
/// does not hold up the others for a day.
const REFUSED: u32 = 8;
/// Failures further apart than this are not one after the other: between them a rare event was given up.
const APART: Duration = Duration::from_secs(3 * 3_600);
/// Characters of an error that are kept.
const SHOWN: usize = 300;

/// Something to tell: its place, its name, and what to say.
#[derive(Debug, Clone)]
pub(super) struct Tell {
    /// Whether it is a line of the audit log.
    pub audit: bool,
    /// Its place in the archive or that log.
    pub position: i64,
    /// The event's name.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// What there is to say; nothing where it is gone or not for this hook's maker.
    pub data: Option<serde_json::Value>,
}

impl Tell {
    fn after(&self, mut cursor: Cursor) -> Cursor {
        if self.audit {
            cursor.audit = self.position;
        } else {
            cursor.messages = self.position;
        }
        cursor
    }

    /// The same for the same event at each attempt: receivers know it again by this.
    fn id(&self, hook: HookId) -> String {
        let from = if self.audit { 'a' } else { 'm' };
        format!("{hook}.{from}{:x}", self.position)
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub why: String,
    /// What the receiver asked for.
    pub wait: Option<Duration>,
    /// It wants nothing any more (410).
    pub gone: bool,
    /// It says that this event is the matter.
    pub refused: bool,
}

impl Failed {
    fn plain(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            wait: None,
            gone: false,
            refused: false,
        }
    }
}

/// The pause after so many failures: twice as long each time, between 75 % and 125 % of that.
pub(super) fn pause(attempts: u32, random: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX));
    doubled.min(LONGEST).mul_f64(0.75 + f64::from(random) / 510.0)
}

/// What `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3); an hour at the longest.
fn asked_wait(text: &str, now: Timestamp) -> Option<Duration> {
    let seconds = text.trim().parse::<u64>().ok().or_else(|| {
        let at = httpdate::parse_http_date(text.trim()).ok()?;
        let at = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        Some(at.saturating_sub(u64::try_from(now.secs()).ok()?))
    })?;
    Some(Duration::from_secs(seconds.clamp(1, LONGEST.as_secs())))
}

/// Works until the hook is gone, stopped, or its task is ended.
pub(super) async fn run(weak: Weak<Inner>, waddle: WaddleId, hook: HookId, wake: Arc<Notify>) {
    loop {
        let Some(hooks) = weak.upgrade().map(Hooks) else {
            return;
        };
        let wait = match hooks.step(waddle, hook).await {
            Ok(Next::End) => return,
            Ok(Next::Again) => continue,
            Ok(Next::Wait) => LOOK,
            Ok(Next::At(at)) => at.since(hooks.now()).max(Duration::from_millis(10)),
            Err(error) => {
                tracing::warn!(%waddle, %hook, %error, "a webhook rests for a while");
                Duration::from_secs(30)
            }
        };
        // nothing is held while it waits
        drop(hooks);
        let _ = tokio::time::timeout(wait, wake.notified()).await;
    }
}

enum Next {
    Again,
    Wait,
    At(Timestamp),
    End,
}

impl Hooks {
    async fn step(&self, waddle: WaddleId, id: HookId) -> Result<Next> {
        let db = match self.waddle_db(waddle).await {
            Ok(db) => db,
            Err(Error::NotFound("waddle")) => return Ok(Next::End),
            Err(e) => return Err(e),
        };
        let found = db.read(move |conn| hooks::get_outgoing(conn, id)).await?;
        let Some(hook) = found.filter(|h| h.enabled) else {
            return Ok(Next::End);
        };
        if let Some(at) = hook.next_at.filter(|at| *at > self.now()) {
            return Ok(Next::At(at));
        }
        let access = self.community().access(waddle).await?;
        if !render::maker_may(&access, &hook) {
            let why = "who set it up may not manage webhooks here any more".to_owned();
            self.stop_hook(waddle, &hook, why).await?;
            return Ok(Next::End);
        }
        let batch = render::after(self, waddle, &hook, BATCH).await?;
        // where less than a batch of both is there, nothing is left
        let full = batch.len() >= BATCH;
        let filter = Filter::stored(&hook.events);
        let (mut cursor, mut moved, mut hook) = (hook.cursor, false, hook);
        for tell in batch {
            let next = tell.after(cursor);
            let told = if filter.wants(&tell.kind) {
                // asked now, not when the batch was read
                render::permitted(self, waddle, &hook, &tell).await
            } else {
                Ok(Told::Hidden)
            };
            let sent = match told {
                Ok(Told::Data(data)) => self.send(waddle, &hook, &tell, &data).await,
                Ok(Told::Hidden | Told::Gone) => {
                    (cursor, moved) = (next, true);
                    continue;
                }
                // nobody knows whether it is to be told: it is not passed over
                Err(error) => {
                    tracing::warn!(%waddle, hook = %id, %error, "an event for a webhook could not be read");
                    Err(Failed::plain(
                        "the server could not read the event; its log says why",
                    ))
                }
            };
            if self.note(waddle, &db, &mut hook, &tell, sent, next).await? {
                (cursor, moved) = (next, false);
            } else {
                return Ok(Next::Again);
            }
        }
        if moved {
            db.write(move |tx| hooks::skip(tx, id, cursor)).await?;
        }
        Ok(if full { Next::Again } else { Next::Wait })
    }

    /// Notes what became of an event; whether the cursor moved over it.
    async fn note(
        &self,
        waddle: WaddleId,
        db: &waddle_storage::Db,
        hook: &mut OutgoingHook,
        tell: &Tell,
        sent: Result<(), Failed>,
        next: Cursor,
    ) -> Result<bool> {
        let id = hook.id;
        let failed = match sent {
            Ok(()) => {
                db.write(move |tx| hooks::delivered(tx, id, next)).await?;
                (hook.attempts, hook.failing_since) = (0, None);
                return Ok(true);
            }
            Err(failed) => failed,
        };
        let now = self.now();
        let last = hook.last_error_at.replace(now);
        let anew = hook.attempts == 0 && last.is_none_or(|at| now.since(at) > APART);
        let since = hook.failing_since.filter(|_| !anew).unwrap_or(now);
        let days = Duration::from_secs(86_400 * self.limits().hook_failing_days);
        hook.attempts += 1;
        hook.failing_since = Some(since);
        let random = sign::random::<1>().unwrap_or([128])[0];
        let at = now.plus(failed.wait.unwrap_or_else(|| pause(hook.attempts - 1, random)));
        let why = failed.why.clone();
        db.write(move |tx| hooks::failed(tx, id, &why, at, since)).await?;
        if failed.gone || now.since(since) >= days {
            let why = if failed.gone {
                "the receiver answered 410 Gone".to_owned()
            } else {
                format!(
                    "nothing was taken for {} days; last: {}",
                    self.limits().hook_failing_days,
                    failed.why
                )
            };
            self.stop_hook(waddle, hook, why).await?;
            return Ok(false);
        }
        let most = self.limits().hook_attempts;
        let most = if failed.refused { most.min(REFUSED) } else { most };
        if hook.attempts < most {
            return Ok(false);
        }
        metrics::given_up();
        let letter = DeadLetter {
            id: 0,
            hook: id,
            audit: tell.audit,
            position: tell.position,
            kind: tell.kind.clone(),
            at: now,
            attempts: hook.attempts,
            error: failed.why,
        };
        let most = self.limits().hook_dead_letters;
        db.write(move |tx| {
            hooks::bury(tx, &letter, most)?;
            hooks::skip(tx, id, next)
        })
        .await?;
        hook.attempts = 0;
        Ok(true)
    }

    /// Stops a hook that fails for days, with a line in the audit log and a word to its maker.
    async fn stop_hook(&self, waddle: WaddleId, hook: &OutgoingHook, why: String) -> Result<()> {
        let (id, name, reason) = (hook.id, hook.name.clone(), why.clone());
        self.community()
            .change_beside(Actor::System, waddle, Need::Waddle("manage_webhooks"), move |b| {
                hooks::disable(b.tx, id, &reason)?;
                let line = AuditLine {
                    action: "webhook.stop",
                    target: format!("webhook:{id}"),
                    detail: [&name, ": ", &reason].concat(),
                };
                Ok(((), Some(line)))
            })
            .await?;
        tracing::info!(%waddle, hook = %id, why, "a webhook was stopped");
        if let (Some(user), Some(notify)) = (&hook.made_by, self.0.notify.get()) {
            let text = format!(
                "Your webhook \"{}\" was stopped: {why}. Switch it on again in the waddle's settings when its receiver works.",
                hook.name
            );
            notify(user, &text);
        }
        Ok(())
    }

    /// The secrets that sign now: the present one, and the one before it for a while.
    fn secrets(&self, hook: &OutgoingHook) -> Result<Vec<Secret>, Failed> {
        let place = place(hook.id);
        let open = |sealed: &[u8]| {
            let opened = self.0.deps.identity.unseal(&place, sealed);
            opened.map_err(|_| {
                Failed::plain("its secret cannot be decrypted: the server's keys are others; rotate it")
            })
        };
        let mut secrets = vec![open(&hook.secret)?];
        if let Some((old, until)) = &hook.old_secret
            && *until > self.now()
        {
            secrets.extend(open(old));
        }
        Ok(secrets)
    }

    /// One attempt.
    pub(super) async fn send(
        &self,
        waddle: WaddleId,
        hook: &OutgoingHook,
        tell: &Tell,
        data: &serde_json::Value,
    ) -> Result<(), Failed> {
        let url = Url::parse(&hook.url).map_err(|_| Failed::plain("its address is none"))?;
        let secrets = self.secrets(hook)?;
        let body = serde_json::json!({
            "type": tell.kind, "timestamp": tell.at, "waddle_id": waddle, "data": data,
        })
        .to_string();
        let id = tell.id(hook.id);
        let place = self.0.hook_places.take(waddle).await;
        let result = self
            .post_signed(place, &url, &secrets, &id, Bytes::from(body))
            .await;
        metrics::delivery(if result.is_ok() { "ok" } else { "failed" });
        result.map(drop)
    }

    /// Posts a signed body; the answer of a receiver that took it. Without a place the server stops.
    pub(crate) async fn post_signed(
        &self,
        place: Option<Place<'_>>,
        url: &Url,
        secrets: &[Secret],
        id: &str,
        body: Bytes,
    ) -> Result<Bytes, Failed> {
        let Some(_place) = place else {
            return Err(Failed::plain("the server stops"));
        };
        let at = self.now().secs();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", sign::sign(secrets, id, at, &body)),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let answer = self
            .0
            .fetcher
            .send(Method::POST, url, headers, body)
            .await
            .map_err(|e| Failed::plain(e.to_string().chars().take(SHOWN).collect::<String>()))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let wait = answer.headers.get(header::RETRY_AFTER);
        let wait = wait.and_then(|v| asked_wait(v.to_str().ok()?, self.now()));
        let why = match answer.status {
            s if s.is_redirection() => format!("it answered {s}; redirects are not followed"),
            s => format!("it answered {s}"),
        };
        Err(Failed {
            why,
            wait,
            gone: answer.status == StatusCode::GONE,
            refused: matches!(answer.status.as_u16(), 400 | 413 | 415 | 422),
        })
    }
}

/// Where the secret of a hook is kept, for its encryption.
pub(super) fn place(hook: HookId) -> String {
    format!("outgoing hook {hook}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_jitter_up_to_an_hour() {
        assert_eq!(pause(0, 0), Duration::from_millis(3_750));
        assert_eq!(pause(0, 255), Duration::from_millis(6_250));
        assert!(pause(3, 0) >= Duration::from_secs(30) && pause(3, 255) <= Duration::from_secs(50));
        assert!(pause(60, 255) <= LONGEST.mul_f64(1.25));
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let secs = |text| asked_wait(text, now).map(|d| d.as_secs());
        for (text, wait) in [
            ("120", Some(120)),
            ("0", Some(1)),
            ("999999", Some(3_600)),
            ("Sat, 31 Jan 2026 12:05:00 GMT", Some(300)),
            ("Sat, 31 Jan 2026 11:00:00 GMT", Some(1)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(secs(text), wait, "{text}");
        }
    }

    #[test]
    fn an_event_is_tried_for_about_a_day() {
        let over = |attempts: u32| (0..attempts - 1).map(|n| pause(n, 127).as_secs()).sum::<u64>();
        let hours = over(waddle_core::Limits::default().hook_attempts) / 3_600;
        assert!((23..=26).contains(&hours), "{hours} h");
        assert!((500..800).contains(&over(REFUSED)), "{} s", over(REFUSED));
    }
}
