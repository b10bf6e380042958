//! Ad-hoc commands and what administrators do with them (XEP-0050, XEP-0133); forms and their fields (XEP-0004, XEP-0068,
//! XEP-0122, XEP-0128).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use support::{Client, DOMAIN, condition, text, world, world_with};
use waddle_stanza::{Stanza, forms::Form};
use waddle_xmpp::office::Ending;

const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const COMMANDS: &str = "http://jabber.org/protocol/commands";
const ADMIN: &str = "http://jabber.org/protocol/admin";

#[tokio::test]
async fn everybody_sees_what_they_may_run() {
    let w = world().await;
    w.account("alice").await;
    let mut c = w.client("alice", "one").await;
    for to in ["", " to='waddle.test'", " to='alice@waddle.test'"] {
        let list = c
            .request(&format!(
                "<iq type='get' id='l'{to}><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>"
            ))
            .await;
        assert_eq!(list.type_().unwrap(), "result", "{}", text(&list));
        assert!(!text(&list).contains("add-user"), "{}", text(&list));
        let info = c
            .request(&format!(
                "<iq type='get' id='l'{to}><query xmlns='{INFO}' node='{COMMANDS}'/></iq>"
            ))
            .await;
        assert!(text(&info).contains("command-list"), "{}", text(&info));
        let unknown = c
            .request(&format!(
                "<iq type='set' id='x'{to}><command xmlns='{COMMANDS}' node='nothing'/></iq>"
            ))
            .await;
        assert_eq!(condition(&unknown), "item-not-found");
    }
}

/// An administrator's client, and the world around it.
async fn office() -> (support::World, Client) {
    let w = world_with(|l| l.xmpp_commands_per_account = 4, |_| {}).await;
    let secret = waddle_core::Secret::new("secret");
    w.identity.create_local("root", &secret, true).await.unwrap();
    w.account("alice").await;
    let c = w.online("root", "desk").await;
    (w, c)
}

#[tokio::test]
async fn an_administrators_program_is_no_administrator() {
    let (w, mut c) = office().await;
    let root = w.identity.by_localpart("root").await.unwrap().unwrap();
    let token = w.identity.issue_token(&root, "a program").await.unwrap();
    let mut program = w.login_with("root", token.token.expose()).await;
    program.bind("program").await;
    let run = format!(
        "<iq type='set' id='r' to='waddle.test'><command xmlns='{COMMANDS}' node='{ADMIN}#change-user-password'/></iq>"
    );
    assert_eq!(condition(&program.request(&run).await), "forbidden");
    let list =
        format!("<iq type='get' id='l' to='waddle.test'><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>");
    let list = program.request(&list).await;
    assert!(!text(&list).contains(ADMIN), "{}", text(&list));
    assert_eq!(attr(&c.request(&run).await, "status"), "executing");
}

fn attr(s: &Stanza, name: &str) -> String {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("no command: {}", text(s)));
    command.attr(name).unwrap_or_default().into_owned()
}

fn form(s: &Stanza) -> Form {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("no command: {}", text(s)));
    Form::within(command).unwrap_or_else(|| panic!("no form: {}", text(s)))
}

/// What §4.4 of XEP-0050 adds to the error.
fn app(s: &Stanza) -> String {
    let error = s.root().child("error", "jabber:client");
    let error = error.unwrap_or_else(|| panic!("no error: {}", text(s)));
    let app = error.children().find(|c| c.in_ns(COMMANDS));
    app.map(|c| c.name().to_owned()).unwrap_or_default()
}

fn note(s: &Stanza) -> String {
    let command = s.root().child("command", COMMANDS).unwrap();
    let note = command.child("note", COMMANDS);
    note.map(|n| n.attr("type").unwrap_or_default().into_owned())
        .unwrap_or_default()
}

/// The answer to a request, whatever is heard before it.
async fn answer(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("x") {
            return s;
        }
    }
}

async fn execute(c: &mut Client, node: &str) -> Stanza {
    let xml = format!(
        "<iq type='set' id='x' to='{DOMAIN}'><command xmlns='{COMMANDS}' node='{ADMIN}#{node}' action='execute'/></iq>"
    );
    answer(c, &xml).await
}

