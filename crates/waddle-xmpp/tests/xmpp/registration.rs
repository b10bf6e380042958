//! Accounts made, changed and cancelled in band (XEP-0077), by invitation (XEP-0401, XEP-0445), and contacts that were
//! invited (XEP-0379).

use crate::support::{Client, World, condition, text, world, world_with};
use waddle_core::{Secret, limits::Rate};
use waddle_xmpp::Registration;

const REGISTER: &str = "jabber:iq:register";

async fn open_world() -> World {
    world_with(|_| {}, |c| c.registration = Registration::Open).await
}

/// A client that has not logged in, behind its features, and these.
async fn stranger(w: &World) -> (Client, String) {
    let mut c = w.raw();
    c.open().await;
    let features = text(&c.next().await);
    (c, features)
}

fn account(name: &str, password: &str) -> String {
    format!(
        "<iq type='set' id='r'><query xmlns='{REGISTER}'><username>{name}</username><password>{password}</password></query></iq>"
    )
}

#[tokio::test]
async fn whoever_registers_logs_in_on_the_same_stream() {
    let w = open_world().await;
    let (mut c, features) = stranger(&w).await;
    assert!(
        features.contains("<register xmlns=\"http://jabber.org/features/iq-register\"/>"),
        "{features}"
    );
    let form = c
        .request(&format!(
            "<iq type='get' id='f' to='waddle.test'><query xmlns='{REGISTER}'/></iq>"
        ))
        .await;
    let query = form.root().child("query", REGISTER).unwrap();
    assert!(query.has("username", REGISTER) && query.has("password", REGISTER));
    let fields = waddle_stanza::forms::Form::within(query).unwrap();
    assert!(fields.get("username").unwrap().required && fields.get("password").unwrap().required);
    assert_eq!(fields.form_type(), Some(REGISTER));
    let made = c.request(&account("Alice", "secret")).await;
    assert_eq!(made.type_().as_deref(), Some("result"), "{}", text(&made));
    assert_eq!(
        condition(&c.request(&account("alice", "other")).await),
        "conflict"
    );
    // The data form does it too, and another account on the same stream.
    let form = "<iq type='set' id='x'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>\
        <field var='FORM_TYPE'><value>jabber:iq:register</value></field>\
        <field var='username'><value>bob</value></field><field var='password'><value>secret</value></field></x></query></iq>";
    assert_eq!(c.request(form).await.type_().as_deref(), Some("result"));
    c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>")
        .await;
    assert_eq!(c.next().await.root().name(), "success");
    w.client("alice", "phone").await;
}

