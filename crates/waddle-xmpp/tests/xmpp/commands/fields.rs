//! Forms name their type and registered fields (XEP-0004, XEP-0068, XEP-0122, XEP-0128).

use super::{ADMIN, COMMANDS, INFO, ITEMS, execute, form, office};
use crate::support::{DOMAIN, condition, text, world};

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
