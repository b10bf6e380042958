//! Requests to a server that means no good: redirects inwards, endless answers, names that point inside.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::header, response::Redirect, routing::get};
use waddle_fetch::{FetchConfig, FetchError, Fetcher, Guard, Overlong};

async fn server() -> SocketAddr {
    let app = Router::new()
        .route(
            "/ok",
            get(|| async { ([(header::CONTENT_TYPE, "Text/HTML; charset=utf-8")], "hello") }),
        )
        .route("/long", get(|| async { "x".repeat(100_000) }))
        .route("/once", get(|| async { Redirect::temporary("/ok") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route(
            "/inside",
            get(|| async { Redirect::temporary("http://169.254.169.254/latest") }),
        )
        .route("/slow", get(|| async { std::future::pending::<()>().await }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

fn fetcher(change: impl FnOnce(&mut FetchConfig)) -> Fetcher {
    let mut config = FetchConfig {
        guard: Guard::https(true),
        body_bytes: 1_000,
        timeout: Duration::from_secs(20),
        ..FetchConfig::new()
    };
    change(&mut config);
    Fetcher::new(config).unwrap()
}

#[tokio::test]
async fn answers_are_bounded_and_redirects_checked() {
    let at = server().await;
    let url = |path: &str| format!("http://{at}{path}").parse().unwrap();
    let f = fetcher(|_| ());
    let got = f.get(&url("/once"), Default::default()).await.unwrap();
    assert_eq!(
        (got.status.as_u16(), &got.body[..], got.url.path()),
        (200, &b"hello"[..], "/ok")
    );
    assert_eq!(got.media_type(), "text/html");
    let failed = |path: &'static str| {
        let (f, url) = (f.clone(), url(path));
        async move { f.get(&url, Default::default()).await.unwrap_err() }
    };
    assert_eq!(failed("/long").await, FetchError::TooLarge(1_000));
    assert_eq!(failed("/round").await, FetchError::Redirects);
    assert!(matches!(failed("/inside").await, FetchError::Refused(_)));
    let cutting = fetcher(|c| c.overlong = Overlong::Cut);
    let got = cutting.get(&url("/long"), Default::default()).await.unwrap();
    assert!(got.cut && got.body.len() == 1_000);
    let hasty = fetcher(|c| c.timeout = Duration::from_millis(50));
    assert_eq!(
        hasty.get(&url("/slow"), Default::default()).await.unwrap_err(),
        FetchError::Timeout
    );
}

#[tokio::test]
async fn a_name_that_points_inside_is_refused() {
    let at = server().await;
    let f = fetcher(|c| {
        c.guard = Guard {
            plain: true,
            ..Guard::default()
        };
        c.hosts = vec![("hooks.example".into(), at)];
    });
    let url = format!("http://hooks.example:{}/ok", at.port()).parse().unwrap();
    let e = f.get(&url, Default::default()).await.unwrap_err();
    assert!(matches!(e, FetchError::Refused(_)), "{e}");
    for bad in [
        "https://user:pass@example.com/",
        "https://example.com:25/",
        "http://127.0.0.1:80/",
    ] {
        assert!(f.check(&bad.parse().unwrap()).is_err(), "{bad}");
    }
}
