//! Payloads of incoming webhooks: our own JSON, and what programs send that were set up for Slack, Discord or GitHub.
//!
//! Which it is follows from the address's ending (`/slack`, `/discord`, `/github`), or from what is in it.

mod discord;
mod github;
mod native;
mod ops;
mod said;
mod slack;

use serde_json::Value;

pub use ops::{IncomingAddress, IncomingChange, IncomingHook};
pub(crate) use said::{NAME_CHARS, clean, clean_name, web_url};
pub use said::{PayloadError, Said};

/// Whose payload it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// To be found out.
    Auto,
    /// Slack's incoming webhooks.
    Slack,
    /// Discord's execute webhook.
    Discord,
    /// GitHub's webhooks.
    Github,
}

impl Format {
    /// By the ending of the address; nothing where it is none that there is.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "" => Some(Self::Auto),
            "slack" => Some(Self::Slack),
            "discord" => Some(Self::Discord),
            "github" => Some(Self::Github),
            _ => None,
        }
    }
}

/// What an HTTP request says beside its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `X-GitHub-Event` (also Gitea's and Forgejo's, which send the same).
    pub github_event: Option<&'a str>,
}

/// The JSON of a body: whole, in the field `payload` of a form, or a plain text.
fn json(head: Head<'_>, body: &[u8]) -> Result<Value, PayloadError> {
    let kind = head.content_type.unwrap_or_default();
    let parse = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|e| PayloadError::Json(e.to_string()));
    if kind.starts_with("application/x-www-form-urlencoded") {
        let field = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
        return match field {
            Some((_, text)) => parse(text.as_bytes()),
            None => Err(PayloadError::Field("payload", "a form's field with JSON")),
        };
    }
    if kind.starts_with("text/plain") {
        let text = String::from_utf8_lossy(body).into_owned();
        return Ok(serde_json::json!({ "text": text }));
    }
    parse(body)
}

/// Reads a payload; its text has at most `max` characters then.
pub fn read(format: Format, head: Head<'_>, body: &[u8], max: usize) -> Result<Said, PayloadError> {
    let value = json(head, body)?;
    if !value.is_object() {
        return Err(PayloadError::Field("body", "a JSON object"));
    }
    let has = |name: &str| value.get(name).is_some_and(|v| !v.is_null());
    let format = match format {
        Format::Auto if head.github_event.is_some() => Format::Github,
        Format::Auto if has("content") || has("embeds") => Format::Discord,
        Format::Auto if has("blocks") || slack::looks_like(&value) => Format::Slack,
        f => f,
    };
    let said = match format {
        Format::Auto => native::read(&value)?,
        Format::Slack => slack::read(&value),
        Format::Discord => discord::read(&value),
        Format::Github => github::read(head.github_event.unwrap_or_default(), &value),
    };
    said.finish(max)
}

/// A text within a value, by a path of names.
fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    let mut v = value;
    for name in path {
        v = v.get(name)?;
    }
    v.as_str().filter(|s| !s.is_empty())
}

/// A text or number within a value, or nothing.
fn word(value: &Value, path: &[&str]) -> String {
    let mut v = value;
    for name in path {
        match v.get(name) {
            Some(next) => v = next,
            None => return String::new(),
        }
    }
    match v {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        _ => String::new(),
    }
}

/// The members of an array within a value; at most 50 of them.
fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let all = value.get(name).and_then(Value::as_array);
    all.into_iter().flatten().take(50)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(body: &str) -> Result<Said, PayloadError> {
        read(Format::Auto, Head::default(), body.as_bytes(), 1_000)
    }

    #[test]
    fn what_it_is_follows_from_what_is_in_it() {
        assert_eq!(
            auto(r#"{"text":"hello","username":"CI"}"#)
                .unwrap()
                .name
                .as_deref(),
            Some("CI")
        );
        assert_eq!(auto(r#"{"content":"hello"}"#).unwrap().text, "hello");
        let blocks =
            r#"{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"a <https://x.example/|b>"}}]}"#;
        assert_eq!(auto(blocks).unwrap().text, "a b (https://x.example/)");
        let form = Head {
            content_type: Some("application/x-www-form-urlencoded"),
            ..Head::default()
        };
        let said = read(Format::Auto, form, b"payload=%7B%22text%22%3A%22hi%22%7D", 100).unwrap();
        assert_eq!(said.text, "hi");
        let plain = Head {
            content_type: Some("text/plain; charset=utf-8"),
            ..Head::default()
        };
        assert_eq!(
            read(Format::Auto, plain, b"just words", 100).unwrap().text,
            "just words"
        );
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(matches!(auto("{"), Err(PayloadError::Json(_))));
        assert!(matches!(auto("[1]"), Err(PayloadError::Field("body", _))));
        assert_eq!(auto("{}"), Err(PayloadError::Empty));
        assert!(matches!(
            auto(r#"{"text":5}"#),
            Err(PayloadError::Field("text", _))
        ));
        let deep = ["{\"text\":", &"[".repeat(500), &"]".repeat(500), "}"].concat();
        assert!(
            matches!(auto(&deep), Err(PayloadError::Json(_))),
            "nested too deep"
        );
    }
}
