//! What every answer has in common: problems, headers, limits, proxies, the open documents.

use crate::support::{open, open_with};
use serde_json::json;

#[tokio::test]
async fn every_error_is_a_problem() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.get("/nothing/here").send().await.is_problem(404);
    t.get("/api/v1/nothing").send().await.is_problem(404);
    let r = t.ask("DELETE", "/auth/login").send().await;
    r.is_problem(405);
    assert!(r.header("allow").contains("GET"), "{r:?}");
    t.ask("PUT", "/waddles").send().await.is_problem(405);
    let create = || t.post("/waddles").bearer(&alice);
    create().raw("application/json", "{").send().await.is_problem(400);
    create().raw("text/plain", "{}").send().await.is_problem(415);
    create()
        .raw("application/json", vec![b' '; 2 << 20])
        .send()
        .await
        .is_problem(413);
    create().json(json!({"slug": 7})).send().await.is_problem(422);
    create()
        .json(json!({"slug": "a", "owner": "x"}))
        .send()
        .await
        .is_problem(422);
    create()
        .json(json!({"slug": "Not A Slug"}))
        .send()
        .await
        .is_problem(422);
    create()
        .json(json!({"slug": "ok", "visibility": "odd"}))
        .send()
        .await
        .is_problem(422);
    let r = t.get("/waddles").send().await;
    r.is_problem(401);
    assert!(r.header("www-authenticate").starts_with("Bearer"));
    t.get("/waddles").bearer("wds_wrong").send().await.is_problem(401);
    t.get("/xmpp-websocket").send().await.is_problem(404);
    t.get("/waddles/%ff").bearer(&alice).send().await.is_problem(400);
    assert_eq!(
        t.get("/auth/login?handle=%ff").send().await.status,
        400,
        "a page, for a browser"
    );
}

#[tokio::test]
async fn headers_of_every_answer() {
    let t = open().await;
    for path in [
        "/healthz",
        "/",
        "/nothing",
        "/style.css",
        "/.well-known/host-meta",
    ] {
        let r = t.get(path).send().await;
        assert_eq!(r.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(r.header("referrer-policy"), "no-referrer", "{path}");
        assert!(
            r.header("content-security-policy").contains("default-src 'none'"),
            "{path}"
        );
        assert!(r.header("strict-transport-security").is_empty(), "{path}");
    }
    let s = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    assert!(
        !s.get("/healthz")
            .send()
            .await
            .header("strict-transport-security")
            .is_empty()
    );
}

#[tokio::test]
async fn status_health_and_metrics() {
    let t = open().await;
    assert_eq!(t.get("/healthz").send().await.text, "ok\n");
    assert_eq!(
        t.get("/readyz").send().await.json(),
        json!({"ready": true, "down": []})
    );
    let r = t.get("/status").send().await.json();
    assert_eq!(r["services"][0]["name"], "XMPP Server");
    assert_eq!(r["services"][0]["status"], true);
    let page = t.get("/status").header("accept", "text/html,*/*").send().await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.text.contains("XMPP Server") && page.text.contains("&lt;b&gt;") && !page.text.contains("<b>")
    );
    assert_eq!(t.get("/metrics").send().await.text, "waddle_up 1\n");
    assert_eq!(t.get("/metrics").from("10.0.0.7").send().await.status, 200);
    t.get("/metrics")
        .from("93.184.216.34")
        .send()
        .await
        .is_problem(403);

    let mut down = open().await;
    down.deps.status = std::sync::Arc::new(|| {
        Box::pin(async {
            vec![waddle_http::ServiceStatus {
                name: "MQTT".into(),
                status: false,
                details: String::new(),
            }]
        })
    });
    down.router = waddle_http::router(down.config.clone(), down.deps.clone());
    let r = down.get("/readyz").send().await;
    assert_eq!(
        (r.status.as_u16(), r.json()["down"][0].as_str()),
        (503, Some("MQTT"))
    );
}

