//! Events to a server outside.

use std::time::Duration;

use waddle_community::{NewChannel, Role};
use waddle_core::{ChannelId, HookId, Secret, WaddleId};
use waddle_hooks::{
    Error,
    outgoing::{OutgoingChange, OutgoingInfo},
    sign,
};
use waddle_messages::{Act, NewMessage};

use crate::{
    receiver::Receiver,
    world::{World, user},
};

async fn hook(world: &World, w: WaddleId, r: &Receiver, events: &[&str]) -> (OutgoingInfo, Secret) {
    let new = OutgoingChange {
        url: Some(r.url.clone()),
        events: Some(events.iter().map(|s| (*s).to_owned()).collect()),
        ..OutgoingChange::default()
    };
    world.hooks.create_outgoing(&user("bob"), w, new).await.unwrap()
}

async fn say(world: &World, w: WaddleId, c: ChannelId, text: &str) -> waddle_core::MessageId {
    let act = Act::Say(NewMessage::text(text));
    world.rooms.act(&user("carol"), w, c, act).await.unwrap()
}

/// Waits until so many failures are noted.
async fn failures(world: &World, w: WaddleId, id: HookId, attempts: u32) {
    let noted = tokio::time::timeout(crate::world::PATIENCE, async {
        while world.hooks.outgoing(&user("bob"), w, id).await.unwrap().attempts != attempts {
            tokio::task::yield_now().await;
        }
    });
    noted.await.expect("the failure is noted");
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_signed() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    say(&world, w.id, c.id, "before the hook").await;
    let (made, secret) = hook(&world, w.id, &r, &["message.*", "member.add"]).await;
    let id = say(&world, w.id, c.id, "one").await;
    let got = r.next().await;
    assert_eq!(
        (got.kind().as_str(), got.text().as_str()),
        ("message.created", "one")
    );
    assert!(sign::verify(
        &secret,
        &got.id,
        got.timestamp,
        &got.body,
        &got.signature,
        got.timestamp + 5
    ));
    let v = got.json();
    assert_eq!(v["waddle_id"], w.id.to_string());
    assert_eq!(v["data"]["channel"]["slug"], "general");
    assert_eq!(v["data"]["message"]["id"], id.to_string());
    assert_eq!(v["data"]["message"]["author"]["user"], "local:carol");

    let edit = Act::Edit {
        id,
        body: "uno".into(),
    };
    world.rooms.act(&user("carol"), w.id, c.id, edit).await.unwrap();
    let got = r.next().await;
    assert_eq!(
        (got.kind().as_str(), got.text().as_str()),
        ("message.updated", "uno")
    );
    world
        .community
        .add_member(&user("alice"), w.id, &user("dora"), Role::Member)
        .await
        .unwrap();
    let got = r.next().await;
    assert_eq!(got.kind(), "member.add");
    assert_eq!(got.json()["data"]["target"], "user:local:dora");
    world
        .rooms
        .act(&user("carol"), w.id, c.id, Act::Retract { id })
        .await
        .unwrap();
    let got = r.next().await;
    assert_eq!(
        (got.kind().as_str(), got.text().as_str()),
        ("message.deleted", "")
    );
    assert_eq!(got.json()["data"]["message_id"], id.to_string());

    // both secrets sign after a rotation
    let (_, new) = world
        .hooks
        .rotate_outgoing(&user("bob"), w.id, made.id)
        .await
        .unwrap();
    say(&world, w.id, c.id, "two").await;
    let mut got = r.next().await;
    if got.kind() == "message.deleted" {
        // the rotation came between its delivery and the note of it: at least once
        got = r.next().await;
    }
    assert_eq!(got.text(), "two");
    for s in [&secret, &new] {
        assert!(sign::verify(
            s,
            &got.id,
            got.timestamp,
            &got.body,
            &got.signature,
            got.timestamp
        ));
    }
    world.hooks.ping(&user("bob"), w.id, made.id).await.unwrap();
    assert_eq!(r.next().await.kind(), "webhook.ping");
    world
        .hooks
        .delete_outgoing(&user("bob"), w.id, made.id)
        .await
        .unwrap();
    say(&world, w.id, c.id, "after the hook").await;
    assert!(r.is_quiet());
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_then_given_up_and_delivered_by_hand() {
    let limits = waddle_core::Limits {
        hook_attempts: 3,
        ..waddle_core::Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["message.created"]).await;
    r.answers(500, "");
    say(&world, w.id, c.id, "first").await;
    let first = r.next().await;
    for n in 0..2 {
        failures(&world, w.id, made.id, n + 1).await;
        // waits; woken by what happens meanwhile, it still waits
        world.later(Duration::from_secs(7_200));
        say(&world, w.id, c.id, &format!("later {n}")).await;
        let again = r.next().await;
        assert_eq!(
            (again.id.as_str(), again.text().as_str()),
            (first.id.as_str(), "first"),
            "in order"
        );
    }
    // given up after three: the next is tried at once, and fails once
    assert_eq!(r.next().await.text(), "later 0");
    failures(&world, w.id, made.id, 1).await;
    r.answers(204, "");
    world.later(Duration::from_secs(7_200));
    say(&world, w.id, c.id, "last").await;
    for text in ["later 0", "later 1", "last"] {
        assert_eq!(r.next().await.text(), text);
    }
    let dead = world
        .hooks
        .dead_letters(&user("bob"), w.id, made.id, None, 10)
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].kind.as_str(), dead[0].attempts), ("message.created", 3));
    assert!(dead[0].error.contains("500"), "{}", dead[0].error);
    world
        .hooks
        .redeliver(&user("bob"), w.id, made.id, dead[0].id)
        .await
        .unwrap();
    assert_eq!(r.next().await.text(), "first");
    let left = world
        .hooks
        .dead_letters(&user("bob"), w.id, made.id, None, 10)
        .await
        .unwrap();
    assert!(left.is_empty());
    assert!(matches!(
        world
            .hooks
            .redeliver(&user("bob"), w.id, made.id, dead[0].id)
            .await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn a_hook_sees_what_its_maker_sees() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["*"]).await;
    let mut secret = NewChannel::text("den".parse().unwrap(), "Den");
    secret.private = true;
    let den = world
        .community
        .create_channel(&user("alice"), w.id, secret)
        .await
        .unwrap();
    assert_eq!(
        r.next().await.kind(),
        "webhook.create",
        "the first is its own making"
    );
    assert_eq!(r.next().await.kind(), "channel.create");
    // only of one channel
    let only = OutgoingChange {
        channels: Some(vec![c.id]),
        events: Some(vec!["message.*".into()]),
        ..OutgoingChange::default()
    };
    world
        .hooks
        .update_outgoing(&user("bob"), w.id, made.id, only)
        .await
        .unwrap();
    let act = Act::Say(NewMessage::text("in the den"));
    world.rooms.act(&user("alice"), w.id, den.id, act).await.unwrap();
    say(&world, w.id, c.id, "in general").await;
    assert_eq!(r.next().await.text(), "in general");
    // bob is an admin no more: what he set up stops with him
    world
        .community
        .set_role(&user("alice"), w.id, &user("bob"), Role::Member)
        .await
        .unwrap();
    say(&world, w.id, c.id, "after bob").await;
    let stopped = tokio::time::timeout(crate::world::PATIENCE, async {
        loop {
            let h = world.hooks.outgoing(&user("alice"), w.id, made.id).await.unwrap();
            if !h.enabled {
                return h;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(stopped.disabled_why.unwrap().contains("may not manage webhooks"));
    assert!(r.is_quiet(), "nothing after the maker's right ended");
    // who may switches it on again, on their own behalf; what happened meanwhile is told to them
    let on = OutgoingChange {
        enabled: Some(true),
        ..OutgoingChange::default()
    };
    let on = world
        .hooks
        .update_outgoing(&user("alice"), w.id, made.id, on)
        .await
        .unwrap();
    assert_eq!(on.made_by, Some(user("alice")));
    assert_eq!(r.next().await.text(), "after bob");
}

#[tokio::test]
async fn only_public_addresses_and_those_who_may() {
    let (_dir, world) = World::new().await;
    let (w, _) = world.penguins().await;
    for bad in [
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "https://user:pass@example.com/",
        "ftp://example.com/",
        "https://example.com:22/",
        "nonsense",
    ] {
        let new = OutgoingChange {
            url: Some(bad.into()),
            ..OutgoingChange::default()
        };
        let refused = world.hooks.create_outgoing(&user("bob"), w.id, new).await;
        assert!(
            matches!(refused, Err(Error::Invalid { field: "url", .. })),
            "{bad}: {refused:?}"
        );
    }
    let new = OutgoingChange {
        url: Some("https://example.com/hook".into()),
        ..OutgoingChange::default()
    };
    for nobody in ["carol", "eve"] {
        let refused = world
            .hooks
            .create_outgoing(&user(nobody), w.id, new.clone())
            .await;
        assert!(matches!(refused, Err(Error::Forbidden)), "{nobody}");
        assert!(world.hooks.list_outgoing(&user(nobody), w.id).await.is_err());
    }
    let odd = OutgoingChange {
        events: Some(vec!["message.nonsense".into()]),
        ..new
    };
    assert!(
        world
            .hooks
            .create_outgoing(&user("bob"), w.id, odd)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_hook_that_fails_for_days_or_is_gone_is_stopped() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    world.hooks.set_notify(std::sync::Arc::new(move |user, text| {
        let _ = told.send((user.clone(), text.to_owned()));
    }));
    let (failing, _) = hook(&world, w.id, &r, &["message.created"]).await;
    r.answers(503, "");
    say(&world, w.id, c.id, "x").await;
    r.next().await;
    failures(&world, w.id, failing.id, 1).await;
    world.later(Duration::from_secs(6 * 86_400));
    say(&world, w.id, c.id, "y").await;
    r.next().await;
    let (who, text) = tokio::time::timeout(crate::world::PATIENCE, heard.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(who, user("bob"));
    assert!(text.contains("stopped") && text.contains("5 days"), "{text}");
    let shown = world
        .hooks
        .outgoing(&user("bob"), w.id, failing.id)
        .await
        .unwrap();
    assert!(!shown.enabled && shown.last_error.unwrap().contains("503"));
    let (gone, _) = hook(&world, w.id, &r, &["message.created"]).await;
    r.answers(410, "");
    say(&world, w.id, c.id, "z").await;
    r.next().await;
    let (_, text) = tokio::time::timeout(crate::world::PATIENCE, heard.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(text.contains("410"), "{text}");
    assert!(
        !world
            .hooks
            .outgoing(&user("bob"), w.id, gone.id)
            .await
            .unwrap()
            .enabled
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_passed_over() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["message.created"]).await;
    let db = world.storage.waddle(w.id).await.unwrap();
    let rename = async |from: &str, to: &str| {
        let change = format!("ALTER TABLE {from} RENAME TO {to}");
        db.write(move |tx| tx.execute(&change, ())).await.unwrap();
    };
    rename("message_reactions", "broken").await;
    say(&world, w.id, c.id, "first").await;
    failures(&world, w.id, made.id, 1).await;
    let shown = world.hooks.outgoing(&user("bob"), w.id, made.id).await.unwrap();
    assert!(shown.last_error.unwrap().contains("could not read"));
    rename("broken", "message_reactions").await;
    world.later(Duration::from_secs(60));
    say(&world, w.id, c.id, "second").await;
    for text in ["first", "second"] {
        assert_eq!(r.next().await.text(), text);
    }
}

#[tokio::test]
async fn a_dead_letter_stays_until_it_is_taken_or_gone() {
    let limits = waddle_core::Limits {
        hook_attempts: 1,
        ..waddle_core::Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["message.created"]).await;
    r.answers(500, "");
    let id = say(&world, w.id, c.id, "first").await;
    r.next().await;
    let letters = async || {
        let all = world
            .hooks
            .dead_letters(&user("bob"), w.id, made.id, None, 10)
            .await;
        all.unwrap()
    };
    let buried = tokio::time::timeout(crate::world::PATIENCE, async {
        while letters().await.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    buried.await.unwrap();
    let letter = letters().await[0].id;
    let again = async || world.hooks.redeliver(&user("bob"), w.id, made.id, letter).await;
    // not taken
    assert!(matches!(again().await, Err(Error::Refused(_))));
    r.next().await;
    r.answers(200, "");
    // not readable
    let db = world.storage.waddle(w.id).await.unwrap();
    let rename = async |from: &str, to: &str| {
        let change = format!("ALTER TABLE {from} RENAME TO {to}");
        db.write(move |tx| tx.execute(&change, ())).await.unwrap();
    };
    rename("message_reactions", "broken").await;
    let unread = again().await;
    assert!(matches!(unread, Err(Error::Storage(_))), "{unread:?}");
    rename("broken", "message_reactions").await;
    // not for this hook
    let new = NewChannel::text("other".parse().unwrap(), "Other");
    let other = world
        .community
        .create_channel(&user("alice"), w.id, new)
        .await
        .unwrap();
    for (channels, hidden) in [(vec![other.id], true), (vec![], false)] {
        let only = OutgoingChange {
            channels: Some(channels),
            ..OutgoingChange::default()
        };
        world
            .hooks
            .update_outgoing(&user("bob"), w.id, made.id, only)
            .await
            .unwrap();
        if hidden {
            assert!(matches!(again().await, Err(Error::Conflict(_))));
        }
    }
    assert_eq!(letters().await.len(), 1, "it is still there");
    world
        .rooms
        .act(&user("carol"), w.id, c.id, Act::Retract { id })
        .await
        .unwrap();
    assert!(matches!(again().await, Err(Error::Gone(_))));
    assert!(letters().await.is_empty() && r.is_quiet());
}

/// Waits until so many events were given up.
async fn given_up(world: &World, w: WaddleId, id: HookId, letters: usize) {
    let buried = tokio::time::timeout(crate::world::PATIENCE, async {
        loop {
            let all = world.hooks.dead_letters(&user("bob"), w, id, None, 10).await;
            if all.unwrap().len() == letters {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    buried.await.expect("it is given up");
}

#[tokio::test]
async fn rare_failures_far_apart_are_no_failing_for_days() {
    let limits = waddle_core::Limits {
        hook_attempts: 2,
        ..waddle_core::Limits::default()
    };
    let (_dir, world) = World::with(limits).await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["message.created"]).await;
    r.answers(422, "");
    for n in 0..2 {
        say(&world, w.id, c.id, "not this").await;
        r.next().await;
        failures(&world, w.id, made.id, 1).await;
        // it waits, and is woken
        world.later(Duration::from_secs(60));
        let news = waddle_community::NewChannel::text(format!("c{n}").parse().unwrap(), "C");
        world
            .community
            .create_channel(&user("alice"), w.id, news)
            .await
            .unwrap();
        r.next().await;
        given_up(&world, w.id, made.id, n + 1).await;
        world.later(Duration::from_secs(10 * 86_400));
    }
    let shown = world.hooks.outgoing(&user("bob"), w.id, made.id).await.unwrap();
    assert!(shown.enabled, "{:?}", shown.disabled_why);
}

#[tokio::test]
async fn a_rotation_and_a_change_at_once_are_both_done() {
    let (_dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    let (made, _) = hook(&world, w.id, &r, &["message.created"]).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let named = OutgoingChange {
        name: Some("CI".into()),
        ..OutgoingChange::default()
    };
    let (rotated, changed) = tokio::join!(
        world.hooks.rotate_outgoing(&bob, w.id, made.id),
        world.hooks.update_outgoing(&alice, w.id, made.id, named),
    );
    let ((_, secret), _) = (rotated.unwrap(), changed.unwrap());
    let shown = world.hooks.outgoing(&bob, w.id, made.id).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.made_by), ("CI", Some(user("alice"))));
    say(&world, w.id, c.id, "x").await;
    let got = r.next().await;
    assert!(
        sign::verify(
            &secret,
            &got.id,
            got.timestamp,
            &got.body,
            &got.signature,
            got.timestamp
        ),
        "the secret that was told signs"
    );
}

#[tokio::test]
async fn a_waddle_that_cannot_be_opened_at_a_start_has_its_webhooks_after_the_next() {
    let (dir, world) = World::new().await;
    let (w, c) = world.penguins().await;
    let mut r = Receiver::start().await;
    hook(&world, w.id, &r, &["message.created"]).await;
    let clock = world.clock.clone();
    let file = dir.path().join("waddles").join(format!("{}.db", w.id));
    let aside = dir.path().join("aside");
    world.hooks.close();
    world.storage.close().await;
    drop(world);
    std::fs::rename(&file, &aside).unwrap();
    let world = World::open(dir.path(), clock.clone(), waddle_core::Limits::default()).await;
    world.hooks.close();
    world.storage.close().await;
    drop(world);
    let _ = std::fs::remove_file(&file);
    std::fs::rename(&aside, &file).unwrap();
    let world = World::open(dir.path(), clock, waddle_core::Limits::default()).await;
    say(&world, w.id, c.id, "still here").await;
    assert_eq!(r.next().await.text(), "still here");
}
