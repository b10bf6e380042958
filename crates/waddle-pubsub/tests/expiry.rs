//! Items that expire (XEP-0060 §16.4.4, `pubsub#item_expire`) take no place in a node that refuses more.

use std::{sync::Arc, time::Duration};

use waddle_core::{BareJid, Jid, Limits, ManualClock, SharedClock, Timestamp};
use waddle_pubsub::{PubSub, Request, Service, ns};
use waddle_stanza::Stanza;
use waddle_storage::{Storage, StorageConfig};

#[tokio::test]
async fn a_full_node_has_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
    let shared: SharedClock = clock.clone();
    let config = StorageConfig {
        dir: dir.path().to_owned(),
        limits: Limits::default(),
        clock: shared,
    };
    let storage = Storage::open(config).await.unwrap();
    let engine = PubSub::new(storage.server(), Arc::new(Limits::default()));
    let ask = async |body: &str| {
        let xml = ["<pubsub xmlns='", ns::PUBSUB, "'>", body, "</pubsub>"].concat();
        let request = Request::read(Stanza::parse(xml.into()).unwrap().root(), true).unwrap();
        let who: Jid = "owner@x/r".parse().unwrap();
        let host = Service::Host(BareJid::new(None, "pubsub.x").unwrap());
        engine.request(host, who, request).await.is_ok()
    };
    let made = ask(
        "<create node='n'/><configure><x xmlns='jabber:x:data' type='submit'>\
         <field var='pubsub#max_items'><value>2</value></field>\
         <field var='pubsub#item_expire'><value>60</value></field>\
         <field var='pubsub#publish_node_full'><value>reject</value></field></x></configure>",
    );
    assert!(made.await);
    let publish = async |id: &str| {
        let item = ["<item id='", id, "'><a xmlns='urn:a'/></item>"].concat();
        ask(&["<publish node='n'>", &item, "</publish>"].concat()).await
    };
    assert!(publish("1").await && publish("2").await && !publish("3").await);
    clock.advance(Duration::from_secs(61));
    assert!(publish("3").await && publish("4").await && !publish("5").await);
}