#[tokio::test]
async fn host_meta() {
    let t = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    let r = t.get("/.well-known/host-meta").send().await;
    assert_eq!(r.header("access-control-allow-origin"), "*");
    assert_eq!(r.header("content-type"), "application/xrd+xml");
    assert!(
        r.text.contains("rel=\"urn:xmpp:alt-connections:websocket\""),
        "{}",
        r.text
    );
    assert!(
        r.text.contains("href=\"wss://chat.example.org/xmpp-websocket\""),
        "{}",
        r.text
    );
    let j = t.get("/.well-known/host-meta.json").send().await;
    assert_eq!(j.header("access-control-allow-origin"), "*");
    assert_eq!(
        j.json()["links"][0]["href"],
        "wss://chat.example.org/xmpp-websocket"
    );
}

#[tokio::test]
async fn oauth_documents_of_a_public_server() {
    let t = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    let m = t.get("/oauth-client-metadata.json").send().await;
    assert_eq!(m.header("content-type"), "application/json");
    assert_eq!(
        m.json()["client_id"],
        "https://chat.example.org/oauth-client-metadata.json"
    );
    let k = t.get("/oauth/jwks.json").send().await.json();
    assert_eq!(k["keys"][0]["kty"], "EC");
    assert!(k["keys"][0]["d"].is_null());
    // a loopback client has no document
    open()
        .await
        .get("/oauth-client-metadata.json")
        .send()
        .await
        .is_problem(404);
}

#[tokio::test]
async fn localhost_goes_to_the_loopback_address() {
    let t = open().await;
    for host in ["localhost:3000", "LOCALHOST", "localhost"] {
        let r = t
            .get("/auth/login?handle=alice.test")
            .header("host", host)
            .send()
            .await;
        assert_eq!(r.status, 307, "{host}");
        assert_eq!(
            r.header("location"),
            "http://127.0.0.1:3000/auth/login?handle=alice.test"
        );
    }
    for path in ["/healthz", "/.well-known/host-meta", "/metrics"] {
        assert_eq!(
            t.get(path).header("host", "localhost:3000").send().await.status,
            200,
            "{path}"
        );
    }
    t.post("/auth/session")
        .header("host", "localhost")
        .json(json!({}))
        .send()
        .await
        .is_problem(400);
    let s = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    assert_eq!(s.get("/").header("host", "localhost").send().await.status, 200);
}

#[tokio::test]
async fn rates() {
    let t = open_with(|http, _| {
        http.limits.http_rate = waddle_core::limits::Rate {
            count: 3,
            seconds: 600,
        }
    })
    .await;
    let alice = t.person("alice").await;
    for _ in 0..3 {
        t.get("/waddles").send().await.is_problem(401);
    }
    let r = t.get("/waddles").send().await;
    r.is_problem(429);
    assert!(r.header("retry-after").parse::<u64>().unwrap() > 0);
    t.get("/waddles")
        .bearer("wds_invented")
        .send()
        .await
        .is_problem(429);
    assert_eq!(
        t.get("/waddles").bearer(&alice).send().await.status,
        200,
        "an account has its own"
    );
    t.get("/waddles").from("192.0.2.7").send().await.is_problem(401);
    assert_eq!(t.get("/healthz").send().await.status, 200, "always");
    let off = open_with(|http, _| {
        http.limits.http_rate = waddle_core::limits::Rate {
            count: 1,
            seconds: 600,
        };
        http.rate_limits = false;
    })
    .await;
    for _ in 0..5 {
        off.get("/waddles").send().await.is_problem(401);
    }
}

#[tokio::test]
async fn failed_logins_are_counted_by_the_clients_address() {
    let t = open_with(|http, _| {
        http.limits.rate_failed_logins = waddle_core::limits::Rate {
            count: 2,
            seconds: 60,
        };
        http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        http.rate_limits = false;
    })
    .await;
    t.person("alice").await;
    let attempt = async |from: &str, password: &str| {
        t.post("/auth/session")
            .header("x-forwarded-for", from)
            .json(json!({"username": "alice", "password": password}))
            .send()
            .await
    };
    for _ in 0..2 {
        attempt("198.51.100.1", "wrong").await.is_problem(401);
    }
    let r = attempt("198.51.100.1", "correct horse").await;
    r.is_problem(429);
    assert!(!r.header("retry-after").is_empty());
    attempt("9.9.9.9, 198.51.100.1", "x").await.is_problem(429);
    assert_eq!(attempt("198.51.100.2", "correct horse").await.status, 200);
}
