//! A waddle as one file, and out of it (`specs/lifecycle.md`, "Export" and "Import").

use std::{collections::BTreeMap, path::Path, sync::Arc};

use waddle_community::{
    ChannelGrant, Error, FeedMode, Import, NewBinding, NewChannel, On, RemovalKind, Role, Strangers,
};
use waddle_core::Limits;

use super::{Place, slug, user};

pub struct Old {
    pub place: Place,
    pub waddle: Arc<waddle_community::Waddle>,
}

/// `penguins` with a private channel that bob is given, a ban, a feed and messages.
pub async fn old(dir: &Path) -> Old {
    let place = Place::open(dir, "old.example", Limits::default()).await;
    place.accounts(&["alice", "mona", "bob", "troll"]).await;
    let waddle = place.penguins().await;
    let alice = user("alice");
    let c = &place.community;
    let nest = NewChannel {
        private: true,
        ..NewChannel::text(slug("nest"), "Nest")
    };
    let nest = c.create_channel(&alice, waddle.id, nest).await.unwrap();
    c.grant_channel(
        &alice,
        waddle.id,
        nest.id,
        &user("bob"),
        ChannelGrant::Writer,
        true,
    )
    .await
    .unwrap();
    c.add_member(&alice, waddle.id, &user("troll"), Role::Member)
        .await
        .unwrap();
    c.remove_member(
        &alice,
        waddle.id,
        &user("troll"),
        RemovalKind::Banned,
        Some("noise"),
    )
    .await
    .unwrap();
    let feed = NewBinding {
        filter: "home/#".parse().unwrap(),
        channel: nest.id,
        mode: FeedMode::Message,
        name: None,
    };
    c.bind_feed(&alice, waddle.id, feed).await.unwrap();
    for n in 0..20 {
        let room = "penguins.nest@muc.old.example";
        place
            .say(waddle.id, nest.id, room, "bob", &format!("{n} in {room}"))
            .await;
    }
    let gone = c
        .create_channel(&alice, waddle.id, NewChannel::text(slug("gone"), "Gone"))
        .await
        .unwrap();
    place
        .say(
            waddle.id,
            gone.id,
            "penguins.gone@muc.old.example",
            "bob",
            "never mind",
        )
        .await;
    c.delete_channel(&alice, waddle.id, gone.id).await.unwrap();
    Old { place, waddle }
}

