//! What a payload says, in plain words: the text, under which name, with which picture and links.

use url::Url;

/// Longest address that is taken over.
const URL_BYTES: usize = 2_048;
/// Longest name in characters.
pub(crate) const NAME_CHARS: usize = 80;
/// Links of one message.
const LINKS: usize = 10;

/// A message as a webhook wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The name to show; the hook's own where it is left out.
    pub name: Option<String>,
    /// Its picture.
    pub avatar: Option<String>,
    /// The text.
    pub text: String,
    /// The thread that it belongs to.
    pub thread: Option<String>,
    /// Files and pictures, by address, with a description.
    pub links: Vec<(String, Option<String>)>,
}

/// Why a payload could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is no JSON (or no form with JSON in `payload`).
    #[error("the body is no JSON: {0}")]
    Json(String),
    /// It is JSON, and nothing to read is in it.
    #[error(
        "there is nothing to say in it: give text (or content, blocks, embeds), or an event of GitHub with X-GitHub-Event"
    )]
    Empty,
    /// A field has another kind of value.
    #[error("{0}: expected {1}")]
    Field(&'static str, &'static str),
}

/// Text as XML can hold it, without control characters, and at most `max` characters.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let fine =
        |c: &char| matches!(c, '\n' | '\t') || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut out: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(fine)
        .take(max + 1)
        .collect();
    if out.chars().count() > max {
        let end = out
            .char_indices()
            .nth(max.saturating_sub(1))
            .map_or(0, |(i, _)| i);
        out.truncate(end);
        out.push('…');
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    out
}

/// A name on one line.
pub(crate) fn clean_name(text: &str) -> Option<String> {
    let one_line: String = text.chars().filter(|c| !c.is_control()).collect();
    let name = clean(one_line.trim(), NAME_CHARS);
    (!name.is_empty()).then_some(name)
}

/// An address of the web, or nothing.
pub(crate) fn web_url(text: &str) -> Option<String> {
    if text.len() > URL_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty())
        .then(|| url.into())
}

impl Said {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// Adds a link.
    pub(crate) fn link(&mut self, url: &str, about: Option<&str>) {
        if self.links.len() < LINKS
            && let Some(url) = web_url(url)
        {
            self.links.push((url, about.and_then(clean_name)));
        }
    }

    /// What is left after cleaning, with a text of at most `max` characters; links that the text does not name are put
    /// behind it, so that every client shows them.
    pub(crate) fn finish(mut self, max: usize) -> Result<Self, PayloadError> {
        self.name = self.name.as_deref().and_then(clean_name);
        self.avatar = self.avatar.as_deref().and_then(web_url);
        self.thread = self.thread.as_deref().and_then(clean_name);
        self.text = clean(&self.text, max);
        for (url, about) in &self.links {
            if self.text.contains(url.as_str()) {
                continue;
            }
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            if let Some(about) = about {
                self.text.push_str(about);
                self.text.push_str(": ");
            }
            self.text.push_str(url);
        }
        if self.text.trim().is_empty() {
            return Err(PayloadError::Empty);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cleaned_and_cut() {
        assert_eq!(clean("a\u{0}b\r\nc\u{7}\u{ffff}\n\n", 10), "ab\nc");
        assert_eq!(clean("äöüäöü", 4), "äöü…");
        assert_eq!(clean_name(" a\nb ").as_deref(), Some("ab"));
        assert_eq!(clean_name("\u{1}\n"), None);
    }

    #[test]
    fn only_addresses_of_the_web() {
        assert!(web_url("https://example.com/a b").is_some());
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://u:p@example.com",
            "file:///etc/passwd",
            "x",
        ] {
            assert_eq!(web_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn links_are_shown_once() {
        let mut said = Said {
            text: "see https://example.com/a".into(),
            ..Said::default()
        };
        said.link("https://example.com/a", None);
        said.link("https://example.com/b", Some("more"));
        let said = said.finish(100).unwrap();
        assert_eq!(
            said.text,
            "see https://example.com/a\nmore: https://example.com/b"
        );
        assert_eq!(Said::default().finish(10), Err(PayloadError::Empty));
    }
}
