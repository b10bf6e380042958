//! Bots log in while somebody stands behind them who may, by whatever they got before (`specs/identity.md`).
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Setup, community, open};
use waddle_core::{BotId, Secret, Timestamp, UserId};
use waddle_identity::{Error, FastAttempt, Identity, IdentityEvent, LoginError};
use waddle_stanza::sasl::{HtBinding, HtRequest, ht_request};
use waddle_storage::repo::bots::{self, BotRow};

const CLIENT: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

async fn bot_of(t: &Setup, owner: &UserId) -> BotRow {
    let row = BotRow {
        id: BotId::new(),
        localpart: String::new(),
        name: "Echo".into(),
        waddle: None,
        owner: Some(owner.clone()),
        description: String::new(),
        avatar_url: None,
        scopes: r#"["read","chat"]"#.into(),
        callback: None,
        secret: None,
        made_by: Some(owner.clone()),
        made_at: Timestamp(1),
    };
    t.identity.create_bot(row, 9).await.unwrap()
}

/// A login with a client's token.
async fn fast(identity: &Identity, name: &str, token: &Secret) -> Result<UserId, LoginError> {
    let request = HtRequest::parse(&ht_request(name, token, b"")).unwrap();
    let attempt = FastAttempt {
        request: &request,
        client: CLIENT,
        mechanism: HtBinding::None,
        binding: b"",
        count: None,
        invalidate: false,
    };
    identity.fast_login(attempt).await.map(|done| done.login.user)
}

/// Whether the bot may do what it could: with its token as password, with it over HTTP, with its client's token, and
/// with a connection that it has.
async fn works(t: &Setup, bot: &BotRow, token: &Secret, quick: &Secret) -> [bool; 3] {
    let plain = t.identity.verify_plain(&bot.localpart, token).await;
    let http = t.identity.bot_token_for(token).await.unwrap();
    let fast = fast(&t.identity, &bot.localpart, quick).await;
    if let Err(e) = &fast {
        assert!(matches!(e, LoginError::NotAuthorized), "{e:?}");
    }
    [plain.is_ok(), http.is_some(), fast.is_ok()]
}

#[tokio::test]
async fn a_bot_ends_with_its_owner_whatever_it_logged_in_with() {
    let t = open().await;
    let password = Secret::new("correct horse");
    let alice = t
        .identity
        .create_local("alice", &password, false)
        .await
        .unwrap()
        .user;
    let bot = bot_of(&t, &alice).await;
    let token = t
        .identity
        .issue_bot_token(bot.id, "first", None)
        .await
        .unwrap()
        .token;
    let who = t.identity.verify_plain(&bot.localpart, &token).await.unwrap();
    let quick = t
        .identity
        .issue_fast(&who, CLIENT, "bot", HtBinding::None)
        .await
        .unwrap()
        .token;
    assert_eq!(works(&t, &bot, &token, &quick).await, [true, true, true]);
    assert!(t.identity.lives(who.credential).await.unwrap());

    // Without `chat` it asks over HTTP alone.
    let server = t.storage.server();
    let mut quiet = bot.clone();
    quiet.scopes = r#"["read"]"#.into();
    let loud = bot.clone();
    server.write(move |tx| bots::update(tx, &quiet)).await.unwrap();
    assert_eq!(works(&t, &bot, &token, &quick).await, [false, true, false]);
    server.write(move |tx| bots::update(tx, &loud)).await.unwrap();

    // Disabled is at rest, not gone.
    t.identity.set_disabled(&alice, true).await.unwrap();
    assert_eq!(works(&t, &bot, &token, &quick).await, [false, false, false]);
    assert!(!t.identity.lives(who.credential).await.unwrap());
    t.identity.set_disabled(&alice, false).await.unwrap();
    assert_eq!(works(&t, &bot, &token, &quick).await, [true, true, true]);
    assert!(t.identity.lives(who.credential).await.unwrap());

    let mut events = t.identity.events();
    let community = community(&t).await;
    t.identity.delete_account(&community, &alice).await.unwrap();
    assert_eq!(
        events.try_recv(),
        Ok(IdentityEvent::AccountDeleted { user: alice.clone() })
    );
    assert_eq!(works(&t, &bot, &token, &quick).await, [false, false, false]);
    assert!(!t.identity.lives(who.credential).await.unwrap());
    let more = t.identity.delete_account(&community, &alice).await;
    assert!(matches!(more, Err(Error::NotFound)));
    t.storage.close().await;
}
