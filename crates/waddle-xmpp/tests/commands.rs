//! Ad-hoc commands and what administrators do with them (XEP-0050, XEP-0133).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use support::{condition, text, world};

const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const COMMANDS: &str = "http://jabber.org/protocol/commands";

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
