//! Words and signs of the modelling language, with their places.

use super::SchemaError;

/// A place in the text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pos {
    pub line: u32,
    pub column: u32,
}

impl Pos {
    pub fn error(self, what: impl Into<String>) -> SchemaError {
        SchemaError {
            line: self.line,
            column: self.column,
            what: what.into(),
            suggestion: None,
        }
    }
}

/// A word or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Sign(char),
    End,
}

impl Token<'_> {
    pub fn describe(self) -> String {
        match self {
            Token::Word(w) => format!("`{w}`"),
            Token::Sign(c) => format!("`{c}`"),
            Token::End => "the end of the text".into(),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

/// Cuts the text; a `#` at the start of a line or after a space begins a comment.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Pos)>, SchemaError> {
    let mut out = Vec::new();
    let mut line = 0;
    for (number, content) in text.lines().enumerate() {
        line = number as u32 + 1;
        let mut chars = content.char_indices().enumerate().peekable();
        let mut after_space = true;
        while let Some((column, (start, c))) = chars.next() {
            let pos = Pos {
                line,
                column: column as u32 + 1,
            };
            match c {
                c if c.is_whitespace() => {
                    after_space = true;
                    continue;
                }
                '#' if after_space => break,
                ':' | ',' | '[' | ']' | '(' | ')' | '#' | '*' => out.push((Token::Sign(c), pos)),
                c if is_word(c) => {
                    let mut end = start + c.len_utf8();
                    while let Some((_, (at, c))) = chars.next_if(|(_, (_, c))| is_word(*c)) {
                        end = at + c.len_utf8();
                    }
                    out.push((Token::Word(&content[start..end]), pos));
                }
                c => return Err(pos.error(format!("unexpected character {c:?}"))),
            }
            after_space = false;
        }
    }
    out.push((
        Token::End,
        Pos {
            line: line + 1,
            column: 1,
        },
    ));
    Ok(out)
}
