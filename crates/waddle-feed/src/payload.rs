//! Reading what devices send (`specs/feeds.md`, *Payloads*): `{"value": …, "unit": …}`, `{"state": …}`, a bare
//! number, ON and OFF, or a short text. Numbers keep the digits they came with. Whatever else it is shows as
//! unreadable and breaks nothing.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde_json::value::RawValue;

/// Characters of a text that are shown.
const TEXT: usize = 200;
/// Characters of a number at the most.
const DIGITS: usize = 64;
/// Characters of a unit at the most; a longer one is left out.
const UNIT: usize = 16;
/// Depth of JSON at the most.
const DEPTH: usize = 32;

/// What a payload says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A finite number.
    Number(Number),
    /// A state or a text: one line, cut to 200 characters.
    Text(String),
    /// Nothing that can be shown.
    Unreadable(Why),
    /// Nothing: an empty payload takes a retained message away.
    Empty,
}

/// A number as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its digits, unchanged.
    pub digits: String,
    /// What they are worth, for comparing.
    pub value: f64,
    /// Its unit, if it has one.
    pub unit: Option<String>,
}

/// Why a payload is unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No UTF-8, or with control characters.
    Binary,
    /// NaN, an infinity, null, or a number beyond all measure.
    NoNumber,
    /// Of more bytes than are read.
    TooLarge,
    /// JSON nested deeper than 32.
    TooDeep,
    /// It begins like a JSON object but is none.
    Broken,
    /// The value is an array or an object.
    NoValue,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "not a text",
            Self::NoNumber => "not a number",
            Self::TooLarge => "too large",
            Self::TooDeep => "nested too deep",
            Self::Broken => "broken JSON",
            Self::NoValue => "no single value",
        })
    }
}

/// What is shown after the name: `21.5 °C`, `ON`, `unreadable (not a text)`.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => match &n.unit {
                Some(unit) => write!(f, "{} {unit}", n.digits),
                None => f.write_str(&n.digits),
            },
            Self::Text(text) => f.write_str(text),
            Self::Unreadable(why) => write!(f, "unreadable ({why})"),
            Self::Empty => Ok(()),
        }
    }
}

/// Reads a payload of at most `max` bytes.
pub fn read(payload: &[u8], max: usize) -> Reading {
    if payload.len() > max {
        return Reading::Unreadable(Why::TooLarge);
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Reading::Unreadable(Why::Binary);
    };
    let text = text.trim_start_matches('\u{FEFF}').trim();
    match text.as_bytes().first() {
        None => Reading::Empty,
        Some(b'{' | b'[') if depth(text) > DEPTH => Reading::Unreadable(Why::TooDeep),
        Some(b'{') => object(text),
        Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(text) {
            Ok(inner) => scalar(&inner, None),
            Err(_) => scalar(text, None),
        },
        Some(_) => scalar(text, None),
    }
}

/// An object with a value or a state; any other is a text.
fn object(text: &str) -> Reading {
    let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else {
        return Reading::Unreadable(Why::Broken);
    };
    let Some(value) = fields.get("value").or_else(|| fields.get("state")) else {
        return scalar(text, None);
    };
    let unit = fields.get("unit").and_then(|u| unit(u));
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(raw) {
            Ok(inner) => scalar(&inner, unit),
            // Half of a surrogate pair.
            Err(_) => Reading::Unreadable(Why::Binary),
        },
        Some(b'{' | b'[') | None => Reading::Unreadable(Why::NoValue),
        // A number, true, false or null.
        Some(_) => scalar(raw, unit),
    }
}

/// A unit without control characters; one that is no short text is left out.
fn unit(raw: &RawValue) -> Option<String> {
    let unit = serde_json::from_str::<Cow<'_, str>>(raw.get()).ok()?;
    let unit: String = unit
        .chars()
        .filter(|c| !c.is_control() && !invisible(*c))
        .collect();
    let unit = unit.trim();
    (!unit.is_empty() && unit.chars().count() <= UNIT).then(|| unit.to_owned())
}

/// A number, or else a text.
fn scalar(text: &str, unit: Option<String>) -> Reading {
    let text = text.trim();
    if let Some(value) = number(text) {
        return if value.is_finite() && text.len() <= DIGITS {
            Reading::Number(Number {
                digits: text.to_owned(),
                value,
                unit,
            })
        } else {
            Reading::Unreadable(Why::NoNumber)
        };
    }
    let bare = text.trim_start_matches(['+', '-']);
    if ["nan", "inf", "infinity", "null"]
        .iter()
        .any(|n| bare.eq_ignore_ascii_case(n))
    {
        return Reading::Unreadable(Why::NoNumber);
    }
    if text.is_empty()
        || text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Reading::Unreadable(Why::Binary);
    }
    Reading::Text(one_line(text, TEXT))
}

/// What a text of nothing but digits, sign, point and exponent is worth.
fn number(text: &str) -> Option<f64> {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(plain) || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A text as one line of at most `most` characters, with an ellipsis where it is cut. Control characters become
/// spaces; what would only turn the direction of the text around goes.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut shown = text.chars().filter(|c| !invisible(*c));
    let mut line: String = shown
        .by_ref()
        .take(most)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if shown.next().is_some() {
        line.push('…');
    }
    line
}

