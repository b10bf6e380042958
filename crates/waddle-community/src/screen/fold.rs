//! Text as rules compare it: compatibility forms, case, accents, invisible characters, look-alikes and letters written
//! apart are the same ([UAX 15](https://www.unicode.org/reports/tr15/), [UTS 39](https://www.unicode.org/reports/tr39/)).

use unicode_normalization::UnicodeNormalization;

/// Characters drawn like Latin small letters, after case folding and compatibility decomposition.
const LOOKALIKES: &[(&str, char)] = &[
    ("аɑαаᴀ∂ⱥ", 'a'),
    ("вβьƅʙᏼ", 'b'),
    ("сϲᴄⅽ¢", 'c'),
    ("ԁɗđᴅ", 'd'),
    ("еєεҽᴇ℮ɛəэ", 'e'),
    ("ғƒꜰ", 'f'),
    ("ɡɢց", 'g'),
    ("һнհʜħ", 'h'),
    ("іιıɪɩ", 'i'),
    ("јϳȷᴊ", 'j'),
    ("κкᴋ", 'k'),
    ("ӏʟłƚ", 'l'),
    ("мᴍ", 'm'),
    ("ոпηɴח", 'n'),
    ("оοσօᴏøѳ", 'o'),
    ("рρᴘ", 'p'),
    ("ԛգ", 'q'),
    ("гʀᴦ", 'r'),
    ("ѕꜱ", 's'),
    ("тτᴛŧ", 't'),
    ("υսᴜц", 'u'),
    ("νѵᴠ", 'v'),
    ("ԝωᴡшщ", 'w'),
    ("хχ×", 'x'),
    ("уүγʏ", 'y'),
    ("ᴢ", 'z'),
];

/// Digits and signs that stand for letters within a word.
const fn leet(b: u8) -> u8 {
    match b {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        b => b,
    }
}

/// Letters that must stand alone one after the other to count as a word written apart.
const APART: usize = 4;

/// A folded text, and where each of its bytes comes from.
#[derive(Debug, Default)]
pub struct Folded {
    /// The text that is searched.
    pub text: String,
    /// For each byte of it: where the character it comes from begins. Empty where both are the same.
    from: Vec<u32>,
}

impl Folded {
    /// The bytes of `original` that a stretch of the folded text comes from.
    pub fn origin(&self, original: &str, start: usize, end: usize) -> (usize, usize) {
        if self.from.is_empty() {
            return (start, end);
        }
        let at = |i: usize| self.from.get(i).map_or(original.len(), |p| *p as usize);
        let (from, last) = (at(start), at(end.saturating_sub(1)));
        let width = original
            .get(last..)
            .and_then(|s| s.chars().next())
            .map_or(0, char::len_utf8);
        (from, last + width)
    }

    fn push(&mut self, c: char, at: usize) {
        let before = self.text.len();
        self.text.push(c);
        self.from
            .resize(self.from.len() + self.text.len() - before, at as u32);
    }
}

/// Whether a character is drawn as nothing, or only adds to the one before.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}'
        | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Whether a character is drawn as nothing at all.
pub fn is_hidden(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\u{300}'..='\u{36f}')
}

fn look_alike(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        // Letters in squares and circles that have no decomposition.
        '\u{1f150}'..='\u{1f169}' => latin(c as u32 - 0x1_f150),
        '\u{1f170}'..='\u{1f189}' => latin(c as u32 - 0x1_f170),
        '\u{1f1e6}'..='\u{1f1ff}' => latin(c as u32 - 0x1_f1e6),
        c => LOOKALIKES
            .iter()
            .find(|(from, _)| from.contains(c))
            .map_or(c, |(_, to)| *to),
    }
}

fn latin(n: u32) -> char {
    u8::try_from(n).map_or(' ', |n| char::from(b'a' + n % 26))
}