#[tokio::test]
async fn what_cannot_be_registered() {
    let w = open_world().await;
    let (mut c, _) = stranger(&w).await;
    for (xml, expected) in [
        (account("", "secret"), "not-acceptable"),
        (account("carol", ""), "not-acceptable"),
        (account("a b", "secret"), "not-acceptable"),
        (account("ewvi7nxzyoun6zhxrhs64oiz", "secret"), "not-acceptable"),
        (account("web-example-com", "secret"), "not-acceptable"),
        (account("device-1", "secret"), "not-acceptable"),
        (account("carol", &"x".repeat(2000)), "not-acceptable"),
        (
            format!("<iq type='set' id='r'><query xmlns='{REGISTER}'><remove/></query></iq>"),
            "unexpected-request",
        ),
        (
            format!("<iq type='set' id='r'><query xmlns='{REGISTER}'/></iq>"),
            "not-acceptable",
        ),
    ] {
        assert_eq!(condition(&c.request(&xml).await), expected, "{xml}");
    }
    assert_eq!(w.identity.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_closed_server_offers_nothing() {
    let w = world().await;
    let (mut c, features) = stranger(&w).await;
    assert!(!features.contains("iq-register"), "{features}");
    assert_eq!(
        condition(&c.request(&account("alice", "secret")).await),
        "service-unavailable"
    );
    let form = format!("<iq type='get' id='f'><query xmlns='{REGISTER}'/></iq>");
    assert_eq!(condition(&c.request(&form).await), "service-unavailable");
    c.send("<iq type='get' id='f'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    c.ends_with("not-authorized").await;
}

#[tokio::test]
async fn one_address_makes_few_accounts() {
    let w = world_with(
        |l| {
            l.rate_registrations = Rate {
                count: 2,
                seconds: 600,
            };
        },
        |c| c.registration = Registration::Open,
    )
    .await;
    let (mut c, _) = stranger(&w).await;
    for name in ["a1", "a2"] {
        assert_eq!(
            c.request(&account(name, "secret")).await.type_().as_deref(),
            Some("result")
        );
    }
    let (mut c, _) = stranger(&w).await;
    let e = c.request(&account("a3", "secret")).await;
    assert_eq!(condition(&e), "policy-violation");
    assert!(
        text(&e).contains("type=\"wait\"") && text(&e).contains(" s<"),
        "{}",
        text(&e)
    );
}

#[tokio::test]
async fn a_password_is_changed_and_the_session_goes_on() {
    let w = world().await;
    w.account("bob").await;
    let mut phone = w.client("bob", "phone").await;
    let mut laptop = w.client("bob", "laptop").await;
    let known = phone
        .request(&format!("<iq type='get' id='g'><query xmlns='{REGISTER}'/></iq>"))
        .await;
    let query = known.root().child("query", REGISTER).unwrap();
    assert!(query.has("registered", REGISTER));
    assert_eq!(query.child_text("username", REGISTER).unwrap(), "bob");
    for (xml, expected) in [
        (account("eve", "changed"), "not-acceptable"),
        (account("", "changed"), "bad-request"),
        (account("bob", ""), "bad-request"),
    ] {
        assert_eq!(condition(&phone.request(&xml).await), expected, "{xml}");
    }
    let changed = phone.request(&account("Bob", "changed")).await;
    assert_eq!(changed.type_().as_deref(), Some("result"), "{}", text(&changed));
    laptop.ends_with("not-authorized").await;
    phone.quiet().await;
    let who = w
        .identity
        .verify_plain("bob", &Secret::new("changed"))
        .await
        .unwrap();
    assert!(
        w.identity
            .verify_plain("bob", &Secret::new("secret"))
            .await
            .is_err()
    );
    // The session belongs to the new password now.
    w.identity
        .set_password(&who.user, &Secret::new("again"))
        .await
        .unwrap();
    phone.ends_with("not-authorized").await;
}

#[tokio::test]
async fn an_account_is_cancelled_with_its_sessions() {
    let w = world().await;
    w.account("bob").await;
    let mut phone = w.client("bob", "phone").await;
    let mut laptop = w.client("bob", "laptop").await;
    let with_more = format!(
        "<iq type='set' id='d'><query xmlns='{REGISTER}'><remove/><username>bob</username></query></iq>"
    );
    assert_eq!(condition(&phone.request(&with_more).await), "bad-request");
    let gone = phone
        .request(&format!(
            "<iq type='set' id='d'><query xmlns='{REGISTER}'><remove/></query></iq>"
        ))
        .await;
    assert_eq!(
        (gone.type_().as_deref(), gone.id().as_deref()),
        (Some("result"), Some("d"))
    );
    phone.ends_with("not-authorized").await;
    laptop.ends_with("not-authorized").await;
    assert!(w.identity.by_localpart("bob").await.unwrap().is_none());
    assert_eq!(w.server.sessions(), 0);
}

#[tokio::test]
async fn a_token_changes_no_account() {
    let w = world().await;
    w.account("bob").await;
    let account_row = w.identity.by_localpart("bob").await.unwrap().unwrap();
    let token = w.identity.issue_token(&account_row, "a program").await.unwrap();
    let mut c = w.login_with("bob", token.token.expose()).await;
    c.bind("x").await;
    assert_eq!(
        condition(&c.request(&account("bob", "changed")).await),
        "not-allowed"
    );
    let remove = format!("<iq type='set' id='d'><query xmlns='{REGISTER}'><remove/></query></iq>");
    assert_eq!(condition(&c.request(&remove).await), "not-allowed");
    c.quiet().await;
}

async fn invite_world() -> World {
    world_with(|_| {}, |c| c.registration = Registration::Invite).await
}

fn preauth(token: &str) -> String {
    format!("<iq type='set' id='p' to='waddle.test'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>")
}

/// The fields of an invitation by command.
async fn invited(c: &mut Client, node: &str, form: &str) -> (String, String) {
    let answer = c
        .request(&format!(
            "<iq type='set' id='i' to='waddle.test'><command xmlns='http://jabber.org/protocol/commands' node='{node}' action='execute'>{form}</command></iq>"
        ))
        .await;
    let command = answer
        .root()
        .child("command", "http://jabber.org/protocol/commands")
        .unwrap_or_else(|| panic!("{}", text(&answer)));
    assert_eq!(
        command.attr("status").as_deref(),
        Some("completed"),
        "{}",
        text(&answer)
    );
    let form = waddle_stanza::forms::Form::within(command).unwrap();
    assert_eq!(form.form_type(), Some("urn:xmpp:invite#invitation"));
    let uri = form.value("uri").unwrap().to_owned();
    let token = uri
        .split("preauth=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        form.value("landing-url")
            .unwrap()
            .ends_with(&format!("/invite/{token}"))
    );
    assert!(form.value("expire").unwrap().ends_with('Z'));
    (uri, token)
}

#[tokio::test]
async fn who_is_invited_registers_and_is_a_contact() {
    let w = invite_world().await;
    w.account("romeo").await;
    let mut romeo = w.online("romeo", "x").await;
    romeo
        .request("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    let (uri, token) = invited(&mut romeo, "urn:xmpp:invite#invite", "").await;
    assert_eq!(
        uri,
        format!("xmpp:romeo@waddle.test?roster;preauth={token};ibr=y")
    );
    let (mut c, features) = stranger(&w).await;
    assert!(
        features.contains("<register xmlns=\"urn:xmpp:ibr-token:0\"/>"),
        "{features}"
    );
    assert_eq!(
        condition(&c.request(&account("juliet", "secret")).await),
        "not-allowed"
    );
    for wrong in ["", "nonsense", &"0".repeat(32)] {
        assert_eq!(condition(&c.request(&preauth(wrong)).await), "item-not-found");
    }
    let shown = c.request(&preauth(&token)).await;
    assert_eq!(shown.type_().as_deref(), Some("result"), "{}", text(&shown));
    assert_eq!(
        condition(&c.request(&account("a b", "secret")).await),
        "not-acceptable"
    );
    let made = c.request(&account("juliet", "secret")).await;
    assert_eq!(
        made.type_().as_deref(),
        Some("result"),
        "a mistake does not use it up"
    );
    assert_eq!(
        condition(&c.request(&account("another", "secret")).await),
        "not-allowed",
        "it is used up"
    );
    let (mut other, _) = stranger(&w).await;
    assert_eq!(
        condition(&other.request(&preauth(&token)).await),
        "item-not-found"
    );
    // Romeo hears of it, and both see each other.
    let push = loop {
        let s = romeo.next().await;
        if s.root().name() == "iq" && text(&s).contains("both") {
            break s;
        }
    };
    assert!(text(&push).contains("juliet@waddle.test"));
    let mut juliet = w.client("juliet", "y").await;
    let roster = juliet
        .request("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    assert!(
        text(&roster).contains("romeo@waddle.test") && text(&roster).contains("\"both\""),
        "{}",
        text(&roster)
    );
}

#[tokio::test]
async fn an_administrator_keeps_a_name() {
    let w = world_with(|_| {}, |c| c.registration = Registration::Open).await;
    w.identity
        .create_local("admin", &Secret::new("secret"), true)
        .await
        .unwrap();
    w.account("bob").await;
    let mut bob = w.online("bob", "x").await;
    let e = bob
        .request("<iq type='set' id='i' to='waddle.test'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account'/></iq>")
        .await;
    assert!(
        ["forbidden", "item-not-found"].contains(&&*condition(&e)),
        "{}",
        text(&e)
    );
    let mut admin = w.online("admin", "x").await;
    let form = admin
        .request("<iq type='set' id='i' to='waddle.test'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account' action='execute'/></iq>")
        .await;
    let command = form
        .root()
        .child("command", "http://jabber.org/protocol/commands")
        .unwrap();
    let session = command.attr("sessionid").unwrap().into_owned();
    let done = admin
        .request(&format!(
            "<iq type='set' id='i' to='waddle.test'><command xmlns='http://jabber.org/protocol/commands' \
             node='urn:xmpp:invite#create-account' sessionid='{session}'><x xmlns='jabber:x:data' type='submit'>\
             <field var='username'><value>juliet</value></field></x></command></iq>"
        ))
        .await;
    let uri = text(&done);
    assert!(uri.contains("xmpp:juliet@waddle.test?register;preauth="), "{uri}");
    let token = uri.split("preauth=").nth(1).unwrap()[..32].to_owned();
    let (mut c, _) = stranger(&w).await;
    assert_eq!(
        condition(&c.request(&account("juliet", "secret")).await),
        "conflict",
        "the name is kept"
    );
    c.request(&preauth(&token)).await;
    assert_eq!(
        condition(&c.request(&account("eve", "secret")).await),
        "not-allowed"
    );
    assert_eq!(
        c.request(&account("juliet", "secret")).await.type_().as_deref(),
        Some("result")
    );
}

#[tokio::test]
async fn an_invitation_of_a_contact_is_granted_at_once() {
    let w = invite_world().await;
    for name in ["romeo", "juliet", "eve"] {
        w.account(name).await;
    }
    let mut romeo = w.online("romeo", "x").await;
    let (_, token) = invited(&mut romeo, "urn:xmpp:invite#invite", "").await;
    let mut eve = w.online("eve", "x").await;
    eve.send("<presence type='subscribe' to='romeo@waddle.test'><preauth xmlns='urn:xmpp:pars:0' token='wrong'/></presence>")
        .await;
    assert_eq!(
        romeo.next().await.type_().as_deref(),
        Some("subscribe"),
        "as if there were none"
    );
    let mut juliet = w.online("juliet", "x").await;
    juliet
        .send(&format!(
            "<presence type='subscribe' to='romeo@waddle.test'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
        ))
        .await;
    loop {
        let s = juliet.next().await;
        if s.root().name() == "presence" && s.type_().is_none() {
            assert_eq!(s.root().attr("from").as_deref(), Some("romeo@waddle.test/x"));
            break;
        }
    }
    let roster = romeo
        .request("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    let mut roster = roster;
    while roster.id().as_deref() != Some("roster") {
        roster = romeo.next().await;
    }
    assert!(
        text(&roster).contains("jid=\"juliet@waddle.test\" subscription=\"both\""),
        "{}",
        text(&roster)
    );
    // Once.
    eve.send(&format!(
        "<presence type='subscribe' to='romeo@waddle.test'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
    ))
    .await;
    assert!(w.identity.invitation(&token).await.unwrap().is_none());
}
