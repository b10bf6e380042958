//! What programs send to Discord's webhooks: `content`, `username`, `avatar_url`, `embeds`
//! (<https://discord.com/developers/docs/resources/webhook#execute-webhook>).

use serde_json::Value;

use super::{Said, at, list};

fn embed(e: &Value, said: &mut Said) {
    said.line(at(e, &["author", "name"]).unwrap_or_default());
    match (at(e, &["title"]), at(e, &["url"])) {
        (Some(title), Some(url)) => said.line(&[title, " (", url, ")"].concat()),
        (title, url) => said.line(title.or(url).unwrap_or_default()),
    }
    said.line(at(e, &["description"]).unwrap_or_default());
    for f in list(e, "fields") {
        let (name, value) = (
            at(f, &["name"]).unwrap_or_default(),
            at(f, &["value"]).unwrap_or_default(),
        );
        said.line(&[name, ": ", value].concat());
    }
    for picture in ["image", "thumbnail"] {
        if let Some(url) = at(e, &[picture, "url"]) {
            said.link(url, None);
        }
    }
    said.line(at(e, &["footer", "text"]).unwrap_or_default());
}

/// Reads it.
pub(super) fn read(value: &Value) -> Said {
    let text = |name: &str| at(value, &[name]).map(str::to_owned);
    let mut said = Said {
        name: text("username"),
        avatar: text("avatar_url"),
        thread: text("thread_name"),
        ..Said::default()
    };
    said.line(at(value, &["content"]).unwrap_or_default());
    list(value, "embeds").for_each(|e| embed(e, &mut said));
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_and_embeds() {
        let said = read(&json!({
            "content": "hi", "username": "Captain Hook", "avatar_url": "https://x.example/a.png",
            "embeds": [{"title": "T", "url": "https://t.example", "description": "d", "fields": [{"name": "n", "value": "v"}],
                "image": {"url": "https://x.example/i.png"}, "footer": {"text": "f"}}],
        }))
        .finish(1_000)
        .unwrap();
        assert_eq!(
            said.text,
            "hi\nT (https://t.example)\nd\nn: v\nf\nhttps://x.example/i.png"
        );
        assert_eq!(said.name.as_deref(), Some("Captain Hook"));
    }
}
