//! Words with wildcards: plain ones by one Aho-Corasick automaton for all, those with a wildcard within by one regular
//! expression in linear time.

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};

use super::{
    RuleError,
    fold::{Folded, fold},
};

/// Bytes of a compiled expression at the most.
const REGEX_BYTES: usize = 4 << 20;
/// Characters that a `*` within a word stands for at the most.
const WILD: &str = r"\S{0,32}?";

/// Whether the word may go on before or behind it.
#[derive(Debug, Clone, Copy)]
struct Open {
    before: bool,
    behind: bool,
}

/// Compiled words.
#[derive(Debug)]
pub struct Words {
    plain: Option<AhoCorasick>,
    open: Vec<Open>,
    wild: Vec<(Regex, Open)>,
}

/// Scripts that write no spaces between words: there every place is a border.
fn borderless(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{1100}'..='\u{11ff}' | '\u{20000}'..='\u{3ffff}')
}

impl Words {
    /// Compiles words; `*` stands for any letters, `?` for one.
    pub fn new(words: &[String]) -> Result<Self, RuleError> {
        let (mut plain, mut open, mut wild) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            let folded = fold(word.trim()).text;
            let folded = folded.lines().next().unwrap_or_default();
            let inner = folded.trim_matches('*');
            if inner.chars().filter(|c| c.is_alphanumeric()).count() == 0 {
                return Err(RuleError("each word has a letter or digit"));
            }
            let o = Open {
                before: folded.starts_with('*') || inner.chars().next().is_some_and(borderless),
                behind: folded.ends_with('*') || inner.chars().next_back().is_some_and(borderless),
            };
            if inner.contains(['*', '?']) {
                let pattern: String = inner.chars().fold(String::new(), |mut p, c| {
                    match c {
                        '*' => p.push_str(WILD),
                        '?' => p.push_str(r"\S"),
                        c => p.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
                    }
                    p
                });
                wild.push((compile(&pattern)?, o));
            } else {
                plain.push(inner.to_owned());
                open.push(o);
            }
        }
        let plain = if plain.is_empty() {
            None
        } else {
            Some(AhoCorasick::new(&plain).map_err(|_| RuleError("these are too many words for one rule"))?)
        };
        Ok(Self { plain, open, wild })
    }

    /// Calls `found` for each stretch of the folded text that is one of the words, until it says no.
    pub fn each(&self, folded: &Folded, mut found: impl FnMut(usize, usize) -> bool) {
        let text = &folded.text;
        let mut stop = false;
        let mut check = |start: usize, end: usize, o: Open| {
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let free = (o.before || !letter(text[..start].chars().next_back()))
                && (o.behind || !letter(text[end..].chars().next()));
            stop |= free && !found(start, end);
            stop
        };
        if let Some(plain) = &self.plain {
            for m in plain.find_overlapping_iter(text) {
                if check(m.start(), m.end(), self.open[m.pattern().as_usize()]) {
                    return;
                }
            }
        }
        for (regex, open) in &self.wild {
            for m in regex.find_iter(text) {
                if check(m.start(), m.end(), *open) {
                    return;
                }
            }
        }
    }
}

/// A regular expression: linear in time, bounded in memory, blind to case.
pub fn compile(pattern: &str) -> Result<Regex, RuleError> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .nest_limit(32)
        .build()
        .map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => RuleError("this expression is too big; write it shorter"),
            _ => RuleError("this is no regular expression that runs in linear time"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(words: &[&str], text: &str) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let words = Words::new(&words).unwrap();
        let (folded, mut found) = (fold(text), Vec::new());
        words.each(&folded, |s, e| {
            let (s, e) = folded.origin(text, s, e);
            found.push(text[s..e].to_owned());
            true
        });
        found
    }

    #[test]
    fn words_are_whole_unless_a_star_says_otherwise() {
        assert_eq!(hits(&["cat"], "a Cat, concatenated"), ["Cat"]);
        assert_eq!(hits(&["cat*"], "cats concatenate"), ["cat"]);
        assert_eq!(hits(&["*cat*"], "concatenate").len(), 1);
        assert_eq!(
            hits(&["f*k"], "F**K and fork, freak k"),
            ["F**K", "fork", "freak"]
        );
        assert_eq!(hits(&["b?d"], "bad bed bd bird"), ["bad", "bed"]);
        assert_eq!(hits(&["go away"], "Go \n away!"), ["Go \n away"]);
        assert_eq!(hits(&["赌博"], "我爱赌博吗"), ["赌博"], "no spaces there");
        assert!(hits(&["vile"], "vilest revile").is_empty());
    }

    #[test]
    fn nobody_hides_a_word() {
        for text in ["ｖｉｌｅ", "vіlе", "v1l3", "V\u{200d}ile", "v i l e", "VÍLÉ"] {
            assert_eq!(hits(&["vile"], text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_word_is_refused() {
        for bad in ["", "*", "?*", "..."] {
            assert!(Words::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(compile("(a").is_err() && compile(r"(?:a{1000}){1000}{1000}").is_err());
        assert!(compile(r"(a)\1").is_err(), "no back references");
    }
}
