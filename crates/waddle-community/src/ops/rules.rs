//! Word and link rules (`specs/moderation.md`, "Rules"): made by those who have `waddle#manage_rules`, kept compiled in
//! memory, asked by rooms.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use waddle_core::{ChannelId, Timestamp, UserId, WaddleId};
use waddle_storage::{
    Conn, StorageError,
    repo::{moderation, timeouts},
};

use super::bounded;
use crate::{
    Actor, Community, Error, Event, On, Result, Role, Timeout,
    change::Draft,
    facts,
    screen::{Bounds, Judgement, Rule, Screen},
};

/// A rule of a waddle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WaddleRule {
    /// Its number.
    pub id: i64,
    /// Who changed it last; nobody for the server's operator.
    pub changed_by: Option<UserId>,
    /// When.
    pub changed_at: Timestamp,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
}

/// Every rule of a waddle; one that cannot be read is left out.
pub(crate) fn stored(conn: &Conn) -> Result<Vec<WaddleRule>, StorageError> {
    let rows = moderation::rules(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let rule = serde_json::from_str(&row.rule)
                .map_err(|error| tracing::warn!(rule = row.id, %error, "a rule cannot be read"))
                .ok()?;
            Some(WaddleRule {
                id: row.id,
                changed_by: row.made_by,
                changed_at: row.changed_at,
                rule,
            })
        })
        .collect())
}

/// The rules that count, compiled.
pub(crate) fn compiled(rules: Vec<WaddleRule>, slug: &str, domain: &str) -> Option<Arc<Screen>> {
    Screen::new(rules.into_iter().map(|r| (r.id, r.rule)), slug, domain)
}

fn written(rule: &Rule, d: &Draft<'_>) -> Result<String> {
    let bounds = Bounds {
        entries: d.limits.rule_entries,
    };
    rule.check(bounds).map_err(|e| Error::Invalid {
        field: "rule",
        why: e.0,
    })?;
    serde_json::to_string(rule).map_err(|_| Error::Invalid {
        field: "rule",
        why: "it cannot be stored",
    })
}

impl Community {
    /// The rules of a waddle. Needs `waddle#manage_rules`.
    pub async fn rules(&self, actor: impl Into<Actor>, id: WaddleId) -> Result<Vec<WaddleRule>> {
        self.require_now(&actor.into(), id, "manage_rules").await?;
        Ok(self.db(id).await?.read(stored).await?)
    }

    /// Makes a rule. Needs `waddle#manage_rules`.
    pub async fn add_rule(&self, actor: impl Into<Actor>, id: WaddleId, rule: Rule) -> Result<WaddleRule> {
        self.change_rules(id, actor.into(), move |d| {
            bounded(
                "rules in a waddle",
                moderation::rules(d.tx)?.len(),
                d.limits.rules_per_waddle,
            )?;
            let text = written(&rule, d)?;
            let number = moderation::insert_rule(d.tx, &text, d.actor.user(), d.now)?;
            d.audit("rule.create", &format!("rule:{number}"), &rule.name, None)?;
            Ok(WaddleRule {
                id: number,
                changed_by: d.actor.user().cloned(),
                changed_at: d.now,
                rule,
            })
        })
        .await
    }

    /// Puts another rule in the place of one. Needs `waddle#manage_rules`.
    pub async fn change_rule(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        number: i64,
        rule: Rule,
    ) -> Result<WaddleRule> {
        self.change_rules(id, actor.into(), move |d| {
            let text = written(&rule, d)?;
            moderation::update_rule(d.tx, number, &text, d.actor.user(), d.now).map_err(no_rule)?;
            d.audit("rule.update", &format!("rule:{number}"), &rule.name, None)?;
            Ok(WaddleRule {
                id: number,
                changed_by: d.actor.user().cloned(),
                changed_at: d.now,
                rule,
            })
        })
        .await
    }

    /// Removes a rule. Needs `waddle#manage_rules`.
    pub async fn delete_rule(&self, actor: impl Into<Actor>, id: WaddleId, number: i64) -> Result<()> {
        self.change_rules(id, actor.into(), move |d| {
            if !moderation::delete_rule(d.tx, number)? {
                return Err(Error::NotFound("rule"));
            }
            d.audit("rule.delete", &format!("rule:{number}"), "", None)
        })
        .await
    }

