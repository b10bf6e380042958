//! The web-readable archive of public channels (`specs/integrations.md`, "Web archive"): pages without script that
//! anybody may read, link to and index, with stable addresses, an Atom feed, site maps.
//!
//! Every page is made from indexed queries and remembered until something is committed in its waddle, so that what was
//! taken back is gone at once.

mod cache;
mod days;
mod feed;
mod find;
mod html;
mod index;
mod lines;
mod map;
mod people;
mod thread;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

pub(crate) use cache::Cache;
pub(crate) use people::routes as people_routes;

use crate::{App, problem::Problem};
use cache::Made;
use html::Html;

const STYLE: &str = include_str!("../../assets/archive.css");

/// The routes: for anybody.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/archive", get(index::communities))
        .route("/archive/{w}", get(index::community))
        .route("/archive/{w}/sitemap.xml", get(map::community))
        .route("/archive/{w}/{c}", get(index::channel))
        .route("/archive/{w}/{c}/{day}", get(days::day))
        .route("/archive/{w}/{c}/feed.atom", get(feed::atom))
        .route("/archive/{w}/{c}/m/{id}", get(days::permalink))
        .route("/archive/{w}/{c}/t/{id}", get(thread::thread))
        .route("/archive.css", get(style))
        .route("/sitemap.xml", get(map::all))
        .route("/robots.txt", get(map::robots))
}

/// `GET /archive.css`.
async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, STYLE).into_response()
}

/// What an address here answers where there is nothing, or nothing for everybody.
fn nothing(app: &App) -> Response {
    let mut h = Html::new();
    h.raw("<h1>Not here</h1><p>There is nothing to read at this address: it never was, is not public, or is gone.</p>")
        .raw("<p><a href=\"/archive\">All communities</a></p>");
    let page = html::Page {
        title: "Not here",
        path: "",
        ..html::Page::default()
    };
    let mut r = finish(app, Made::page(&html::frame(app, &page, h)), &HeaderMap::new());
    *r.status_mut() = StatusCode::NOT_FOUND;
    r
}

/// An answer with its validators, or 304.
fn finish(app: &App, made: Made, headers: &HeaderMap) -> Response {
    let fresh = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == made.etag || tag.trim() == "*");
    let mut r = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        made.body.clone().into_response()
    };
    let h = r.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            h.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, made.kind);
    set(header::ETAG, &made.etag);
    // asked for again each time: what was taken back is gone at once
    set(header::CACHE_CONTROL, "public, no-cache");
    set(header::LAST_MODIFIED, &httpdate::fmt_http_date(made.since));
    let uploads = html::upload_origin(app);
    set(
        header::CONTENT_SECURITY_POLICY,
        &format!(
            "default-src 'none'; style-src 'self'; img-src 'self'{uploads} data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        ),
    );
    if !made.indexed {
        set(header::HeaderName::from_static("x-robots-tag"), "noindex");
    }
    r
}

/// A page from memory, or made anew; 404 alike for whatever is not public.
async fn serve<F>(app: State<App>, headers: HeaderMap, key: String, place: &find::Place, make: F) -> Response
where
    F: Future<Output = Result<Option<Made>, Problem>>,
{
    let token = place.token(&app);
    serve_at(app, headers, key, place, token, make).await
}

/// The same, good for as long as `token` is the same.
async fn serve_at<F>(
    State(app): State<App>,
    headers: HeaderMap,
    key: String,
    place: &find::Place,
    token: u64,
    make: F,
) -> Response
where
    F: Future<Output = Result<Option<Made>, Problem>>,
{
    if let Some(made) = app.archive.get(&key, token) {
        return finish(&app, made, &headers);
    }
    match make.await {
        Ok(Some(mut made)) => {
            made.indexed = place.waddle.settings.indexed;
            let made = app.archive.put(key, token, made);
            finish(&app, made, &headers)
        }
        Ok(None) => nothing(&app),
        Err(problem) => problem.into_response(),
    }
}
