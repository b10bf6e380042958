//! The text of a message: without what is there only for clients that do not know better ([XEP-0428]), its links, and the
//! names that it mentions.
//!
//! [XEP-0428]: https://xmpp.org/extensions/xep-0428.html

use waddle_stanza::{Element, ns};

/// XEP-0428.
const FALLBACK: &str = "urn:xmpp:fallback:0";
/// XEP-0461.
pub(crate) const REPLY: &str = "urn:xmpp:reply:0";
/// What is written in the text beside an element that says the same.
const SAID_TWICE: &[&str] = &[REPLY, "urn:xmpp:sfs:0", "jabber:x:oob"];
/// Stretches of one text that are said twice; what is beyond is shown.
const STRETCHES: usize = 32;
/// Bytes of an address; what is longer is no link.
const LINK_BYTES: usize = 2_048;

/// What a message says, without the quotation that an element says better.
pub fn shown(message: Element<'_>) -> String {
    let Some(body) = message.child_text("body", ns::CLIENT) else {
        return String::new();
    };
    let mut gone: Vec<(usize, usize)> = Vec::new();
    for f in message.children().filter(|c| c.is("fallback", FALLBACK)) {
        if !f.attr("for").is_some_and(|what| SAID_TWICE.contains(&&*what)) {
            continue;
        }
        let number = |e: Element<'_>, name| e.attr(name).and_then(|n| n.parse::<usize>().ok());
        let mut parts = f.children().filter(|c| c.is("body", FALLBACK)).peekable();
        if parts.peek().is_none() {
            gone.push((0, usize::MAX));
        }
        gone.extend(parts.take(STRETCHES).map(|p| {
            (
                number(p, "start").unwrap_or(0),
                number(p, "end").unwrap_or(usize::MAX),
            )
        }));
        if gone.len() >= STRETCHES {
            break;
        }
    }
    if gone.is_empty() {
        return body.into_owned();
    }
    body.chars()
        .enumerate()
        .filter(|(i, _)| !gone.iter().any(|(from, to)| from <= i && i < to))
        .map(|(_, c)| c)
        .collect()
}

/// The addresses on the web that a text names, up to `most`. Each byte is looked at a few times, whatever the text.
pub fn links(text: &str, most: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while found.len() < most
        && let Some(at) = rest.find("http")
    {
        let begins = rest[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric());
        rest = &rest[at..];
        if !begins || !(rest.starts_with("https://") || rest.starts_with("http://")) {
            rest = &rest[4..];
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if word.len() > LINK_BYTES {
            continue;
        }
        let link = address(word);
        if url::Url::parse(link).is_ok_and(|u| u.has_host()) && !found.iter().any(|f| f == link) {
            found.push(link.to_owned());
        }
    }
    found
}

/// An address without what ends a sentence; a bracket is its own where it was opened in it.
fn address(word: &str) -> &str {
    let count = |sign: char| word.matches(sign).count();
    let pairs = [('(', ')'), ('[', ']')];
    let mut open = pairs.map(|(opens, closes)| (count(opens), count(closes)));
    let mut link = word;
    while let Some(last) = link.chars().next_back() {
        let surplus = pairs
            .iter()
            .zip(&mut open)
            .find(|((_, closes), (opened, closed))| last == *closes && opened < closed);
        match surplus {
            Some((_, (_, closed))) => *closed -= 1,
            None if matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '`') => {}
            None => break,
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    link
}

/// The names behind an `@` in a text, without it, up to `most`; a name ends where a word ends.
pub fn names(text: &str, most: usize) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut from = 0;
    while found.len() < most
        && let Some(at) = text[from..].find('@').map(|i| i + from)
    {
        from = at + 1;
        let begins = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '/')));
        let name = &text[from..];
        let end = name
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-')))
            .unwrap_or(name.len());
        let name = name[..end].trim_end_matches(['.', '-', '_']);
        if begins && !name.is_empty() && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use waddle_stanza::Stanza;

    use super::*;

    #[test]
    fn quotations_are_left_out() {
        let xml = "<message xmlns='jabber:client'><body>&gt; hé!\nyes</body>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='6'/></fallback>\
             </message>";
        let stanza = Stanza::parse(xml.into()).unwrap();
        assert_eq!(shown(stanza.root()), "yes");
    }

    #[test]
    fn links_of_texts() {
        for (text, want) in [
            (
                "see https://a.example/b?c=d#e.",
                vec!["https://a.example/b?c=d#e"],
            ),
            ("(https://a.example/x_(y))", vec!["https://a.example/x_(y)"]),
            ("xhttps://a.example http:// ftp://b", vec![]),
            ("http://a http://a, http://b!", vec!["http://a", "http://b"]),
            ("https://é.example/ü 🐧", vec!["https://é.example/ü"]),
        ] {
            assert_eq!(links(text, 9), want, "{text}");
        }
        assert_eq!(links("http://a http://b http://c", 2).len(), 2);
        assert_eq!(links("https://a.example/x(y)]).", 1), ["https://a.example/x(y)"]);
    }

    /// On the room's own task: a text of a quarter of a megabyte may be nothing but beginnings, or ends, of links.
    #[test]
    fn hostile_texts_cost_what_long_texts_cost() {
        let many = 65_000;
        let ended = ["https://a.example/", &")".repeat(many)].concat();
        let begun = "http".repeat(many);
        let short = ["https://a.example/", &")].".repeat(600)].concat();
        let body = "x".repeat(many);
        let stretch = "<body start='70000' end='70001'/>".repeat(many / 10);
        let xml = format!(
            "<message xmlns='jabber:client'><body>{body}</body>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>{stretch}</fallback></message>"
        );
        let stanza = Stanza::parse(xml.into()).unwrap();
        let started = std::time::Instant::now();
        assert!(links(&ended, 1).is_empty() && links(&begun, 1).is_empty());
        assert_eq!(links(&short, 1), ["https://a.example/"]);
        assert_eq!(shown(stanza.root()), body);
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    }

    #[test]
    fn names_of_texts() {
        for (text, want) in [
            ("@alice, hello @bob.", vec!["alice", "bob"]),
            ("mail a@b.example (@x-y_z)", vec!["x-y_z"]),
            ("@alice.bsky.social! @@x @", vec!["alice.bsky.social"]),
            ("https://a/@b @a @a", vec!["a"]),
            ("@ünï", vec!["ünï"]),
        ] {
            assert_eq!(names(text, 9), want, "{text}");
        }
    }
}
