//! The engine on a database of its own: what is stored, who is told, in what order, and the errors of XEP-0060.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use waddle_core::{BareJid, Jid, Limits, SharedClock, SystemClock};
use waddle_pubsub::{Host, Interests, PubSub, Request, Resource, Service};
use waddle_stanza::{Outgoing, Stanza, StanzaError};
use waddle_storage::{Storage, StorageConfig};

type Sent = Arc<Mutex<Vec<(String, String)>>>;

/// Notes what is delivered; every account has one resource, interested in `n`.
struct Ears(Sent);

impl Host for Ears {
    fn deliver(&self, _: &BareJid, to: &Jid, message: Outgoing) {
        let text = String::from_utf8(message.concat().to_vec()).unwrap();
        self.0.lock().unwrap().push((to.to_string(), text));
    }

    fn resources(&self, account: &BareJid) -> Vec<Resource> {
        let wants: Interests = [Box::from("n")].into_iter().collect();
        vec![Resource {
            jid: account.with_resource("r").unwrap(),
            show: "online",
            interests: Arc::new(wants),
        }]
    }
}

struct Bench {
    engine: PubSub,
    sent: Sent,
    storage: Storage,
    _dir: TempDir,
}

async fn bench(limits: impl FnOnce(&mut Limits)) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let mut l = Limits::default();
    limits(&mut l);
    let clock: SharedClock = Arc::new(SystemClock);
    let storage = Storage::open(StorageConfig {
        dir: dir.path().to_owned(),
        limits: l.clone(),
        clock,
    })
    .await
    .unwrap();
    let engine = PubSub::new(storage.server(), Arc::new(l));
    let sent = Sent::default();
    engine.set_host(Ears(sent.clone()));
    Bench {
        engine,
        sent,
        storage,
        _dir: dir,
    }
}

fn jid(name: &str) -> Jid {
    [name, "@x/r"].concat().parse().unwrap()
}

fn host() -> Service {
    Service::Host(BareJid::new(None, "pubsub.x").unwrap())
}

fn account(name: &str) -> Service {
    Service::Account(jid(name).bare())
}

fn read(body: &str, owner: bool, set: bool) -> Request {
    let ns = if owner {
        waddle_pubsub::ns::OWNER
    } else {
        waddle_pubsub::ns::PUBSUB
    };
    let xml = ["<pubsub xmlns='", ns, "'>", body, "</pubsub>"].concat();
    Request::read(Stanza::parse(xml.into()).unwrap().root(), set).unwrap()
}

impl Bench {
    async fn ask(&self, service: Service, who: &str, request: Request) -> Result<String, StanzaError> {
        let answer = self.engine.request(service, jid(who), request).await?;
        Ok(answer.map_or(String::new(), |w| String::from_utf8(w.finish().to_vec()).unwrap()))
    }

    async fn set(&self, who: &str, body: &str) -> Result<String, StanzaError> {
        self.ask(host(), who, read(body, false, true)).await
    }

    async fn get(&self, who: &str, body: &str) -> Result<String, StanzaError> {
        self.ask(host(), who, read(body, false, false)).await
    }

    async fn owner(&self, who: &str, body: &str, set: bool) -> Result<String, StanzaError> {
        self.ask(host(), who, read(body, true, set)).await
    }

    async fn node(&self, fields: &[(&str, &str)]) {
        let mut xml = String::from(
            "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>",
        );
        for (var, value) in fields {
            xml += &["<field var='pubsub#", var, "'><value>", value, "</value></field>"].concat();
        }
        xml += "</x></configure>";
        self.set("owner", &xml).await.unwrap();
    }

