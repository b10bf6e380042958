//! A day of a channel, with the days before and after it on which something was said; and the address of one message.

use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;
use waddle_core::{MessageId, Timestamp};
use waddle_messages::Range;
use waddle_storage::repo::{archive::ArchiveKey, messages};

use super::{
    cache::Made,
    find::{self, Room},
    html::{self, Html, Page, day_of, short},
    lines::{self, Line, viewer},
    nothing, serve,
};
use crate::{App, problem::Problem};

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// Comments that machines are told.
const COMMENTS: usize = 20;

/// The first moment of a day; nothing where the text is none.
fn begin_of(day: &str) -> Option<Timestamp> {
    if day.len() != 10 {
        return None;
    }
    [day, "T00:00:00Z"].concat().parse().ok()
}

/// `?from=`: where a page of a long day begins.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    from: Option<String>,
}

/// The first identifier of a moment: identifiers are microseconds.
fn id_at(at: Timestamp) -> MessageId {
    MessageId(at.0)
}

/// The last day before a moment on which something was said.
pub(super) async fn day_before(room: &Room, at: Timestamp) -> Result<Option<String>, Problem> {
    let page = room
        .messages
        .page(&viewer(), Range::Before(Some(id_at(at))), 1)
        .await?;
    Ok(page.items.last().map(|m| day_of(Timestamp(m.id.0))))
}

async fn day_after(room: &Room, at: Timestamp) -> Result<Option<String>, Problem> {
    let last = MessageId(at.0 - 1);
    let page = room.messages.page(&viewer(), Range::After(Some(last)), 1).await?;
    Ok(page.items.first().map(|m| day_of(Timestamp(m.id.0))))
}

/// `GET /archive/{w}/{c}/{day}`.
pub async fn day(
    State(app): State<App>,
    Path((w, c, day)): Path<(String, String, String)>,
    Query(q): Query<From>,
    headers: HeaderMap,
) -> Response {
    let room = match find::room(&app, &w, &c).await {
        Ok(Some(room)) => room,
        Ok(None) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    let from = match q.from.as_deref().map(str::parse::<MessageId>) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return nothing(&app),
    };
    let Some(begin) = begin_of(&day) else {
        return nothing(&app);
    };
    let key = format!("{w}/{c}/{day}?{}", q.from.unwrap_or_default());
    let make = page(&app, &room, &day, begin, from);
    serve(State(app.clone()), headers, key, &room.place, make).await
}

async fn page(
    app: &App,
    room: &Room,
    day: &str,
    begin: Timestamp,
    from: Option<MessageId>,
) -> Result<Option<Made>, Problem> {
    let end = Timestamp(begin.0.saturating_add(DAY));
    let first = from.map_or(begin, |id| Timestamp(id.0.clamp(begin.0, end.0)));
    let most = app.config.limits.archive_page_messages.clamp(1, 500);
    let got = room
        .messages
        .page(&viewer(), Range::Between(first, end), most)
        .await?;
    if got.items.is_empty() {
        return Ok(None);
    }
    let more = (!got.complete)
        .then(|| got.items.last().map(|m| MessageId(m.id.0 + 1)))
        .flatten();
    let lines = lines::lines(app, got.items).await?;
    let around = [day_before(room, begin).await?, day_after(room, end).await?];
    Ok(Some(write(app, room, day, from, more, &lines, &around)))
}

fn write(
    app: &App,
    room: &Room,
    day: &str,
    from: Option<MessageId>,
    more: Option<MessageId>,
    lines: &[Line],
    around: &[Option<String>; 2],
) -> Made {
    let (path, waddle, channel) = (room.path(), &room.place.waddle, &room.channel);
    let ids: std::collections::HashSet<String> = lines.iter().map(|l| l.message.id.to_string()).collect();
    let mut h = Html::new();
    h.raw("<nav class=\"trail\" aria-label=\"Place\">");
    h.link("/archive", "Communities").raw(" › ");
    h.link(&format!("/archive/{}", waddle.slug), &waddle.name)
        .raw(" › ");
    h.link(&path, &channel.name)
        .raw("</nav><h1>")
        .text(&channel.name)
        .raw(" <time datetime=\"");
    h.text(day).raw("\">").text(day).raw("</time></h1>");
    turns(&path, around, &mut h);
    h.raw("<div class=\"day\" role=\"feed\" aria-label=\"Messages\">\n");
    for line in lines {
        line.write(app, room, |id| ids.contains(id), &mut h);
    }
    h.raw("</div>");
    if let Some(id) = more {
        h.raw("<p><a rel=\"next\" href=\"")
            .text(&path)
            .raw("/")
            .text(day)
            .raw("?from=")
            .show(id);
        h.raw("\">More of this day</a></p>");
    }
    turns(&path, around, &mut h);
    let title = format!("{} in {}, {day}", channel.name, waddle.name);
    let shown: Vec<&Line> = lines.iter().filter(|l| l.is_shown()).collect();
    let about = shown
        .first()
        .map_or_else(String::new, |l| format!("{}: {}", l.nick(), l.summary(150)));
    let own = match from {
        None => format!("{path}/{day}"),
        Some(id) => format!("{path}/{day}?from={id}"),
    };
    let feed = format!("{path}/feed.atom");
    let link = |d: &Option<String>| d.as_ref().map(|d| format!("{path}/{d}"));
    let (prev, next) = (link(&around[0]), link(&around[1]));
    let data = shown.first().map(|first| {
        let address = |l: &Line| app.config.at(&format!("{path}/m/{}", l.message.id));
        let mut posting = first.data("DiscussionForumPosting", &address(first));
        posting["@context"] = json!("https://schema.org");
        posting["headline"] = json!(title);
        posting["isPartOf"] = json!({
            "@type": "DiscussionForum", "name": format!("{} – {}", waddle.name, channel.name), "url": app.config.at(&path),
        });
        let comments = shown.iter().skip(1).take(COMMENTS);
        posting["comment"] = comments.map(|l| l.data("Comment", &address(l))).collect();
        posting["commentCount"] = json!(shown.len() - 1);
        posting
    });
    let page = Page {
        title: &title,
        description: &about,
        path: &own,
        feed: Some(&feed),
        around: [prev.as_deref(), next.as_deref()],
        image: waddle.icon.as_deref(),
        data,
        indexed: waddle.settings.indexed,
    };
    Made::page(&html::frame(app, &page, h))
}

