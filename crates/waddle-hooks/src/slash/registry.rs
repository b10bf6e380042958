//! Which commands there are: kept in each waddle's database, and all of them in memory, so that a message is looked at
//! without waiting.

use std::collections::{BTreeMap, HashMap};

use parking_lot::RwLock;
use waddle_community::{Actor, AuditLine, Need};
use waddle_core::{BotId, UserId, WaddleId};
use waddle_storage::repo::{
    bots, hooks,
    slash::{self, SlashCommand},
};

use super::{CommandInfo, NewCommand};
use crate::{Error, Hooks, Result};

/// The commands of all waddles that have any.
#[derive(Default)]
pub(crate) struct Registry(RwLock<HashMap<WaddleId, BTreeMap<String, SlashCommand>>>);

impl Registry {
    pub fn get(&self, waddle: WaddleId, name: &str) -> Option<SlashCommand> {
        self.0.read().get(&waddle)?.get(name).cloned()
    }

    pub fn has(&self, waddle: WaddleId, name: &str) -> bool {
        let all = self.0.read();
        all.get(&waddle).is_some_and(|c| c.contains_key(name))
    }

    fn all(&self, waddle: WaddleId) -> Vec<SlashCommand> {
        let all = self.0.read();
        all.get(&waddle)
            .map(|c| c.values().cloned().collect())
            .unwrap_or_default()
    }

    fn put(&self, waddle: WaddleId, command: SlashCommand) {
        let mut all = self.0.write();
        all.entry(waddle)
            .or_default()
            .insert(command.name.clone(), command);
    }

    fn remove(&self, waddle: WaddleId, keep: impl Fn(&SlashCommand) -> bool) {
        let mut all = self.0.write();
        if let Some(commands) = all.get_mut(&waddle) {
            commands.retain(|_, c| keep(c));
            if commands.is_empty() {
                all.remove(&waddle);
            }
        }
    }

    /// Waddles where a bot has commands.
    fn with_bot(&self, bot: BotId) -> Vec<WaddleId> {
        let all = self.0.read();
        let has = |c: &BTreeMap<String, SlashCommand>| c.values().any(|c| c.bot == bot);
        all.iter().filter(|(_, c)| has(c)).map(|(w, _)| *w).collect()
    }
}

/// `/help`, which every waddle has.
pub(crate) fn help() -> CommandInfo {
    CommandInfo {
        name: "help".into(),
        description: "Lists the commands of this community".into(),
        options: Vec::new(),
        bot: None,
    }
}

impl Hooks {
    /// Reads the commands of a waddle into memory.
    pub(crate) async fn read_commands(&self, waddle: WaddleId) -> Result<usize> {
        let all = self.waddle_db(waddle).await?.read(slash::list).await?;
        let n = all.len();
        for c in all {
            self.0.registry.put(waddle, c);
        }
        Ok(n)
    }

    /// A waddle is gone: its commands too, and the bots that it owned.
    pub(crate) fn forget_commands(&self, waddle: WaddleId) {
        self.0.registry.remove(waddle, |_| false);
        let this = self.clone();
        tokio::spawn(async move {
            let owned = this
                .server_db()
                .read(move |conn| waddle_storage::repo::bots::of_waddle(conn, waddle))
                .await;
            for bot in owned.unwrap_or_default() {
                if let Err(error) = this.remove_bot(bot.id).await {
                    tracing::warn!(bot = %bot.id, %error, "the bot of a deleted waddle stays");
                }
            }
        });
    }

    /// The commands of a waddle, the server's own first. Whether the asker may see the waddle is the caller's to ask.
    pub fn commands(&self, waddle: WaddleId) -> Vec<CommandInfo> {
        let mut all = vec![help()];
        all.extend(self.0.registry.all(waddle).iter().map(CommandInfo::from));
        all
    }

    /// One command, by its name.
    pub fn command(&self, waddle: WaddleId, name: &str) -> Option<CommandInfo> {
        if name == "help" {
            return Some(help());
        }
        self.0.registry.get(waddle, name).as_ref().map(CommandInfo::from)
    }