    fn taken(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn condition(r: Result<String, StanzaError>) -> (&'static str, &'static str, Option<&'static str>) {
    let e = r.unwrap_err();
    (e.kind.name(), e.type_.name(), e.app.map(|a| a.0))
}

#[tokio::test]
async fn errors_of_missing_nodes_and_rights() {
    let b = bench(|_| {}).await;
    let missing = ("item-not-found", "cancel", None);
    for body in [
        "<subscribe node='n' jid='a@x'/>",
        "<unsubscribe node='n' jid='a@x'/>",
        "<publish node='n'><item><a xmlns='urn:a'/></item></publish>",
        "<retract node='n'><item id='1'/></retract>",
    ] {
        assert_eq!(condition(b.set("a", body).await), missing, "{body}");
    }
    for body in ["<items node='n'/>", "<options node='n' jid='a@x'/>"] {
        assert_eq!(condition(b.get("a", body).await), missing, "{body}");
    }
    for (body, set) in [
        ("<configure node='n'/>", false),
        ("<delete node='n'/>", true),
        ("<purge node='n'/>", true),
        ("<affiliations node='n'/>", false),
        ("<subscriptions node='n'/>", false),
    ] {
        assert_eq!(condition(b.owner("a", body, set).await), missing, "{body}");
    }
    b.node(&[]).await;
    assert_eq!(
        condition(b.set("owner", "<create node='n'/>").await),
        ("conflict", "cancel", None)
    );
    let no = ("forbidden", "auth", None);
    for (body, set) in [
        ("<configure node='n'/>", false),
        ("<delete node='n'/>", true),
        ("<purge node='n'/>", true),
        ("<affiliations node='n'/>", false),
        ("<subscriptions node='n'/>", false),
        (
            "<affiliations node='n'><affiliation jid='a@x' affiliation='owner'/></affiliations>",
            true,
        ),
        (
            "<subscriptions node='n'><subscription jid='b@x' subscription='subscribed'/></subscriptions>",
            true,
        ),
    ] {
        assert_eq!(condition(b.owner("a", body, set).await), no, "{body}");
    }
    for (body, expected) in [
        ("<publish node='n'><item><a xmlns='urn:a'/></item></publish>", no),
        ("<unsubscribe node='n' jid='b@x'/>", no),
        (
            "<subscribe node='n' jid='b@x'/>",
            ("bad-request", "modify", Some("invalid-jid")),
        ),
        (
            "<unsubscribe node='n' jid='a@x'/>",
            ("unexpected-request", "cancel", Some("not-subscribed")),
        ),
        (
            "<options node='n' jid='a@x'><x xmlns='jabber:x:data' type='submit'/></options>",
            ("unexpected-request", "cancel", Some("not-subscribed")),
        ),
    ] {
        assert_eq!(condition(b.set("a", body).await), expected, "{body}");
    }
}

#[tokio::test]
async fn access_models_refuse_with_their_conditions() {
    for (model, subscribe, items) in [
        (
            "presence",
            ("not-authorized", "auth", Some("presence-subscription-required")),
            ("not-authorized", "auth", Some("presence-subscription-required")),
        ),
        (
            "roster",
            ("not-authorized", "auth", Some("not-in-roster-group")),
            ("not-authorized", "auth", Some("not-in-roster-group")),
        ),
        (
            "whitelist",
            ("not-allowed", "cancel", Some("closed-node")),
            ("not-allowed", "cancel", Some("closed-node")),
        ),
        (
            "authorize",
            ("not-authorized", "auth", Some("pending-subscription")),
            ("not-authorized", "auth", Some("not-subscribed")),
        ),
    ] {
        let b = bench(|_| {}).await;
        b.node(&[("access_model", model)]).await;
        let ask = "<subscribe node='n' jid='a@x'/>";
        if model == "authorize" {
            assert!(b.set("a", ask).await.unwrap().contains("pending"));
        }
        assert_eq!(condition(b.set("a", ask).await), subscribe, "{model}");
        assert_eq!(condition(b.get("a", "<items node='n'/>").await), items, "{model}");
        let outcast = "<affiliations node='n'><affiliation jid='a@x' affiliation='outcast'/></affiliations>";
        b.owner("owner", outcast, true).await.unwrap();
        assert_eq!(condition(b.set("a", ask).await).0, "forbidden", "{model}");
        let member = "<affiliations node='n'><affiliation jid='a@x' affiliation='member'/></affiliations>";
        b.owner("owner", member, true).await.unwrap();
        assert!(b.set("a", ask).await.unwrap().contains("subscribed"), "{model}");
        b.get("a", "<items node='n'/>").await.unwrap();
    }
}

#[tokio::test]
async fn publications_that_do_not_fit_are_refused() {
    let item = "<publish node='n'><item id='1'><a xmlns='urn:a'>text</a></item></publish>";
    let none = "<publish node='n'/>";
    let empty = "<publish node='n'><item id='1'/></publish>";
    let two = "<publish node='n'><item id='1'><a xmlns='urn:a'/><b xmlns='urn:a'/></item></publish>";
    let modify = |app| ("bad-request", "modify", Some(app));
    for (fields, body, expected) in [
        (&[][..], none, modify("item-required")),
        (&[], empty, modify("payload-required")),
        (&[], two, modify("invalid-payload")),
        (&[("type", "urn:b")], item, modify("invalid-payload")),
        (
            &[("max_payload_size", "8")],
            item,
            ("not-acceptable", "modify", Some("payload-too-big")),
        ),
        (
            &[("persist_items", "0"), ("deliver_payloads", "0")],
            item,
            modify("item-forbidden"),
        ),
        (&[("deliver_payloads", "0")], none, modify("item-required")),
    ] {
        let b = bench(|_| {}).await;
        b.node(fields).await;
        assert_eq!(condition(b.set("owner", body).await), expected, "{body}");
    }
    let b = bench(|_| {}).await;
    b.node(&[("persist_items", "0"), ("deliver_payloads", "0")]).await;
    b.set("owner", none).await.unwrap();
    for (body, set) in [("<purge node='n'/>", true)] {
        assert_eq!(
            condition(b.owner("owner", body, set).await),
            ("feature-not-implemented", "cancel", Some("unsupported"))
        );
    }
    let e = b.get("owner", "<items node='n'/>").await.unwrap_err();
    assert_eq!(e.feature, Some("persistent-items"));
}

#[tokio::test]
async fn a_full_node_does_as_it_is_configured() {
    for (when, third, left) in [
        ("reject", false, vec!["1", "2"]),
        ("retract-oldest", true, vec!["2", "3"]),
        ("discard-oldest", true, vec!["2", "3"]),
    ] {
        let b = bench(|_| {}).await;
        b.node(&[("max_items", "2"), ("publish_node_full", when)]).await;
        b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap();
        for i in ["1", "2"] {
            let body = [
                "<publish node='n'><item id='",
                i,
                "'><a xmlns='urn:a'/></item></publish>",
            ]
            .concat();
            b.set("owner", &body).await.unwrap();
        }
        b.taken();
        let r = b
            .set(
                "owner",
                "<publish node='n'><item id='3'><a xmlns='urn:a'/></item></publish>",
            )
            .await;
        assert_eq!(r.is_ok(), third, "{when}");
        if !third {
            assert_eq!(condition(r), ("conflict", "cancel", Some("node-full")));
            // One that is there may be overwritten.
            b.set(
                "owner",
                "<publish node='n'><item id='1'><a xmlns='urn:a'/></item></publish>",
            )
            .await
            .unwrap();
            continue;
        }
        let items = b.get("owner", "<items node='n'/>").await.unwrap();
        for id in left {
            assert!(items.contains(&["id=\"", id, "\""].concat()), "{when}: {items}");
        }
        assert!(!items.contains("id=\"1\""));
        let told = b.taken();
        let retracted = told.iter().any(|(_, m)| m.contains("<retract id=\"1\"/>"));
        assert_eq!(retracted, when == "retract-oldest", "{told:?}");
    }
}

#[tokio::test]
async fn pages_of_items_and_hostile_names() {
    let b = bench(|l| l.pubsub_page = 3).await;
    b.node(&[("max_items", "max")]).await;
    let hostile = "'; DROP TABLE pubsub_items; --";
    for id in ["1", "2", "3", "4", hostile] {
        let id = id.replace('\'', "&apos;");
        let body = [
            "<publish node='n'><item id='",
            &id,
            "'><a xmlns='urn:a'/></item></publish>",
        ]
        .concat();
        b.set("owner", &body).await.unwrap();
    }
    let page = |set: &str| {
        let body = [
            "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>",
            set,
            "</set>",
        ]
        .concat();
        let b = &b;
        async move { b.get("owner", &body).await }
    };
    let first = page("<max>2</max>").await.unwrap();
    assert!(
        first.contains("<first index=\"0\">1</first><last>2</last><count>5</count>"),
        "{first}"
    );
    let next = page("<max>2</max><after>2</after>").await.unwrap();
    assert!(
        next.contains("<first index=\"2\">3</first><last>4</last>"),
        "{next}"
    );
    let last = page("<max>1</max><before/>").await.unwrap();
    assert!(
        last.contains("DROP TABLE") && last.contains("<count>5</count>"),
        "{last}"
    );
    let before = page("<max>1</max><before>2</before>").await.unwrap();
    assert!(before.contains("<item id=\"1\""), "{before}");
    let bounded = page("<max>1000000000</max>").await.unwrap();
    assert_eq!(bounded.matches("<item ").count(), 3);
    let count = page("<max>0</max>").await.unwrap();
    assert!(
        count.contains("<count>5</count>") && !count.contains("<item "),
        "{count}"
    );
    for set in [
        "<max>1</max><after>0 OR 1=1</after>",
        "<before>x' ; DROP TABLE items; --</before>",
        "<after>%</after>",
    ] {
        assert_eq!(condition(page(set).await).0, "item-not-found", "{set}");
    }
    let recent = b.get("owner", "<items node='n' max_items='2'/>").await.unwrap();
    assert!(recent.contains("<item id=\"4\"") && recent.contains("DROP") && !recent.contains("id=\"3\""));
}

#[tokio::test]
async fn items_by_identifier_come_once_and_as_many_as_fit() {
    let b = bench(|l| l.pubsub_answer_bytes = 250).await;
    b.node(&[("max_items", "max")]).await;
    for id in ["1", "2", "3"] {
        let body = ["<a xmlns='urn:a'>", &"x".repeat(60), "</a></item></publish>"].concat();
        let body = ["<publish node='n'><item id='", id, "'>", &body].concat();
        b.set("owner", &body).await.unwrap();
    }
    let named = |id: &str, n: usize| ["<item id='", id, "'/>"].concat().repeat(n);
    for (ids, found) in [
        (named("1", 50), 1),
        ([named("1", 9), named("2", 9), named("3", 9)].concat(), 2),
    ] {
        let xml = ["<items node='n'>", &ids, "</items>"].concat();
        let answer = b.get("owner", &xml).await.unwrap();
        assert_eq!(answer.matches("<item ").count(), found, "{answer}");
    }
}

#[tokio::test]
async fn one_person_subscribes_a_few_times() {
    let b = bench(|_| {}).await;
    b.node(&[]).await;
    let subscribe = |n: usize| ["<subscribe node='n' jid='a@x/", &n.to_string(), "'/>"].concat();
    for n in 0..16 {
        b.set("a", &subscribe(n)).await.unwrap();
    }
    assert_eq!(
        condition(b.set("a", &subscribe(16)).await).2,
        Some("too-many-subscriptions")
    );
    b.set("a", &subscribe(3)).await.unwrap();
    b.set("b", "<subscribe node='n' jid='b@x'/>").await.unwrap();
}

#[tokio::test]
async fn notifications_come_in_the_order_of_publication_and_once() {
    let b = bench(|_| {}).await;
    b.node(&[("max_items", "50")]).await;
    b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap();
    b.taken();
    for i in 0..20 {
        let body = [
            "<publish node='n'><item id='",
            &i.to_string(),
            "'><a xmlns='urn:a'/></item></publish>",
        ]
        .concat();
        b.set("owner", &body).await.unwrap();
    }
    let told = b.taken();
    assert_eq!(told.len(), 20);
    for (i, (to, message)) in told.iter().enumerate() {
        assert_eq!(to, "a@x");
        assert!(
            message.contains(&["<item id=\"", &i.to_string(), "\""].concat()),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_account_makes_nodes_by_publishing_and_others_do_not() {
    let b = bench(|_| {}).await;
    let item = "<publish node='n'><item id='1'><a xmlns='urn:a'/></item></publish>";
    let theirs = b.ask(account("a"), "b", read(item, false, true)).await;
    assert_eq!(condition(theirs).0, "item-not-found");
    let made = b
        .ask(account("a"), "b", read("<create node='n'/>", false, true))
        .await;
    assert_eq!(condition(made).0, "forbidden");
    b.ask(account("a"), "a", read(item, false, true)).await.unwrap();
    let told = b.taken();
    assert_eq!(told.len(), 1, "the owner's own device");
    assert!(told[0].0 == "a@x/r" && told[0].1.contains("from=\"a@x\""));
    // A second time over the same subscription and interest: still once.
    b.ask(
        account("a"),
        "a",
        read("<subscribe node='n' jid='a@x'/>", false, true),
    )
    .await
    .unwrap();
    b.taken();
    b.ask(account("a"), "a", read(item, false, true)).await.unwrap();
    assert_eq!(b.taken().len(), 1);
    let closed = b
        .ask(account("a"), "b", read("<items node='n'/>", false, false))
        .await;
    assert_eq!(condition(closed).2, Some("presence-subscription-required"));
}

#[tokio::test]
async fn preconditions_hold_or_the_publication_fails() {
    let b = bench(|_| {}).await;
    let with = |value: &str| {
        let body = [
            "<publish node='n'><item id='1'><a xmlns='urn:a'/></item></publish><publish-options>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
             <field var='pubsub#access_model'><value>",
            value,
            "</value></field></x></publish-options>",
        ]
        .concat();
        read(&body, false, true)
    };
    b.ask(account("a"), "a", with("whitelist")).await.unwrap();
    b.ask(account("a"), "a", with("whitelist")).await.unwrap();
    assert_eq!(
        condition(b.ask(account("a"), "a", with("open")).await),
        ("conflict", "cancel", Some("precondition-not-met"))
    );
    let config = b
        .ask(account("a"), "a", read("<configure node='n'/>", true, false))
        .await
        .unwrap();
    assert!(config.contains("<value>whitelist</value>"));
}

#[tokio::test]
async fn quotas_are_kept() {
    let b = bench(|l| {
        l.pubsub_nodes_per_user = 1;
        l.pubsub_nodes_per_account = 1;
        l.pubsub_bytes_per_account = 100;
        l.pubsub_subscriptions_per_node = 1;
        l.pubsub_affiliations_per_node = 2;
        l.pubsub_payload_bytes = 80;
    })
    .await;
    b.node(&[]).await;
    assert_eq!(
        condition(b.set("owner", "<create/>").await),
        ("policy-violation", "cancel", Some("max-nodes-exceeded"))
    );
    let publish = |id: &str, n: usize| {
        [
            "<publish node='n'><item id='",
            id,
            "'><a xmlns='urn:a'>",
            &"x".repeat(n),
            "</a></item></publish>",
        ]
        .concat()
    };
    b.set("owner", &publish("1", 40)).await.unwrap();
    assert_eq!(
        condition(b.set("owner", &publish("2", 40)).await).0,
        "resource-constraint"
    );
    b.set("owner", &publish("1", 50)).await.unwrap();
    assert_eq!(
        condition(b.set("owner", &publish("1", 70)).await).2,
        Some("payload-too-big")
    );
    b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap();
    assert_eq!(
        condition(b.set("b", "<subscribe node='n' jid='b@x'/>").await).2,
        Some("too-many-subscriptions")
    );
    let many = "<affiliations node='n'><affiliation jid='a@x' affiliation='member'/>\
                <affiliation jid='b@x' affiliation='member'/></affiliations>";
    assert_eq!(
        condition(b.owner("owner", many, true).await).0,
        "resource-constraint"
    );
    let last = "<affiliations node='n'><affiliation jid='owner@x' affiliation='none'/></affiliations>";
    assert_eq!(condition(b.owner("owner", last, true).await).0, "not-acceptable");
    let item = read(
        "<publish node='n'><item><a xmlns='urn:a'/></item></publish>",
        false,
        true,
    );
    b.ask(account("a"), "a", item).await.unwrap();
    let other = read(
        "<publish node='m'><item><a xmlns='urn:a'/></item></publish>",
        false,
        true,
    );
    assert_eq!(
        condition(b.ask(account("a"), "a", other).await).0,
        "resource-constraint"
    );
}

#[tokio::test]
async fn a_deleted_node_says_where_it_went() {
    let b = bench(|_| {}).await;
    b.node(&[]).await;
    b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap();
    b.taken();
    b.owner(
        "owner",
        "<delete node='n'><redirect uri='xmpp:pubsub.x?;node=m'/></delete>",
        true,
    )
    .await
    .unwrap();
    let told = b.taken();
    assert!(
        told[0]
            .1
            .contains("<delete node=\"n\"><redirect uri=\"xmpp:pubsub.x?;node=m\"/></delete>")
    );
    let e = b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap_err();
    assert_eq!(e.kind.name(), "gone");
    assert_eq!(e.address.as_deref(), Some("xmpp:pubsub.x?;node=m"));
    // Whoever makes it again takes the sign down.
    b.node(&[]).await;
    b.set("a", "<subscribe node='n' jid='a@x'/>").await.unwrap();
}

#[tokio::test]
async fn who_arrives_waits_for_no_write_and_hears_nothing_old_after_the_new() {
    let b = bench(|_| ()).await;
    let item = |id: &str| {
        let xml = [
            "<publish node='n'><item id='",
            id,
            "'><a xmlns='u'/></item></publish>",
        ];
        b.ask(account("alice"), "alice", read(&xml.concat(), false, true))
    };
    item("1").await.unwrap();
    b.sent.lock().unwrap().clear();
    // the writer is busy for long
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let busy = move |_: &mut waddle_storage::Tx| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    };
    let db = b.storage.server();
    db.write_then(busy, |done: Result<(), waddle_storage::StorageError>| {
        done.unwrap();
    })
    .unwrap();
    begins.await.unwrap();
    let arrived = b.engine.arrived(jid("alice"), vec!["other".into()]);
    tokio::time::timeout(std::time::Duration::from_secs(10), arrived)
        .await
        .expect("there is nothing to write");
    let (published, (), ()) = tokio::join!(
        item("2"),
        b.engine.arrived(jid("alice"), vec!["n".into()]),
        async { go.send(()).unwrap() }
    );
    published.unwrap();
    let sent = b.sent.lock().unwrap();
    let new = sent.iter().position(|(_, m)| m.contains("id=\"2\"")).unwrap();
    assert!(
        sent[new..].iter().all(|(_, m)| !m.contains("id=\"1\"")),
        "{sent:?}"
    );
}
