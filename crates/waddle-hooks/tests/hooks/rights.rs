//! Who stands behind a webhook, a bot or a command, and what happens when they may no more.

use std::time::Duration;

use waddle_community::{BanDetails, ChannelChange, NewRole, Permission, Role};
use waddle_core::{Clock as _, Limits, Secret, UserId, WaddleId};
use waddle_hooks::{
    BotChange, BotInfo, BotOwner, Error,
    incoming::{Format, Head, IncomingChange},
    slash::{Answer, Invocation, NewCommand},
};
use waddle_identity::IdentityEvent;

use crate::world::{PATIENCE, World, user};

async fn personal(world: &World, owner: &str, name: &str) -> BotInfo {
    let new = BotChange {
        name: Some(name.into()),
        ..BotChange::default()
    };
    let made = world
        .hooks
        .create_bot(&user(owner), BotOwner::Person(user(owner)), new)
        .await;
    made.unwrap().bot
}

fn command() -> NewCommand {
    NewCommand {
        description: "does it".into(),
        options: Vec::new(),
    }
}

async fn until_out(world: &World, w: WaddleId, bot: &UserId) {
    let access = world.community.access(w).await.unwrap();
    let out = tokio::time::timeout(PATIENCE, async {
        while access.is_member(bot) {
            tokio::task::yield_now().await;
        }
    });
    out.await.expect("the bot goes");
}

#[tokio::test]
async fn an_incoming_webhook_stops_with_its_makers_right() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let made = world
        .hooks
        .create_incoming(&user("bob"), w.id, c.id, IncomingChange::default())
        .await
        .unwrap();
    let (id, secret) = (
        made.hook.id,
        Secret::new(made.path.expose().rsplit('/').next().unwrap()),
    );
    let post = || {
        world.hooks.accept(
            w.id,
            id,
            &secret,
            Format::Auto,
            Head::default(),
            br#"{"text": "x"}"#,
        )
    };
    post().await.unwrap();
    world
        .community
        .ban_member(&user("alice"), w.id, &user("bob"), BanDetails::default())
        .await
        .unwrap();
    assert!(matches!(post().await, Err(Error::Stopped)));
    let shown = world.hooks.incoming(&user("alice"), w.id, id).await.unwrap();
    assert!(
        shown
            .last_error
            .unwrap()
            .contains("may not manage webhooks of its channel any more")
    );
    // who may takes it over
    let named = IncomingChange {
        name: Some("CI".into()),
        ..IncomingChange::default()
    };
    let shown = world
        .hooks
        .update_incoming(&user("alice"), w.id, id, named)
        .await
        .unwrap();
    assert_eq!(shown.made_by, Some(user("alice")));
    let stored = world.hooks.incoming(&user("alice"), w.id, id).await.unwrap();
    assert_eq!(stored.made_by, Some(user("alice")));
    post().await.unwrap();
}

#[tokio::test]
async fn a_ban_is_one_of_the_persons_bots_too() {
    let (_dir, world) = World::new().await;
    let (w, _) = world.penguins().await;
    let (hers, other) = (
        personal(&world, "dora", "Hers").await,
        personal(&world, "carol", "Other").await,
    );
    for bot in [&hers, &other] {
        world.community.join_waddle(&bot.user, w.id).await.unwrap();
    }
    // who was never a member can be banned
    world
        .community
        .ban_member(&user("bob"), w.id, &user("dora"), BanDetails::default())
        .await
        .unwrap();
    until_out(&world, w.id, &hers.user).await;
    let access = world.community.access(w.id).await.unwrap();
    assert!(access.is_member(&other.user), "another's stays");
    let log = world
        .community
        .audit(&user("alice"), w.id, None, 1)
        .await
        .unwrap();
    assert_eq!(
        (log[0].action.as_str(), log[0].reason.as_deref()),
        ("member.kick", Some("its owner is banned"))
    );
    // neither does it come in again by itself, nor another one of hers
    for bot in [hers, personal(&world, "dora", "Second").await] {
        world.community.join_waddle(&bot.user, w.id).await.unwrap();
        until_out(&world, w.id, &bot.user).await;
    }
    world
        .community
        .unban(&user("bob"), w.id, &user("dora"))
        .await
        .unwrap();
    let third = personal(&world, "dora", "Third").await;
    world.community.join_waddle(&third.user, w.id).await.unwrap();
    assert!(access.is_member(&third.user));
}