    /// Registers a command of a bot in a waddle where the bot is a member, or changes it. Whoever has `manage_bots` does it,
    /// or the bot itself: a bot of the waddle; another one where it or its owner has `manage_bots` there, or where the name
    /// is its own already, because somebody with `manage_bots` registered it.
    pub async fn put_command(
        &self,
        actor: impl Into<Actor>,
        waddle: WaddleId,
        bot: BotId,
        name: &str,
        new: NewCommand,
    ) -> Result<CommandInfo> {
        let (actor, new) = (actor.into(), new.checked(name)?);
        let row = self.server_db().read(move |conn| bots::get(conn, bot)).await?;
        let row = row.ok_or(Error::Forbidden)?;
        let own = actor.user().and_then(UserId::as_bot) == Some(bot);
        let need = Need::Waddle(if own { "member" } else { "manage_bots" });
        let command = SlashCommand {
            name: name.to_owned(),
            bot,
            description: new.description,
            options: serde_json::to_string(&new.options).unwrap_or_default(),
            made_at: self.now(),
        };
        // before the command: a start after a crash then looks for it
        let server = self.server_db();
        server
            .write(move |tx| hooks::set_waddle(tx, waddle, true))
            .await?;
        let (stored, max) = (command.clone(), self.limits().commands_per_waddle);
        let each = self.limits().commands_per_bot;
        self.community()
            .change_beside(actor, waddle, need, move |b| {
                let (user, there) = (UserId::bot(stored.bot), slash::get(b.tx, &stored.name)?);
                let manages = |u: &UserId| b.access.waddle_allows("manage_bots", u);
                let approved = !own
                    || row.waddle == Some(waddle)
                    || there.as_ref().is_some_and(|t| t.bot == stored.bot)
                    || manages(&user)
                    || row.owner.as_ref().is_some_and(manages);
                if !approved || !b.access.is_member(&user) {
                    return Err(waddle_community::Error::Forbidden);
                }
                let of_bot = slash::list(b.tx)?.iter().filter(|c| c.bot == stored.bot).count();
                match there {
                    Some(there) if there.bot != stored.bot => {
                        return Err(waddle_community::Error::Conflict(
                            "another bot has a command of this name",
                        ));
                    }
                    None if slash::count(b.tx)? >= max => {
                        return Err(waddle_community::Error::Limit {
                            what: "commands of a waddle",
                            max,
                        });
                    }
                    None if of_bot >= each => {
                        return Err(waddle_community::Error::Limit {
                            what: "commands of a bot",
                            max: each,
                        });
                    }
                    _ => {}
                }
                slash::put(b.tx, &stored)?;
                let line = AuditLine {
                    action: "command.put",
                    target: format!("command:{}", stored.name),
                    detail: UserId::bot(stored.bot).subject(),
                };
                Ok(((), Some(line)))
            })
            .await?;
        let info = CommandInfo::from(&command);
        self.0.registry.put(waddle, command);
        Ok(info)
    }

    /// Takes a command out: the bot its own, or whoever has `manage_bots`.
    pub async fn delete_command(&self, actor: impl Into<Actor>, waddle: WaddleId, name: &str) -> Result<()> {
        let actor = actor.into();
        let command = self
            .0
            .registry
            .get(waddle, name)
            .ok_or(Error::NotFound("command"))?;
        let own = actor.user().and_then(UserId::as_bot) == Some(command.bot);
        let need = Need::Waddle(if own { "member" } else { "manage_bots" });
        let stored = command.name.clone();
        self.community()
            .change_beside(actor, waddle, need, move |b| {
                slash::delete(b.tx, &stored)?;
                let line = AuditLine {
                    action: "command.delete",
                    target: format!("command:{stored}"),
                    detail: String::new(),
                };
                Ok(((), Some(line)))
            })
            .await?;
        self.0.registry.remove(waddle, |c| c.name != command.name);
        Ok(())
    }

    /// A bot goes: its commands everywhere.
    pub(crate) async fn drop_commands_of(&self, bot: BotId) {
        for waddle in self.0.registry.with_bot(bot) {
            self.drop_commands_in(waddle, bot).await;
        }
    }

    /// A bot is no member of a waddle any more: its commands there.
    pub(crate) async fn drop_commands_in(&self, waddle: WaddleId, bot: BotId) {
        self.0.registry.remove(waddle, |c| c.bot != bot);
        let dropped = match self.waddle_db(waddle).await {
            Ok(db) => db
                .write(move |tx| slash::delete_of(tx, bot))
                .await
                .map_err(Error::from),
            Err(e) => Err(e),
        };
        if let Err(error) = dropped {
            tracing::warn!(%waddle, %bot, %error, "commands of a bot that is gone stay stored");
        }
    }
}
