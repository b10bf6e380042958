//! XMPP over BOSH against a real XMPP server (XEP-0124, XEP-0206), and where it is found (XEP-0156).

use std::sync::Arc;

use crate::support::{Answer, Setup, open_with};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::SinkExt as _;
use waddle_core::Secret;
use waddle_http::HttpDeps;
use waddle_muc::Rooms;
use waddle_xmpp::{Deps, Peer, XmppConfig, XmppServer};

/// The HTTP surface with a BOSH door to a real server; the client seems to come by TLS.
async fn world() -> Setup {
    let s = open_with(|http, _| {
        http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        http.limits.bosh_inactivity_seconds = 1;
    })
    .await;
    let storage = s.storage.clone();
    let limits = Arc::new(s.config.limits.clone());
    let rooms = Rooms::new(waddle_muc::Deps {
        storage: storage.clone(),
        community: s.deps.community.clone(),
        clock: s.clock.clone(),
        limits: limits.clone(),
        domain: "example.org".into(),
    })
    .await
    .unwrap();
    let xmpp = XmppServer::start(
        XmppConfig::new("example.org"),
        Deps {
            storage,
            identity: s.identity.clone(),
            community: s.deps.community.clone(),
            rooms: rooms.clone(),
            clock: s.clock.clone(),
            limits,
        },
    )
    .await
    .unwrap();
    rooms.set_postman(Arc::new(xmpp.clone()));
    for name in ["alice", "bob"] {
        s.identity
            .create_local(name, &Secret::new("correct horse"), false)
            .await
            .unwrap();
    }
    let door = move |socket, peer: waddle_http::WsPeer| {
        let peer = Peer {
            address: peer.addr,
            transport: "bosh",
            secure: peer.secure,
        };
        xmpp.serve_websocket(socket, peer)
    };
    let deps = HttpDeps {
        hooks: None,
        bosh: Some(Arc::new(door)),
        ..s.deps.clone()
    };
    Setup {
        router: waddle_http::router(s.config.clone(), deps.clone()),
        deps,
        ..s
    }
}

async fn post(s: &Setup, xml: &str) -> Answer {
    let r = s
        .post("/http-bind")
        .raw("text/xml; charset=utf-8", xml)
        .header("x-forwarded-proto", "https");
    r.send().await
}

/// A value of an attribute in a text.
fn attr(text: &str, name: &str) -> String {
    let from = text.split_once(&format!(" {name}=\"")).map(|(_, r)| r);
    let value = from.and_then(|r| r.split_once('"')).map(|(v, _)| v.to_owned());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

struct Client<'a> {
    s: &'a Setup,
    sid: String,
    rid: u64,
}

impl<'a> Client<'a> {
    async fn new(s: &'a Setup) -> (Self, String) {
        let rid = 1_573_741_820;
        let r = post(
            s,
            &format!(
                "<body rid='{rid}' to='example.org' xml:lang='en' wait='60' hold='1' ver='1.6' \
                 content='text/xml; charset=utf-8' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh' \
                 xmlns='http://jabber.org/protocol/httpbind'/>"
            ),
        )
        .await;
        assert_eq!(
            (r.status.as_u16(), r.header("content-type")),
            (200, "text/xml; charset=utf-8")
        );
        assert_eq!(r.header("access-control-allow-origin"), "*");
        let sid = attr(&r.text, "sid");
        (Self { s, sid, rid }, r.text)
    }

    async fn say(&mut self, attrs: &str, xml: &str) -> String {
        self.rid += 1;
        self.repeat(attrs, xml).await
    }

    async fn repeat(&self, attrs: &str, xml: &str) -> String {
        let (rid, sid) = (self.rid, &self.sid);
        let r = post(
            self.s,
            &format!(
                "<body rid='{rid}' sid='{sid}' {attrs} xmlns:xmpp='urn:xmpp:xbosh' \
                 xmlns='http://jabber.org/protocol/httpbind'>{xml}</body>"
            ),
        )
        .await;
        assert_eq!(r.status, 200);
        r.text
    }

    async fn login(s: &'a Setup) -> Self {
        Self::login_as(s, "alice").await
    }