async fn act(c: &mut Client, node: &str, session: &str, action: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let mut x = String::new();
    for (var, values) in fields {
        let values: String = values.iter().map(|v| format!("<value>{v}</value>")).collect();
        x.push_str(&format!("<field var='{var}'>{values}</field>"));
    }
    let xml = format!(
        "<iq type='set' id='x' to='{DOMAIN}'><command xmlns='{COMMANDS}' node='{ADMIN}#{node}' sessionid='{session}' \
         action='{action}'><x xmlns='jabber:x:data' type='submit'>{x}</x></command></iq>"
    );
    answer(c, &xml).await
}

/// Both stages of a command.
async fn run(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let asked = execute(c, node).await;
    assert_eq!(attr(&asked, "status"), "executing", "{}", text(&asked));
    act(c, node, &attr(&asked, "sessionid"), "complete", fields).await
}

/// Both stages of a command that works.
async fn done(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) -> Stanza {
    let r = run(c, node, fields).await;
    assert_eq!(
        (attr(&r, "status").as_str(), note(&r).as_str()),
        ("completed", ""),
        "{}",
        text(&r)
    );
    r
}

/// Both stages of a command that is not carried out.
async fn refused(c: &mut Client, node: &str, fields: &[(&str, &[&str])]) {
    let r = run(c, node, fields).await;
    assert_eq!(
        (attr(&r, "status").as_str(), note(&r).as_str()),
        ("completed", "error"),
        "{}",
        text(&r)
    );
}

#[tokio::test]
async fn commands_are_for_administrators() {
    let (w, mut c) = office().await;
    let mut alice = w.client("alice", "one").await;
    assert_eq!(condition(&execute(&mut alice, "add-user").await), "forbidden");
    for to in ["", " to='waddle.test'"] {
        let list = c
            .request(&format!(
                "<iq type='get' id='l'{to}><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>"
            ))
            .await;
        assert!(text(&list).contains("#get-online-users-list"), "{}", text(&list));
        assert!(
            !text(&list).contains("#shutdown"),
            "nobody here can end the process"
        );
    }
    let info = c
        .request(&format!(
            "<iq type='get' id='l' to='waddle.test'><query xmlns='{INFO}' node='{ADMIN}#add-user'/></iq>"
        ))
        .await;
    for part in ["command-node", "Add a User", "jabber:x:data"] {
        assert!(text(&info).contains(part), "{}", text(&info));
    }
    let denied = alice
        .request(&format!(
            "<iq type='get' id='l' to='waddle.test'><query xmlns='{INFO}' node='{ADMIN}#add-user'/></iq>"
        ))
        .await;
    assert_eq!(condition(&denied), "forbidden");
}

#[tokio::test]
async fn sessions_and_their_errors() {
    let (w, mut c) = office().await;
    let asked = execute(&mut c, "add-user").await;
    let id = attr(&asked, "sessionid");
    assert!(text(&asked).contains("<actions execute=\"complete\"><complete/></actions>"));
    let half: &[(&str, &[&str])] = &[("accountjid", &["bob@waddle.test"])];
    for (action, fields, expected) in [
        ("jump", half, "malformed-action"),
        ("next", half, "bad-action"),
        ("prev", half, "bad-action"),
        ("complete", half, "bad-payload"),
        ("execute", &[("FORM_TYPE", &["urn:other"])], "bad-payload"),
    ] {
        let r = act(&mut c, "add-user", &id, action, fields).await;
        assert_eq!(
            (condition(&r).as_str(), app(&r).as_str()),
            ("bad-request", expected),
            "{action}"
        );
    }
    // another command, another device
    assert_eq!(
        app(&act(&mut c, "delete-user", &id, "complete", half).await),
        "bad-sessionid"
    );
    let mut other = w.client("root", "phone").await;
    assert_eq!(
        app(&act(&mut other, "add-user", &id, "cancel", &[]).await),
        "bad-sessionid"
    );
    let r = act(&mut c, "add-user", &id, "cancel", &[]).await;
    assert_eq!(attr(&r, "status"), "canceled");
    let r = act(&mut c, "add-user", &id, "cancel", &[]).await;
    assert_eq!(
        (condition(&r).as_str(), app(&r).as_str()),
        ("not-allowed", "session-expired")
    );
    assert_eq!(
        app(&act(&mut c, "add-user", "made-up", "cancel", &[]).await),
        "bad-sessionid"
    );
    let wrong = format!(
        "<iq type='set' id='x' to='{DOMAIN}'><command xmlns='{COMMANDS}' node='{ADMIN}#add-user' xml:lang='?!'/></iq>"
    );
    assert_eq!(app(&c.request(&wrong).await), "bad-locale");
    // the oldest of too many is forgotten
    let first = attr(&execute(&mut c, "add-user").await, "sessionid");
    for _ in 0..4 {
        execute(&mut c, "add-user").await;
    }
    assert_eq!(
        app(&act(&mut c, "add-user", &first, "cancel", &[]).await),
        "session-expired"
    );
}

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
    assert_eq!(support::body(&alice.message().await), "Cake\nin the kitchen");
    done(&mut c, "set-motd", &[("motd", &["Be kind"])]).await;
    assert_eq!(support::body(&alice.message().await), "Be kind");
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
    let got = [
        support::body(&carol.message().await),
        support::body(&carol.message().await),
    ];
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
    assert_eq!(support::body(&alice.message().await), "x");
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
    assert_eq!(support::body(&alice.message().await), "Later");
    // the second wish replaces the first
    done(&mut c, "restart", &[("delay", &["0"])]).await;
    let ending = tokio::time::timeout(std::time::Duration::from_secs(10), told.recv()).await;
    assert_eq!(ending.unwrap(), Some(Ending::Restart));
    assert!(told.try_recv().is_err());
}

