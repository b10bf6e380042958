//! Uploads over HTTP: PUT once, GET with ranges and conditions, and nothing active (XEP-0363).

use std::time::Duration;

use crate::support::{Answer, Setup, open, open_with};
use waddle_core::UserId;
use waddle_files::{Purpose, Slot, SlotRequest};

/// The path and query of an address.
fn path(address: &str) -> String {
    let url: url::Url = address.parse().unwrap();
    url[url::Position::BeforePath..].to_owned()
}

async fn slot(s: &Setup, name: &str, size: u64, kind: Option<&str>) -> Slot {
    let files = s.deps.files.as_ref().unwrap();
    let wanted = SlotRequest {
        owner: UserId::local("alice"),
        name: name.into(),
        size,
        kind: kind.map(str::to_owned),
        purpose: Purpose::Message,
    };
    files.slot(wanted).await.unwrap().unwrap()
}

async fn put(s: &Setup, slot: &Slot, kind: &str, body: &[u8]) -> Answer {
    let length = body.len().to_string();
    s.ask("PUT", &path(&slot.put))
        .raw(kind, body)
        .header("content-length", length)
        .send()
        .await
}

/// Uploads and gives the path to read from.
async fn uploaded(s: &Setup, name: &str, kind: Option<&str>, body: &[u8]) -> String {
    let slot = slot(s, name, body.len() as u64, kind).await;
    let r = put(s, &slot, kind.unwrap_or("application/octet-stream"), body).await;
    assert_eq!(r.status, 201, "{}", r.text);
    assert_eq!(r.header("location"), slot.get);
    assert_eq!(r.header("access-control-allow-origin"), "*");
    path(&slot.get)
}

