//! Commands themselves: who sees them, their sessions and errors (XEP-0050).

use super::{ADMIN, COMMANDS, INFO, ITEMS, act, app, attr, execute, office};
use crate::support::{DOMAIN, condition, text, world};

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