/// Fields of `http://jabber.org/protocol/admin` that are registered (XEP-0133 §8.2).
const REGISTERED: [&str; 24] = [
    "accountjid",
    "accountjids",
    "activeuserjids",
    "activeusersnum",
    "adminjids",
    "announcement",
    "blacklistjids",
    "delay",
    "disableduserjids",
    "disabledusersnum",
    "email",
    "idleusersnum",
    "lastlogin",
    "max_items",
    "motd",
    "onlineresources",
    "onlineuserjids",
    "onlineusersnum",
    "password",
    "password-verify",
    "registereduserjids",
    "registeredusersnum",
    "welcome",
    "whitelistjids",
];

#[tokio::test]
async fn forms_name_their_type_and_registered_fields() {
    let (w, mut c) = office().await;
    w.server.server().office.set_on_end(std::sync::Arc::new(|_| {}));
    let list = c
        .request(&format!(
            "<iq type='get' id='l' to='{DOMAIN}'><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>"
        ))
        .await;
    let list = waddle_stanza::disco::DiscoItems::read(list.payload().unwrap()).unwrap();
    let nodes: Vec<String> = list.items.into_iter().filter_map(|i| i.node).collect();
    assert_eq!(nodes.len(), 30);
    for node in nodes {
        let r = execute(&mut c, node.strip_prefix(&format!("{ADMIN}#")).unwrap()).await;
        if r.root()
            .child("command", COMMANDS)
            .unwrap()
            .child("x", "jabber:x:data")
            .is_none()
        {
            continue; // done at once, with nothing to say
        }
        let f = form(&r);
        assert_eq!(f.fields[0].var.as_deref(), Some("FORM_TYPE"), "{node}");
        assert_eq!(f.form_type(), Some(ADMIN), "{node}");
        for field in &f.fields[1..] {
            let var = field.var.as_deref().unwrap();
            assert!(REGISTERED.contains(&var), "{node}: {var}");
            assert!(field.label.is_some(), "{node}: {var}");
        }
    }
    let shutdown = execute(&mut c, "shutdown").await;
    assert!(
        text(&shutdown).contains(
            "<validate xmlns=\"http://jabber.org/protocol/xdata-validate\" datatype=\"xs:integer\"><range min=\"0\" max=\"86400\"/></validate>"
        ),
        "{}",
        text(&shutdown)
    );
}

#[tokio::test]
async fn forms_in_discovery_name_their_type() {
    let w = world().await;
    w.account("alice").await;
    let mut c = w.online("alice", "one").await;
    for to in ["waddle.test", "muc.waddle.test", "alice@waddle.test"] {
        let r = c
            .request(&format!(
                "<iq type='get' id='i' to='{to}'><query xmlns='{INFO}'/></iq>"
            ))
            .await;
        let info = waddle_stanza::disco::DiscoInfo::read(r.payload().unwrap()).unwrap();
        for f in info.forms {
            let kind = f
                .form_type()
                .unwrap_or_else(|| panic!("{to}: a form without FORM_TYPE"))
                .to_owned();
            for field in f
                .fields
                .iter()
                .filter_map(|f| f.var.as_deref())
                .filter(|v| *v != "FORM_TYPE")
            {
                // XEP-0068 §3.3: what is not registered for the type is in a namespace of its own.
                let registered =
                    field.ends_with("-addresses") || field.contains('#') || field == "max-file-size";
                assert!(
                    registered || field.starts_with('{') || field.starts_with("x-"),
                    "{to}: {kind}: {field}"
                );
            }
        }
    }
    let bad = c
        .request(&format!(
            "<iq type='get' id='i' to='{DOMAIN}'><query xmlns='{INFO}' node='none'/></iq>"
        ))
        .await;
    assert_eq!(condition(&bad), "item-not-found");
}

