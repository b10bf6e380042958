//! The Atom feed of a channel ([RFC 4287](https://www.rfc-editor.org/rfc/rfc4287)): its latest messages.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use waddle_core::Timestamp;
use waddle_messages::Range;
use waddle_stanza::XmlWriter;

use super::{
    cache::Made,
    days,
    find::{self, Room},
    html::Html,
    lines::{self, viewer},
    nothing, serve,
};
use crate::{App, problem::Problem};

const ATOM: &str = "http://www.w3.org/2005/Atom";
/// Messages of a feed.
const MOST: usize = 50;

/// `GET /archive/{w}/{c}/feed.atom`.
pub async fn atom(
    State(app): State<App>,
    Path((w, c)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let room = match find::room(&app, &w, &c).await {
        Ok(Some(room)) => room,
        Ok(None) => return nothing(&app),
        Err(problem) => return problem.into_response(),
    };
    let key = format!("{w}/{c}/feed.atom");
    serve(State(app.clone()), headers, key, &room.place, feed(&app, &room)).await
}

fn link(w: &mut XmlWriter, rel: &str, href: &str) {
    w.open("link").attr("rel", rel).attr("href", href).close();
}

async fn feed(app: &App, room: &Room) -> Result<Option<Made>, Problem> {
    let got = room.messages.page(&viewer(), Range::Before(None), MOST).await?;
    let mut lines = lines::lines(app, got.items).await?;
    lines.retain(lines::Line::is_shown);
    lines.reverse();
    let (path, channel) = (room.path(), &room.channel);
    let changed = |l: &lines::Line| l.message.edited_at.unwrap_or(l.message.sent_at);
    let updated = lines.iter().map(changed).max().unwrap_or(channel.created_at);
    let mut w = XmlWriter::with_capacity(16_384);
    w.open_ns("feed", ATOM)
        .leaf("id", &format!("urn:waddle:channel:{}", channel.id))
        .leaf("title", &format!("{} – {}", room.place.waddle.name, channel.name))
        .leaf("subtitle", &days::about(room))
        .leaf("updated", &updated.to_string());
    link(&mut w, "self", &app.config.at(&format!("{path}/feed.atom")));
    link(&mut w, "alternate", &app.config.at(&path));
    for l in &lines {
        let m = &l.message;
        let mut body = Html::new();
        lines::text(&m.body, &mut body);
        w.open("entry")
            .leaf("id", &format!("urn:waddle:message:{}:{}", channel.id, m.id))
            .leaf("title", &format!("{}: {}", l.nick(), l.summary(80)))
            .leaf("published", &m.sent_at.to_string())
            .leaf("updated", &changed(l).to_string());
        link(&mut w, "alternate", &app.config.at(&format!("{path}/m/{}", m.id)));
        w.open("author").leaf("name", l.nick()).close();
        // HTML as text: escaped once more, as the RFC has it (§3.1.1.2)
        w.open("content").attr("type", "html").text(body.as_str()).close();
        w.close();
    }
    w.close();
    let head = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    let body = [head.as_slice(), &w.finish()].concat();
    let mut made = Made::new("application/atom+xml; charset=utf-8", body);
    let since = u64::try_from(Timestamp::secs(updated)).unwrap_or(0);
    made.since = std::time::UNIX_EPOCH + std::time::Duration::from_secs(since);
    Ok(Some(made))
}