#[tokio::test]
async fn a_waddle_moves_to_another_server() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Old { place, waddle } = old(here.path()).await;
    let file = here.path().join("penguins.export");
    let done = place
        .community
        .export(&user("alice"), waddle.id, &file)
        .await
        .unwrap();
    assert_eq!(done.bytes, file.metadata().unwrap().len());
    assert_eq!(
        (done.rows["members"], done.rows["archive"], done.rows["bans"]),
        (3, 20, 1)
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("{\"waddle_export\":1,\"server\":\"old.example\""),
        "{}",
        &text[..100]
    );
    assert!(!text.contains("never mind"), "what was deleted is not in it");
    let again = place
        .community
        .export(&user("alice"), waddle.id, &file)
        .await
        .unwrap_err();
    assert!(matches!(again, Error::Export(_)), "{again}");
    let log = place
        .community
        .audit(&user("alice"), waddle.id, None, 1)
        .await
        .unwrap();
    assert_eq!(
        (&*log[0].action, log[0].actor.clone()),
        ("waddle.export", Some(user("alice")))
    );
    place.storage.close().await;

    let place = Place::open(there.path(), "new.example", Limits::default()).await;
    place.accounts(&["alice", "ann", "robert"]).await;
    let c = &place.community;
    // Of people with the same names nothing is supposed.
    let refused = c.import(&file, Import::new(slug("penguins"))).await.unwrap_err();
    let Error::Strangers { names, more } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(
        (names.join(" "), *more),
        (
            "alice@old.example bob@old.example mona@old.example troll@old.example".into(),
            0
        )
    );
    assert!(!c.is_slug_taken(&slug("penguins")), "nothing happened");

    let mut import = Import::new(slug("birds"));
    import.name = Some("Birds".to_owned());
    import.people.insert("alice@old.example".to_owned(), user("ann"));
    import.people.insert("bob".to_owned(), user("robert"));
    import.strangers = Strangers::Remote;
    let done = c.import(&file, import).await.unwrap();
    let w = done.waddle;
    assert_eq!(
        (w.slug.as_str(), &*w.name, done.dropped.len()),
        ("birds", "Birds", 0)
    );
    assert_ne!(w.id, waddle.id);
    let mona = "xmpp:mona%40old.example".parse().unwrap();
    let troll = "xmpp:troll%40old.example".parse().unwrap();
    assert_eq!(c.role_of(w.id, &user("ann")).await.unwrap(), Some(Role::Owner));
    assert_eq!(c.role_of(w.id, &mona).await.unwrap(), Some(Role::Moderator));
    assert_eq!(
        c.role_of(w.id, &user("alice")).await.unwrap(),
        None,
        "another person of that name"
    );
    assert_eq!(c.waddles_of(&user("robert")).await.unwrap().len(), 1);
    let access = c.access(w.id).await.unwrap();
    assert!(access.is_banned(&troll));
    let nest = c.channel_by_slug(w.id, &slug("nest")).await.unwrap().unwrap();
    assert!(access.channel_allows(nest.id, "speak", &user("robert")));
    assert!(!access.channel_allows(nest.id, "view", &user("alice")));
    assert!(access.allows(On::Waddle, "delete", &user("ann")));
    assert_eq!(c.bindings(w.id).await.unwrap()[0].channel, nest.id);
    let said = place.archive(w.id, nest.id).await;
    assert_eq!(said.len(), 20);
    let first = std::str::from_utf8(&said[0].stanza).unwrap();
    assert_eq!(
        first,
        "<message from='birds.nest@muc.new.example/bob' type='groupchat'>\
         <body>0 in penguins.nest@muc.old.example</body></message>"
    );
    assert_eq!(said[0].author.as_deref(), Some("local:robert"));
    assert_eq!(said[0].sender.as_deref(), Some("robert@new.example/phone"));
    // It lives: it can be changed, and found again after a start.
    c.add_member(&user("ann"), w.id, &user("alice"), Role::Member)
        .await
        .unwrap();
    assert_eq!(c.member_count(w.id).await.unwrap(), 4);
    place.storage.close().await;
    let place = Place::open(there.path(), "new.example", Limits::default()).await;
    assert_eq!(
        place.community.role_of(w.id, &user("alice")).await.unwrap(),
        Some(Role::Member)
    );
    place.storage.close().await;
}

#[tokio::test]
async fn a_copy_on_the_same_server_is_another_waddle() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let file = dir.path().join("x");
    c.export(&user("alice"), waddle.id, &file).await.unwrap();
    let taken = c.import(&file, Import::new(slug("penguins"))).await.unwrap_err();
    assert!(matches!(taken, Error::Conflict(_)), "{taken}");
    let copy = c.import(&file, Import::new(slug("copy"))).await.unwrap().waddle;
    let there = |w| async move { c.channels(w).await.unwrap() };
    let (a, b) = (there(waddle.id).await, there(copy.id).await);
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!((&a.slug, a.position, a.kind), (&b.slug, b.position, b.kind));
        assert_ne!(a.id, b.id);
        assert_eq!(b.waddle, copy.id);
    }
    // What happens in one does not happen in the other.
    c.remove_member(&user("alice"), copy.id, &user("bob"), RemovalKind::Banned, None)
        .await
        .unwrap();
    assert_eq!(
        c.role_of(waddle.id, &user("bob")).await.unwrap(),
        Some(Role::Member)
    );
    c.delete_waddle(&user("alice"), waddle.id).await.unwrap();
    assert_eq!(
        c.role_of(copy.id, &user("mona")).await.unwrap(),
        Some(Role::Moderator)
    );
    assert_eq!(c.waddles_of(&user("alice")).await.unwrap().len(), 1);
    place.storage.close().await;
}

