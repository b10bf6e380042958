//! Bots and their commands.

use waddle_core::{Secret, UserId};
use waddle_hooks::{
    BotChange, BotOwner, Error,
    slash::{Answer, Invocation, NewCommand},
};

use crate::{
    receiver::Receiver,
    world::{World, user},
};

const ROOM: &str = "penguins.general@muc.localhost";

fn bot(name: &str) -> BotChange {
    BotChange {
        name: Some(name.into()),
        ..BotChange::default()
    }
}

fn command(about: &str) -> NewCommand {
    NewCommand {
        description: about.into(),
        options: Vec::new(),
    }
}

#[tokio::test]
async fn a_bot_is_made_logs_in_and_ends() {
    let (_dir, world) = World::new().await;
    let (w, _) = world.penguins().await;
    let owner = || BotOwner::Waddle(w.id);
    for nobody in ["carol", "eve"] {
        let refused = world.hooks.create_bot(&user(nobody), owner(), bot("Echo")).await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{nobody}: {refused:?}");
    }
    let made = world
        .hooks
        .create_bot(&user("bob"), owner(), bot("Echo"))
        .await
        .unwrap();
    assert_eq!(made.bot.jid, "bot-echo@localhost");
    let id = UserId::bot(made.bot.id);
    assert_eq!(made.bot.user, id);
    let access = world.community.access(w.id).await.unwrap();
    assert!(access.is_member(&id), "a member like others");
    let token = made.token.token;
    let who = world.identity.verify_plain("bot-echo", &token).await.unwrap();
    assert_eq!(who.user, id);
    let shown = world.identity.bot_token_for(&token).await.unwrap().unwrap();
    let (account, scopes) = (shown.account, shown.scopes);
    assert_eq!(account.user, id);
    assert_eq!(scopes, ["read", "messages:write", "chat"]);
    // a second of the name gets a number; people cannot have such names
    let other = world
        .hooks
        .create_bot(&user("bob"), owner(), bot("Echo"))
        .await
        .unwrap();
    assert_eq!(other.bot.jid, "bot-echo-2@localhost");
    assert!(
        world
            .identity
            .create_local("bot-x", &Secret::new("correct horse"), false)
            .await
            .is_err()
    );
    // a bot makes no bots, and manages none
    assert!(
        world
            .hooks
            .create_bot(&id, BotOwner::Person(id.clone()), bot("X"))
            .await
            .is_err()
    );
    assert!(world.hooks.bot(&id, other.bot.id).await.is_err());
    assert!(world.hooks.bot(&id, made.bot.id).await.is_ok(), "it sees itself");
    assert!(matches!(
        world.hooks.bot(&user("carol"), made.bot.id).await,
        Err(Error::NotFound(_))
    ));

    // without `chat` it logs in no more
    let mut events = world.identity.events();
    let quiet = BotChange {
        scopes: Some(vec!["read".into()]),
        ..BotChange::default()
    };
    world
        .hooks
        .update_bot(&user("bob"), made.bot.id, quiet)
        .await
        .unwrap();
    assert!(world.identity.verify_plain("bot-echo", &token).await.is_err());
    let hash = waddle_identity::ScramHash::Sha256;
    let lookup = world.identity.scram_lookup("bot-echo", hash).await.unwrap();
    assert_eq!(lookup.user, None, "SCRAM finds nobody");
    assert!(events.try_recv().is_ok(), "connections end");
    let odd = BotChange {
        scopes: Some(vec!["root".into()]),
        ..BotChange::default()
    };
    assert!(
        world
            .hooks
            .update_bot(&user("bob"), made.bot.id, odd)
            .await
            .is_err()
    );

    world
        .hooks
        .put_command(&id, w.id, made.bot.id, "echo", command("says it again"))
        .await
        .unwrap();
    world.hooks.delete_bot(&user("bob"), made.bot.id).await.unwrap();
    assert!(world.identity.bot_token_for(&token).await.unwrap().is_none());
    assert!(!access.is_member(&id) && world.hooks.command(w.id, "echo").is_none());
    assert!(world.hooks.bot(&user("bob"), made.bot.id).await.is_err());
    // the bots of a person go with them
    let own = world
        .hooks
        .create_bot(&user("dora"), BotOwner::Person(user("dora")), bot("Mine"))
        .await
        .unwrap();
    assert!(
        world
            .hooks
            .create_bot(&user("eve"), BotOwner::Person(user("dora")), bot("X"))
            .await
            .is_err()
    );
    world
        .identity
        .delete_account(&world.community, &user("dora"))
        .await
        .unwrap();
    let gone = tokio::time::timeout(crate::world::PATIENCE, async {
        while world.identity.by_user(&own.bot.user).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.unwrap();
    // the bots of a waddle go with it
    world.community.delete_waddle(&user("alice"), w.id).await.unwrap();
    let gone = tokio::time::timeout(crate::world::PATIENCE, async {
        while world.identity.by_user(&other.bot.user).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.unwrap();
}

#[tokio::test]
async fn commands_reach_their_bot_and_its_answer_whom_it_is_for() {
    let limits = waddle_core::Limits {
        command_seconds: 1,
        ..waddle_core::Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let made = world
        .hooks
        .create_bot(&user("bob"), BotOwner::Waddle(w.id), bot("Echo"))
        .await
        .unwrap();
    let me = UserId::bot(made.bot.id);
    let put = |actor: UserId, name: &'static str| {
        world
            .hooks
            .put_command(actor, w.id, made.bot.id, name, command("says it again"))
    };
    assert!(matches!(put(user("carol"), "echo").await, Err(Error::Forbidden)));
    assert!(matches!(put(me.clone(), "help").await, Err(Error::Conflict(_))));
    put(me.clone(), "echo").await.unwrap();
    let names: Vec<String> = world.hooks.commands(w.id).into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["help", "echo"]);

    let (mut alice, mut carol) = (world.enter("alice", ROOM).await, world.enter("carol", ROOM).await);
    alice.next().await;
    // nobody listens yet
    carol.say(ROOM, "/echo hi");
    let got = carol.message().await;
    assert!(
        got.contains("its bot is not connected") && got.contains("type=\"chat\""),
        "{got}"
    );
    let mut told = world.hooks.interactions(made.bot.id);
    carol.say(ROOM, "/echo hello you");
    let asked = told.recv().await.unwrap();
    assert_eq!(
        (asked.command.as_str(), asked.text.as_str()),
        ("echo", "hello you")
    );
    assert_eq!((&asked.user, asked.nick.as_str()), (&user("carol"), "carol"));
    let answer = |body: &str, ephemeral| Answer {
        body: body.into(),
        ephemeral,
    };
    assert!(
        world
            .hooks
            .answer(waddle_core::BotId::new(), asked.id, answer("no", true))
            .await
            .is_err()
    );
    world
        .hooks
        .answer(made.bot.id, asked.id, answer("only you", true))
        .await
        .unwrap();
    let got = carol.message().await;
    assert!(
        got.contains("only you") && got.contains("/Echo (bot)") && got.contains("no-store"),
        "{got}"
    );
    world
        .hooks
        .answer(made.bot.id, asked.id, answer("all of you", false))
        .await
        .unwrap();
    assert!(carol.message().await.contains("all of you"));
    // the first message that others get: the command and the whisper were not for them
    let got = alice.message().await;
    assert!(got.contains("all of you") && got.contains("/Echo (bot)"), "{got}");
    // silent
    carol.say(ROOM, "/echo again");
    assert!(carol.message().await.contains("has not answered in time"));
    // /help is the server's, /unknown is a message like others
    carol.say(ROOM, "/help");
    let got = carol.message().await;
    assert!(got.contains("/echo") && got.contains("says it again"), "{got}");
    carol.say(ROOM, "/shrug");
    assert!(carol.message().await.contains("<body>/shrug</body>"));

    // over HTTP, by a bot with an address
    let mut r = Receiver::start().await;
    r.answers(200, r#"{"body": "pong", "ephemeral": true}"#);
    let change = BotChange {
        callback_url: Some(r.url.clone()),
        ..BotChange::default()
    };
    let (_, secret) = world
        .hooks
        .update_bot(&user("bob"), made.bot.id, change)
        .await
        .unwrap();
    let run = |who: &str| {
        let invocation = Invocation {
            waddle: w.id,
            channel: c.id,
            user: user(who),
            nick: who.into(),
            whisper: None,
        };
        world.hooks.run(invocation, "/echo ping")
    };
    assert_eq!(run("carol").await.unwrap(), answer("pong", true));
    let got = r.next().await;
    assert!(waddle_hooks::sign::verify(
        &secret.unwrap(),
        &got.id,
        got.timestamp,
        &got.body,
        &got.signature,
        got.timestamp
    ));
    assert_eq!(got.json()["data"]["text"], "ping");
    assert!(matches!(run("eve").await, Err(Error::Forbidden)));
    r.answers(500, "");
    assert!(matches!(run("carol").await, Err(Error::Refused(_))));
    // the bot is thrown out: its commands are gone
    world
        .community
        .remove_member(
            &user("alice"),
            w.id,
            &me,
            waddle_community::RemovalKind::Kicked,
            None,
        )
        .await
        .unwrap();
    let gone = tokio::time::timeout(crate::world::PATIENCE, async {
        while world.hooks.command(w.id, "echo").is_some() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.unwrap();
}