/// The way to the days before and after.
fn turns(path: &str, around: &[Option<String>; 2], h: &mut Html) {
    h.raw("<nav class=\"turn\" aria-label=\"Days\">");
    if let Some(day) = &around[0] {
        h.raw("<a rel=\"prev\" href=\"")
            .text(path)
            .raw("/")
            .text(day)
            .raw("\">← ")
            .text(day)
            .raw("</a>");
    } else {
        h.raw("<span></span>");
    }
    if let Some(day) = &around[1] {
        h.raw("<a rel=\"next\" href=\"")
            .text(path)
            .raw("/")
            .text(day)
            .raw("\">")
            .text(day)
            .raw(" →</a>");
    }
    h.raw("</nav>");
}

/// `GET /archive/{w}/{c}/m/{id}`: where a message stands.
pub async fn permalink(State(app): State<App>, Path((w, c, id)): Path<(String, String, String)>) -> Response {
    let place = async {
        let (Some(room), Ok(id)) = (find::room(&app, &w, &c).await?, id.parse::<MessageId>()) else {
            return Ok(None);
        };
        let found = match room.messages.get(&viewer(), id).await {
            Ok(found) => found,
            Err(waddle_messages::Error::NotFound) => return Ok(None),
            Err(e) => return Err(Problem::from(e)),
        };
        let day = day_of(Timestamp(found.id.0));
        let Some(begin) = begin_of(&day) else {
            return Ok(None);
        };
        let from = match page_of(&app, &room, begin, found.id).await? {
            None => String::new(),
            Some(first) => format!("?from={first}"),
        };
        Ok::<_, Problem>(Some(format!("{}/{day}{from}#m-{}", room.path(), found.id)))
    };
    match place.await {
        Ok(Some(path)) => Redirect::to(&path).into_response(),
        Ok(None) => nothing(&app),
        Err(problem) => problem.into_response(),
    }
}

/// Pages of a day that are gone through; what is behind them has a page that begins with it.
const PAGES: usize = 40;

/// With which message the page begins on which a message stands, where that is not the day's first: always one of those
/// that one gets to by turning pages, so that a day has no more of them than that.
async fn page_of(
    app: &App,
    room: &Room,
    begin: Timestamp,
    id: MessageId,
) -> Result<Option<MessageId>, Problem> {
    let most = app.config.limits.archive_page_messages.clamp(1, 500);
    let (key, end) = (ArchiveKey::channel(room.channel.id), Timestamp(id.0));
    let found = room.place.db.read(move |conn| {
        let mut from = None;
        for _ in 0..PAGES {
            let first = from.map_or(begin, |MessageId(id)| Timestamp(id));
            let (rows, complete) = messages::list(conn, &key, Range::Between(first, end), most)?;
            let last = rows.last().filter(|_| !complete || rows.len() == most);
            let Some(last) = last else { return Ok(from) };
            from = Some(MessageId(last.id.0 + 1));
        }
        Ok(Some(id))
    });
    Ok(found.await.map_err(waddle_community::Error::from)?)
}

/// What a page says of a channel.
pub(super) fn about(room: &Room) -> String {
    let topic = short(&room.channel.topic, 200);
    if topic.is_empty() {
        format!(
            "What was said in {} of {}",
            room.channel.name, room.place.waddle.name
        )
    } else {
        topic
    }
}

/// Days on which something was said, the latest first, before a moment.
pub(super) async fn days(
    room: &Room,
    before: Option<Timestamp>,
    most: usize,
) -> Result<Vec<String>, Problem> {
    let key = ArchiveKey::channel(room.channel.id);
    let before = before.unwrap_or(Timestamp(i64::MAX));
    let found = room.place.db.read(move |conn| {
        let (mut out, mut at): (Vec<String>, _) = (Vec::new(), before);
        while out.len() < most {
            let (rows, _) = messages::list(conn, &key, Range::Before(Some(id_at(at))), 1)?;
            let Some(day) = rows.last().map(|row| day_of(Timestamp(row.id.0))) else {
                break;
            };
            let Some(begin) = begin_of(&day).filter(|b| *b < at) else {
                break;
            };
            at = begin;
            out.push(day);
        }
        Ok(out)
    });
    Ok(found.await.map_err(waddle_community::Error::from)?)
}

/// The moment that `?before=` names.
pub(super) fn before(day: Option<&str>) -> Option<Timestamp> {
    day.and_then(begin_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days() {
        assert_eq!(begin_of("1970-01-02"), Some(Timestamp(DAY)));
        for bad in ["", "today", "2026-02-30", "2026-1-1", "2026-01-01T", "feed.atom!"] {
            assert_eq!(begin_of(bad), None, "{bad}");
        }
    }
}
