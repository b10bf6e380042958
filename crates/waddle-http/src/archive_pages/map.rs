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
    find::{self, Room},
    finish, nothing, serve,
};
use crate::{App, problem::Problem};

const MAP: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";
/// Days of a channel, and channels of the server, that are told.
const DAYS: usize = 1_000;
const CHANNELS: usize = 10_000;
/// Waddles that are looked into.
const WADDLES: usize = 1_000;

fn xml(w: &mut XmlWriter) -> Made {
    let body = std::mem::take(w).finish();
    let head = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    Made::new("application/xml; charset=utf-8", [head.as_slice(), &body].concat())
}

/// `GET /sitemap.xml`: a map of each public channel's map.
pub async fn all(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut waddles = app.deps.community.waddles();
    waddles.retain(|w| find::is_public(w) && w.settings.indexed);
    waddles.sort_by(|a, b| a.slug.as_str().cmp(b.slug.as_str()));
    let mut w = XmlWriter::with_capacity(4_096);
    w.open_ns("sitemapindex", MAP);
    let mut told = 0;
    for waddle in waddles.iter().take(WADDLES) {
        let Ok(Some(place)) = find::place(&app, waddle.slug.as_str()).await else {
            continue;
        };
        for c in place.channels() {
            if told >= CHANNELS {
                break;
            }
            told += 1;
            let path = format!("/archive/{}/{}/sitemap.xml", waddle.slug, c.slug);
            w.open("sitemap").leaf("loc", &app.config.at(&path)).close();
        }
    }
    w.close();
    finish(&app, xml(&mut w), &headers)
}

/// `GET /archive/{w}/{c}/sitemap.xml`: its days.
pub async fn channel(
    State(app): State<App>,
    Path((w, c)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let room = match find::room(&app, &w, &c).await {
        Ok(Some(room)) if room.place.waddle.settings.indexed => room,
        Ok(_) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    let key = format!("{w}/{c}/sitemap.xml");
    serve(State(app.clone()), headers, key, &room.place, map(&app, &room)).await
}

async fn map(app: &App, room: &Room) -> Result<Option<Made>, Problem> {
    let path = room.path();
    let mut w = XmlWriter::with_capacity(4_096);
    w.open_ns("urlset", MAP);
    w.open("url").leaf("loc", &app.config.at(&path)).close();
    for day in days::days(room, None, DAYS).await? {
        let address = app.config.at(&format!("{path}/{day}"));
        w.open("url").leaf("loc", &address).close();
    }
    w.close();
    Ok(Some(xml(&mut w)))
}

/// `GET /robots.txt`: the archive is for everybody, the rest for people.
pub async fn robots(State(app): State<App>) -> Response {
    let mut text = String::from("User-agent: *\n");
    for path in ["/api/", "/auth/", "/oauth/", "/invite/", "/login", "/upload/", "/hooks/", "/metrics"] {
        text.push_str("Disallow: ");
        text.push_str(path);
        text.push('\n');
    }
    text.push_str("Sitemap: ");
    text.push_str(&app.config.at("/sitemap.xml"));
    text.push('\n');
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
