//! What administrators do by command (XEP-0133).

use waddle_stanza::Stanza;
use waddle_xmpp::office::Ending;

use super::{app, attr, done, execute, form, note, office, refused, run};
use crate::support::{Client, body, condition, text};

#[tokio::test]
async fn accounts_are_made_disabled_and_deleted() {
    let (w, mut c) = office().await;
    let bob: (&str, &[&str]) = ("accountjid", &["bob@waddle.test"]);
    let both = |a: &'static [&'static str], b: &'static [&'static str]| {
        [bob, ("password", a), ("password-verify", b)]
    };
    refused(&mut c, "add-user", &both(&["secret"], &["secreT"])).await;
    for bad in ["bob@elsewhere.test", "a@b@c", "waddle.test"] {
        let fields: &[(&str, &[&str])] = &[
            ("accountjid", &[bad]),
            ("password", &["secret"]),
            ("password-verify", &["secret"]),
        ];
        refused(&mut c, "add-user", fields).await;
    }
    done(&mut c, "add-user", &both(&["secret"], &["secret"])).await;
    let again = run(&mut c, "add-user", &both(&["secret"], &["secret"])).await;
    assert_eq!(condition(&again), "conflict");
    // a disabled account: sessions end, nobody gets in, everything stays
    let mut b = w.online("bob", "one").await;
    b.request("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='amy@x.test' name='Amy'/></query></iq>")
        .await;
    let who: &[(&str, &[&str])] = &[("accountjids", &["bob@waddle.test"])];
    done(&mut c, "disable-user", who).await;
    b.ends_with("not-authorized").await;
    assert_eq!(w.login_failure("bob", "secret").await, "account-disabled");
    assert_eq!(w.login_failure("bob", "wrong").await, "not-authorized");
    let n = done_at_once(&mut c, "get-disabled-users-num").await;
    assert_eq!(form(&n).value("disabledusersnum"), Some("1"));
    let list = done(&mut c, "get-disabled-users-list", &[]).await;
    assert_eq!(form(&list).values("disableduserjids"), ["bob@waddle.test"]);
    let roster = done(&mut c, "get-user-roster", who).await;
    assert!(
        text(&roster).contains("<item jid=\"amy@x.test\" name=\"Amy\" subscription=\"none\"/>"),
        "{}",
        text(&roster)
    );
    refused(
        &mut c,
        "reenable-user",
        &[("accountjids", &["nobody@waddle.test"])],
    )
    .await;
    done(&mut c, "reenable-user", who).await;
    let mut b = w.online("bob", "one").await;
    let mut b2 = w.online("bob", "two").await;
    b.next().await;
    done(
        &mut c,
        "end-user-session",
        &[("accountjids", &["bob@waddle.test/one"])],
    )
    .await;
    b.ends_with("policy-violation").await;
    while !text(&b2.next().await).contains("unavailable") {}
    let last = done(&mut c, "get-user-lastlogin", who).await;
    assert!(form(&last).value("lastlogin").unwrap().starts_with("20"));
    let stats = done(&mut c, "user-stats", &[("accountjid", &["bob@waddle.test"])]).await;
    let stats = form(&stats);
    assert_eq!(
        (stats.value("rostersize"), stats.value("onlineresources")),
        (Some("1"), Some("two"))
    );
    done(
        &mut c,
        "change-user-password",
        &[bob, ("password", &["new secret"])],
    )
    .await;
    b2.ends_with("not-authorized").await;
    w.login_with("bob", "new secret").await;
    refused(&mut c, "delete-user", &[("accountjids", &["root@waddle.test"])]).await;
    done(
        &mut c,
        "delete-user",
        &[("accountjids", &["bob@waddle.test/any"])],
    )
    .await;
    assert!(w.identity.by_localpart("bob").await.unwrap().is_none());
    refused(&mut c, "delete-user", who).await;
}

async fn done_at_once(c: &mut Client, node: &str) -> Stanza {
    let r = execute(c, node).await;
    assert_eq!(
        (attr(&r, "status").as_str(), note(&r).as_str()),
        ("completed", ""),
        "{}",
        text(&r)
    );
    r
}

#[tokio::test]
async fn numbers_and_lists() {
    let (w, mut c) = office().await;
    let mut alice = w.client("alice", "one").await;
    for (node, var, expected) in [
        ("get-registered-users-num", "registeredusersnum", "2"),
        ("get-disabled-users-num", "disabledusersnum", "0"),
        ("get-online-users-num", "onlineusersnum", "2"),
        ("get-active-users-num", "activeusersnum", "1"),
        ("get-idle-users-num", "idleusersnum", "1"),
    ] {
        let r = done_at_once(&mut c, node).await;
        assert_eq!(form(&r).value(var), Some(expected), "{node}");
    }
    let (root, alice_jid) = ("root@waddle.test", "alice@waddle.test");
    for (node, var, expected) in [
        (
            "get-registered-users-list",
            "registereduserjids",
            vec![alice_jid, root],
        ),
        ("get-disabled-users-list", "disableduserjids", vec![]),
        ("get-online-users-list", "onlineuserjids", vec![alice_jid, root]),
        ("get-active-users", "activeuserjids", vec![root]),
        ("get-idle-users", "activeuserjids", vec![alice_jid]),
    ] {
        let r = done(&mut c, node, &[("max_items", &["25"])]).await;
        assert_eq!(form(&r).values(var), expected, "{node}");
        let r = run(&mut c, node, &[("max_items", &["many"])]).await;
        assert_eq!(app(&r), "bad-payload");
    }
    alice.quiet().await;
}

