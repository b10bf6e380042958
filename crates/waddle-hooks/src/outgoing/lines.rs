//! The tasks of outgoing hooks: one for each that is at work, and how they are woken.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::AbortHandle,
};
use waddle_community::{Event, RemovalKind};
use waddle_core::{HookId, WaddleId};
use waddle_storage::repo::hooks;

use super::worker;
use crate::{Hooks, Result};

struct Line {
    task: AbortHandle,
    wake: Arc<Notify>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The tasks, by waddle and hook.
#[derive(Default)]
pub(crate) struct Lines {
    all: Mutex<HashMap<WaddleId, HashMap<HookId, Line>>>,
}

impl Lines {
    /// Something happened in a waddle.
    pub fn wake(&self, waddle: WaddleId) {
        if let Some(lines) = self.all.lock().get(&waddle) {
            for l in lines.values() {
                l.wake.notify_one();
            }
        }
    }

    fn wake_all(&self) {
        for l in self.all.lock().values().flat_map(HashMap::values) {
            l.wake.notify_one();
        }
    }

    /// A hook goes: its task ends.
    pub fn end(&self, waddle: WaddleId, hook: HookId) {
        let mut all = self.all.lock();
        if let Some(lines) = all.get_mut(&waddle) {
            lines.remove(&hook);
            if lines.is_empty() {
                all.remove(&waddle);
            }
        }
    }

    pub fn close(&self) {
        self.all.lock().clear();
    }
}

impl Hooks {
    /// Starts a hook's task anew: after it was made or changed.
    pub(crate) fn begin(&self, waddle: WaddleId, hook: HookId) {
        let wake = Arc::new(Notify::new());
        let task = tokio::spawn(worker::run(Arc::downgrade(&self.0), waddle, hook, wake.clone()));
        let line = Line {
            task: task.abort_handle(),
            wake,
        };
        self.0
            .lines
            .all
            .lock()
            .entry(waddle)
            .or_default()
            .insert(hook, line);
    }

    /// Takes up the hooks of all waddles that have any.
    pub(crate) async fn resume(&self) -> Result<()> {
        let server = self.server_db();
        for waddle in server.read(hooks::waddles).await? {
            match self.take_up(waddle).await {
                Ok(true) => {}
                Ok(false) => {
                    server
                        .write(move |tx| hooks::set_waddle(tx, waddle, false))
                        .await?;
                }
                // one waddle's fault is not the others', and it is looked for again at the next start
                Err(error) => {
                    tracing::error!(%waddle, %error, "webhooks and commands of a waddle are at rest until the next start");
                }
            }
        }
        Ok(())
    }

    /// Takes up what a waddle has; whether it has anything, and is there.
    async fn take_up(&self, waddle: WaddleId) -> Result<bool> {
        if self.community().waddle_by_id(waddle).is_none() {
            return Ok(false);
        }
        let db = self.waddle_db(waddle).await?;
        let all = db.read(hooks::list_outgoing).await?;
        for h in all.iter().filter(|h| h.enabled) {
            self.begin(waddle, h.id);
        }
        let commands = self.read_commands(waddle).await?;
        Ok(!all.is_empty() || commands > 0)
    }

    /// Wakes hooks when something happens, and ends those of waddles that are gone.
    pub(crate) fn listen(&self) {
        let (mut news, weak) = (self.0.deps.rooms.news(), Arc::downgrade(&self.0));
        tokio::spawn(async move {
            loop {
                let told = news.recv().await;
                let Some(hooks) = weak.upgrade().map(Hooks) else {
                    return;
                };
                match told {
                    Ok(n) => hooks.0.lines.wake(n.waddle),
                    Err(RecvError::Lagged(_)) => hooks.0.lines.wake_all(),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        self.listen_to_accounts();
        let (mut changes, weak) = (self.community().events(), Arc::downgrade(&self.0));
        tokio::spawn(async move {
            loop {
                let change = changes.recv().await;
                let Some(hooks) = weak.upgrade().map(Hooks) else {
                    return;
                };
                match change {
                    Ok(Event::WaddleDeleted { waddle, .. }) => {
                        hooks.0.lines.all.lock().remove(&waddle);
                        hooks.forget_commands(waddle);
                    }
                    Ok(Event::MemberRemoved {
                        waddle, user, kind, ..
                    }) => {
                        hooks.0.lines.wake(waddle);
                        if let Some(bot) = user.as_bot() {
                            hooks.drop_commands_in(waddle, bot).await;
                        } else if kind == RemovalKind::Banned {
                            hooks.expel_bots_of(waddle, &user).await;
                        }
                    }
                    Ok(Event::MemberAdded { waddle, user, .. }) => {
                        hooks.0.lines.wake(waddle);
                        if let Some(bot) = user.as_bot() {
                            hooks.follow_owner(waddle, bot).await;
                        }
                    }
                    Ok(Event::TimedOut {
                        waddle, user, until, ..
                    }) => {
                        hooks.0.lines.wake(waddle);
                        hooks.silence_bots_of(waddle, &user, Some(until)).await;
                    }
                    Ok(Event::TimeoutEnded { waddle, user, .. }) => {
                        hooks.0.lines.wake(waddle);
                        hooks.silence_bots_of(waddle, &user, None).await;
                    }
                    Ok(change) => hooks.0.lines.wake(change.waddle()),
                    Err(RecvError::Lagged(_)) => {
                        hooks.0.lines.wake_all();
                        hooks.look_at_bots();
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}
