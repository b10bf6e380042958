//! Our own form: `{text, username?, avatar_url?, thread?, attachments?: [{url, title?}]}`.

use serde_json::Value;

use super::{PayloadError, Said, at, list};

/// Reads it; a field of another kind is an error that names it.
pub(super) fn read(value: &Value) -> Result<Said, PayloadError> {
    for name in ["text", "username", "avatar_url", "thread"] {
        if value.get(name).is_some_and(|v| !v.is_string() && !v.is_null()) {
            return Err(PayloadError::Field(name, "a text"));
        }
    }
    if value
        .get("attachments")
        .is_some_and(|v| !v.is_array() && !v.is_null())
    {
        return Err(PayloadError::Field("attachments", "a list of {url, title}"));
    }
    let text = |name: &str| at(value, &[name]).map(str::to_owned);
    let mut said = Said {
        name: text("username"),
        avatar: text("avatar_url"),
        text: text("text").unwrap_or_default(),
        thread: text("thread"),
        links: Vec::new(),
    };
    for a in list(value, "attachments") {
        if let Some(url) = at(a, &["url"]) {
            said.link(url, at(a, &["title"]));
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_fields() {
        let said = read(&json!({
            "text": "done", "username": "CI", "avatar_url": "https://ci.example/a.png", "thread": "build 7",
            "attachments": [{"url": "https://ci.example/log", "title": "log"}, {"url": "ftp://x"}, {}],
        }))
        .unwrap()
        .finish(100)
        .unwrap();
        assert_eq!(said.text, "done\nlog: https://ci.example/log");
        assert_eq!(said.thread.as_deref(), Some("build 7"));
        assert_eq!(said.avatar.as_deref(), Some("https://ci.example/a.png"));
    }
}