/// Marks that change the direction of the text around them, and characters that are none.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// How deep brackets are nested outside of strings.
fn depth(json: &str) -> usize {
    let (mut now, mut most, mut string, mut escaped) = (0_usize, 0, false, false);
    for b in json.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'{' | b'[' if !string => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 65_536;

    #[test]
    fn readings() {
        for (payload, shown) in [
            (r#"{"value": 21.5, "unit": "°C"}"#, "21.5 °C"),
            (r#"{"value": 21.50, "unit": "°C"}"#, "21.50 °C"),
            (r#"{"value": 21.5, "unit": "\u00b0C"}"#, "21.5 °C"),
            (r#"{"unit":"%","value":"65"}"#, "65 %"),
            (r#"{"value":-0.0}"#, "-0.0"),
            (r#"{"value":1e3,"unit":"lx"}"#, "1e3 lx"),
            (r#"{"value":12345678901234567890123}"#, "12345678901234567890123"),
            (r#"{"value":true}"#, "true"),
            (r#"{"value":"open","unit":"x"}"#, "open"),
            (r#"{"value":1,"state":"ON"}"#, "1"),
            (r#"{"state":"ON"}"#, "ON"),
            (r#"{"state":21,"unit":"W"}"#, "21 W"),
            (r#"{"state":"open","battery":80}"#, "open"),
            (r#"{"value":1,"unit":"a unit that nobody can read"}"#, "1"),
            (r#"{"value":1,"unit":"k\u0000W\nh\u202e"}"#, "1 kWh"),
            (r#"{"value":1,"unit":7}"#, "1"),
            (r#"{"value":1,"unit":" "}"#, "1"),
            ("21.5", "21.5"),
            ("21.50", "21.50"),
            ("+3", "+3"),
            ("  7\n", "7"),
            ("\u{FEFF}7", "7"),
            ("007", "007"),
            (r#""ON""#, "ON"),
            ("ON", "ON"),
            ("off", "off"),
            ("true", "true"),
            ("false", "false"),
            ("online", "online"),
            ("offline", "offline"),
            ("door opened", "door opened"),
            ("two\nlines", "two lines"),
            ("2026-11-21", "2026-11-21"),
            ("nancy", "nancy"),
            (
                r#"{"temperature":21.5,"humidity":40}"#,
                r#"{"temperature":21.5,"humidity":40}"#,
            ),
            ("[alarm] door", "[alarm] door"),
            ("[1,2]", "[1,2]"),
            ("<b>&amp;", "<b>&amp;"),
        ] {
            let read = read(payload.as_bytes(), MAX);
            assert!(matches!(read, Reading::Number(_) | Reading::Text(_)), "{payload}");
            assert_eq!(read.to_string(), shown, "{payload}");
        }
        let long = "x".repeat(300);
        assert!(matches!(read(long.as_bytes(), MAX), Reading::Text(t) if t.chars().count() == TEXT + 1));
        assert!(matches!(read(b"21.50", MAX), Reading::Number(n) if n.value > 21.4 && n.unit.is_none()));
    }

    #[test]
    fn unreadable() {
        let deep = [&"[".repeat(10_000), "1", &"]".repeat(10_000)].concat();
        let deep_value = [r#"{"value":"#, &deep, "}"].concat();
        let deep_beside = [r#"{"value":1,"more":"#, &deep, "}"].concat();
        let many = "1".repeat(300);
        for (payload, why) in [
            (&b"\xff\xfe\x00"[..], Why::Binary),
            (b"a\0b", Why::Binary),
            (b"\x1b[31mred", Why::Binary),
            (b"\x00\x01", Why::Binary),
            (br#"{"value":"a\u0000b"}"#, Why::Binary),
            (br#"{"value":"\ud800"}"#, Why::Binary),
            (br#"{"value":""}"#, Why::Binary),
            (b"NaN", Why::NoNumber),
            (b"nan", Why::NoNumber),
            (b"Infinity", Why::NoNumber),
            (b"-inf", Why::NoNumber),
            (b"null", Why::NoNumber),
            (b"1e999", Why::NoNumber),
            (many.as_bytes(), Why::NoNumber),
            (br#"{"value":1e999}"#, Why::NoNumber),
            (br#"{"value":"NaN"}"#, Why::NoNumber),
            (br#"{"value":null}"#, Why::NoNumber),
            (br#"{"value": NaN, "unit": "C"}"#, Why::Broken),
            (br#"{"value": 21.5"#, Why::Broken),
            (b"{}x", Why::Broken),
            (br#"{"value":[1,2]}"#, Why::NoValue),
            (br#"{"value":{"a":1}}"#, Why::NoValue),
            (deep.as_bytes(), Why::TooDeep),
            (deep_value.as_bytes(), Why::TooDeep),
            (deep_beside.as_bytes(), Why::TooDeep),
            (&vec![b'1'; 70_000], Why::TooLarge),
        ] {
            let read = read(payload, MAX);
            assert_eq!(
                read,
                Reading::Unreadable(why),
                "{:?}",
                &payload[..payload.len().min(20)]
            );
            assert!(read.to_string().starts_with("unreadable ("));
        }
        for empty in [&b""[..], b"  ", b"\n"] {
            assert_eq!(read(empty, MAX), Reading::Empty);
        }
    }

    fn bounded(payload: &[u8]) {
        let shown = read(payload, MAX).to_string();
        assert!(shown.chars().count() <= TEXT + 1);
        assert!(!shown.chars().any(|c| c.is_control() || invisible(c)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            bounded(&payload);
        }

        #[test]
        fn anything_like_json_is_read(
            payload in r#"(\{|\[|"|value|state|unit|:|,|\]|\}|-|\.|1|0|e|null|true|\\u|d800|°| |\x00|NaN){0,40}"#
        ) {
            bounded(payload.as_bytes());
        }

        #[test]
        fn finite_numbers_keep_their_digits(digits in r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?", unit in "[a-zA-Z%°²]{1,8}") {
            let json = format!(r#"{{"value": {digits}, "unit": "{unit}"}}"#);
            prop_assert_eq!(read(json.as_bytes(), MAX).to_string(), format!("{digits} {unit}"));
            prop_assert_eq!(read(digits.as_bytes(), MAX).to_string(), digits);
        }
    }
}
