//! Characters, names and references of XML 1.0 (fifth edition) §2.2, §2.3 and §4.1, and UTF-8.

use crate::StreamError;

/// ASCII that may start a name (without the colon, which namespaces take away).
pub(crate) const START: u8 = 1;
/// ASCII that may continue a name.
pub(crate) const NAME: u8 = 2;
/// ASCII that needs no look in text: not `<`, `&`, `]`, CR or a control character.
pub(crate) const TEXT: u8 = 4;
/// ASCII that needs no look in an attribute's value: not `<`, `&`, a quote or white space but the space.
pub(crate) const VALUE: u8 = 8;
/// White space.
pub(crate) const WS: u8 = 16;

pub(crate) static CLASS: [u8; 256] = {
    let mut t = [0u8; 256];
    let mut i = 0usize;
    while i < 128 {
        let b = i as u8;
        let mut c = 0;
        if b.is_ascii_alphabetic() || b == b'_' {
            c |= START | NAME;
        }
        if b.is_ascii_digit() || b == b'-' || b == b'.' {
            c |= NAME;
        }
        if (b >= 0x20 && b != b'<' && b != b'&' && b != b']') || b == b'\t' || b == b'\n' {
            c |= TEXT;
        }
        if b >= 0x20 && b != b'<' && b != b'&' && b != b'"' && b != b'\'' {
            c |= VALUE;
        }
        if matches!(b, b' ' | b'\t' | b'\n' | b'\r') {
            c |= WS;
        }
        t[i] = c;
        i += 1;
    }
    t
};

#[inline]
pub(crate) fn is(b: u8, class: u8) -> bool {
    CLASS[b as usize] & class != 0
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A character and its length.
    Char(char, usize),
    /// The beginning of a character.
    Incomplete,
    /// No UTF-8.
    Invalid,
}

/// Decodes one character of two bytes or more (RFC 3629 §4).
#[inline]
pub(crate) fn decode(w: &[u8]) -> Decoded {
    let (len, first, low, high) = match w.first() {
        None => return Decoded::Incomplete,
        Some(&b) => match b {
            0x00..=0x7F => return Decoded::Char(b as char, 1),
            0xC2..=0xDF => (2, b & 0x1F, 0x80, 0xBF),
            0xE0 => (3, b & 0x0F, 0xA0, 0xBF),
            0xED => (3, b & 0x0F, 0x80, 0x9F),
            0xE1..=0xEF => (3, b & 0x0F, 0x80, 0xBF),
            0xF0 => (4, b & 0x07, 0x90, 0xBF),
            0xF1..=0xF3 => (4, b & 0x07, 0x80, 0xBF),
            0xF4 => (4, b & 0x07, 0x80, 0x8F),
            _ => return Decoded::Invalid,
        },
    };
    let mut code = u32::from(first);
    let (mut low, mut high) = (low, high);
    for k in 1..len {
        let Some(&b) = w.get(k) else {
            return Decoded::Incomplete;
        };
        if b < low || b > high {
            return Decoded::Invalid;
        }
        (low, high) = (0x80, 0xBF);
        code = code << 6 | u32::from(b & 0x3F);
    }
    char::from_u32(code).map_or(Decoded::Invalid, |c| Decoded::Char(c, len))
}

/// XML 1.0 §2.2 `Char`.
#[inline]
pub(crate) fn is_char(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        c => c >= ' ' && c != '\u{FFFE}' && c != '\u{FFFF}',
    }
}