    async fn login_as(s: &'a Setup, name: &str) -> Self {
        let (mut c, first) = Self::new(s).await;
        assert!(
            first.contains("<mechanism>PLAIN</mechanism>"),
            "TLS up to the proxy: {first}"
        );
        assert!(!attr(&first, "authid").is_empty() && attr(&first, "from") == "example.org");
        let auth = STANDARD.encode(format!("\0{name}\0correct horse"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{auth}</auth>");
        let r = c.say("", &auth).await;
        assert!(r.contains("<success"), "{r}");
        let r = c.say("xmpp:restart='true' to='example.org'", "").await;
        assert!(
            r.contains("urn:ietf:params:xml:ns:xmpp-bind") && !r.contains("sid="),
            "{r}"
        );
        // without a namespace of its own, as old clients send it
        let r = c
            .say("", "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>")
            .await;
        assert!(r.contains(&format!("{name}@example.org/r")), "{r}");
        c
    }
}

#[tokio::test]
async fn a_client_logs_in_talks_and_leaves() {
    let s = world().await;
    let mut c = Client::login(&s).await;
    let r = c.say("", "<presence xmlns='jabber:client'/>").await;
    assert!(r.contains("<presence"), "{r}");
    let note =
        "<message xmlns='jabber:client' to='alice@example.org/r' id='m'><body>to &lt;me&gt;</body></message>";
    let r = c.say("", note).await;
    assert!(r.contains("to &lt;me&gt;"), "{r}");
    // the answer was lost: the same request gets it again, and nothing is sent twice
    assert_eq!(c.repeat("", note).await, r);
    let r = c
        .say(
            "type='terminate'",
            "<presence xmlns='jabber:client' type='unavailable'/>",
        )
        .await;
    assert_eq!(attr(&r, "type"), "terminate");
    let r = c.say("", "").await;
    assert_eq!(attr(&r, "type"), "terminate");
}

#[tokio::test]
async fn what_is_wrong_ends_with_its_condition() {
    let s = world().await;
    let ns = "xmlns='http://jabber.org/protocol/httpbind'";
    for (xml, condition) in [
        ("<nonsense".to_owned(), "bad-request"),
        (format!("<body rid='1' {ns}/>"), "improper-addressing"),
        (format!("<body rid='1' to='other.example' {ns}/>"), "host-unknown"),
        (format!("<body to='example.org' {ns}/>"), "bad-request"),
        (format!("<body rid='1' sid='unknown' {ns}/>"), "item-not-found"),
    ] {
        let r = post(&s, &xml).await;
        assert_eq!(attr(&r.text, "condition"), condition, "{xml}");
        assert_eq!(
            (r.status.as_u16(), attr(&r.text, "type")),
            (200, "terminate".into())
        );
    }
    let long = format!("<body {ns}>{}</body>", " ".repeat(600_000));
    post(&s, &long).await.is_problem(413);
    s.get("/http-bind").send().await.is_problem(405);
    let r = s.ask("OPTIONS", "/http-bind").send().await;
    assert!(r.status == 204 && r.header("access-control-allow-methods").contains("POST"));
    // a stream error is in the last answer
    let (mut c, _) = Client::new(&s).await;
    let r = c.say("", "<message xmlns='jabber:client' to='x'/>").await;
    assert_eq!(attr(&r, "condition"), "remote-stream-error");
    assert!(r.contains("<not-authorized"), "{r}");
}

#[tokio::test]
async fn a_session_that_is_refused_takes_no_place() {
    let s = open_with(|http, _| http.limits.bosh_sessions = 1).await;
    let deps = HttpDeps {
        hooks: None,
        bosh: Some(Arc::new(|_, _| false)),
        ..s.deps.clone()
    };
    let s = Setup {
        router: waddle_http::router(s.config.clone(), deps.clone()),
        deps,
        ..s
    };
    for _ in 0..3 {
        let r = post(
            &s,
            "<body rid='1' to='example.org' xmlns='http://jabber.org/protocol/httpbind'/>",
        )
        .await;
        assert_eq!(attr(&r.text, "condition"), "policy-violation");
    }
}

#[tokio::test]
async fn what_the_stream_does_not_take_has_a_bound() {
    let s = open_with(|http, _| {
        http.limits.bosh_body_bytes = 100_000;
        http.limits.bosh_wait_seconds = 0;
    })
    .await;
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = kept.clone();
    let door = move |socket: waddle_http::BoshSocket, _: waddle_http::WsPeer| {
        keep.lock().unwrap().push(socket);
        true
    };
    let deps = HttpDeps {
        hooks: None,
        bosh: Some(Arc::new(door)),
        ..s.deps.clone()
    };
    let s = Setup {
        router: waddle_http::router(s.config.clone(), deps.clone()),
        deps,
        ..s
    };
    let ns = "xmlns='http://jabber.org/protocol/httpbind'";
    let first = format!("<body rid='1' to='example.org' wait='0' hold='0' {ns}/>");
    let features = async {
        loop {
            let socket = kept.lock().unwrap().pop();
            if let Some(mut socket) = socket {
                socket.send("<features/>".into()).await.unwrap();
                return socket;
            }
            tokio::task::yield_now().await;
        }
    };
    let (r, mut socket) = tokio::join!(post(&s, &first), features);
    let sid = attr(&r.text, "sid");
    let long = "x".repeat(90_000);
    for rid in 2..20 {
        let xml = format!("<body rid='{rid}' sid='{sid}' {ns}><message><body>{long}</body></message></body>");
        // it is answered, as the stream has something to say, whether it takes anything or not
        socket.send("<r/>".into()).await.unwrap_or_default();
        let r = post(&s, &xml).await;
        if r.text.contains("terminate") {
            assert_eq!(attr(&r.text, "condition"), "policy-violation");
            assert!(rid > 4, "{rid}");
            return;
        }
    }
    unreachable!("everything was taken");
}

#[tokio::test]
async fn plain_http_offers_scram_alone() {
    let s = world().await;
    let xml =
        "<body rid='1' to='example.org' wait='1' hold='1' xmlns='http://jabber.org/protocol/httpbind'/>";
    let r = s.post("/http-bind").raw("text/xml", xml).send().await;
    assert!(
        r.text.contains("<mechanism>SCRAM-SHA-256</mechanism>"),
        "{}",
        r.text
    );
    assert!(!r.text.contains("PLAIN"), "{}", r.text);
}

#[tokio::test]
async fn a_silent_client_is_gone() {
    let s = world().await;
    let mut c = Client::login(&s).await;
    for _ in 0..400 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        // asking for an old number does not count as a sign of life
        let old = c.rid;
        c.rid -= 3;
        let r = c.repeat("", "").await;
        c.rid = old;
        if r.contains("item-not-found") {
            return;
        }
    }
    unreachable!("the session lives on");
}

/// XEP-0124 §9.2, §10: what was in answers that nobody fetched is as little delivered as what a broken connection had
/// in its queue; what a later request acknowledges is delivered.
#[tokio::test]
async fn what_is_not_fetched_is_kept_and_what_is_fetched_comes_once() {
    const PING: &str = "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
    let s = world().await;
    let mut alice = Client::login(&s).await;
    let r = alice.say("", "<presence xmlns='jabber:client'/>").await;
    assert!(r.contains("<presence"), "{r}");
    let mut bob = Client::login_as(&s, "bob").await;
    let note = |text: &str| {
        let m = "<message xmlns='jabber:client' to='alice@example.org' type='chat'><body>";
        [m, text, "</body></message>"].concat()
    };
    let r = bob.say("", &(note("the first") + PING)).await;
    assert!(r.contains("id=\"p\""), "{r}");
    let r = alice.say("", "").await;
    assert!(r.contains("the first"), "{r}");
    let r = alice.say("", PING).await;
    assert!(r.contains("id=\"p\"") && !r.contains("the first"), "{r}");
    // she asks no more: her session ends, and whoever asked her something hears of it
    let ask = "<iq xmlns='jabber:client' type='get' id='q' to='alice@example.org/r'>\
               <query xmlns='jabber:iq:version'/></iq>";
    let r = bob.say("", &(note("the second") + ask)).await;
    assert!(
        r.contains("id=\"q\"") && r.contains("<service-unavailable"),
        "{r}"
    );

    let mut alice = Client::login(&s).await;
    let mut all = alice.say("", "<presence xmlns='jabber:client'/>").await;
    for _ in 0..20 {
        if all.contains("the second") {
            break;
        }
        all += &alice.say("", PING).await;
    }
    all += &alice.say("", PING).await;
    assert_eq!(all.matches("the second").count(), 1, "{all}");
    assert!(
        all.contains("urn:xmpp:delay") && !all.contains("the first"),
        "{all}"
    );
}

#[tokio::test]
async fn host_meta_names_both_ways() {
    let s = world().await;
    let xml = s.get("/.well-known/host-meta").send().await;
    assert_eq!(xml.header("access-control-allow-origin"), "*");
    assert!(
        xml.text.contains("href=\"ws://127.0.0.1:3000/xmpp-websocket\""),
        "{}",
        xml.text
    );
    assert!(
        xml.text.contains("rel=\"urn:xmpp:alt-connections:xbosh\""),
        "{}",
        xml.text
    );
    let json = s.get("/.well-known/host-meta.json").send().await.json();
    assert_eq!(json["links"][1]["href"], "http://127.0.0.1:3000/http-bind");

    let s = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    let mut deps = s.deps.clone();
    deps.bosh = Some(Arc::new(|_, _| false));
    let s = Setup {
        router: waddle_http::router(s.config.clone(), deps),
        ..s
    };
    let json = s.get("/.well-known/host-meta.json").send().await.json();
    assert_eq!(json["links"][0]["href"], "wss://chat.example.org/xmpp-websocket");
    assert_eq!(json["links"][1]["href"], "https://chat.example.org/http-bind");
}
