//! Links to pages that are good, slow, endless, or inside.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::header,
    response::{Html, Redirect},
    routing::get,
};
use waddle_preview::{Bounds, Page, Previews};

async fn server(asked: Arc<AtomicUsize>) -> SocketAddr {
    let page = "<head><title>T</title></head>";
    let counted = asked.clone();
    let app = Router::new()
        .route(
            "/page",
            get(move || async move {
                asked.fetch_add(1, Ordering::Relaxed);
                Html(page)
            }),
        )
        .route(
            "/image",
            get(|| async { ([(header::CONTENT_TYPE, "image/png")], "<title>x</title>") }),
        )
        .route(
            "/missing",
            get(|| async { (axum::http::StatusCode::NOT_FOUND, Html("<title>x</title>")) }),
        )
        .route("/moved", get(|| async { Redirect::permanent("/page") }))
        .route(
            "/inside",
            get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data") }),
        )
        .route(
            "/mapped",
            get(|| async { Redirect::temporary("http://[::ffff:10.0.0.1]/") }),
        )
        .route(
            "/port",
            get(|| async { Redirect::temporary("http://127.0.0.1:25/") }),
        )
        .route(
            "/long",
            get(move || async move { Html([page, &"x".repeat(4_000_000)].concat()) }),
        )
        .route("/slow", get(|| async { std::future::pending::<()>().await }))
        .route(
            "/counted",
            get(move || async move {
                counted.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

#[tokio::test]
async fn what_links_lead_to() {
    let asked = Arc::new(AtomicUsize::new(0));
    let at = server(asked.clone()).await;
    let bounds = Bounds {
        timeout: Duration::from_secs(2),
        ..Bounds::default()
    };
    let previews = Previews::new(bounds, true).unwrap();
    let title = Some(Page {
        title: Some("T".into()),
        ..Page::default()
    });
    for (path, found) in [
        ("/page", &title),
        ("/page#part", &title),
        ("/moved", &title),
        ("/long", &title),
        ("/image", &None),
        ("/missing", &None),
        ("/inside", &None),
        ("/mapped", &None),
        ("/port", &None),
        ("/slow", &None),
    ] {
        let url = ["http://", &at.to_string(), path].concat();
        assert_eq!(previews.look(1, &url).await, *found, "{path}");
        assert_eq!(previews.look(1, &url).await, *found, "{path}, remembered");
    }
    assert_eq!(
        asked.load(Ordering::Relaxed),
        2,
        "by its address and through the redirect"
    );
}

#[tokio::test]
async fn nothing_inside_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let at = server(asked.clone()).await;
    let previews = Previews::new(Bounds::default(), false).unwrap();
    for url in [
        ["http://", &at.to_string(), "/page"].concat(),
        ["http://localhost:", &at.port().to_string(), "/page"].concat(),
        ["http://[::1]:", &at.port().to_string(), "/page"].concat(),
        ["http://[::ffff:127.0.0.1]:", &at.port().to_string(), "/page"].concat(),
        "http://100.64.0.1/".to_owned(),
        "http://169.254.169.254/".to_owned(),
        "http://user:pass@a.example/".to_owned(),
        "ftp://a.example/".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(previews.look(1, &url).await, None, "{url}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_waddle_with_slow_links_holds_up_itself_alone() {
    let asked = Arc::new(AtomicUsize::new(0));
    let at = server(asked.clone()).await;
    let previews = Previews::new(Bounds::default(), true).unwrap();
    let url = move |path: &str| ["http://", &at.to_string(), path].concat();
    for n in 0..40 {
        let (previews, url) = (previews.clone(), url(&["/counted?", &n.to_string()].concat()));
        tokio::spawn(async move { previews.look(1, &url).await });
    }
    let begun = tokio::time::timeout(Duration::from_secs(5), async {
        while asked.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    });
    begun.await.unwrap();
    let page = url("/page");
    let other = tokio::time::timeout(Duration::from_secs(5), previews.look(2, &page));
    assert!(
        other.await.unwrap().is_some(),
        "another waddle's link is looked at"
    );
    assert_eq!(
        asked.load(Ordering::Relaxed),
        3,
        "two of the one, one of the other"
    );
}