/// XML 1.0 §2.3 `NameStartChar`, beyond ASCII.
pub(crate) fn is_start(c: char) -> bool {
    matches!(c,
        '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 §2.3 `NameChar`, beyond ASCII.
pub(crate) fn is_name(c: char) -> bool {
    is_start(c) || matches!(c, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// The most digits of a character reference, leading zeros included; U+10FFFF takes seven.
const MAX_DIGITS: usize = 8;

/// Reads the reference at the front: one of the five predefined entities or a character reference.
/// `None`: more bytes are needed. Any other entity is `restricted-xml` (RFC 6120 §11.1).
pub(crate) fn reference(w: &[u8]) -> Result<Option<(char, usize)>, StreamError> {
    let Some(&b) = w.get(1) else { return Ok(None) };
    if b == b'#' {
        return numeric(w);
    }
    if !is(b, START) && b < 0x80 {
        return Err(StreamError::NotWellFormed);
    }
    for k in 1.. {
        match w.get(k) {
            None => return Ok(None),
            Some(b';') => {
                let c = match &w[1..k] {
                    b"lt" => '<',
                    b"gt" => '>',
                    b"amp" => '&',
                    b"quot" => '"',
                    b"apos" => '\'',
                    _ => return Err(StreamError::RestrictedXml),
                };
                return Ok(Some((c, k + 1)));
            }
            Some(&b) if !is(b, NAME) && b < 0x80 && b != b':' => return Err(StreamError::NotWellFormed),
            Some(_) if k > 4 => break,
            Some(_) => {}
        }
    }
    Err(StreamError::RestrictedXml)
}

fn numeric(w: &[u8]) -> Result<Option<(char, usize)>, StreamError> {
    let Some(&b) = w.get(2) else { return Ok(None) };
    let (radix, first) = if b == b'x' { (16, 3) } else { (10, 2) };
    let mut code = 0u32;
    for k in first..=first + MAX_DIGITS {
        let Some(&b) = w.get(k) else { return Ok(None) };
        if b == b';' {
            if k == first {
                break;
            }
            let c = char::from_u32(code).filter(|&c| is_char(c));
            return c.map(|c| Some((c, k + 1))).ok_or(StreamError::NotWellFormed);
        }
        let digit = (b as char).to_digit(radix).ok_or(StreamError::NotWellFormed)?;
        code = code
            .checked_mul(radix)
            .and_then(|c| c.checked_add(digit))
            .ok_or(StreamError::NotWellFormed)?;
    }
    Err(StreamError::NotWellFormed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_agrees_with_the_standard_library() {
        let mut bytes = [0u8; 4];
        for a in 0x80u8..=0xFF {
            for b in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] {
                for c in [0x7F, 0x80, 0xBE, 0xBF, 0xC0] {
                    bytes = [a, b, c, 0xBF];
                    for n in 1..=4 {
                        let w = &bytes[..n];
                        let expected = match std::str::from_utf8(w) {
                            Ok(s) => s.chars().next().map(|c| (c, c.len_utf8())),
                            Err(e) if e.valid_up_to() > 0 => std::str::from_utf8(&w[..e.valid_up_to()])
                                .ok()
                                .and_then(|s| s.chars().next())
                                .map(|c| (c, c.len_utf8())),
                            Err(e) if e.error_len().is_none() => {
                                assert_eq!(decode(w), Decoded::Incomplete, "{w:x?}");
                                continue;
                            }
                            Err(_) => None,
                        };
                        let got = match decode(w) {
                            Decoded::Char(c, n) => Some((c, n)),
                            Decoded::Invalid => None,
                            Decoded::Incomplete => panic!("{w:x?} is not incomplete"),
                        };
                        assert_eq!(got, expected, "{w:x?}");
                    }
                }
            }
        }
        assert_eq!(bytes[3], 0xBF);
    }

    #[test]
    fn references() {
        let ok = |s: &str, c| assert_eq!(reference(s.as_bytes()), Ok(Some((c, s.len()))), "{s}");
        ok("&lt;", '<');
        ok("&quot;", '"');
        ok("&#65;", 'A');
        ok("&#x10FFFF;", '\u{10FFFF}');
        ok("&#x00000041;", 'A');
        for s in ["&", "&#", "&#x", "&am", "&quot", "&#x4"] {
            assert_eq!(reference(s.as_bytes()), Ok(None), "{s}");
        }
        for s in ["&nbsp;", "&Amp;", "&longer", "&a:b;"] {
            assert_eq!(reference(s.as_bytes()), Err(StreamError::RestrictedXml), "{s}");
        }
        for s in [
            "& ",
            "&;",
            "&#;",
            "&#x;",
            "&#0;",
            "&#xD800;",
            "&#xFFFE;",
            "&#x110000;",
            "&#X41;",
            "&a b;",
            "&#99999999999999999;",
            "&#x000000041;",
        ] {
            assert_eq!(reference(s.as_bytes()), Err(StreamError::NotWellFormed), "{s}");
        }
    }
}
