//! Room nicknames: which are allowed and which count as the same ([XEP-0045 §17.1.1], RFC 8266).
//!
//! Two nicknames that look alike are one: RFC 8266 takes care of case, width and spaces; letters of other
//! scripts that are drawn like Latin ones are folded onto them here, so that nobody can pose as another.
//!
//! [XEP-0045 §17.1.1]: https://xmpp.org/extensions/xep-0045.html#impl-client

use waddle_core::jid::nickname_key;

use crate::api::{BOT, FEED, WEBHOOK};

/// Why a nickname is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NickError {
    /// Longer than `muc_nick_bytes`.
    #[error("this nickname is too long; choose a shorter one")]
    TooLong,
    /// It ends with the mark of what is no person.
    #[error("this nickname looks like a feed's, a bot's or a webhook's; choose another")]
    Marked,
    /// Empty, or of characters that RFC 8266 disallows.
    #[error("this nickname has characters that are not allowed")]
    Malformed,
}

/// Characters drawn like a Latin small letter, after case folding, with the letter.
const LOOKALIKES: &[(char, char)] = &[
    ('а', 'a'),
    ('ɑ', 'a'),
    ('α', 'a'),
    ('с', 'c'),
    ('ϲ', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ι', 'i'),
    ('ı', 'i'),
    ('ј', 'j'),
    ('κ', 'k'),
    ('к', 'k'),
    ('ӏ', 'l'),
    ('м', 'm'),
    ('ո', 'n'),
    ('о', 'o'),
    ('ο', 'o'),
    ('σ', 'o'),
    ('օ', 'o'),
    ('р', 'p'),
    ('ρ', 'p'),
    ('ԛ', 'q'),
    ('ѕ', 's'),
    ('т', 't'),
    ('τ', 't'),
    ('υ', 'u'),
    ('ս', 'u'),
    ('ν', 'v'),
    ('ѵ', 'v'),
    ('ԝ', 'w'),
    ('х', 'x'),
    ('χ', 'x'),
    ('у', 'y'),
    ('ү', 'y'),
    ('γ', 'y'),
];

/// What nicknames are compared by: equal keys are the same nickname.
pub fn key(nick: &str, max_bytes: usize) -> Result<String, NickError> {
    if nick.len() > max_bytes {
        return Err(NickError::TooLong);
    }
    let key = nickname_key(nick).ok_or(NickError::Malformed)?;
    let mixed = key.chars().any(|c| c.is_ascii_alphanumeric());
    // A name wholly in another script is that script's; only a mixture can pose as a Latin one, or a name
    // made of nothing but look-alikes.
    let alike = |c: char| LOOKALIKES.iter().find(|(from, _)| *from == c).map(|(_, to)| *to);
    if !key.is_ascii() && (mixed || key.chars().all(|c| alike(c).is_some() || !c.is_alphanumeric())) {
        return Ok(key.chars().map(|c| alike(c).unwrap_or(c)).collect());
    }
    Ok(key)
}

/// Whether a nickname, by its key, ends with the mark of a feed, webhook or bot: nobody in the room can have it.
pub fn is_marked(key: &str) -> bool {
    [WEBHOOK, BOT, FEED].iter().any(|mark| key.ends_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_is_the_same() {
        let k = |s| key(s, 128).unwrap();
        assert_eq!(k("Juliet"), k("juliet"));
        assert_eq!(k("  Juliet   Capulet "), k("juliet capulet"));
        assert_eq!(k("ＪＵＬＩＥＴ"), k("juliet"), "full width");
        assert_eq!(k("аlice"), k("alice"), "Cyrillic а");
        assert_eq!(k("расе"), k("pace"), "Cyrillic only, all drawn like Latin");
        assert_ne!(k("алиса"), k("alisa"), "a Russian name stays itself");
        assert_ne!(k("romeo"), k("juliet"));
    }

    #[test]
    fn marks() {
        let marked = |s| is_marked(&key(s, 128).unwrap());
        for bad in ["GitHub (webhook)", "x  (WebHook)", "ｘ (webhoоk)"] {
            assert!(marked(bad), "{bad}");
        }
        assert!(marked("Echo (BOT)") && marked("Attic (feed)") && !marked("bot") && !marked("feed"));
        assert!(!marked("webhook") && !marked("github"));
    }

    #[test]
    fn refused() {
        assert_eq!(key(&"x".repeat(10_240), 128), Err(NickError::TooLong));
        assert_eq!(key("", 128), Err(NickError::Malformed));
        assert_eq!(key("   ", 128), Err(NickError::Malformed));
        assert_eq!(key("a\u{7}b", 128), Err(NickError::Malformed));
    }
}
