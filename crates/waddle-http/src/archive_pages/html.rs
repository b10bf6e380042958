//! HTML that escapes: a builder that takes markup only from the program's own text, and the frame of every page.

use serde_json::Value;
use waddle_core::Timestamp;

use crate::App;

const FRAME: &str = include_str!("../../assets/archive.html");

/// HTML being written. Only what stands in the program's text is markup.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    pub fn new() -> Self {
        Self(String::with_capacity(4_096))
    }

    /// Markup of our own.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, also within the quotes of an attribute.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // text that turns the direction of what follows it could hide an address
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                c => self.0.push(c),
            }
        }
        self
    }

    /// What text stands for.
    pub fn show(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.text(&value.to_string())
    }

    /// A text in an element of our own.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    /// A link within the archive.
    pub fn link(&mut self, path: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"")
            .text(path)
            .raw("\">")
            .text(text)
            .raw("</a>")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the head of a page says.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    /// The title.
    pub title: &'a str,
    /// What it is about.
    pub description: &'a str,
    /// Its one address.
    pub path: &'a str,
    /// The feed that belongs to it.
    pub feed: Option<&'a str>,
    /// The page before it, and the one after.
    pub around: [Option<&'a str>; 2],
    /// Its picture.
    pub image: Option<&'a str>,
    /// What it is to machines.
    pub data: Option<Value>,
    /// Whether search engines may show it.
    pub indexed: bool,
}

/// JSON that cannot end the element that it is in.
fn inert(data: &Value) -> String {
    data.to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A whole page.
pub(super) fn frame(app: &App, page: &Page<'_>, main: Html) -> String {
    let mut head = Html::new();
    let address = app.config.at(page.path);
    if !page.path.is_empty() {
        head.raw("<link rel=\"canonical\" href=\"")
            .text(&address)
            .raw("\">\n");
    }
    if !page.description.is_empty() {
        head.raw("<meta name=\"description\" content=\"")
            .text(page.description)
            .raw("\">\n");
    }
    if !page.indexed {
        head.raw("<meta name=\"robots\" content=\"noindex\">\n");
    }
    for (property, value) in [
        ("og:type", "website"),
        ("og:site_name", app.config.domain.as_str()),
        ("og:title", page.title),
        ("og:description", page.description),
        ("og:url", &address),
        ("og:image", page.image.unwrap_or_default()),
    ] {
        if !value.is_empty() {
            head.raw("<meta property=\"").text(property).raw("\" content=\"");
            head.text(value).raw("\">\n");
        }
    }
    for (rel, path) in ["prev", "next"].into_iter().zip(page.around) {
        if let Some(path) = path {
            head.raw("<link rel=\"")
                .text(rel)
                .raw("\" href=\"")
                .text(path)
                .raw("\">\n");
        }
    }
    if let Some(feed) = page.feed {
        head.raw("<link rel=\"alternate\" type=\"application/atom+xml\" href=\"")
            .text(feed)
            .raw("\">\n");
    }
    let mut title = Html::new();
    title.text(page.title);
    let mut domain = Html::new();
    domain.text(&app.config.domain);
    let data = page.data.as_ref().map(inert).map_or_else(String::new, |json| {
        ["<script type=\"application/ld+json\">", &json, "</script>\n"].concat()
    });
    let mut out = String::with_capacity(FRAME.len() + main.0.len() + 2_048);
    let mut rest = FRAME;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        out.push_str(match name {
            "title" => title.as_str(),
            "domain" => domain.as_str(),
            "head" => head.as_str(),
            "data" => &data,
            "main" => main.as_str(),
            _ => "",
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where uploaded pictures are, for the policy, where that is not here; with a space before it.
pub(super) fn upload_origin(app: &App) -> String {
    let Some(files) = &app.deps.files else {
        return String::new();
    };
    let origin = files.base().origin();
    if origin == app.config.public_url.origin() {
        return String::new();
    }
    [" ", &origin.ascii_serialization()].concat()
}

/// Whether an address is of an upload here, so that a picture of it may be shown.
pub(super) fn is_upload(app: &App, url: &str) -> bool {
    let (Some(files), Ok(url)) = (&app.deps.files, url::Url::parse(url)) else {
        return false;
    };
    files.id_of(&url).is_some()
}

/// The day of a moment: `2026-01-31`.
pub(super) fn day_of(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

/// The minute of a moment: `12:05`.
pub(super) fn minute_of(at: Timestamp) -> String {
    at.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// At most `max` characters of a text, on one line.
pub(super) fn short(text: &str, max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(max) {
        Some((i, _)) => [line[..i].trim_end(), "…"].concat(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let mut h = Html::new();
        h.raw("<p title=\"").text("\"><script>'&\u{202e}").raw("\">");
        assert_eq!(h.as_str(), "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">");
        let data = serde_json::json!({ "text": "</script><!--&\u{2028}" });
        let json = inert(&data);
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), data);
    }

    #[test]
    fn days_and_short_texts() {
        let at: Timestamp = "2026-01-31T12:05:06.789Z".parse().unwrap();
        assert_eq!(
            (day_of(at).as_str(), minute_of(at).as_str()),
            ("2026-01-31", "12:05")
        );
        assert_eq!(short(" a\n b  c ", 10), "a b c");
        assert_eq!(short("äöü äöü", 4), "äöü…");
    }
}