#[tokio::test]
async fn bots_that_the_waddle_does_not_own_have_commands_by_leave() {
    let limits = Limits {
        commands_per_bot: 2,
        ..Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, _) = world.penguins().await;
    let bot = personal(&world, "carol", "Hers").await;
    let put = |actor: UserId, bot: &BotInfo, name: &'static str| {
        world.hooks.put_command(actor, w.id, bot.id, name, command())
    };
    assert!(
        matches!(put(user("bob"), &bot, "ban").await, Err(Error::Forbidden)),
        "no member"
    );
    world.community.join_waddle(&bot.user, w.id).await.unwrap();
    assert!(matches!(
        put(bot.user.clone(), &bot, "ban").await,
        Err(Error::Forbidden)
    ));
    assert!(matches!(
        put(user("carol"), &bot, "ban").await,
        Err(Error::Forbidden)
    ));
    assert!(world.hooks.command(w.id, "ban").is_none());
    // approved, the name is its own
    put(user("bob"), &bot, "dice").await.unwrap();
    put(bot.user.clone(), &bot, "dice").await.unwrap();
    assert!(matches!(
        put(bot.user.clone(), &bot, "deploy").await,
        Err(Error::Forbidden)
    ));
    put(user("bob"), &bot, "cards").await.unwrap();
    let third = put(user("bob"), &bot, "chess").await;
    assert!(matches!(third, Err(Error::Limit { max: 2, .. })), "{third:?}");
    // the owner's right is the bot's leave
    let admins = personal(&world, "bob", "His").await;
    world.community.join_waddle(&admins.user, w.id).await.unwrap();
    put(admins.user.clone(), &admins, "deploy").await.unwrap();
    world
        .community
        .set_role(&user("alice"), w.id, &user("bob"), Role::Member)
        .await
        .unwrap();
    assert!(matches!(
        put(admins.user.clone(), &admins, "other").await,
        Err(Error::Forbidden)
    ));
}

