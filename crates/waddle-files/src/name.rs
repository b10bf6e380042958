//! File names: what may be one, and how it stands in an address
//! ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986)) and in `Content-Disposition`
//! ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266), [RFC 8187](https://www.rfc-editor.org/rfc/rfc8187)).

use std::fmt::Write as _;

/// Says why a text cannot be a file's name; any script may.
pub fn check(name: &str, max_bytes: usize) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        return Err("the file needs a name");
    }
    if name.len() > max_bytes {
        return Err("the file's name is too long");
    }
    if name == "." || name == ".." || name.contains(['/', '\\']) {
        return Err("a path is no file name");
    }
    if name.chars().any(char::is_control) {
        return Err("the file's name has control characters");
    }
    // U+202E and its like show `exe.jpg` for `gpj.exe`
    if name
        .chars()
        .any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    {
        return Err("the file's name has characters that turn the direction of the text");
    }
    Ok(())
}

/// The name with everything encoded but RFC 3986's unreserved characters.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// The value of `Content-Disposition`, in ASCII: a name for old readers, and the whole one.
pub fn disposition(inline: bool, name: &str) -> String {
    let simple: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            c if c.is_ascii() && !c.is_ascii_control() => c,
            _ => '_',
        })
        .collect();
    let kind = if inline { "inline" } else { "attachment" };
    if simple == name {
        return [kind, "; filename=\"", name, "\""].concat();
    }
    [
        kind,
        "; filename=\"",
        &simple,
        "\"; filename*=UTF-8''",
        &encode(name),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_and_no_tricks() {
        for good in [
            "a.txt",
            "très cool.jpg",
            "写真 1.png",
            "تصویر.jpg",
            "👩‍🚀.gif",
            "50%.txt",
            "a\"b",
        ] {
            assert_eq!(check(good, 255), Ok(()), "{good}");
        }
        for bad in [
            "",
            "  ",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\nb",
            "a\u{7f}",
            "x\u{202e}gpj.exe",
        ] {
            assert!(check(bad, 255).is_err(), "{bad:?}");
        }
        assert!(check(&"é".repeat(128), 255).is_err());
    }

    #[test]
    fn in_addresses_and_headers() {
        assert_eq!(encode("très cool.jpg"), "tr%C3%A8s%20cool.jpg");
        assert_eq!(encode("a?b#c&d=e+f"), "a%3Fb%23c%26d%3De%2Bf");
        assert_eq!(disposition(true, "a b.png"), "inline; filename=\"a b.png\"");
        assert_eq!(
            disposition(false, "写\"x%.html"),
            "attachment; filename=\"__x_.html\"; filename*=UTF-8''%E5%86%99%22x%25.html"
        );
    }
}