#[tokio::test]
async fn a_file_is_put_once_and_read_by_anybody() {
    let s = open().await;
    let slot = slot(&s, "notes.txt", 11, Some("text/plain")).await;
    s.get(&path(&slot.get)).send().await.is_problem(404);
    let r = put(&s, &slot, "text/plain; charset=utf-8", b"hello world").await;
    assert_eq!(r.status, 201, "{}", r.text);
    put(&s, &slot, "text/plain", b"hello world").await.is_problem(409);
    let r = s.get(&path(&slot.get)).send().await;
    assert_eq!((r.status.as_u16(), r.text.as_str()), (200, "hello world"));
    assert_eq!(r.header("content-length"), "11");
    assert_eq!(r.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(r.header("accept-ranges"), "bytes");
    assert_eq!(r.header("last-modified"), "Sat, 31 Jan 2026 12:00:00 GMT");
    let head = s.ask("HEAD", &path(&slot.get)).send().await;
    assert_eq!(
        (
            head.status.as_u16(),
            head.header("content-length"),
            head.text.as_str()
        ),
        (200, "11", "")
    );
    assert_eq!(head.header("etag"), r.header("etag"));
    // the name is part of the address
    let other = path(&slot.get).replace("notes.txt", "evil.html");
    s.get(&other).send().await.is_problem(404);
}

#[tokio::test]
async fn an_upload_is_exactly_what_was_announced() {
    let s = open().await;
    let slot = slot(&s, "a.png", 4, Some("image/png")).await;
    let at = path(&slot.put);
    let bare = at.split('?').next().unwrap().to_owned();
    let ask = |path: &str, length: Option<&str>, kind: &str, body: &[u8]| {
        let ask = s.ask("PUT", path).raw(kind, body);
        let ask = match length {
            Some(l) => ask.header("content-length", l),
            None => ask,
        };
        ask.send()
    };
    ask(&at, None, "image/png", b"abcd").await.is_problem(411);
    ask(&at, Some("x"), "image/png", b"abcd").await.is_problem(411);
    ask(&at, Some("5"), "image/png", b"abcde").await.is_problem(400);
    ask(&at, Some("4"), "text/html", b"abcd").await.is_problem(415);
    ask(&at, Some("4"), "image/png", b"abc").await.is_problem(400);
    ask(&at, Some("4"), "image/png", b"abcde").await.is_problem(400);
    ask(&bare, Some("4"), "image/png", b"abcd").await.is_problem(403);
    ask(&format!("{bare}?token=guess"), Some("4"), "image/png", b"abcd")
        .await
        .is_problem(403);
    ask("/upload/short/a.png?token=x", Some("4"), "image/png", b"abcd")
        .await
        .is_problem(403);
    assert_eq!(
        ask(&at, Some("4"), "application/octet-stream", b"abcd")
            .await
            .status,
        201
    );
    assert_eq!(s.get(&bare).send().await.header("content-type"), "image/png");
    let r = s.ask("DELETE", &bare).send().await;
    r.is_problem(405);
    assert_eq!(r.header("allow"), "OPTIONS, HEAD, GET, PUT");
}

#[tokio::test]
async fn slots_and_files_end() {
    let s = open().await;
    let late = slot(&s, "late.txt", 1, None).await;
    let file = uploaded(&s, "a.txt", None, b"abc").await;
    s.clock.advance(Duration::from_secs(301));
    put(&s, &late, "text/plain", b"x").await.is_problem(403);
    assert_eq!(s.get(&file).send().await.status, 200);
    s.clock.advance(Duration::from_secs(90 * 86_400));
    let gone = s.get(&file).send().await;
    gone.is_problem(404);
    assert_eq!(gone.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn ranges_and_conditions() {
    let s = open().await;
    let at = uploaded(&s, "digits.txt", None, b"0123456789").await;
    let range = |r: &'static str| s.get(&at).header("range", r).send();
    let r = range("bytes=2-4").await;
    assert_eq!((r.status.as_u16(), r.text.as_str()), (206, "234"));
    assert_eq!(
        (r.header("content-range"), r.header("content-length")),
        ("bytes 2-4/10", "3")
    );
    assert_eq!(range("bytes=-3").await.text, "789");
    assert_eq!(range("bytes=7-").await.text, "789");
    assert_eq!(range("bytes=0-1,4-5").await.status, 200, "several: all of it");
    let out = range("bytes=10-").await;
    out.is_problem(416);
    assert_eq!(out.header("content-range"), "bytes */10");

    let etag = r.header("etag").to_owned();
    let cond = |n: &'static str, v: &str| s.get(&at).header(n, v).header("range", "bytes=0-0").send();
    let unchanged = cond("if-none-match", &format!("\"x\", W/{etag}")).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), etag);
    assert_eq!(
        cond("if-modified-since", "Sat, 31 Jan 2026 12:00:00 GMT")
            .await
            .status,
        304
    );
    assert_eq!(
        cond("if-modified-since", "Sat, 31 Jan 2026 11:59:59 GMT")
            .await
            .status,
        206
    );
    assert_eq!(cond("if-range", &etag).await.status, 206);
    assert_eq!(cond("if-range", "\"another\"").await.status, 200);
    cond("if-match", "\"another\"").await.is_problem(412);
}

#[tokio::test]
async fn nothing_active_is_ever_shown() {
    let s = open().await;
    let page = b"<script>alert(1)</script>";
    for (name, kind) in [
        ("a.html", Some("text/html")),
        ("a.html", None),
        ("a.svg", Some("image/svg+xml")),
        ("a.xhtml", Some("application/xhtml+xml")),
        ("a.xml", Some("text/xml")),
        ("a.js", Some("text/javascript")),
        ("a.css", Some("text/css")),
        ("a.mht", Some("message/rfc822")),
        ("a.pdf", Some("application/pdf")),
        ("x", Some("x/y")),
    ] {
        let at = uploaded(&s, name, kind, page).await;
        let r = s.get(&at).send().await;
        assert!(
            r.header("content-disposition").starts_with("attachment"),
            "{name}"
        );
        let served = r.header("content-type");
        assert!(
            matches!(served, "application/octet-stream" | "application/pdf"),
            "{name}: {served}"
        );
    }
    // a picture's name does not make a page out of it, nor the other way round
    for (name, kind) in [
        ("a.html", "image/png"),
        ("a.png", "image/png"),
        ("a.txt", "text/plain"),
    ] {
        let at = uploaded(&s, name, Some(kind), page).await;
        let r = s.get(&at).send().await;
        assert!(r.header("content-disposition").starts_with("inline"), "{name}");
        assert!(r.header("content-type").starts_with(kind));
        assert_eq!(r.header("x-content-type-options"), "nosniff");
        let policy = r.header("content-security-policy");
        assert!(
            policy.contains("sandbox") && policy.contains("default-src 'none'"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn names_of_any_script() {
    let s = open().await;
    for (name, shown) in [
        (
            "très cool.jpg",
            "inline; filename=\"tr_s cool.jpg\"; filename*=UTF-8''tr%C3%A8s%20cool.jpg",
        ),
        (
            "写真.png",
            "inline; filename=\"__.png\"; filename*=UTF-8''%E5%86%99%E7%9C%9F.png",
        ),
        (
            "100%?.txt",
            "inline; filename=\"100_?.txt\"; filename*=UTF-8''100%25%3F.txt",
        ),
    ] {
        let at = uploaded(&s, name, None, b"abc").await;
        assert!(at.is_ascii());
        let r = s.get(&at).send().await;
        assert_eq!(r.header("content-disposition"), shown);
    }
}

#[tokio::test]
async fn browsers_of_other_sites_may_ask() {
    let s = open().await;
    let slot = slot(&s, "a.txt", 1, None).await;
    let r = s
        .ask("OPTIONS", &path(&slot.put))
        .header("origin", "https://web.example")
        .send()
        .await;
    assert_eq!(r.status, 204);
    assert!(r.header("access-control-allow-methods").contains("PUT"));
    assert!(r.header("access-control-allow-headers").contains("Content-Type"));
    assert_eq!(r.header("access-control-allow-origin"), "*");
    assert_eq!(r.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn owners_list_and_delete_theirs() {
    let s = open().await;
    let (alice, bob) = (s.person("alice").await, s.person("bob").await);
    let at = uploaded(&s, "a.txt", None, b"abc").await;
    let id = at.split('/').nth(2).unwrap().to_owned();
    s.get("/api/v1/files").send().await.is_problem(401);
    let list = s.get("/api/v1/files").bearer(&alice).send().await.json();
    assert_eq!((&list["count"], &list["bytes"]), (&1.into(), &3.into()));
    assert_eq!(list["files"][0]["url"], format!("http://127.0.0.1:3000{at}"));
    let none = s.get("/files").bearer(&bob).send().await.json();
    assert_eq!(none["files"].as_array().unwrap().len(), 0);
    s.ask("DELETE", &format!("/files/{id}"))
        .bearer(&bob)
        .send()
        .await
        .is_problem(404);
    assert_eq!(
        s.ask("DELETE", &format!("/files/{id}"))
            .bearer(&alice)
            .send()
            .await
            .status,
        204
    );
    s.get(&at).send().await.is_problem(404);
}

#[tokio::test]
async fn a_host_of_its_own_keeps_files_from_the_pages() {
    let s = open_with(|http, _| http.public_url = "https://chat.example.org".parse().unwrap()).await;
    let mut deps = s.deps.clone();
    let mut config = waddle_files::FilesConfig::local(
        "https://upload.example.org".parse().unwrap(),
        s.dir.path().join("elsewhere"),
    );
    config.limits = s.config.limits.clone();
    let db = s.storage.server();
    deps.files = Some(
        waddle_files::Files::open(config, db, s.clock.clone())
            .await
            .unwrap(),
    );
    let s = Setup {
        router: waddle_http::router(s.config.clone(), deps.clone()),
        deps,
        ..s
    };
    let slot = slot(&s, "a.txt", 1, None).await;
    assert!(slot.get.starts_with("https://upload.example.org/upload/"));
    let at = path(&slot.put);
    let put = |host: &'static str| {
        s.ask("PUT", &at)
            .raw("text/plain", "x")
            .header("content-length", "1")
            .header("host", host)
            .send()
    };
    put("chat.example.org").await.is_problem(404);
    assert_eq!(put("Upload.example.org:443").await.status, 201);
    let at = path(&slot.get);
    s.get(&at)
        .header("host", "chat.example.org")
        .send()
        .await
        .is_problem(404);
    // in HTTP/2 the address has the host
    let whole = |host: &str| format!("https://{host}{at}");
    s.get(&whole("chat.example.org")).send().await.is_problem(404);
    assert_eq!(s.get(&whole("upload.example.org")).send().await.status, 200);
}

#[tokio::test]
async fn who_guesses_is_slowed_down() {
    let s = open_with(|http, _| http.limits.http_rate.count = 3).await;
    for _ in 0..3 {
        s.get("/upload/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/x")
            .send()
            .await
            .is_problem(404);
    }
    s.get("/upload/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/x")
        .send()
        .await
        .is_problem(429);
}

#[tokio::test]
async fn whoever_reads_slowly_holds_few_files_open() {
    let s = open_with(|http, _| http.limits.downloads_per_address = 2).await;
    let at = uploaded(&s, "film.mp4", Some("video/mp4"), &vec![7; 1_000_000]).await;
    let read = async |addr: &str| {
        let mut req = axum::http::Request::get(&at)
            .header("host", "127.0.0.1:3000")
            .body(axum::body::Body::empty())
            .unwrap();
        req.extensions_mut().insert(waddle_http::Conn {
            addr: addr.parse().unwrap(),
            tls: false,
        });
        tower::ServiceExt::oneshot(s.router.clone(), req).await.unwrap()
    };
    let mut slow = vec![read("2001:db8::1").await, read("2001:db8::2").await];
    assert!(slow.iter().all(|r| r.status() == 200));
    let third = read("2001:db8::3").await;
    assert_eq!(
        (
            third.status().as_u16(),
            third.headers().contains_key("retry-after")
        ),
        (503, true)
    );
    assert_eq!(read("2001:db8:1::1").await.status(), 200, "another network");
    slow.pop();
    assert_eq!(read("2001:db8::3").await.status(), 200, "one was given up");
    let whole = axum::body::to_bytes(slow.remove(0).into_body(), 2_000_000)
        .await
        .unwrap();
    assert_eq!(whole.len(), 1_000_000);
}