#[tokio::test]
async fn answers_are_counted_and_wait_in_slow_mode() {
    let limits = Limits {
        command_answers: 2,
        ..Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let slow = ChannelChange {
        slow_mode_seconds: Some(30),
        ..ChannelChange::default()
    };
    world
        .community
        .update_channel(&user("alice"), w.id, c.id, slow)
        .await
        .unwrap();
    let new = BotChange {
        name: Some("Echo".into()),
        ..BotChange::default()
    };
    let bot = world
        .hooks
        .create_bot(&user("bob"), BotOwner::Waddle(w.id), new)
        .await
        .unwrap()
        .bot;
    world
        .hooks
        .put_command(bot.user.clone(), w.id, bot.id, "echo", command())
        .await
        .unwrap();
    let invocation = Invocation {
        waddle: w.id,
        channel: c.id,
        user: user("carol"),
        nick: "carol".into(),
        whisper: None,
    };
    let answer = |id, body: &str| {
        let answer = Answer {
            body: body.into(),
            ephemeral: false,
        };
        world.hooks.answer(bot.id, id, answer)
    };
    let mut told = world.hooks.interactions(bot.id);
    let (ran, id) = tokio::join!(world.hooks.run(invocation, "/echo x"), async {
        let id = told.recv().await.unwrap().id;
        answer(id, "one").await.unwrap();
        id
    });
    assert_eq!(ran.unwrap().body, "one");
    for _ in 0..3 {
        let soon = answer(id, "two").await;
        assert!(
            matches!(&soon, Err(Error::Refused(why)) if why.contains("slow mode")),
            "{soon:?}"
        );
    }
    world.later(std::time::Duration::from_secs(31));
    answer(id, "two").await.unwrap();
    world.later(std::time::Duration::from_secs(31));
    assert!(
        matches!(answer(id, "three").await, Err(Error::NotFound(_))),
        "two and no more"
    );
}

#[tokio::test]
async fn a_bots_change_is_decided_before_its_row_is_written() {
    let (_dir, world) = World::new().await;
    let (w, _) = world.penguins().await;
    let change = |name: Option<&str>, about: Option<&str>| BotChange {
        name: name.map(Into::into),
        description: about.map(Into::into),
        ..BotChange::default()
    };
    let owner = BotOwner::Waddle(w.id);
    let bot = world
        .hooks
        .create_bot(&user("alice"), owner, change(Some("Mod"), None))
        .await
        .unwrap()
        .bot;
    world
        .community
        .set_role(&user("alice"), w.id, &bot.user, Role::Admin)
        .await
        .unwrap();
    let new = NewRole {
        name: "Bots".into(),
        colour: None,
        permissions: vec![Permission::ManageBots],
    };
    let role = world
        .community
        .create_role(&user("alice"), w.id, new)
        .await
        .unwrap();
    world
        .community
        .give_role(&user("alice"), w.id, &user("carol"), role.id, true)
        .await
        .unwrap();
    assert!(
        world.hooks.bot(&user("carol"), bot.id).await.is_ok(),
        "she manages bots"
    );
    let refused = world
        .hooks
        .update_bot(&user("carol"), bot.id, change(Some("Mine"), None))
        .await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    let refused = world
        .hooks
        .create_bot_token(&user("carol"), bot.id, "x", None)
        .await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    assert_eq!(world.hooks.bot(&user("alice"), bot.id).await.unwrap().name, "Mod");
    let odd = world
        .hooks
        .update_bot(&user("alice"), bot.id, change(Some(""), None))
        .await;
    assert!(matches!(odd, Err(Error::Invalid { .. })));
    let log = world
        .community
        .audit(&user("alice"), w.id, None, 50)
        .await
        .unwrap();
    let noted = |action: &str| log.iter().filter(|e| e.action == action).count();
    assert_eq!((noted("bot.update"), noted("bot.token.create")), (0, 0));
    // two at once: none is lost
    let (alice, bob) = (user("alice"), user("bob"));
    let (a, b) = tokio::join!(
        world
            .hooks
            .update_bot(&alice, bot.id, change(Some("Moderator"), None)),
        world
            .hooks
            .update_bot(&bob, bot.id, change(None, Some("keeps order"))),
    );
    assert!(a.is_ok() && b.is_ok());
    let now = world.hooks.bot(&alice, bot.id).await.unwrap();
    assert_eq!(
        (now.name.as_str(), now.description.as_str()),
        ("Moderator", "keeps order")
    );
}

async fn until_that(what: &str, is: impl Fn() -> bool) {
    let done = tokio::time::timeout(PATIENCE, async {
        while !is() {
            tokio::task::yield_now().await;
        }
    });
    done.await.expect(what);
}

#[tokio::test]
async fn a_timeout_is_one_of_the_persons_bots_too() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let first = personal(&world, "carol", "First").await.user;
    let second = personal(&world, "carol", "Second").await.user;
    let other = personal(&world, "dora", "Other").await.user;
    for bot in [&first, &other] {
        world.community.join_waddle(bot, w.id).await.unwrap();
    }
    let access = world.community.access(w.id).await.unwrap();
    let speaks = |who: &UserId| access.channel_allows(c.id, "speak", who);
    assert!(speaks(&first) && speaks(&other));
    let now = world.clock.as_ref().unwrap().now();
    let silence = async |who: &UserId, seconds: u64, why: &str| {
        let until = now.plus(Duration::from_secs(seconds));
        let (bob, why) = (user("bob"), Some(why));
        let given = world.community.timeout_member(&bob, w.id, who, until, why);
        given.await.unwrap();
    };
    silence(&user("carol"), 3_600, "calm down").await;
    until_that("hers is silent", || !speaks(&first)).await;
    assert!(speaks(&other), "another's is not");
    // neither speaks one that comes in later
    world.community.join_waddle(&second, w.id).await.unwrap();
    until_that("the second is silent", || !speaks(&second)).await;
    // one that a bot got for itself is its own
    silence(&second, 7_200, "spam").await;
    world
        .community
        .end_timeout(&user("bob"), w.id, &user("carol"))
        .await
        .unwrap();
    until_that("the first speaks again", || speaks(&first)).await;
    assert!(!speaks(&second));
}

