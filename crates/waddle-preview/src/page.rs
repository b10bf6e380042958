//! The head of a page: [OpenGraph](https://ogp.me/), else what the page says of itself in plain HTML.

use html5gum::{Token, Tokenizer};
use url::Url;

/// Characters of a title.
const TITLE: usize = 200;
/// Characters of a description.
const DESCRIPTION: usize = 500;
/// Bytes of an address.
const ADDRESS: usize = 2_048;
/// Tags that are looked at; a head that is longer is none.
const TAGS: usize = 2_000;

/// What a page says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The title.
    pub title: Option<String>,
    /// A sentence or two.
    pub description: Option<String>,
    /// The address of a picture, on the web.
    pub image: Option<String>,
    /// Whose page it is.
    pub site: Option<String>,
}

/// How good a source is: OpenGraph before Twitter's cards before plain HTML.
type Best = Option<(u8, String)>;

/// Characters that could not be read: the page is not in UTF-8, and its text would be noise.
const UNREADABLE: char = '\u{fffd}';

fn better(best: &mut Best, rank: u8, text: &str) {
    if !text.is_empty() && !text.contains(UNREADABLE) && best.as_ref().is_none_or(|(r, _)| rank < *r) {
        *best = Some((rank, text.to_owned()));
    }
}

/// Reads the head of a page that came from `at`.
pub fn read(html: &[u8], at: &Url) -> Page {
    let (mut title, mut description, mut image, mut site): (Best, Best, Best, Best) = Default::default();
    let mut heading: Option<String> = None;
    let mut in_title = false;
    let mut tags = 0;
    for Ok(token) in Tokenizer::new(html) {
        match token {
            Token::StartTag(tag) => {
                tags += 1;
                match &tag.name[..] {
                    b"title" => in_title = heading.is_none(),
                    b"body" => break,
                    b"meta" => {
                        let (mut name, mut content) = (String::new(), String::new());
                        for (key, value) in &tag.attributes {
                            let value = || String::from_utf8_lossy(value).into_owned();
                            match &key[..] {
                                b"property" => name = value(),
                                b"name" if name.is_empty() => name = value(),
                                b"content" => content = value(),
                                _ => {}
                            }
                        }
                        let content = plain(&content, DESCRIPTION);
                        match &*name.to_ascii_lowercase() {
                            "og:title" => better(&mut title, 0, &content),
                            "twitter:title" => better(&mut title, 1, &content),
                            "og:description" => better(&mut description, 0, &content),
                            "twitter:description" => better(&mut description, 1, &content),
                            "description" => better(&mut description, 2, &content),
                            "og:image" | "og:image:url" | "og:image:secure_url" => {
                                better(&mut image, 0, &content);
                            }
                            "twitter:image" => better(&mut image, 1, &content),
                            "og:site_name" => better(&mut site, 0, &content),
                            "application-name" => better(&mut site, 1, &content),
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
            Token::String(text) if in_title => {
                let text = String::from_utf8_lossy(&text).into_owned();
                heading.get_or_insert_default().push_str(&text);
            }
            Token::EndTag(tag) => match &tag.name[..] {
                b"title" => in_title = false,
                b"head" => break,
                _ => {}
            },
            _ => {}
        }
        if tags > TAGS {
            break;
        }
    }
    if let Some(heading) = heading {
        better(&mut title, 2, &plain(&heading, TITLE));
    }
    Page {
        title: title.map(|(_, t)| plain(&t, TITLE)),
        description: description.map(|(_, t)| t),
        image: image.and_then(|(_, t)| address(&t, at)),
        site: site.map(|(_, t)| plain(&t, TITLE)),
    }
}

/// A text on one line, without what would be drawn as something else, cut at `most` characters.
fn plain(text: &str, most: usize) -> String {
    let drawn = |c: char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let spaced: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| drawn(*c))
        .collect();
    let mut words = String::new();
    for word in spaced.split(' ').filter(|w| !w.is_empty()) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    match words.char_indices().nth(most) {
        Some((at, _)) => [words[..at].trim_end(), "…"].concat(),
        None => words,
    }
}

/// The address of a picture, as seen from the page; only one on the web.
fn address(text: &str, at: &Url) -> Option<String> {
    let url = at.join(text).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= ADDRESS;
    fits.then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(html: &str) -> Page {
        read(html.as_bytes(), &"https://a.example/b/c".parse().unwrap())
    }

    #[test]
    fn open_graph_goes_before_the_rest() {
        let page = of(
            "<!doctype html><html><head><title>Plain &amp; simple</title><meta name=description content='d'>\
             <meta content='Open' property='og:title'><meta property='og:image' content='../i.png'>\
             <meta name='twitter:description' content=\"t &lt;b&gt;\"><meta property='og:site_name' content='S'>\
             </head><body><meta property='og:description' content='not in the head'></body>",
        );
        assert_eq!(
            page,
            Page {
                title: Some("Open".into()),
                description: Some("t <b>".into()),
                image: Some("https://a.example/i.png".into()),
                site: Some("S".into()),
            }
        );
        assert_eq!(
            of("<title>Plain &amp;\n simple</title>").title.as_deref(),
            Some("Plain & simple")
        );
    }

    #[test]
    fn nothing_dangerous_comes_out() {
        for (html, image) in [
            ("<meta property='og:image' content='javascript:alert(1)'>", None),
            ("<meta property='og:image' content='file:///etc/passwd'>", None),
            ("<meta property='og:image' content='data:image/png,x'>", None),
            (
                "<meta property='og:image' content='//b.example/x'>",
                Some("https://b.example/x"),
            ),
        ] {
            assert_eq!(of(html).image.as_deref(), image, "{html}");
        }
        let long = ["<title>", &"é\u{202e} ".repeat(5_000), "</title>"].concat();
        let title = of(&long).title.unwrap();
        assert!(title.chars().count() <= TITLE + 1 && !title.contains('\u{202e}'));
        assert_eq!(of("no html at all"), Page::default());
        assert_eq!(of(&"<a>".repeat(100_000)), Page::default());
        let latin = b"<meta property='og:title' content='caf\xe9'><meta name=description content=plain><title>\xcf\xf0</title>";
        let broken = read(latin, &"https://a.example".parse().unwrap());
        assert_eq!(broken.title, None, "not in UTF-8");
        assert_eq!(broken.description.as_deref(), Some("plain"));
    }
}
