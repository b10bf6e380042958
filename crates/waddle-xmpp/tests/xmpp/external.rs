//! What is outside the XML stream: external services (XEP-0215) and contact addresses (XEP-0157). BOSH (XEP-0124,
//! XEP-0206) and host-meta (XEP-0156) are tested where they are spoken, in `crates/waddle-http/tests/http/bosh.rs`.

use crate::support::{DOMAIN, condition, text, world, world_with};
use waddle_core::Secret;
use waddle_stanza::Stanza;
use waddle_xmpp::xep::{
    xep0157::Concern,
    xep0215::{Access, ExternalService},
};

const NS: &str = "urn:xmpp:extdisco:2";

fn services() -> Vec<ExternalService> {
    let limited = Access::Limited {
        secret: Secret::new("shared"),
        seconds: 3_600,
    };
    let fixed = Access::Fixed {
        username: "guest".into(),
        password: Secret::new("guest<1>"),
    };
    vec![
        ExternalService::from_uri("stun:stun.example:3478").unwrap(),
        ExternalService {
            access: limited,
            ..ExternalService::from_uri("turn:turn.example:3478?transport=udp").unwrap()
        },
        ExternalService {
            access: fixed,
            ..ExternalService::from_uri("turns:turn.example:5349?transport=tcp").unwrap()
        },
        ExternalService::mqtt(DOMAIN, 1883, false),
        ExternalService::mqtt(DOMAIN, 8883, true),
    ]
}

/// Attributes of the services in an answer.
fn told(r: &Stanza) -> Vec<Vec<(String, String)>> {
    let one = |s: waddle_stanza::Element<'_>| {
        s.attrs()
            .filter(|a| a.name() != "xmlns")
            .map(|a| (a.name().to_owned(), a.value().into_owned()))
            .collect()
    };
    r.payload().unwrap().children().map(one).collect()
}

fn value<'a>(service: &'a [(String, String)], name: &str) -> Option<&'a str> {
    service.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

#[tokio::test]
async fn services_are_listed_by_type_with_their_words() {
    let w = world().await;
    w.server.server().external.set(services());
    w.account("juliet").await;
    let mut juliet = w.client("juliet", "balcony").await;
    let info = juliet
        .request(&format!(
            "<iq type='get' id='i' to='{DOMAIN}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ))
        .await;
    assert!(text(&info).contains(NS));
    let all = juliet
        .request(&format!(
            "<iq type='get' id='1' to='{DOMAIN}'><services xmlns='{NS}'/></iq>"
        ))
        .await;
    let all = told(&all);
    assert_eq!(all.len(), 5);
    assert_eq!(
        (value(&all[0], "type"), value(&all[0], "port")),
        (Some("stun"), Some("3478"))
    );
    assert_eq!(value(&all[0], "restricted"), None);
    let name = value(&all[1], "username").unwrap();
    assert!(
        name.ends_with(":juliet") && value(&all[1], "expires").unwrap().ends_with('Z'),
        "{name}"
    );
    assert_eq!(value(&all[1], "restricted"), Some("true"));
    assert_eq!(value(&all[2], "password"), Some("guest<1>"));
    assert_eq!(
        (value(&all[4], "type"), value(&all[4], "port")),
        (Some("mqtts"), Some("8883"))
    );
    let turn = juliet
        .request(&format!(
            "<iq type='get' id='2' to='{DOMAIN}'><services xmlns='{NS}' type='turn'/></iq>"
        ))
        .await;
    assert_eq!(turn.payload().unwrap().attr("type").as_deref(), Some("turn"));
    assert_eq!(told(&turn), all[1..2]);
    let none = juliet
        .request(&format!(
            "<iq type='get' id='3' to='{DOMAIN}'><services xmlns='{NS}' type='ftp'/></iq>"
        ))
        .await;
    assert!(none.is_type("result") && told(&none).is_empty());
    let set = juliet
        .request(&format!(
            "<iq type='set' id='4' to='{DOMAIN}'><services xmlns='{NS}'/></iq>"
        ))
        .await;
    assert_eq!(condition(&set), "bad-request");
    let other = juliet
        .request(&format!(
            "<iq type='get' id='5' to='romeo@{DOMAIN}'><services xmlns='{NS}'/></iq>"
        ))
        .await;
    assert_eq!(condition(&other), "service-unavailable");
}

#[tokio::test]
async fn credentials_are_given_for_known_services() {
    let w = world().await;
    w.server.server().external.set(services());
    w.account("juliet").await;
    let mut juliet = w.client("juliet", "balcony").await;
    let mut ask = async |inner: &str| {
        let xml = format!(
            "<iq type='get' id='c' to='{DOMAIN}'><credentials xmlns='{NS}'>{inner}</credentials></iq>"
        );
        juliet.request(&xml).await
    };
    let one = told(&ask("<service host='turn.example' type='turn'/>").await);
    assert!(value(&one[0], "password").is_some());
    let open = told(&ask("<service host='stun.example' type='stun' port='3478'/>").await);
    assert_eq!((open.len(), value(&open[0], "password")), (1, None));
    for (inner, error) in [
        (
            "<service host='elsewhere.example' type='turn'/>",
            "item-not-found",
        ),
        (
            "<service host='turn.example' type='turn' port='1'/>",
            "item-not-found",
        ),
        ("<service host='turn.example'/>", "bad-request"),
        (
            "<service host='turn.example' type='turn' port='x'/>",
            "bad-request",
        ),
        ("", "bad-request"),
    ] {
        assert_eq!(condition(&ask(inner).await), error, "{inner}");
    }
}

#[tokio::test]
async fn contact_addresses_are_in_the_servers_information() {
    let w = world_with(
        |_| {},
        |c| {
            c.contacts = vec![
                (
                    Concern::Abuse,
                    vec!["mailto:abuse@example.org".into(), "xmpp:abuse@example.org".into()],
                ),
                (Concern::Admin, Vec::new()),
            ];
            c.outage_addresses = vec!["https://status.example.org/xmpp.json".into()];
        },
    )
    .await;
    w.account("juliet").await;
    let mut juliet = w.client("juliet", "balcony").await;
    let ask = |to: String| {
        format!("<iq type='get' id='i' to='{to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
    };
    let info = text(&juliet.request(&ask(DOMAIN.into())).await);
    for part in [
        "http://jabber.org/network/serverinfo",
        "abuse-addresses",
        "mailto:abuse@example.org",
        "xmpp:abuse@",
        // XEP-0455
        "urn:xmpp:sos:0",
        "https://status.example.org/xmpp.json",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    assert!(!info.contains("admin-addresses"));
    let own = text(&juliet.request(&ask(format!("juliet@{DOMAIN}"))).await);
    assert!(!own.contains("serverinfo"), "an account is not the server");
}
