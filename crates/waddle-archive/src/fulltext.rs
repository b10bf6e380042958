//! Searching archives by words (`specs/messages.md`, [XEP-0431]): a small language of our own, of which nothing reaches the
//! database but words.
//!
//! [XEP-0431]: https://xmpp.org/extensions/xep-0431.html

use waddle_storage::{
    Db, Result,
    repo::messages::search::{self, Term},
};

/// Words and phrases of one search.
const TERMS: usize = 16;
/// Bytes of one search.
const BYTES: usize = 512;
/// Messages that one write puts into the index.
const STEP: usize = 512;

/// Reads what somebody searches for: words, all of which must be there; `"several words"` one after the other; `begin*`;
/// `-without`. Everything else is space between words. `Err` says what is wrong. Every word that begins so is looked up, so
/// one letter of the alphabet before the star is too little.
pub fn terms(text: &str) -> Result<Vec<Term>, &'static str> {
    if text.len() > BYTES {
        return Err("this search is too long; leave some words out");
    }
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let not = rest.starts_with('-');
        rest = rest.strip_prefix('-').unwrap_or(rest);
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"').unwrap_or((quoted, ""))
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '"')
                .unwrap_or(rest.len());
            rest.split_at(end)
        };
        let (word, prefix, after) = match (word.strip_suffix('*'), after.strip_prefix('*')) {
            (Some(word), _) => (word, true, after),
            (None, Some(after)) => (word, true, after),
            (None, None) => (word, false, after),
        };
        let letters = word.chars().filter(|c| c.is_alphanumeric()).count();
        if prefix && letters == 1 && word.is_ascii() {
            return Err("write at least two letters before a star");
        }
        if letters > 0 {
            all.push(Term {
                text: word.to_owned(),
                prefix,
                not,
            });
        }
        rest = after.trim_start();
    }
    if all.len() > TERMS {
        return Err("this search has too many words; leave some out");
    }
    if !all.iter().any(|t| !t.not) {
        return Err("a search needs a word to look for");
    }
    Ok(all)
}

/// Puts into the index what is not yet in it, `steps` steps of it at the most; whether it is complete now. Everything that
/// was committed before the call is found afterwards.
pub async fn catch_up(db: &Db, steps: usize) -> Result<bool> {
    for _ in 0..steps {
        if !db.read(search::is_behind).await? {
            return Ok(true);
        }
        if db.write(|tx| search::advance(tx, STEP)).await? < STEP {
            return Ok(true);
        }
    }
    Ok(!db.read(search::is_behind).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language() {
        let t = |text: &str, prefix, not| Term {
            text: text.into(),
            prefix,
            not,
        };
        for (text, want) in [
            ("one two", vec![t("one", false, false), t("two", false, false)]),
            (
                "\"one two\"* -three",
                vec![t("one two", true, false), t("three", false, true)],
            ),
            ("pen* -\"a b", vec![t("pen", true, false), t("a b", false, true)]),
            (
                "a\"b\"c",
                vec![t("a", false, false), t("b", false, false), t("c", false, false)],
            ),
            (
                "x:y OR NEAR(z",
                vec![
                    t("x:y", false, false),
                    t("OR", false, false),
                    t("NEAR(z", false, false),
                ],
            ),
            ("été ! & ()", vec![t("été", false, false)]),
            ("日*", vec![t("日", true, false)]),
        ] {
            assert_eq!(terms(text), Ok(want), "{text}");
        }
        for bad in [
            "",
            "  ",
            "-a",
            "\"\"",
            "***",
            "\u{0}",
            "a*",
            "word \"b\"*",
            &"a ".repeat(17),
            &"a".repeat(600),
        ] {
            assert!(terms(bad).is_err(), "{bad:?}");
        }
    }
}
