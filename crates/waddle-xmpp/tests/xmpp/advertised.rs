//! Every feature that is advertised is tried: disco of the domain, an account, each host beside the domain and a room, and
//! the features of the stream. A feature without a row in a table below fails the test (XEP-0030, RFC 6120 §4.3.2).

mod account;
mod pubsub;
mod rooms;
mod server;
mod spaces;

use std::collections::BTreeSet;

use crate::support::{Client, text, world_with};
use account::ACCOUNT;
use pubsub::{PUBSUB, SERVICE};
use rooms::{MUC, ROOM};
use server::{COMMON, SERVER};
use spaces::SPACES;
const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";

/// One exchange: what is sent, and what the next stanzas must hold. `{to}` is the place as a `to` attribute, `{at}` the
/// place itself, `{n}` a node or name that no other exchange uses.
type Exchange = (&'static str, &'static str);
/// A feature, and the exchanges that try it.
type Row = (&'static str, &'static [Exchange]);

fn rows(place: &str) -> Vec<&'static [Row]> {
    match place {
        "server" => vec![COMMON, SERVER],
        "account" => vec![COMMON, ACCOUNT, SERVICE],
        "muc" => vec![COMMON, MUC],
        "room" => vec![COMMON, ROOM],
        "pubsub" => vec![COMMON, SERVICE],
        "spaces" => vec![COMMON, SPACES],
        _ => vec![COMMON],
    }
}

fn exchanges(place: &str, var: &str) -> Option<&'static [Exchange]> {
    let find = |rows: &[Row]| rows.iter().find(|r| r.0 == var).map(|r| r.1);
    let own = rows(place).into_iter().find_map(find);
    own.or_else(|| {
        let short = var.strip_prefix("http://jabber.org/protocol/pubsub#")?;
        PUBSUB.iter().find(|r| r.0 == short).map(|r| r.1)
    })
}

/// Features of an address.
async fn features(c: &mut Client, to: &str) -> Vec<String> {
    let to = if to.is_empty() {
        String::new()
    } else {
        format!(" to='{to}'")
    };
    c.send(&format!(
        "<iq type='get' id='disco'{to}><query xmlns='{INFO}'/></iq>"
    ))
    .await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("disco") {
            let info = waddle_stanza::disco::DiscoInfo::read(s.payload().unwrap());
            return info.unwrap_or_else(|| panic!("no info: {}", text(&s))).features;
        }
    }
}

/// The hash of a client that wants to hear of `urn:x:interesting`.
const VER: &str = "client/pc//x<http://jabber.org/protocol/disco#info<urn:x:interesting+notify<";

struct Prober {
    c: Client,
    count: usize,
    last_id: String,
}