/// Folds a text.
pub fn fold(text: &str) -> Folded {
    let plain = text.is_ascii()
        && !text
            .bytes()
            .any(|b| b.is_ascii_digit() || b == b'$' || b.is_ascii_control())
        && !text.as_bytes().windows(2).any(|w| w == b"  ");
    if plain {
        let mut folded = Folded {
            text: text.to_ascii_lowercase(),
            from: Vec::new(),
        };
        join_letters(&mut folded);
        return folded;
    }
    let mut out = Folded {
        text: String::with_capacity(text.len()),
        from: Vec::with_capacity(text.len()),
    };
    for (at, c) in text.char_indices() {
        if c.is_ascii() {
            fold_one(&mut out, c.to_ascii_lowercase(), at);
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        for part in std::iter::once(c).nfkd() {
            if is_invisible(part) {
                continue;
            }
            for lower in part.to_lowercase() {
                match lower {
                    'ß' => {
                        out.push('s', at);
                        out.push('s', at);
                    }
                    lower if is_invisible(lower) => {}
                    lower => fold_one(&mut out, look_alike(lower), at),
                }
            }
        }
    }
    unleet(&mut out);
    join_letters(&mut out);
    out
}

fn fold_one(out: &mut Folded, c: char, at: usize) {
    if c.is_whitespace() {
        if !out.text.ends_with(' ') {
            out.push(' ', at);
        }
    } else if !c.is_control() {
        out.push(c, at);
    }
}

/// Reads digits within words as the letters that they stand for; numbers stay numbers.
fn unleet(folded: &mut Folded) {
    let mut bytes = std::mem::take(&mut folded.text).into_bytes();
    let wordy = |b: u8| b.is_ascii_alphanumeric() || b == b'$' || b >= 0x80;
    let mut i = 0;
    while i < bytes.len() {
        let end = bytes[i..]
            .iter()
            .position(|b| !wordy(*b))
            .map_or(bytes.len(), |n| i + n);
        if let Some(word) = bytes.get_mut(i..end)
            && word.iter().any(|b| b.is_ascii_alphabetic() || *b >= 0x80)
        {
            for b in word {
                *b = leet(*b);
            }
        }
        i = end + 1;
    }
    // Only ASCII was changed, and to ASCII.
    folded.text = String::from_utf8(bytes).unwrap_or_default();
}

/// Appends words that were written apart (`b a d`, `b.a.d`) as words, on lines of their own.
fn join_letters(folded: &mut Folded) {
    let singles = {
        let chars: Vec<(usize, char)> = folded.text.char_indices().collect();
        let alone = |i: usize| {
            let letter = |at: Option<&(usize, char)>| at.is_some_and(|(_, c)| c.is_alphanumeric());
            letter(chars.get(i)) && (i == 0 || !letter(chars.get(i - 1))) && !letter(chars.get(i + 1))
        };
        let mut runs: Vec<Vec<(usize, char)>> = Vec::new();
        let (mut run, mut i) = (Vec::new(), 0);
        while i < chars.len() {
            if alone(i) {
                run.push(chars[i]);
                // One or two signs between: `b a d`, `b. a. d`.
                i += if chars.get(i + 2).is_some_and(|(_, c)| !c.is_alphanumeric()) && alone(i + 3) {
                    3
                } else {
                    2
                };
                if alone(i) {
                    continue;
                }
            } else {
                i += 1;
            }
            if run.len() >= APART {
                runs.push(std::mem::take(&mut run));
            }
            run.clear();
        }
        runs
    };
    if singles.is_empty() {
        return;
    }
    if folded.from.is_empty() {
        folded.from = (0..folded.text.len() as u32).collect();
    }
    for run in singles {
        let first = run.first().map_or(0, |(at, _)| folded.from[*at] as usize);
        folded.push('\n', first);
        for (at, c) in run {
            let from = folded.from[at] as usize;
            folded.push(c, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_the_same() {
        for (written, plain) in [
            ("Hello", "hello"),
            ("ＨＥＬＬＯ", "hello"),
            ("hеllо", "hello"),
            ("h\u{200b}e\u{301}l\u{ad}lo", "hello"),
            ("𝓱𝓮𝓵𝓵𝓸", "hello"),
            ("h3ll0", "hello"),
            ("🅷🅴🅻🅻🅾", "hello"),
            ("Straße", "strasse"),
            ("two  words\n here", "two words here"),
            ("in 2026 at 10:45", "in 2026 at 10:45"),
            ("", ""),
        ] {
            assert_eq!(fold(written).text, plain, "{written}");
        }
    }

    #[test]
    fn letters_apart_are_a_word_too() {
        assert_eq!(
            fold("so b a d. indeed").text.lines().count(),
            1,
            "three are no word"
        );
        assert_eq!(fold("a v.i.l.e word").text.lines().nth(1), Some("avile"));
        assert_eq!(fold("v. i. l. e").text.lines().nth(1), Some("vile"));
        assert_eq!(fold("I am a b").text.lines().count(), 1);
    }

    #[test]
    fn a_stretch_is_found_again_in_what_was_written() {
        let written = "so ｂ\u{200b}а\u{301}d it is";
        let folded = fold(written);
        let at = folded.text.find("bad").unwrap();
        let (start, end) = folded.origin(written, at, at + 3);
        assert_eq!(&written[start..end], "ｂ\u{200b}а\u{301}d");
        let written = "x v i l e!";
        let folded = fold(written);
        let at = folded.text.find("vile").unwrap();
        let (start, end) = folded.origin(written, at, at + 4);
        assert_eq!(&written[start..end], "v i l e");
    }
}
