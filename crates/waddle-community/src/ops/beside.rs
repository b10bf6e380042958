//! Changes that crates above make to a waddle's database in rows of their own: webhooks, slash commands. They go the way
//! of every change: permission, rows and the line of the audit log in one transaction, in the waddle's turn.

use waddle_core::{ChannelId, Timestamp, WaddleId};
use waddle_storage::Tx;

use crate::{Actor, Community, Error, On, Result, WaddleAccess};

/// What the actor needs; asked in the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A relation to the waddle.
    Waddle(&'static str),
    /// A relation to a channel, which must exist.
    Channel(ChannelId, &'static str),
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// What was done, e.g. `webhook.create`.
    pub action: &'static str,
    /// To what, e.g. `webhook:<id>`.
    pub target: String,
    /// More.
    pub detail: String,
}

/// What such a change has at hand.
pub struct Beside<'a> {
    /// The transaction.
    pub tx: &'a mut Tx,
    /// The waddle's permissions.
    pub access: &'a WaddleAccess,
    /// Who acts.
    pub actor: &'a Actor,
    /// The time.
    pub now: Timestamp,
}

impl Community {
    /// Makes a change of rows that are not the community's, if the actor may; all of it or nothing.
    pub async fn change_beside<T: Send + 'static>(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        need: Need,
        work: impl FnOnce(&mut Beside<'_>) -> Result<(T, Option<AuditLine>)> + Send + 'static,
    ) -> Result<T> {
        self.change(id, actor.into(), move |d| {
            match need {
                Need::Waddle(relation) => d.require(On::Waddle, relation)?,
                Need::Channel(channel, relation) => {
                    if d.access.channel(channel).is_none() {
                        return Err(Error::NotFound("channel"));
                    }
                    d.require(On::Channel(channel), relation)?;
                }
            }
            let (value, line) = work(&mut Beside {
                tx: &mut *d.tx,
                access: d.access,
                actor: d.actor,
                now: d.now,
            })?;
            if let Some(line) = line {
                d.audit(line.action, &line.target, &line.detail, None)?;
            }
            Ok(value)
        })
        .await
    }
}