#[tokio::test]
async fn texts_for_everybody() {
    let (w, mut c) = office().await;
    let mut alice = w.online("alice", "one").await;
    done(
        &mut c,
        "announce",
        &[("announcement", &["Cake", "in the kitchen"])],
    )
    .await;
    assert_eq!(body(&alice.message().await), "Cake\nin the kitchen");
    done(&mut c, "set-motd", &[("motd", &["Be kind"])]).await;
    assert_eq!(body(&alice.message().await), "Be kind");
    let edit = execute(&mut c, "edit-motd").await;
    assert_eq!(form(&edit).values("motd"), ["Be kind"]);
    done(&mut c, "edit-motd", &[("motd", &["Be very kind"])]).await;
    // once to each: not to who saw it, not to a second device
    let mut again = w.online("alice", "two").await;
    again
        .sync()
        .await
        .iter()
        .for_each(|s| assert_ne!(s.root().name(), "message", "{}", text(s)));
    done(&mut c, "set-welcome", &[("welcome", &["Hello, new one"])]).await;
    w.account("carol").await;
    let mut carol = w.online("carol", "one").await;
    let got = [body(&carol.message().await), body(&carol.message().await)];
    assert_eq!(got, ["Hello, new one", "Be very kind"]);
    let mut carol = w.online("carol", "two").await;
    carol
        .sync()
        .await
        .iter()
        .for_each(|s| assert_ne!(s.root().name(), "message", "{}", text(s)));
    done_at_once(&mut c, "delete-motd").await;
    done_at_once(&mut c, "delete-welcome").await;
    assert!(
        form(&execute(&mut c, "edit-motd").await)
            .values("motd")
            .is_empty()
    );
    w.account("dave").await;
    let mut dave = w.online("dave", "one").await;
    dave.quiet().await;
}

#[tokio::test]
async fn lists_of_whom_the_service_talks_with() {
    let (w, mut c) = office().await;
    let mut alice = w.online("alice", "one").await;
    refused(&mut c, "edit-blacklist", &[("blacklistjids", &["waddle.test"])]).await;
    refused(
        &mut c,
        "edit-blacklist",
        &[("blacklistjids", &["not@an@address"])],
    )
    .await;
    done(
        &mut c,
        "edit-blacklist",
        &[("blacklistjids", &["alice@waddle.test", "spam.test"])],
    )
    .await;
    let shown = execute(&mut c, "edit-blacklist").await;
    assert_eq!(
        form(&shown).values("blacklistjids"),
        ["alice@waddle.test", "spam.test"]
    );
    let to = |jid: &str| format!("<message to='{jid}' type='chat'><body>x</body></message>");
    assert_eq!(
        condition(&alice.request(&to("root@waddle.test")).await),
        "forbidden"
    );
    assert_eq!(
        condition(&c.request(&to("alice@waddle.test")).await),
        "not-allowed"
    );
    assert_eq!(condition(&c.request(&to("a@spam.test")).await), "not-allowed");
    alice.quiet().await;
    done(&mut c, "edit-blacklist", &[("blacklistjids", &[])]).await;
    done(&mut c, "edit-whitelist", &[("whitelistjids", &["friends.test"])]).await;
    assert_eq!(condition(&c.request(&to("a@spam.test")).await), "not-allowed");
    assert_eq!(
        condition(&c.request(&to("a@friends.test")).await),
        "remote-server-not-found"
    );
    c.send(&to("alice@waddle.test")).await;
    assert_eq!(body(&alice.message().await), "x");
    done(&mut c, "edit-whitelist", &[("whitelistjids", &[])]).await;
    assert_eq!(
        condition(&c.request(&to("a@spam.test")).await),
        "remote-server-not-found"
    );
}

#[tokio::test]
async fn administrators_choose_administrators() {
    let (w, mut c) = office().await;
    let shown = execute(&mut c, "edit-admin").await;
    assert_eq!(form(&shown).values("adminjids"), ["root@waddle.test"]);
    refused(&mut c, "edit-admin", &[("adminjids", &[])]).await;
    refused(
        &mut c,
        "edit-admin",
        &[("adminjids", &["root@waddle.test", "nobody@waddle.test"])],
    )
    .await;
    done(&mut c, "edit-admin", &[("adminjids", &["alice@waddle.test"])]).await;
    assert_eq!(condition(&execute(&mut c, "edit-admin").await), "forbidden");
    let mut alice = w.client("alice", "one").await;
    done(
        &mut alice,
        "edit-admin",
        &[("adminjids", &["root@waddle.test", "alice@waddle.test"])],
    )
    .await;
    assert!(w.identity.by_localpart("root").await.unwrap().unwrap().admin);
}

#[tokio::test]
async fn the_service_stops_and_starts_again() {
    let (w, mut c) = office().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let on_end = std::sync::Arc::new(move |ending| tell.send(ending).unwrap());
    w.server.server().office.set_on_end(on_end);
    let mut alice = w.online("alice", "one").await;
    let r = run(&mut c, "shutdown", &[("delay", &["soon"])]).await;
    assert_eq!(app(&r), "bad-payload");
    done(
        &mut c,
        "shutdown",
        &[("delay", &["3600"]), ("announcement", &["Later"])],
    )
    .await;
    assert_eq!(body(&alice.message().await), "Later");
    // the second wish replaces the first
    done(&mut c, "restart", &[("delay", &["0"])]).await;
    let ending = tokio::time::timeout(std::time::Duration::from_secs(10), told.recv()).await;
    assert_eq!(ending.unwrap(), Some(Ending::Restart));
    assert!(told.try_recv().is_err());
}