#[tokio::test]
async fn people_who_are_gone_can_be_left_out() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Old { place, waddle } = old(here.path()).await;
    let file = here.path().join("x");
    place
        .community
        .export(&user("alice"), waddle.id, &file)
        .await
        .unwrap();
    place.storage.close().await;
    let place = Place::open(there.path(), "old.example", Limits::default()).await;
    place.accounts(&["bob", "olga"]).await;
    let mut import = Import::new(slug("penguins"));
    import.strangers = Strangers::Drop;
    let ownerless = place.community.import(&file, import.clone()).await.unwrap_err();
    assert!(
        matches!(ownerless, Error::Invalid { field: "owner", .. }),
        "{ownerless}"
    );
    assert!(
        place.storage.waddles().await.unwrap().is_empty(),
        "nothing is left"
    );
    import.owner = Some(user("olga"));
    let done = place.community.import(&file, import).await.unwrap();
    assert_eq!(done.dropped, ["local:alice", "local:mona", "local:troll"]);
    let c = &place.community;
    assert_eq!(
        c.role_of(done.waddle.id, &user("olga")).await.unwrap(),
        Some(Role::Owner)
    );
    assert_eq!(
        c.role_of(done.waddle.id, &user("bob")).await.unwrap(),
        Some(Role::Member)
    );
    assert_eq!(c.member_count(done.waddle.id).await.unwrap(), 2);
    place.storage.close().await;
}

#[tokio::test]
async fn only_owners_export_and_strangers_learn_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let path = dir.path().join("x");
    for who in ["mona", "bob", "troll", "nobody"] {
        let refused = c.export(&user(who), waddle.id, &path).await.unwrap_err();
        assert_eq!(refused, Error::Forbidden, "{who}");
        assert_eq!(
            c.export_file(&user(who), waddle.id).await.unwrap_err(),
            Error::Forbidden
        );
    }
    let none = c
        .export(&user("nobody"), waddle_core::WaddleId::new(), &path)
        .await
        .unwrap_err();
    assert_eq!(none, Error::Forbidden, "whether it exists or not");
    assert!(!path.exists());
    let (done, file) = c.export_file(&user("alice"), waddle.id).await.unwrap();
    assert_eq!(file.metadata().unwrap().len(), done.bytes);
    let left = std::fs::read_dir(dir.path().join("scratch")).unwrap().count();
    assert_eq!(left, 0, "the file has no name");
    place.storage.close().await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    c.export(&user("alice"), waddle.id, &good).await.unwrap();
    let text = std::fs::read_to_string(&good).unwrap();
    let cut = text.len() * 2 / 3;
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "empty"),
        ("hello\n".to_owned(), "no export"),
        (
            text.replacen("\"waddle_export\":1", "\"waddle_export\":2", 1),
            "version 2",
        ),
        (text[..cut].to_owned(), "cut off"),
        (text.replacen("Nest", "Best", 1), "damaged or changed"),
        (
            text.replacen("\"migrations\":[1", "\"migrations\":[1,9999", 1),
            "newer version",
        ),
        (
            text.replacen("\"table\":\"bans\"", "\"table\":\"invites\"", 1),
            "the table invites",
        ),
        (
            text.replacen("\"slug\":\"nest\"", "\"slug\":\"general\"", 1),
            "does not fit",
        ),
    ];
    let before = place.storage.waddles().await.unwrap().len();
    for (file, says) in cases {
        std::fs::write(&bad, file).unwrap();
        let refused = c
            .import(&bad, Import::new(slug("copy")))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains(says), "{refused} ({says})");
        assert!(!c.is_slug_taken(&slug("copy")), "{says}");
    }
    assert_eq!(place.storage.waddles().await.unwrap().len(), before);
    let left = std::fs::read_dir(dir.path().join("waddles")).unwrap();
    let odd: Vec<_> = left
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "new"))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    c.import(&good, Import::new(slug("copy"))).await.unwrap();
    place.storage.close().await;
}

/// The same export with other lines, and the sum that fits them: anybody can write one.
pub fn forged(text: &str, mut change: impl FnMut(serde_json::Value) -> Vec<serde_json::Value>) -> String {
    let mut lines = text.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line.get("end").is_some() {
            continue;
        }
        for line in change(line) {
            if let Some(table) = line["table"].as_str() {
                *rows.entry(table.to_owned()).or_default() += 1;
            }
            out.push_str(&format!("{line}\n"));
        }
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, out.as_bytes());
    let sum: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    out.push_str(&format!("{}\n", serde_json::json!({"end": rows, "sha256": sum})));
    out
}