    async fn change_rules<T: Send + 'static>(
        &self,
        id: WaddleId,
        actor: Actor,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let domain = self.domain().to_owned();
        self.change(id, actor, move |d| {
            d.require(On::Waddle, "manage_rules")?;
            let made = work(d)?;
            let screen = compiled(stored(d.tx)?, d.access.slug().as_str(), &domain);
            d.set_screen(screen);
            d.event(Event::RulesChanged { waddle: id });
            Ok(made)
        })
        .await
    }

    /// What the rules of a waddle, or these instead of them, would say of a text in a channel if `author` (the acting
    /// user, where it is left out) wrote it. Nothing happens. Needs `waddle#manage_rules`.
    pub async fn try_rules(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
        text: &str,
        author: Option<&UserId>,
        instead: Option<Vec<Rule>>,
    ) -> Result<Judgement> {
        let actor = actor.into();
        self.require_now(&actor, id, "manage_rules").await?;
        let access = self.access(id).await?;
        if access.channel(channel).is_none() {
            return Err(Error::NotFound("channel"));
        }
        let bounds = Bounds {
            entries: self.limits().rule_entries,
        };
        let screen = match instead {
            Some(rules) => {
                bounded(
                    "rules in a waddle",
                    rules.len().saturating_sub(1),
                    self.limits().rules_per_waddle,
                )?;
                for rule in &rules {
                    rule.check(bounds).map_err(|e| Error::Invalid {
                        field: "rules",
                        why: e.0,
                    })?;
                }
                Screen::new((1..).zip(rules), access.slug().as_str(), self.domain())
            }
            None => access.screen(),
        };
        let exempt = |roles: &[String]| author.is_some_and(|u| access.has_one_of(u, roles));
        Ok(screen.map_or_else(Judgement::default, |s| s.judge(channel, &[text], exempt)))
    }

    /// A rule silences somebody; who is silenced for longer already stays so, and nobody above members is.
    pub async fn silence_by_rule(
        &self,
        id: WaddleId,
        user: &UserId,
        seconds: u32,
        reason: &str,
        now: Timestamp,
    ) -> Result<()> {
        let until = now.plus(Duration::from_secs(seconds.into()));
        let (user, reason) = (user.clone(), reason.to_owned());
        self.change(id, Actor::System, move |d| {
            let longer = timeouts::get(d.tx, &user)?.is_some_and(|t| t.expires_at >= until);
            let above = d.access.role_of(&user) > Some(Role::Member);
            // Bots, webhooks and devices are not people: their owners take care of them.
            let person = ["did:", "local:", "xmpp:"]
                .iter()
                .any(|p| user.as_str().starts_with(p));
            if longer || above || !person {
                return Ok(());
            }
            bounded(
                "timeouts in a waddle",
                timeouts::count(d.tx)?,
                d.limits.timeouts_per_waddle,
            )?;
            let timeout = Timeout {
                user: user.clone(),
                expires_at: until,
                reason: Some(reason.clone()),
                by: None,
                at: d.now,
            };
            timeouts::put(d.tx, &timeout)?;
            d.write(facts::timed_out(id, &user));
            d.set_timeout(&user, Some(timeout));
            d.ends_changed();
            d.event(Event::TimedOut {
                waddle: id,
                slug: d.slug(),
                user: user.clone(),
                until,
                reason: Some(reason.as_str().into()),
                by: None,
            });
            d.audit(
                "member.timeout",
                &user.subject(),
                &until.to_string(),
                Some(&reason),
            )
        })
        .await
    }

    /// The acting user must have a relation to the waddle now.
    pub(crate) async fn require_now(&self, actor: &Actor, id: WaddleId, relation: &str) -> Result<()> {
        let Some(user) = actor.user() else { return Ok(()) };
        let access = self.access(id).await.map_err(|e| match e {
            Error::NotFound(_) => Error::Forbidden,
            e => e,
        })?;
        if access.allows(On::Waddle, relation, user) {
            Ok(())
        } else {
            Err(Error::Forbidden)
        }
    }
}

fn no_rule(e: StorageError) -> Error {
    match e {
        StorageError::NotFound => Error::NotFound("rule"),
        e => e.into(),
    }
}