impl Prober {
    /// Whether an exchange went as it should; else what came.
    async fn exchange(&mut self, at: &str, (send, part): Exchange, n: &str) -> Result<(), String> {
        let ver = {
            use base64::Engine as _;
            let d = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, VER.as_bytes());
            base64::engine::general_purpose::STANDARD.encode(d.as_ref())
        };
        let to = if at.is_empty() {
            String::new()
        } else {
            format!(" to='{at}'")
        };
        let xml = send
            .replace("{to}", &to)
            .replace("{at}", at)
            .replace("{n}", n)
            .replace("{me}", "alice@waddle.test")
            .replace("{ver}", &ver)
            .replace("{stanza-id}", &self.last_id);
        self.c.send(&xml).await;
        // The answer to a ping that comes after it ends the wait.
        self.c
            .send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        let (mut seen, mut found, mut ended) = (String::new(), false, false);
        for _ in 0..60 {
            if found && ended {
                return Ok(());
            }
            let Ok(s) = tokio::time::timeout(std::time::Duration::from_secs(8), self.c.next()).await else {
                break;
            };
            let t = text(&s);
            if let Some(id) = s.root().child("stanza-id", "urn:xmpp:sid:0") {
                self.last_id = id.attr("id").unwrap_or_default().into_owned();
            }
            ended |= s.id().as_deref() == Some("end");
            if s.type_().as_deref() == Some("get") {
                self.caps(&s).await;
                found |= part == "interest";
            } else if s.id().as_deref() != Some("end") {
                found |= t.contains(part) || t.contains(&part.replace('\'', "\"")) || part == "interest";
                seen.push_str(&t);
            }
            if ended && part == "interest" {
                return Ok(());
            }
        }
        if found {
            Ok(())
        } else {
            Err(format!("{xml}\n   wanted {part:?}, got {seen}"))
        }
    }

    /// Answers the server's question what is behind the hash.
    async fn caps(&mut self, asked: &waddle_stanza::Stanza) {
        let (id, from) = (asked.id().unwrap(), asked.root().attr("from").unwrap_or_default());
        let node = asked.payload().and_then(|p| p.attr("node")).unwrap_or_default();
        self.c
            .send(&format!(
                "<iq type='result' id='{id}' to='{from}'><query xmlns='{INFO}' node='{node}'><identity category='client' \
                 type='pc' name='x'/><feature var='{INFO}'/><feature var='urn:x:interesting+notify'/></query></iq>"
            ))
            .await;
    }

    async fn feature(&mut self, at: &str, exchanges: &'static [Exchange]) -> Result<(), String> {
        self.count += 1;
        let n = format!("probe-{}", self.count);
        for e in exchanges {
            self.exchange(at, *e, &n).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn every_advertised_feature_answers() {
    let w = world_with(
        |_| {},
        |c| {
            c.rate_limits = false;
            c.registration = waddle_xmpp::Registration::Open;
        },
    )
    .await;
    let secret = waddle_core::Secret::new("secret");
    w.identity.create_local("alice", &secret, true).await.unwrap();
    w.account("bob").await;
    let alice = w.identity.resolve_name("alice").await.unwrap();
    let pond = waddle_community::NewWaddle::new("pond".parse().unwrap(), "Pond");
    w.community.create_waddle(&alice, pond).await.unwrap();
    let mut p = Prober {
        c: w.online("alice", "one").await,
        count: 0,
        last_id: String::new(),
    };
    let join = (
        "<presence to='room@muc.waddle.test/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
        "110",
    );
    p.exchange("", join, "").await.unwrap();
    let open = (
        "<iq type='set' id='p' to='room@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>",
        "type=\"result\"",
    );
    p.exchange("", open, "").await.unwrap();
    let mut places = vec![
        ("server".to_owned(), "waddle.test".to_owned()),
        ("account".to_owned(), String::new()),
        ("room".to_owned(), "room@muc.waddle.test".to_owned()),
    ];
    let items =
        p.c.request(&format!(
            "<iq type='get' id='i' to='waddle.test'><query xmlns='{ITEMS}'/></iq>"
        ))
        .await;
    let items = waddle_stanza::disco::DiscoItems::read(items.payload().unwrap()).unwrap();
    for i in items.items.into_iter().filter(|i| i.node.is_none()) {
        places.push((i.jid.split('.').next().unwrap().to_owned(), i.jid));
    }
    assert!(places.len() >= 4, "{places:?}");
    // What the server is asked makes Alice leave her room.
    places.sort_by_key(|(place, _)| (place != "room", place != "muc"));
    let (mut untried, mut silent) = (Vec::new(), Vec::new());
    for (place, at) in places {
        for var in features(&mut p.c, &at).await {
            match exchanges(&place, &var) {
                None => untried.push(format!("{place}: {var}")),
                Some(exchanges) => {
                    if let Err(e) = p.feature(&at, exchanges).await {
                        silent.push(format!("{place}: {var}: {e}"));
                    }
                }
            }
        }
    }
    assert!(
        untried.is_empty() && silent.is_empty(),
        "advertised, but nothing here tries it:\n{}\n\nadvertised, but does not answer:\n{}",
        untried.join("\n"),
        silent.join("\n")
    );
}

/// Stream features of a client that is logged in, and what tries each.
const STREAM: &[Row] = &[
    ("bind urn:ietf:params:xml:ns:xmpp-bind", &[]),
    (
        "session urn:ietf:params:xml:ns:xmpp-session",
        &[(
            "<iq type='set' id='p'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
            "type=\"result\"",
        )],
    ),
    (
        "sm urn:xmpp:sm:3",
        &[
            ("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<enabled"),
            ("<r xmlns='urn:xmpp:sm:3'/>", "<a "),
        ],
    ),
    (
        "csi urn:xmpp:csi:0",
        &[(
            "<inactive xmlns='urn:xmpp:csi:0'/><active xmlns='urn:xmpp:csi:0'/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
            "id=\"p\"",
        )],
    ),
    (
        "ver urn:xmpp:features:rosterver",
        &[(
            "<iq type='get' id='p'><query xmlns='jabber:iq:roster' ver=''/></iq>",
            "ver=\"",
        )],
    ),
    (
        "sub urn:xmpp:features:pre-approval",
        &[
            (
                "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
                "jabber:iq:roster",
            ),
            (
                "<presence type='subscribed' to='bob@waddle.test'/>",
                "approved=\"true\"",
            ),
        ],
    ),
    (
        "c http://jabber.org/protocol/caps",
        &[(
            "<iq type='get' id='p' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#info' node='{caps}'/></iq>",
            "type=\"result\"",
        )],
    ),
    ("limits urn:xmpp:stream-limits:0", &[]),
    ("register http://jabber.org/features/iq-register", &[]),
];

#[tokio::test]
async fn every_stream_feature_works() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut c = w.login("alice").await;
    let offered = waddle_stanza::Stanza::parse(c.features.clone().into()).unwrap();
    let names: BTreeSet<String> = offered
        .root()
        .children()
        .map(|f| format!("{} {}", f.name(), f.ns()))
        .collect();
    let caps = offered
        .root()
        .child("c", "http://jabber.org/protocol/caps")
        .unwrap();
    let node = format!("{}#{}", caps.attr("node").unwrap(), caps.attr("ver").unwrap());
    c.bind("one").await;
    let mut p = Prober {
        c,
        count: 0,
        last_id: String::new(),
    };
    for name in names {
        let row = STREAM.iter().find(|r| r.0 == name);
        let exchanges = row.unwrap_or_else(|| panic!("nothing here tries {name}")).1;
        for (send, part) in exchanges {
            let send: &'static str = String::leak(send.replace("{caps}", &node));
            if let Err(e) = p.exchange("", (send, part), "").await {
                panic!("{name}: {e}");
            }
        }
    }
}