/// What an export says is held to what an operation could have made.
#[tokio::test]
async fn an_export_that_somebody_wrote_by_hand_gives_nobody_more_than_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    c.export(&user("alice"), waddle.id, &good).await.unwrap();
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&bad, forged(&text, |line| vec![line])).unwrap();
    c.import(&bad, Import::new(slug("same"))).await.unwrap();

    let id = waddle.id;
    let tuple = |object: &str, relation: &str, subject: &str| {
        serde_json::json!({"table": "tuples",
            "row": {"object": object, "relation": relation, "subject": subject}})
    };
    let own = format!("waddle:{id}");
    let other = waddle_core::WaddleId::new();
    let nobody = waddle_core::RoleId::new();
    let nest = c.channel_by_slug(id, &slug("nest")).await.unwrap().unwrap().id;
    // Rights that no list of members, roles or channels shows.
    for hidden in [
        tuple(&own, "owner", "user:did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        tuple(&own, "admin", "user:local:bob"),
        tuple(&own, "admin", &format!("role:{nobody}#member")),
        tuple(&own, "ban", &format!("role:{nobody}#member")),
        tuple(&format!("role:{nobody}"), "member", "user:local:bob"),
        tuple(&format!("waddle:{other}"), "admin", "user:local:bob"),
        tuple(&format!("channel:{nest}"), "parent", &format!("waddle:{other}")),
        tuple(&format!("channel:{other}"), "manager", "user:local:bob"),
        tuple(&own, "guest", "user:*"),
    ] {
        let mut once = Some(hidden.clone());
        let file = forged(&text, |line| once.take().into_iter().chain([line]).collect());
        // people come first
        let (people, rest): (Vec<&str>, Vec<&str>) = file.lines().partition(|l| l.contains("\"person\""));
        let (head, rest) = rest.split_first().unwrap();
        let ordered = [&[*head], &people[..], rest].concat().join("\n") + "\n";
        std::fs::write(&bad, forged(&ordered, |line| vec![line])).unwrap();
        let refused = c.import(&bad, Import::new(slug("copy"))).await.unwrap_err();
        assert!(
            refused.to_string().contains("fits no member"),
            "{hidden}: {refused}"
        );
        assert!(!c.is_slug_taken(&slug("copy")));
    }
    // Rows after which nothing more could be written, or that everybody would have to carry.
    let with = |table: &'static str, column: &'static str, value: serde_json::Value| {
        forged(&text, move |mut line| {
            if line["table"] == table {
                line["row"][column] = value.clone();
            }
            vec![line]
        })
    };
    for (file, says) in [
        (with("audit", "id", i64::MAX.into()), "a number is too large"),
        (with("archive", "id", (1_i64 << 52).into()), "of the future"),
        (with("archive", "id", (-5).into()), "of the future"),
        (
            with("waddle", "revision", i64::MAX.into()),
            "a number is too large",
        ),
        (
            with("channels", "position", u64::from(u32::MAX).into()),
            "does not fit",
        ),
        (
            with("waddle", "description", "x".repeat(2_000).into()),
            "too long",
        ),
        (with("channels", "name", "x".repeat(200).into()), "too long"),
        (with("bans", "reason", "x".repeat(100_000).into()), "too long"),
    ] {
        std::fs::write(&bad, file).unwrap();
        let refused = c.import(&bad, Import::new(slug("copy"))).await;
        if says == "does not fit" {
            // A place is a place: what is made later comes behind it.
            let copy = refused.unwrap().waddle.id;
            let more = NewChannel::text(slug("more"), "More");
            c.create_channel(&user("alice"), copy, more).await.unwrap();
            c.delete_waddle(&user("alice"), copy).await.unwrap();
            continue;
        }
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused} ({says})");
        assert!(!c.is_slug_taken(&slug("copy")));
    }
    place.storage.close().await;
}
