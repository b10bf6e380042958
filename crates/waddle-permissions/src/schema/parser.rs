//! The grammar of the modelling language 1.1, without modules and conditions.
//!
//! ```text
//! schema     := "model" "schema" "1.1" type*
//! type       := "type" name [ "relations" define* ]
//! define     := "define" name ":" expression
//! expression := operand ( ("or" operand)+ | ("and" operand)+ | "but" "not" operand )?
//! operand    := "[" restriction ("," restriction)* "]" | name [ "from" name ] | "(" expression ")"
//!               ("[" only at the start of a define)
//! restriction:= name | name ":" "*" | name "#" name
//! ```

use std::fmt;

use super::{
    SchemaError,
    lexer::{Pos, Token, tokens},
};
use crate::suggest::nearest;

/// A name and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub text: &'a str,
    pub pos: Pos,
}

#[derive(Debug)]
pub(super) enum Allowed<'a> {
    Object(Name<'a>),
    Wildcard(Name<'a>),
    Userset(Name<'a>, Name<'a>),
}

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(t) => write!(f, "`{}`", t.text),
            Self::Wildcard(t) => write!(f, "`{}:*`", t.text),
            Self::Userset(t, r) => write!(f, "`{}#{}`", t.text, r.text),
        }
    }
}

#[derive(Debug)]
pub(super) enum Expression<'a> {
    Direct(Vec<Allowed<'a>>),
    Computed(Name<'a>),
    From { relation: Name<'a>, tupleset: Name<'a> },
    Union(Vec<Expression<'a>>),
    Intersection(Vec<Expression<'a>>),
    Exclusion(Box<Expression<'a>>, Box<Expression<'a>>),
}

#[derive(Debug)]
pub(super) struct Define<'a> {
    pub name: Name<'a>,
    pub expression: Expression<'a>,
}

#[derive(Debug)]
pub(super) struct TypeText<'a> {
    pub name: Name<'a>,
    pub defines: Vec<Define<'a>>,
}

/// Parentheses may nest this deep.
const NESTING: u32 = 16;

struct Parser<'a> {
    tokens: Vec<(Token<'a>, Pos)>,
    at: usize,
    nesting: u32,
}

/// Reads the text into types as they are written; names are not yet resolved.
pub(super) fn parse(text: &str) -> Result<Vec<TypeText<'_>>, SchemaError> {
    let mut p = Parser {
        tokens: tokens(text)?,
        at: 0,
        nesting: 0,
    };
    p.keyword("model")?;
    p.keyword("schema")?;
    let version = p.name("the schema version")?;
    if version.text != "1.1" {
        return Err(version.pos.error(format!(
            "schema version {} is not supported, only 1.1",
            version.text
        )));
    }
    let mut types = Vec::new();
    while p.peek() != Token::End {
        types.push(p.type_text()?);
    }
    Ok(types)
}

impl<'a> Parser<'a> {
    fn current(&self) -> (Token<'a>, Pos) {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .copied()
            .unwrap_or((Token::End, Pos::default()))
    }

