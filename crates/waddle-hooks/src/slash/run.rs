//! Running a command: who may, what the bot is told, what everybody or only the caller is answered.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, oneshot};
use url::Url;
use waddle_core::{BotId, ChannelId, InteractionId, UserId, WaddleId};
use waddle_muc::{
    BOT, Post, Poster, SlashCall, SlashCommand as MenuCommand, SlashCommands, SlashOption, Typed, Whisper,
};
use waddle_stanza::XmlWriter;
use waddle_storage::repo::{bots, slash::SlashCommand};

use super::{
    Answer, CommandInfo, Interaction,
    command::{parse, split, usage},
    interaction::Open,
};
use crate::{Error, Hooks, Result, bots::place, incoming::clean, metrics};

/// The element that marks a command's answer.
const NS: &str = "urn:waddle:command:0";

/// The nickname of what the server itself answers.
const OWN: &str = "commands (bot)";

/// Whether a typed line is a command of the server itself.
fn is_own(line: &str) -> bool {
    split(line).is_some_and(|(name, _)| name == "help")
}

/// The bot is not there, or at rest with its owner's account.
fn not_connected(name: &str) -> Error {
    Error::Refused(format!("/{name}: its bot is not connected"))
}

/// Who runs a command, and where answers for them alone go.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Where.
    pub waddle: WaddleId,
    /// Where.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// Their nickname.
    pub nick: String,
    /// Where answers for them alone go; nowhere over HTTP, where the first answer is the request's.
    pub whisper: Option<Whisper>,
}

impl Hooks {
    /// The seam in rooms: messages that are commands come here.
    pub fn slash(&self) -> Arc<dyn SlashCommands> {
        Arc::new(self.clone())
    }

    /// Runs a typed line and waits for its first answer.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who may not speak there, [`Error::NotFound`] where there is no such command,
    /// [`Error::Invalid`] where its options are wrong, [`Error::Refused`] where its bot cannot be reached or is silent.
    pub async fn run(&self, invocation: Invocation, line: &str) -> Result<Answer> {
        let done = self.run_inner(invocation, line).await;
        metrics::interaction(match &done {
            Ok(_) => "ok",
            Err(Error::Refused(_)) => "silent",
            Err(_) => "refused",
        });
        done
    }

    async fn run_inner(&self, invocation: Invocation, line: &str) -> Result<Answer> {
        let Invocation { waddle, channel, .. } = invocation;
        let (name, text) = split(line).ok_or(Error::NotFound("command"))?;
        let access = self.community().access(waddle).await?;
        if !access.channel_allows(channel, "speak", &invocation.user) {
            return Err(Error::Forbidden);
        }
        if let Err(wait) = self.0.command_rates.take(invocation.user.clone(), self.now()) {
            return Err(Error::TooMany(wait));
        }
        if name == "help" {
            return Ok(self.help(waddle));
        }
        let command = self
            .0
            .registry
            .get(waddle, name)
            .ok_or(Error::NotFound("command"))?;
        // a bot that may not see the channel is not told what is typed there
        if !access.channel_allows(channel, "view", &UserId::bot(command.bot)) {
            return Err(Error::Refused(format!(
                "/{name}: its bot may not see this channel"
            )));
        }
        let info = CommandInfo::from(&command);
        let options =
            parse(&info.options, text).map_err(|why| Error::invalid("options", format!("/{name}: {why}")))?;
        let now = self.now();
        let interaction = Arc::new(Interaction {
            id: InteractionId::new(),
            command: command.name.clone(),
            options,
            text: text.to_owned(),
            waddle_id: waddle,
            channel_id: channel,
            user: invocation.user.clone(),
            nick: invocation.nick.clone(),
            at: now,
            answer_until: now.plus(Duration::from_secs(60 * self.limits().command_minutes)),
        });
        self.ask(&command, interaction, invocation).await
    }

    fn help(&self, waddle: WaddleId) -> Answer {
        let mut lines = vec!["Commands here:".to_owned()];
        for c in self.commands(waddle) {
            let takes = usage(&c.options);
            let gap = if takes.is_empty() { "" } else { " " };
            lines.push(format!("/{}{gap}{takes} – {}", c.name, c.description));
        }
        Answer {
            body: lines.join("\n"),
            ephemeral: true,
        }
    }

