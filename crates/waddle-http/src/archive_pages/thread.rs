//! A thread: the message that it began with, and those that belong to it.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use waddle_core::MessageId;
use waddle_messages::Range;

use super::{
    cache::Made,
    find::{self, Room},
    html::{self, Html, Page},
    lines::{self, viewer},
    nothing, serve,
};
use crate::{App, problem::Problem};

/// `GET /archive/{w}/{c}/t/{id}`; a message in the middle of a thread leads to its beginning.
pub async fn thread(
    State(app): State<App>,
    Path((w, c, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let room = match find::room(&app, &w, &c).await {
        Ok(Some(room)) => room,
        Ok(None) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    let Ok(root) = id.parse::<MessageId>() else {
        return nothing(&app);
    };
    let key = format!("{w}/{c}/t/{id}");
    serve(
        State(app.clone()),
        headers,
        key,
        &room.place,
        page(&app, &room, root),
    )
    .await
}

async fn page(app: &App, room: &Room, root: MessageId) -> Result<Option<Made>, Problem> {
    let first = match room.messages.get(&viewer(), root).await {
        Ok(first) => first,
        Err(waddle_messages::Error::NotFound) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let root = first.thread_root.unwrap_or(first.id);
    let first = if root == first.id {
        first
    } else {
        match room.messages.get(&viewer(), root).await {
            Ok(root) => root,
            // its beginning has expired
            Err(waddle_messages::Error::NotFound) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    };
    let most = app.config.limits.archive_page_messages.clamp(1, 500);
    let got = room
        .messages
        .thread(&viewer(), root, Range::After(None), most)
        .await?;
    if got.items.is_empty() {
        return Ok(None);
    }
    let mut all = vec![first];
    all.extend(got.items);
    let lines = lines::lines(app, all).await?;
    let (path, waddle, channel) = (room.path(), &room.place.waddle, &room.channel);
    let ids: std::collections::HashSet<String> = lines.iter().map(|l| l.message.id.to_string()).collect();
    let Some((begin, rest)) = lines.split_first() else {
        return Ok(None);
    };
    let mut h = Html::new();
    h.raw("<nav class=\"trail\" aria-label=\"Place\">");
    h.link("/archive", "Communities").raw(" › ");
    h.link(&format!("/archive/{}", waddle.slug), &waddle.name)
        .raw(" › ");
    h.link(&path, &channel.name)
        .raw("</nav><h1>Thread</h1><div class=\"day\" role=\"feed\" aria-label=\"Messages\">\n");
    for line in &lines {
        line.write(app, room, |id| ids.contains(id), &mut h);
    }
    h.raw("</div>");
    if !got.complete {
        h.raw("<p class=\"note\">The thread goes on; the days have the rest.</p>");
    }
    let what = if begin.is_shown() {
        begin.summary(80)
    } else {
        "a thread".to_owned()
    };
    let title = format!("{what} – {}, {}", channel.name, waddle.name);
    let own = format!("{path}/t/{root}");
    let data = begin.is_shown().then(|| {
        let address = |id: MessageId| app.config.at(&format!("{path}/m/{id}"));
        let mut posting = begin.data("DiscussionForumPosting", &address(begin.message.id));
        posting["@context"] = json!("https://schema.org");
        posting["headline"] = json!(what);
        let told = rest.iter().filter(|l| l.is_shown()).take(50);
        posting["comment"] = told.map(|l| l.data("Comment", &address(l.message.id))).collect();
        posting
    });
    let page = Page {
        title: &title,
        description: &what,
        path: &own,
        image: waddle.icon.as_deref(),
        data,
        indexed: waddle.settings.indexed,
        ..Page::default()
    };
    Ok(Some(Made::page(&html::frame(app, &page, h))))
}
