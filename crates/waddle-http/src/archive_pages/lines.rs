//! Messages as lines of a page: text with links, replies, threads, files, reactions; what is not to be shown is left out.

use std::collections::HashSet;

use serde_json::{Value, json};
use waddle_messages::{Attachment, AuthorKind, MessageView, Viewer};
use waddle_storage::repo::bots;

use super::{
    find::Room,
    html::{self, Html, minute_of, short},
};
use crate::{App, problem::Problem};

/// Emoji of one message that are shown.
const REACTIONS: usize = 20;
/// What stands for somebody who does not want to be shown.
const SOMEBODY: &str = "somebody";

/// A message, and whether its author does not want to be shown.
pub(super) struct Line {
    pub message: MessageView,
    pub hidden: bool,
}

/// Who reads: nobody, but with what decides whether an author is shown; that is never put on a page.
pub(super) fn viewer() -> Viewer {
    Viewer {
        user: None,
        addresses: true,
    }
}

/// Finds out who does not want to be shown.
pub(super) async fn lines(app: &App, messages: Vec<MessageView>) -> Result<Vec<Line>, Problem> {
    let authors: HashSet<String> = messages
        .iter()
        .filter_map(|m| m.author.user.as_ref().map(ToString::to_string))
        .collect();
    let authors: Vec<String> = authors.into_iter().collect();
    let server = app.deps.community.storage().server();
    let hidden = server
        .read(move |conn| bots::hidden_of(conn, &authors))
        .await
        .map_err(waddle_community::Error::from)?;
    let is_hidden = |m: &MessageView| {
        let user = m.author.user.as_ref().map(waddle_core::UserId::as_str);
        user.is_some_and(|u| hidden.iter().any(|h| h == u))
    };
    Ok(messages
        .into_iter()
        .map(|message| Line {
            hidden: is_hidden(&message),
            message,
        })
        .collect())
}

impl Line {
    /// Whether there is something to read.
    pub fn is_shown(&self) -> bool {
        !self.hidden && !self.message.deleted
    }

    /// The nickname.
    pub fn nick(&self) -> &str {
        if self.hidden {
            SOMEBODY
        } else {
            &self.message.author.nick
        }
    }

    /// A page's or feed's summary of it.
    pub fn summary(&self, max: usize) -> String {
        let m = &self.message;
        match m.attachments.first() {
            Some(a) if m.body.trim().is_empty() => short(a.name.as_deref().unwrap_or("a file"), max),
            _ => short(&m.body, max),
        }
    }

    /// What it is to machines: a comment, or a posting.
    pub fn data(&self, kind: &str, address: &str) -> Value {
        json!({
            "@type": kind, "url": address, "datePublished": self.message.sent_at,
            "author": { "@type": "Person", "name": self.nick() }, "text": self.summary(2_000),
        })
    }

    /// The line. `here` says whether a message stands on the same page.
    pub fn write(&self, app: &App, room: &Room, here: impl Fn(&str) -> bool, h: &mut Html) {
        let (m, path) = (&self.message, room.path());
        let id = m.id.to_string();
        h.raw("<article id=\"m-")
            .text(&id)
            .raw("\"><header><span class=\"nick\">");
        h.text(self.nick()).raw("</span>");
        let badge = match m.author.kind {
            AuthorKind::Bot => "bot",
            AuthorKind::Webhook => "webhook",
            AuthorKind::Feed => "device",
            AuthorKind::Person => "",
        };
        if !badge.is_empty() {
            h.element(" <span class=\"badge\">", badge, "</span>");
        }
        h.raw(" <a class=\"at\" href=\"")
            .text(&path)
            .raw("/m/")
            .text(&id)
            .raw("\"><time datetime=\"");
        h.show(m.sent_at)
            .raw("\">")
            .text(&minute_of(m.sent_at))
            .raw("</time></a>");
        if let (Some(at), true) = (m.edited_at, self.is_shown()) {
            h.raw(" <span class=\"note\" title=\"")
                .show(at)
                .raw("\">edited</span>");
        }
        if m.pinned && self.is_shown() {
            h.raw(" <span class=\"note\">pinned</span>");
        }
        h.raw("</header>");
        if let Some(reply) = m.reply_to {
            let to = reply.to_string();
            h.raw("<p class=\"reply\"><a href=\"");
            if here(&to) {
                h.raw("#m-").text(&to);
            } else {
                h.text(&path).raw("/m/").text(&to);
            }
            h.raw("\">in reply to</a></p>");
        }
        if self.hidden {
            h.raw("<p class=\"gone\">This person does not appear in the public archive.</p>");
        } else if m.deleted {
            h.raw("<p class=\"gone\">This message was taken back.</p>");
        } else {
            self.content(app, h);
        }
        if m.replies > 0 {
            h.raw("<p class=\"thread\"><a href=\"")
                .text(&path)
                .raw("/t/")
                .text(&id)
                .raw("\">");
            h.show(m.replies)
                .raw(if m.replies == 1 { " reply" } else { " replies" });
            h.raw(" in its thread</a></p>");
        } else if let Some(root) = m.thread_root.filter(|r| *r != m.id) {
            h.raw("<p class=\"thread\"><a href=\"")
                .text(&path)
                .raw("/t/")
                .show(root);
            h.raw("\">its thread</a></p>");
        }
        h.raw("</article>\n");
    }