    async fn ask(
        &self,
        command: &SlashCommand,
        interaction: Arc<Interaction>,
        invocation: Invocation,
    ) -> Result<Answer> {
        let (bot, id, name) = (command.bot, interaction.id, command.name.clone());
        let found = self
            .server_db()
            .read(move |conn| Ok(bots::get(conn, bot)?.zip(bots::scopes(conn, bot)?)))
            .await?;
        let (row, _) = found.ok_or_else(|| not_connected(&name))?;
        let (first, answer) = oneshot::channel();
        let open = Open {
            bot,
            interaction: interaction.clone(),
            invocation,
            first: Some(first),
            left: self.limits().command_answers.max(1),
        };
        let (max, each) = (self.limits().commands_open, self.limits().commands_open_per_bot);
        if !self.0.interactions.add(open, max, each, self.now()) {
            return Err(Error::Busy);
        }
        let heard = self.0.interactions.tell(bot, &interaction);
        let secret = row
            .secret
            .as_deref()
            .map(|s| self.0.deps.identity.unseal(&place(bot), s));
        match (row.callback.as_deref().map(Url::parse), secret) {
            (Some(Ok(url)), Some(Ok(secret))) => {
                let this = self.clone();
                tokio::spawn(async move { this.call_back(bot, url, secret, interaction).await });
            }
            _ if heard => {}
            _ => {
                self.0.interactions.remove(id);
                return Err(not_connected(&name));
            }
        }
        let patience = Duration::from_secs(self.limits().command_seconds);
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Error::Refused(format!("/{name}: its bot could not be reached"))),
            // it may still answer later
            Err(_) => Err(Error::Refused(format!(
                "/{name}: its bot has not answered in time"
            ))),
        }
    }

    /// Tells a bot's address; what it answers at once is the answer.
    async fn call_back(
        &self,
        bot: BotId,
        url: Url,
        secret: waddle_core::Secret,
        interaction: Arc<Interaction>,
    ) {
        let body =
            serde_json::json!({ "type": "interaction", "timestamp": interaction.at, "data": *interaction });
        let id = interaction.id;
        let place = self.0.command_places.take(interaction.waddle_id).await;
        let sent = self
            .post_signed(
                place,
                &url,
                &[secret],
                &id.to_string(),
                Bytes::from(body.to_string()),
            )
            .await;
        match sent {
            Ok(body) if body.iter().all(u8::is_ascii_whitespace) => {}
            Ok(body) => match serde_json::from_slice::<Answer>(&body) {
                Ok(answer) => {
                    if let Err(error) = self.answer(bot, id, answer).await {
                        tracing::debug!(%bot, %error, "a command's answer was not taken");
                        self.0.interactions.remove(id);
                    }
                }
                Err(error) => tracing::debug!(%bot, %error, "a command's answer is none"),
            },
            // whoever waits is told at once
            Err(failed) => {
                tracing::debug!(%bot, why = failed.why, "a bot was not reached");
                self.0.interactions.remove(id);
            }
        }
    }

    /// A bot answers: everybody in the channel sees it, or only whoever ran the command. It may answer again, so many times
    /// (`command_answers`) and until the time is over; what was refused does not count.
    pub async fn answer(&self, bot: BotId, id: InteractionId, mut answer: Answer) -> Result<()> {
        answer.body = clean(&answer.body, self.limits().hook_text_chars);
        if answer.body.is_empty() {
            return Err(Error::invalid("body", "some text"));
        }
        let open = self.0.interactions.answered(id, bot, self.now());
        let (interaction, invocation, first) =
            open.ok_or(Error::NotFound("command that waits for an answer"))?;
        let waits = first.is_some();
        if let Err(e) = self.tell(bot, &interaction, &invocation, &answer, waits).await {
            self.0.interactions.give_back(id, first);
            return Err(e);
        }
        self.0.interactions.settle(id);
        // nobody waiting is no error
        if let Some(first) = first {
            let _ = first.send(answer);
        }
        Ok(())
    }

    async fn tell(
        &self,
        bot: BotId,
        interaction: &Interaction,
        invocation: &Invocation,
        answer: &Answer,
        waits: bool,
    ) -> Result<()> {
        let row = self.server_db().read(move |conn| bots::get(conn, bot)).await?;
        let name = row.ok_or(Error::NotFound("bot"))?.name;
        if !answer.ephemeral {
            return self.say_as(bot, &name, interaction, &answer.body).await;
        }
        match &invocation.whisper {
            Some(whisper) => whisper.say(&[&name, BOT].concat(), &answer.body),
            None if waits => {}
            None => return Err(Error::Refused("whoever asked waits no longer".into())),
        }
        Ok(())
    }

    async fn say_as(&self, bot: BotId, name: &str, i: &Interaction, body: &str) -> Result<()> {
        let access = self.community().access(i.waddle_id).await?;
        if !access.channel_allows(i.channel_id, "speak", &UserId::bot(bot)) {
            return Err(Error::Forbidden);
        }
        // as often as people may over HTTP
        if let Err(wait) = self.0.answer_rates.take((bot, i.channel_id), self.now()) {
            return Err(Error::TooMany(wait));
        }
        let mut w = XmlWriter::new();
        w.open_ns("command", NS)
            .attr("name", &i.command)
            .attr("user", i.user.as_str())
            .attr_display("interaction", i.id)
            .close();
        let post = Post {
            waddle: i.waddle_id,
            channel: i.channel_id,
            nick: name.to_owned(),
            body: body.to_owned(),
            poster: Some(Poster {
                author: UserId::bot(bot).as_str().to_owned(),
                mark: BOT,
                payload: w.finish(),
            }),
        };
        self.0.deps.rooms.post(post).await?;
        Ok(())
    }

    /// What a bot is told from now on; a receiver that lags misses the oldest (`command_stream`).
    pub fn interactions(&self, bot: BotId) -> broadcast::Receiver<Arc<Interaction>> {
        self.0.interactions.listen(bot, self.limits().command_stream)
    }
}