#[tokio::test]
async fn bots_rest_while_their_owners_account_is_disabled() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let new = BotChange {
        name: Some("Hers".into()),
        callback_url: Some("https://bot.example/".into()),
        ..BotChange::default()
    };
    let made = world
        .hooks
        .create_bot(&user("carol"), BotOwner::Person(user("carol")), new)
        .await
        .unwrap();
    let (bot, token) = (made.bot.user, made.token.token);
    world.community.join_waddle(&bot, w.id).await.unwrap();
    world
        .hooks
        .put_command(user("bob"), w.id, made.bot.id, "dice", command())
        .await
        .unwrap();
    let known = async || world.identity.bot_token_for(&token).await.unwrap().is_some();
    assert!(known().await);
    let mut events = world.identity.events();
    world.identity.set_disabled(&user("carol"), true).await.unwrap();
    assert!(!known().await);
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let IdentityEvent::AccountDisabled { user } = events.recv().await.unwrap()
                && user == bot
            {
                return;
            }
        }
    });
    ended.await.expect("its connections end");
    let asked = Invocation {
        waddle: w.id,
        channel: c.id,
        user: user("bob"),
        nick: "bob".into(),
        whisper: None,
    };
    let refused = world.hooks.run(asked, "/dice").await;
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("not connected")),
        "{refused:?}"
    );
    world.identity.set_disabled(&user("carol"), false).await.unwrap();
    assert!(known().await);
}

#[tokio::test]
async fn bots_without_who_owned_them_go_at_the_next_start() {
    let (dir, world) = World::new().await;
    let (w, _) = world.penguins().await;
    let hers = personal(&world, "carol", "Hers").await;
    let stays = personal(&world, "dora", "Stays").await;
    let new = BotChange {
        name: Some("Waddle's".into()),
        ..BotChange::default()
    };
    let owned = world
        .hooks
        .create_bot(&user("bob"), BotOwner::Waddle(w.id), new)
        .await
        .unwrap()
        .bot;
    world.community.join_waddle(&hers.user, w.id).await.unwrap();
    // as after a crash between the end of the owner and that of the bot
    let (person, waddle) = (hers.id, owned.id);
    world
        .storage
        .server()
        .write(move |tx| {
            let nobody = UserId::local("nobody");
            tx.execute("UPDATE bots SET owner = ?2 WHERE id = ?1", (person, &nobody))?;
            tx.execute(
                "UPDATE bots SET waddle = ?2 WHERE id = ?1",
                (waddle, WaddleId::new()),
            )
        })
        .await
        .unwrap();
    let clock = world.clock.clone();
    world.hooks.close();
    world.storage.close().await;
    drop(world);
    let world = World::open(dir.path(), clock, Limits::default()).await;
    let gone = tokio::time::timeout(PATIENCE, async {
        for bot in [&hers.user, &owned.user] {
            while world.identity.by_user(bot).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        }
    });
    gone.await.expect("they go");
    let access = world.community.access(w.id).await.unwrap();
    assert!(!access.is_member(&hers.user) && !access.is_member(&owned.user));
    assert!(world.identity.by_user(&stays.user).await.unwrap().is_some());
}