    fn content(&self, app: &App, h: &mut Html) {
        let m = &self.message;
        if !m.body.trim().is_empty() {
            h.raw("<div class=\"text\">");
            text(&m.body, h);
            h.raw("</div>");
        }
        for a in &m.attachments {
            attachment(app, a, h);
        }
        if let Some(p) = &m.preview {
            h.raw("<p class=\"preview\">");
            outside(&p.url, p.title.as_deref().unwrap_or(&p.url), h);
            if let Some(d) = &p.description {
                h.element("<br><span class=\"note\">", &short(d, 300), "</span>");
            }
            h.raw("</p>");
        }
        if !m.reactions.is_empty() {
            h.raw("<ul class=\"reactions\" aria-label=\"Reactions\">");
            for r in m.reactions.iter().take(REACTIONS) {
                h.raw("<li>").text(&r.emoji).raw(" ").show(r.count).raw("</li>");
            }
            h.raw("</ul>");
        }
    }
}

/// A link that leads out: neither recommended nor told where it came from.
fn outside(url: &str, text: &str, h: &mut Html) {
    h.raw("<a rel=\"nofollow ugc noopener\" href=\"")
        .text(url)
        .raw("\">")
        .text(text)
        .raw("</a>");
}

fn is_web(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && url::Url::parse(url).is_ok()
}

fn attachment(app: &App, a: &Attachment, h: &mut Html) {
    if !is_web(&a.url) {
        return;
    }
    let name = a.name.as_deref().unwrap_or("file");
    let kind = a.media_type.as_deref().unwrap_or_default();
    let picture = match kind {
        "" => [".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif"]
            .iter()
            .any(|e| a.url.to_ascii_lowercase().ends_with(e)),
        k => k.starts_with("image/") && k != "image/svg+xml",
    };
    if picture && html::is_upload(app, &a.url) {
        h.raw("<p><a rel=\"nofollow ugc noopener\" href=\"")
            .text(&a.url)
            .raw("\"><img loading=\"lazy\" src=\"");
        h.text(&a.url)
            .raw("\" alt=\"")
            .text(a.description.as_deref().unwrap_or(name))
            .raw("\"");
        for (attribute, value) in [(" width=\"", a.width), (" height=\"", a.height)] {
            if let Some(n) = value.filter(|n| *n < 20_000) {
                h.raw(attribute).show(n).raw("\"");
            }
        }
        h.raw("></a></p>");
    } else {
        h.raw("<p>");
        outside(&a.url, name, h);
        h.raw("</p>");
    }
}

/// Where an address of the web ends in a text: not with punctuation that belongs to the sentence.
fn end_of_url(text: &str) -> usize {
    let end = text
        .find(|c: char| {
            c.is_whitespace()
                || matches!(c, '<' | '>' | '"' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .unwrap_or(text.len());
    let mut url = &text[..end];
    loop {
        let before = url.len();
        url = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*']);
        for (open, close) in [('(', ')'), ('[', ']')] {
            if url.ends_with(close) && url.matches(open).count() < url.matches(close).count() {
                url = &url[..url.len() - 1];
            }
        }
        if url.len() == before {
            return before;
        }
    }
}

/// Text with its links and lines.
pub(super) fn text(body: &str, h: &mut Html) {
    for (i, line) in body.lines().enumerate() {
        if i > 0 {
            h.raw("<br>");
        }
        let mut rest = line;
        loop {
            let found = ["https://", "http://"].iter().filter_map(|s| rest.find(s)).min();
            let Some(at) = found else { break };
            let end = at + end_of_url(&rest[at..]);
            h.text(&rest[..at]);
            let url = &rest[at..end];
            if is_web(url) {
                outside(url, url, h);
            } else {
                h.text(url);
            }
            rest = &rest[end..];
            if end == at {
                break;
            }
        }
        h.text(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        let mut h = Html::new();
        text(body, &mut h);
        h.as_str().to_owned()
    }

    #[test]
    fn links_lead_out_and_nothing_is_markup() {
        assert_eq!(
            shown("see (https://a.example/x?y=1&z=2)."),
            "see (<a rel=\"nofollow ugc noopener\" href=\"https://a.example/x?y=1&amp;z=2\">https://a.example/x?y=1&amp;z=2</a>)."
        );
        assert_eq!(shown("a\nb <b>"), "a<br>b &lt;b&gt;");
        let odd = shown("https://\"onmouseover=alert(1) javascript:alert(1) http://");
        assert!(!odd.contains("<a") && odd.contains("&quot;onmouseover"), "{odd}");
        assert!(shown("https://a.example/\"><script>").contains("&quot;&gt;&lt;script&gt;"));
        assert!(shown("https://a.example/(b)").contains("href=\"https://a.example/(b)\""));
    }
}
