//! Reading what devices send (`specs/feeds.md`): `{"value": …, "unit": …}`, `{"state": …}`, a bare number, ON and
//! OFF, or a text. Numbers keep the digits they came with. Whatever else it is shows as unreadable and breaks
//! nothing.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

/// Characters of a text that are shown.
const TEXT: usize = 200;
/// Characters of a unit at the most; a longer one is left out.
const UNIT: usize = 16;
/// Depth of JSON at the most.
const DEPTH: usize = 32;

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A value, with its unit if it has one, as it is shown.
    Value(String),
    /// Binary, not a number, too large or too deep.
    Unreadable,
    /// Nothing: an empty payload takes a retained message away.
    Empty,
}

/// Reads a payload of at most `max` bytes.
pub fn read(payload: &[u8], max: usize) -> Reading {
    if payload.is_empty() {
        return Reading::Empty;
    }
    if payload.len() > max {
        return Reading::Unreadable;
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Reading::Unreadable;
    };
    let text = text.trim();
    if text.is_empty() {
        return Reading::Empty;
    }
    match text.as_bytes()[0] {
        b'{' => object(text),
        b'[' if depth(text) > DEPTH => Reading::Unreadable,
        _ => scalar(text),
    }
}

fn object(text: &str) -> Reading {
    if depth(text) > DEPTH {
        return Reading::Unreadable;
    }
    let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else {
        return scalar(text);
    };
    let Some(value) = fields.get("value").or_else(|| fields.get("state")) else {
        return scalar(text);
    };
    let Some(Reading::Value(value)) = json_scalar(value) else {
        return Reading::Unreadable;
    };
    let unit = fields
        .get("unit")
        .and_then(|u| serde_json::from_str::<Cow<'_, str>>(u.get()).ok())
        .filter(|u| !u.trim().is_empty() && u.chars().count() <= UNIT && !u.contains(char::is_control));
    Reading::Value(match unit {
        Some(unit) => [&value, " ", unit.trim()].concat(),
        None => value,
    })
}

/// A JSON number as it was written, a string, true or false.
fn json_scalar(value: &RawValue) -> Option<Reading> {
    let raw = value.get();
    match raw.as_bytes().first()? {
        b'"' => Some(scalar(&serde_json::from_str::<Cow<'_, str>>(raw).ok()?)),
        b't' | b'f' => Some(Reading::Value(raw.to_owned())),
        b'-' | b'0'..=b'9' => Some(scalar(raw)),
        _ => None,
    }
}

fn scalar(text: &str) -> Reading {
    let text = text.trim();
    let looks_like_number = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.bytes().any(|b| b.is_ascii_digit());
    if looks_like_number && text.parse::<f64>().is_ok_and(|n| !n.is_finite()) {
        return Reading::Unreadable;
    }
    let bare = text.trim_start_matches(['+', '-']);
    let no_number = ["nan", "inf", "infinity", "null"];
    if no_number.iter().any(|n| bare.eq_ignore_ascii_case(n)) {
        return Reading::Unreadable;
    }
    if text.is_empty() || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Reading::Unreadable;
    }
    let mut line: String = text
        .chars()
        .take(TEXT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(TEXT).is_some() {
        line.push('…');
    }
    Reading::Value(line)
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
    use super::*;

    #[test]
    fn readings() {
        for (payload, shown) in [
            (r#"{"value": 21.5, "unit": "°C"}"#, "21.5 °C"),
            (r#"{"value": 21.50, "unit": "°C"}"#, "21.50 °C"),
            (r#"{"unit":"%","value":"65"}"#, "65 %"),
            (r#"{"value":-0.0}"#, "-0.0"),
            (r#"{"value":12345678901234567890123}"#, "12345678901234567890123"),
            (r#"{"value":true}"#, "true"),
            (r#"{"state":"ON"}"#, "ON"),
            (r#"{"state":"open","battery":80}"#, "open"),
            ("21.5", "21.5"),
            ("  7\n", "7"),
            ("ON", "ON"),
            ("offline", "offline"),
            ("door opened", "door opened"),
            ("two\nlines", "two lines"),
            (r#"{"temperature":21.5,"humidity":40}"#, r#"{"temperature":21.5,"humidity":40}"#),
            (r#"{"value": 21.5"#, r#"{"value": 21.5"#),
            (r#"{"value":1,"unit":"a unit that nobody can read"}"#, "1"),
        ] {
            assert_eq!(read(payload.as_bytes(), 65_536), Reading::Value(shown.to_owned()), "{payload}");
        }
        let long = "x".repeat(300);
        assert!(matches!(read(long.as_bytes(), 65_536), Reading::Value(v) if v.chars().count() == TEXT + 1));
    }

    #[test]
    fn unreadable() {
        let deep = [&"[".repeat(10_000), "1", &"]".repeat(10_000)].concat();
        let deep_value = [r#"{"value":"#, &deep, "}"].concat();
        for payload in [
            &b"\xff\xfe\x00"[..],
            b"a\0b",
            b"NaN",
            b"-inf",
            b"1e999",
            br#"{"value":NaN}"#.as_slice().get(9..12).unwrap(),
            br#"{"value":"NaN"}"#,
            br#"{"value":null}"#,
            br#"{"value":[1,2]}"#,
            br#"{"value":{"a":1}}"#,
            deep.as_bytes(),
            deep_value.as_bytes(),
            &vec![b'1'; 70_000],
        ] {
            assert_eq!(read(payload, 65_536), Reading::Unreadable, "{:?}", &payload[..payload.len().min(20)]);
        }
        assert_eq!(read(b"", 10), Reading::Empty);
        assert_eq!(read(b"  ", 10), Reading::Empty);
    }
}
