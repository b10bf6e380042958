//! What programs send to Slack's incoming webhooks: `text`, text parts of `blocks`, and the older `attachments`
//! (<https://api.slack.com/messaging/webhooks>).

use serde_json::Value;

use super::{Said, at, list};

/// Whether attachments are Slack's, not ours.
pub(super) fn looks_like(value: &Value) -> bool {
    list(value, "attachments").any(|a| {
        [
            "fallback",
            "pretext",
            "text",
            "title_link",
            "fields",
            "blocks",
            "color",
        ]
        .iter()
        .any(|name| a.get(name).is_some())
    }) || value.get("icon_emoji").is_some()
        || value.get("icon_url").is_some()
}

/// Slack's escapes and links as plain text: `<https://x|label>` → `label (https://x)`.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            rest = &rest[open..];
            break;
        };
        let inside = &rest[open + 1..open + close];
        rest = &rest[open + close + 1..];
        let (target, label) = inside
            .split_once('|')
            .map_or((inside, None), |(t, l)| (t, Some(l)));
        match (target.chars().next(), label) {
            // people, channels and groups of a workspace mean nothing here: their label, or their identifier
            (Some('@' | '#'), _) => out.push_str(label.unwrap_or(target)),
            (Some('!'), _) => {
                out.push('@');
                out.push_str(label.unwrap_or(&target[1..]).trim_start_matches('@'));
            }
            (_, Some(label)) if label != target => {
                out.push_str(label);
                out.push_str(" (");
                out.push_str(target);
                out.push(')');
            }
            _ => out.push_str(target),
        }
    }
    out.push_str(rest);
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn element(e: &Value, said: &mut Said) {
    match e.get("text") {
        Some(Value::String(text)) => said.line(&plain(text)),
        Some(inner) => element(inner, said),
        None => {}
    }
    if let Some(url) = at(e, &["image_url"]) {
        said.link(url, at(e, &["alt_text"]));
    }
}

/// Rich text: sections of texts, links and the like, on one line each.
fn rich(block: &Value, said: &mut Said, depth: usize) {
    if depth == 0 {
        return;
    }
    for part in list(block, "elements") {
        let mut line = String::new();
        for e in list(part, "elements") {
            match (at(e, &["type"]), at(e, &["text"]), at(e, &["url"])) {
                (Some("link"), Some(text), Some(url)) => line.push_str(&[text, " (", url, ")"].concat()),
                (Some("link"), None, Some(url)) => line.push_str(url),
                (Some("emoji"), ..) => line.push_str(&[":", at(e, &["name"]).unwrap_or("?"), ":"].concat()),
                (_, Some(text), _) => line.push_str(text),
                _ => {}
            }
        }
        said.line(&line);
        if line.is_empty() {
            rich(part, said, depth - 1);
        }
    }
}

fn blocks(value: &Value, said: &mut Said) {
    for block in list(value, "blocks") {
        match at(block, &["type"]) {
            Some("rich_text") => rich(block, said, 4),
            Some("context") => list(block, "elements").for_each(|e| element(e, said)),
            Some("image") => {
                said.line(at(block, &["title", "text"]).unwrap_or_default());
                element(block, said);
            }
            _ => {
                element(block, said);
                list(block, "fields").for_each(|f| element(f, said));
            }
        }
    }
}

fn attachment(a: &Value, said: &mut Said) {
    let before = said.text.len();
    let text = |name: &str| at(a, &[name]).map(plain).unwrap_or_default();
    said.line(&text("pretext"));
    match (at(a, &["title"]), at(a, &["title_link"])) {
        (Some(title), Some(link)) => said.line(&[&plain(title), " (", link, ")"].concat()),
        (Some(title), None) => said.line(&plain(title)),
        (None, _) => {}
    }
    said.line(&text("text"));
    for f in list(a, "fields") {
        let (name, value) = (
            at(f, &["title"]).unwrap_or_default(),
            at(f, &["value"]).unwrap_or_default(),
        );
        said.line(&[&plain(name), ": ", &plain(value)].concat());
    }
    blocks(a, said);
    if let Some(url) = at(a, &["image_url"]) {
        said.link(url, None);
    }
    if said.text.len() == before {
        said.line(&text("fallback"));
    }
}

/// Reads it. Where there are blocks, `text` is only what notifications show.
pub(super) fn read(value: &Value) -> Said {
    let text = |name: &str| at(value, &[name]).map(str::to_owned);
    let mut said = Said {
        name: text("username"),
        avatar: text("icon_url"),
        thread: text("thread_ts"),
        ..Said::default()
    };
    blocks(value, &mut said);
    if said.text.is_empty()
        && let Some(t) = at(value, &["text"])
    {
        said.line(&plain(t));
    }
    list(value, "attachments").for_each(|a| attachment(a, &mut said));
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_becomes_words() {
        assert_eq!(plain("a &lt;b&gt; &amp;amp;"), "a <b> &amp;");
        assert_eq!(plain("<https://x.example>"), "https://x.example");
        assert_eq!(
            plain("<https://x.example|x> <@U1|bob> <!here> <#C1|general>"),
            "x (https://x.example) bob @here general"
        );
        assert_eq!(plain("1 < 2"), "1 < 2");
    }

    #[test]
    fn blocks_and_attachments() {
        let said = read(&json!({
            "text": "only for notifications",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Deploy"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "*ok*"}, "fields": [{"type": "mrkdwn", "text": "env: prod"}]},
                {"type": "divider"},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "by ci"}]},
                {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
                    {"type": "text", "text": "see "}, {"type": "link", "url": "https://x.example", "text": "here"}]}]},
                {"type": "image", "image_url": "https://x.example/a.png", "alt_text": "graph"},
            ],
            "attachments": [
                {"fallback": "f", "title": "T", "title_link": "https://t.example", "fields": [{"title": "a", "value": "b"}]},
                {"fallback": "only this"},
            ],
        }))
        .finish(1_000)
        .unwrap();
        assert_eq!(
            said.text,
            "Deploy\n*ok*\nenv: prod\nby ci\nsee here (https://x.example)\nT (https://t.example)\na: b\nonly this\n\
             graph: https://x.example/a.png"
        );
    }
}
