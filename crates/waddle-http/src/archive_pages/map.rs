//! What search engines are told: site maps (<https://www.sitemaps.org/protocol.html>) and `robots.txt` (RFC 9309).

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use waddle_stanza::XmlWriter;

use super::{
    cache::Made,
    days,
    find::{self, Place},
    finish, nothing, serve_at,
};
use crate::{App, problem::Problem};

const MAP: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";
/// The newest days of a channel, and days of a waddle, that are told.
const DAYS: usize = 365;
const ADDRESSES: usize = 10_000;
/// Waddles that are told: the most that the protocol allows.
const WADDLES: usize = 50_000;

fn xml(w: &mut XmlWriter) -> Made {
    let body = std::mem::take(w).finish();
    let head = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    Made::new(
        "application/xml; charset=utf-8",
        [head.as_slice(), &body].concat(),
    )
}

/// `GET /sitemap.xml`: the map of each public waddle, from the list of them: no waddle is opened for it.
pub async fn all(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut waddles = app.deps.community.waddles();
    waddles.retain(|w| find::is_public(w) && w.settings.indexed);
    waddles.sort_by(|a, b| a.slug.as_str().cmp(b.slug.as_str()));
    let mut w = XmlWriter::with_capacity(4_096);
    w.open_ns("sitemapindex", MAP);
    for waddle in waddles.iter().take(WADDLES) {
        let path = format!("/archive/{}/sitemap.xml", waddle.slug);
        w.open("sitemap").leaf("loc", &app.config.at(&path)).close();
    }
    w.close();
    finish(&app, xml(&mut w), &headers)
}

/// `GET /archive/{w}/sitemap.xml`: its channels and their days.
pub async fn community(State(app): State<App>, Path(w): Path<String>, headers: HeaderMap) -> Response {
    let place = match find::place(&app, &w).await {
        Ok(Some(place)) if place.waddle.settings.indexed => place,
        Ok(_) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    let (key, token) = (format!("{w}/sitemap.xml"), place.slow_token(&app));
    let make = map(&app, &place);
    serve_at(State(app.clone()), headers, key, &place, token, make).await
}

async fn map(app: &App, place: &Place) -> Result<Option<Made>, Problem> {
    let mut w = XmlWriter::with_capacity(4_096);
    w.open_ns("urlset", MAP);
    let mut left = ADDRESSES;
    for channel in place.channels() {
        let room = place.room(channel);
        let path = room.path();
        w.open("url").leaf("loc", &app.config.at(&path)).close();
        let days = days::days(&room, None, left.min(DAYS)).await?;
        left = left.saturating_sub(days.len() + 1);
        for day in days {
            let address = app.config.at(&format!("{path}/{day}"));
            w.open("url").leaf("loc", &address).close();
        }
    }
    w.close();
    Ok(Some(xml(&mut w)))
}

/// `GET /robots.txt`: the archive is for everybody, the rest for people.
pub async fn robots(State(app): State<App>) -> Response {
    let mut text = String::from("User-agent: *\n");
    for path in [
        "/api/", "/auth/", "/oauth/", "/invite/", "/login", "/upload/", "/hooks/", "/metrics",
    ] {
        text.push_str("Disallow: ");
        text.push_str(path);
        text.push('\n');
    }
    text.push_str("Sitemap: ");
    text.push_str(&app.config.at("/sitemap.xml"));
    text.push('\n');
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