    fn peek(&self) -> Token<'a> {
        self.current().0
    }

    fn next(&mut self) -> (Token<'a>, Pos) {
        let t = self.current();
        self.at += 1;
        t
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Token::Word(word);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> Result<(), SchemaError> {
        let (token, pos) = self.next();
        match token {
            Token::Word(w) if w == word => Ok(()),
            Token::Word(w) => Err(SchemaError {
                suggestion: nearest(w, std::iter::once(word)),
                ..pos.error(format!("expected `{word}`, found `{w}`"))
            }),
            other => Err(pos.error(format!("expected `{word}`, found {}", other.describe()))),
        }
    }

    fn sign(&mut self, sign: char) -> Result<(), SchemaError> {
        let (token, pos) = self.next();
        if token == Token::Sign(sign) {
            Ok(())
        } else {
            Err(pos.error(format!("expected `{sign}`, found {}", token.describe())))
        }
    }

    fn name(&mut self, what: &str) -> Result<Name<'a>, SchemaError> {
        match self.next() {
            (Token::Word(text), pos) => Ok(Name { text, pos }),
            (other, pos) => Err(pos.error(format!("expected {what}, found {}", other.describe()))),
        }
    }

    fn type_text(&mut self) -> Result<TypeText<'a>, SchemaError> {
        if let (Token::Word(w @ ("condition" | "extend" | "module")), pos) = self.current() {
            return Err(pos.error(format!("`{w}` is not supported")));
        }
        self.keyword("type")?;
        let name = self.name("the name of a type")?;
        let mut defines = Vec::new();
        if self.take_word("relations") {
            while self.take_word("define") {
                let name = self.name("the name of a relation")?;
                self.sign(':')?;
                let expression = self.expression(true)?;
                defines.push(Define { name, expression });
            }
        }
        match self.current() {
            (Token::End | Token::Word("type" | "condition" | "extend" | "module"), _) => {}
            (Token::Word(w), pos) => {
                return Err(SchemaError {
                    suggestion: nearest(w, ["define", "relations", "type", "or", "and", "but"].into_iter()),
                    ..pos.error(format!(
                        "expected `define`, an operator or the next type, found `{w}`"
                    ))
                });
            }
            (other, pos) => return Err(pos.error(format!("unexpected {}", other.describe()))),
        }
        Ok(TypeText { name, defines })
    }

    /// `start`: nothing of the definition stands before it.
    fn expression(&mut self, start: bool) -> Result<Expression<'a>, SchemaError> {
        let first = self.operand(start)?;
        let whole = if self.peek() == Token::Word("or") {
            Expression::Union(self.chain(first, "or")?)
        } else if self.peek() == Token::Word("and") {
            Expression::Intersection(self.chain(first, "and")?)
        } else if self.take_word("but") {
            self.keyword("not")?;
            Expression::Exclusion(Box::new(first), Box::new(self.operand(false)?))
        } else {
            return Ok(first);
        };
        match self.current() {
            (Token::Word(w @ ("or" | "and" | "but")), pos) => Err(pos.error(format!(
                "`{w}` beside another operator: put one of the two in parentheses"
            ))),
            _ => Ok(whole),
        }
    }

    fn chain(&mut self, first: Expression<'a>, operator: &str) -> Result<Vec<Expression<'a>>, SchemaError> {
        let mut parts = vec![first];
        while self.take_word(operator) {
            parts.push(self.operand(false)?);
        }
        Ok(parts)
    }

    fn operand(&mut self, start: bool) -> Result<Expression<'a>, SchemaError> {
        let (token, pos) = self.next();
        match token {
            Token::Sign('(') => {
                self.nesting += 1;
                if self.nesting > NESTING {
                    return Err(pos.error(format!("parentheses nested more than {NESTING} deep")));
                }
                let inner = self.expression(start)?;
                self.sign(')')?;
                self.nesting -= 1;
                Ok(inner)
            }
            Token::Sign('[') if !start => Err(pos.error(
                "`[…]` stands once in a definition and at its start: its own tuples first, then what it follows from",
            )),
            Token::Sign('[') => {
                let mut allowed = Vec::new();
                loop {
                    allowed.push(self.restriction()?);
                    if !self.take_sign(',') {
                        break;
                    }
                }
                self.sign(']')?;
                Ok(Expression::Direct(allowed))
            }
            Token::Word(text) => {
                let name = Name { text, pos };
                if self.take_word("from") {
                    let tupleset = self.name("the relation to follow")?;
                    return Ok(Expression::From {
                        relation: name,
                        tupleset,
                    });
                }
                Ok(Expression::Computed(name))
            }
            other => Err(pos.error(format!(
                "expected a relation, `[` or `(`, found {}",
                other.describe()
            ))),
        }
    }

    fn restriction(&mut self) -> Result<Allowed<'a>, SchemaError> {
        let name = self.name("the name of a type")?;
        let allowed = if self.take_sign('#') {
            Allowed::Userset(name, self.name("the name of a relation")?)
        } else if self.take_sign(':') {
            self.sign('*')?;
            Allowed::Wildcard(name)
        } else {
            Allowed::Object(name)
        };
        if let (Token::Word("with"), pos) = self.current() {
            return Err(pos.error("conditions (`with`) are not supported"));
        }
        Ok(allowed)
    }
}
