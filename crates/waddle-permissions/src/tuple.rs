//! Tuples as the field writes them: `object#relation@subject` (Zanzibar §2.1).

use std::{fmt, str::FromStr};

/// The longest identifier of an object, in bytes: `xmpp:` and any bare JID, escaped threefold (RFC 7622 §3.1), fit.
const MAX_ID: usize = 5 + 2 * 3 * 1023 + 3;

/// A thing that relations are about, `type:id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// The type's name.
    pub kind: Box<str>,
    /// The identifier: no white space, `#` or `@`, and not `*`.
    pub id: Box<str>,
}

/// A borrowed [`Object`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectRef<'a> {
    /// The type's name.
    pub kind: &'a str,
    /// The identifier.
    pub id: &'a str,
}

/// Who has a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// One object, `user:local:alice`.
    Object(Object),
    /// Everyone of a type, `user:*`.
    Wildcard(Box<str>),
    /// Everyone who has a relation to an object, `waddle:7#member`.
    Userset(Object, Box<str>),
}

/// A borrowed [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectRef<'a> {
    /// One object.
    Object(ObjectRef<'a>),
    /// Everyone of a type.
    Wildcard(&'a str),
    /// Everyone who has a relation to an object.
    Userset(ObjectRef<'a>, &'a str),
}

/// A fact: this subject has this relation to this object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// What it is about.
    pub object: Object,
    /// The relation.
    pub relation: Box<str>,
    /// Who has it.
    pub subject: Subject,
}

/// A text that is no tuple, object or subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// Not `object#relation@subject`.
    #[error("a tuple reads object#relation@subject, as in waddle:7#member@user:local:alice")]
    Shape,
    /// Not `type:id`.
    #[error("an object reads type:id, as in waddle:7")]
    Object,
    /// White space, `#`, `@`, or `*` as the identifier of an object.
    #[error("an identifier has no white space, `#` or `@`, is not `*`, and has at most 6146 bytes")]
    Identifier,
}

fn checked(kind: &str, id: &str) -> Result<Object, TupleError> {
    let plain =
        |s: &str| !s.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '@'));
    if kind.is_empty() || id.is_empty() {
        return Err(TupleError::Object);
    }
    if !plain(kind) || !plain(id) || id == "*" || id.len() > MAX_ID || kind.len() > 256 {
        return Err(TupleError::Identifier);
    }
    Ok(Object {
        kind: kind.into(),
        id: id.into(),
    })
}

impl Object {
    /// An object of a type.
    pub fn new(kind: &str, id: &str) -> Result<Self, TupleError> {
        checked(kind, id)
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> ObjectRef<'_> {
        ObjectRef {
            kind: &self.kind,
            id: &self.id,
        }
    }
}

impl ObjectRef<'_> {
    /// The same, owned.
    pub fn to_owned(self) -> Object {
        Object {
            kind: self.kind.into(),
            id: self.id.into(),
        }
    }
}

impl Subject {
    /// The same, borrowed.
    pub fn as_ref(&self) -> SubjectRef<'_> {
        match self {
            Self::Object(o) => SubjectRef::Object(o.as_ref()),
            Self::Wildcard(kind) => SubjectRef::Wildcard(kind),
            Self::Userset(o, r) => SubjectRef::Userset(o.as_ref(), r),
        }
    }
}

impl SubjectRef<'_> {
    /// The same, owned.
    pub fn to_owned(self) -> Subject {
        match self {
            Self::Object(o) => Subject::Object(o.to_owned()),
            Self::Wildcard(kind) => Subject::Wildcard(kind.into()),
            Self::Userset(o, r) => Subject::Userset(o.to_owned(), r.into()),
        }
    }
}

impl Tuple {
    /// A tuple of parts that are already checked.
    pub fn new(object: Object, relation: &str, subject: Subject) -> Self {
        Self {
            object,
            relation: relation.into(),
            subject,
        }
    }
}

impl FromStr for Object {
    type Err = TupleError;
    /// Reads `type:id`; the type ends at the first colon, so that `user:did:plc:abc` is a user.
    fn from_str(s: &str) -> Result<Self, TupleError> {
        let (kind, id) = s.split_once(':').ok_or(TupleError::Object)?;
        checked(kind, id)
    }
}

impl FromStr for Subject {
    type Err = TupleError;
    fn from_str(s: &str) -> Result<Self, TupleError> {
        if let Some((object, relation)) = s.split_once('#') {
            if relation.is_empty() || relation.contains(|c: char| c.is_whitespace() || matches!(c, '#' | '@'))
            {
                return Err(TupleError::Shape);
            }
            return Ok(Self::Userset(object.parse()?, relation.into()));
        }
        match s.split_once(':') {
            Some((kind, "*")) if !kind.is_empty() => Ok(Self::Wildcard(kind.into())),
            _ => s.parse().map(Self::Object),
        }
    }
}

impl FromStr for Tuple {
    type Err = TupleError;
    fn from_str(s: &str) -> Result<Self, TupleError> {
        let (object, rest) = s.split_once('#').ok_or(TupleError::Shape)?;
        let (relation, subject) = rest.split_once('@').ok_or(TupleError::Shape)?;
        if relation.is_empty() || relation.contains(|c: char| c.is_whitespace() || c == '#') {
            return Err(TupleError::Shape);
        }
        Ok(Self {
            object: object.parse()?,
            relation: relation.into(),
            subject: subject.parse()?,
        })
    }
}

impl fmt::Display for ObjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
impl fmt::Display for SubjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(o) => o.fmt(f),
            Self::Wildcard(kind) => write!(f, "{kind}:*"),
            Self::Userset(o, r) => write!(f, "{o}#{r}"),
        }
    }
}
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.object, self.relation, self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip() {
        for ok in [
            "waddle:7#member@user:did:plc:abc",
            "channel:c#viewer@user:*",
            "channel:c#parent@waddle:7",
            "channel:c#viewer@waddle:7#member",
            "waddle:7#banned@user:xmpp:romeo%40example.net",
        ] {
            assert_eq!(ok.parse::<Tuple>().unwrap().to_string(), ok);
        }
        for bad in [
            "",
            "waddle:7",
            "waddle:7#member",
            "waddle:7#@user:a",
            "waddle#member@user:a",
            "waddle:7#member@user",
            "waddle:*#member@user:a",
            "waddle:7#member@user:a b",
            "waddle:7#member@user:a@b",
            "waddle:7#member@group:a#",
            "waddle:7#member@group:a#b#c",
            "waddle:7#member@:*",
        ] {
            assert!(bad.parse::<Tuple>().is_err(), "{bad}");
        }
    }
}
