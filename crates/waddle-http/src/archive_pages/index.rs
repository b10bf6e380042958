//! Which communities, channels and days there are.

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    cache::Made,
    days,
    find::{self, Place, Room},
    finish,
    html::{self, Html, Page, short},
    nothing, serve,
};
use crate::{App, problem::Problem};

/// Communities and days of one page.
const MOST: usize = 60;

/// `?after=` of communities, `?before=` of days.
#[derive(Debug, Default, Deserialize)]
pub struct Turn {
    after: Option<String>,
    before: Option<String>,
}

/// `GET /archive`: the communities, by their names in addresses.
pub async fn communities(State(app): State<App>, Query(q): Query<Turn>, headers: HeaderMap) -> Response {
    let after = q.after.unwrap_or_default();
    let mut all = app.deps.community.waddles();
    all.retain(|w| find::is_public(w) && w.slug.as_str() > after.as_str());
    all.sort_by(|a, b| a.slug.as_str().cmp(b.slug.as_str()));
    let more = all.len() > MOST;
    all.truncate(MOST);
    let mut h = Html::new();
    h.raw("<h1>Public communities</h1>");
    if all.is_empty() {
        h.raw("<p>None here.</p>");
    }
    h.raw("<ul class=\"list\">");
    for w in &all {
        h.raw("<li>").link(&format!("/archive/{}", w.slug), &w.name);
        if !w.description.is_empty() {
            h.element(
                "<br><span class=\"note\">",
                &short(&w.description, 200),
                "</span>",
            );
        }
        h.raw("</li>");
    }
    h.raw("</ul>");
    if let (true, Some(last)) = (more, all.last()) {
        h.raw("<p><a rel=\"next\" href=\"/archive?after=")
            .show(&last.slug)
            .raw("\">More</a></p>");
    }
    let page = Page {
        title: "Public communities",
        description: "Communities whose conversations anybody may read",
        path: "/archive",
        indexed: true,
        ..Page::default()
    };
    finish(&app, Made::page(&html::frame(&app, &page, h)), &headers)
}

/// `GET /archive/{w}`: its channels.
pub async fn community(State(app): State<App>, Path(w): Path<String>, headers: HeaderMap) -> Response {
    let place = match find::place(&app, &w).await {
        Ok(Some(place)) => place,
        Ok(None) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    serve(State(app.clone()), headers, w, &place, channels(&app, &place)).await
}

async fn channels(app: &App, place: &Place) -> Result<Option<Made>, Problem> {
    let waddle = &place.waddle;
    let path = format!("/archive/{}", waddle.slug);
    let mut h = Html::new();
    h.raw("<nav class=\"trail\" aria-label=\"Place\">")
        .link("/archive", "Communities")
        .raw("</nav>");
    h.element("<h1>", &waddle.name, "</h1>");
    if !waddle.description.is_empty() {
        h.element("<p class=\"about\">", &waddle.description, "</p>");
    }
    h.raw("<ul class=\"list\">");
    for c in place.channels() {
        h.raw("<li>").link(&format!("{path}/{}", c.slug), &c.name);
        if !c.topic.is_empty() {
            h.element("<br><span class=\"note\">", &short(&c.topic, 200), "</span>");
        }
        h.raw("</li>");
    }
    h.raw("</ul>");
    let about = short(&waddle.description, 200);
    let page = Page {
        title: &waddle.name,
        description: &about,
        path: &path,
        image: waddle.icon.as_deref(),
        indexed: waddle.settings.indexed,
        ..Page::default()
    };
    Ok(Some(Made::page(&html::frame(app, &page, h))))
}

/// `GET /archive/{w}/{c}`: its days.
pub async fn channel(
    State(app): State<App>,
    Path((w, c)): Path<(String, String)>,
    Query(q): Query<Turn>,
    headers: HeaderMap,
) -> Response {
    let room = match find::room(&app, &w, &c).await {
        Ok(Some(room)) => room,
        Ok(None) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    if q.before.is_some() && days::before(q.before.as_deref()).is_none() {
        return nothing(&app);
    }
    let key = format!("{w}/{c}?{}", q.before.clone().unwrap_or_default());
    let make = list(&app, &room, q.before.as_deref());
    serve(State(app.clone()), headers, key, &room.place, make).await
}

async fn list(app: &App, room: &Room, before: Option<&str>) -> Result<Option<Made>, Problem> {
    let (path, waddle, channel) = (room.path(), &room.place.waddle, &room.channel);
    let found = days::days(room, days::before(before), MOST).await?;
    let feed = format!("{path}/feed.atom");
    let mut h = Html::new();
    h.raw("<nav class=\"trail\" aria-label=\"Place\">")
        .link("/archive", "Communities")
        .raw(" › ");
    h.link(&format!("/archive/{}", waddle.slug), &waddle.name)
        .raw("</nav>");
    h.element("<h1>", &channel.name, "</h1>");
    if !channel.topic.is_empty() {
        h.element("<p class=\"about\">", &channel.topic, "</p>");
    }
    h.raw("<p class=\"note\">").link(&feed, "Atom feed").raw("</p>");
    if found.is_empty() {
        h.raw("<p>Nothing was said here yet.</p>");
    }
    h.raw("<ul class=\"list days\">");
    for day in &found {
        h.raw("<li>").link(&format!("{path}/{day}"), day).raw("</li>");
    }
    h.raw("</ul>");
    if let Some(last) = found.last().filter(|_| found.len() == MOST) {
        h.raw("<p><a rel=\"next\" href=\"")
            .text(&path)
            .raw("?before=")
            .text(last)
            .raw("\">Earlier</a></p>");
    }
    let about = days::about(room);
    let title = format!("{} – {}", channel.name, waddle.name);
    let own = before.map_or_else(|| path.clone(), |b| format!("{path}?before={b}"));
    let page = Page {
        title: &title,
        description: &about,
        path: &own,
        feed: Some(&feed),
        image: waddle.icon.as_deref(),
        indexed: waddle.settings.indexed,
        ..Page::default()
    };
    Ok(Some(Made::page(&html::frame(app, &page, h))))
}