/// Carries out `/echo`.
#[derive(Debug)]
struct Echoes;

impl waddle_muc::SlashCommands for Echoes {
    fn is_command(&self, _: waddle_core::WaddleId, text: &str) -> bool {
        text.starts_with("/echo")
    }

    fn run(&self, typed: waddle_muc::Typed) {
        typed.whisper.say("Echo (bot)", &typed.text);
    }

    fn list(&self, _: waddle_core::WaddleId) -> Vec<waddle_muc::SlashCommand> {
        vec![waddle_muc::SlashCommand {
            name: "echo".into(),
            description: "says it again".into(),
            options: vec![waddle_muc::SlashOption {
                name: "what".into(),
                description: "What to say".into(),
                required: true,
                boolean: false,
                choices: Vec::new(),
            }],
        }]
    }

    fn call(
        &self,
        call: waddle_muc::SlashCall,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        Box::pin(async move { Ok([&call.nick, " said ", &call.line].concat()) })
    }
}

/// XEP-0050: a stock client runs a community's slash commands from the menu of the channel's room.
#[tokio::test]
async fn slash_commands_are_commands_of_their_room() {
    let w = world().await;
    w.rooms.set_slash_commands(std::sync::Arc::new(Echoes));
    w.account("alice").await;
    w.account("eve").await;
    let new = waddle_community::NewWaddle::new("tea".parse().unwrap(), "Tea");
    let alice = waddle_core::UserId::local("alice");
    w.community.create_waddle(&alice, new).await.unwrap();
    let room = "tea.general@muc.waddle.test";
    let list = format!("<iq type='get' id='l' to='{room}'><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>");
    let mut stranger = w.online("eve", "one").await;
    let refused = stranger.request(&list).await;
    assert!(
        !text(&refused).contains("urn:waddle:command#run"),
        "{}",
        text(&refused)
    );
    let mut c = w.online("alice", "one").await;
    let shown = c.request(&list).await;
    assert!(
        text(&shown).contains("urn:waddle:command#run"),
        "{}",
        text(&shown)
    );
    let step = |session: &str, action: &str, fields: &str| {
        let form = if fields.is_empty() {
            String::new()
        } else {
            format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
        };
        format!(
            "<iq type='set' id='s' to='{room}'><command xmlns='{COMMANDS}' node='urn:waddle:command#run'{session}{action}>{form}</command></iq>"
        )
    };
    let menu = c.request(&step("", "", "")).await;
    assert!(text(&menu).contains("/echo – says it again"), "{}", text(&menu));
    let id = menu.payload().unwrap().attr("sessionid").unwrap().into_owned();
    let session = format!(" sessionid='{id}'");
    let chosen = "<field var='command'><value>echo</value></field>";
    let form = c.request(&step(&session, " action='next'", chosen)).await;
    assert!(text(&form).contains("What to say"), "{}", text(&form));
    let filled = "<field var='what'><value>hello you</value></field>";
    let done = c.request(&step(&session, " action='complete'", filled)).await;
    assert!(text(&done).contains("alice said /echo what:"), "{}", text(&done));
    assert!(text(&done).contains("status=\"completed\""), "{}", text(&done));
    // typed in the room, it is whispered to whoever typed it
    c.send(&format!(
        "<presence to='{room}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>\
         <message type='groupchat' to='{room}' id='m'><body>/echo x</body></message>"
    ))
    .await;
    let got = loop {
        let m = c.message().await;
        if text(&m).contains("/echo x") {
            break m;
        }
    };
    assert_eq!(got.type_().unwrap(), "chat");
    assert!(
        text(&got).contains("no-store") && text(&got).contains("Echo (bot)"),
        "{}",
        text(&got)
    );
}