impl SlashCommands for Hooks {
    fn is_command(&self, waddle: WaddleId, text: &str) -> bool {
        split(text).is_some_and(|(name, _)| is_own(text) || self.0.registry.has(waddle, name))
    }

    fn list(&self, waddle: WaddleId) -> Vec<MenuCommand> {
        let option = |o: super::CommandOption| SlashOption {
            required: o.required,
            boolean: o.kind == super::OptionKind::Boolean,
            choices: o.choices.into_iter().map(|c| (c.value, c.label)).collect(),
            name: o.name,
            description: o.description,
        };
        let command = |c: CommandInfo| MenuCommand {
            name: c.name,
            description: c.description,
            options: c.options.into_iter().map(option).collect(),
        };
        self.commands(waddle).into_iter().map(command).collect()
    }

    fn call(&self, call: SlashCall) -> BoxFuture<'static, std::result::Result<String, String>> {
        let this = self.clone();
        Box::pin(async move {
            let invocation = Invocation {
                waddle: call.waddle,
                channel: call.channel,
                user: call.user,
                nick: call.nick,
                whisper: None,
            };
            let answer = Self::run(&this, invocation, &call.line).await;
            answer.map(|a| a.body).map_err(|e| e.to_string())
        })
    }

    fn run(&self, typed: Typed) {
        let this = self.clone();
        tokio::spawn(async move {
            let Typed {
                waddle,
                channel,
                user,
                nick,
                text,
                whisper,
            } = typed;
            let invocation = Invocation {
                waddle,
                channel,
                user,
                nick,
                whisper: Some(whisper.clone()),
            };
            match Self::run(&this, invocation, &text).await {
                // a bot's answer is in the channel, or was whispered
                Ok(answer) if is_own(&text) => whisper.say(OWN, &answer.body),
                Ok(_) => {}
                Err(e) => whisper.say(OWN, &e.to_string()),
            }
        });
    }
}
