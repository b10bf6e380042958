//! The schema: types, relations and how relations follow from each other (OpenFGA modelling language 1.1).

mod lexer;
mod parser;
mod resolve;
mod rules;
mod ways;

use ahash::AHashMap;

pub(crate) use ways::Ways;

/// A type of a schema, e.g. `channel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u16);

/// A relation of one type of a schema, e.g. `channel#join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub(crate) u16);

/// A subject that tuples of a relation may name, one entry of `[user, user:*, group#member]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restriction {
    /// `user`
    Object(TypeId),
    /// `user:*`
    Wildcard(TypeId),
    /// `group#member`
    Userset(RelationId),
}

/// How a relation is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// `[…]`: by the relation's own tuples.
    Direct,
    /// `editor`: another relation of the same object.
    Computed(RelationId),
    /// `viewer from parent`: a relation of the objects that the tuples of `tupleset` name.
    From {
        /// The relation whose tuples are followed.
        tupleset: RelationId,
        /// The relation to check, by the type of the object found.
        targets: Vec<(TypeId, RelationId)>,
    },
    /// `a or b`
    Union(Vec<Rewrite>),
    /// `a and b`
    Intersection(Vec<Rewrite>),
    /// `a but not b`
    Exclusion(Box<Rewrite>, Box<Rewrite>),
}

/// A text that is no schema: where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}{}", suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
pub struct SchemaError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// The known name that was probably meant.
    pub suggestion: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct TypeDef {
    pub name: Box<str>,
    pub relations: AHashMap<Box<str>, RelationId>,
}

#[derive(Debug, Clone)]
pub(crate) struct RelationDef {
    pub name: Box<str>,
    pub of: TypeId,
    pub rewrite: Rewrite,
    pub restrictions: Vec<Restriction>,
    pub ways: Ways,
}

/// A valid schema.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) types: Vec<TypeDef>,
    pub(crate) relations: Vec<RelationDef>,
    pub(crate) by_name: AHashMap<Box<str>, TypeId>,
}

impl Schema {
    /// Reads and checks a schema's text; the error is the first of [`Self::problems`].
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        resolve::resolve(&parser::parse(text)?).map_err(|(first, _)| first)
    }

    /// Everything that is wrong with a schema's text, in the order of the text: one error of the grammar, or all
    /// errors of names, or else all relations that can never hold or lead back to themselves.
    pub fn problems(text: &str) -> Vec<SchemaError> {
        let types = match parser::parse(text) {
            Ok(types) => types,
            Err(e) => return vec![e],
        };
        match resolve::resolve(&types) {
            Ok(_) => Vec::new(),
            Err((first, mut more)) => {
                more.insert(0, first);
                more
            }
        }
    }

    /// The type of this name.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The relation of this name, if `of` has it.
    pub fn relation_id(&self, of: TypeId, name: &str) -> Option<RelationId> {
        self.type_def(of).relations.get(name).copied()
    }

    /// The name of a type.
    pub fn type_name(&self, id: TypeId) -> &str {
        &self.type_def(id).name
    }

    /// The name of a relation, without its type.
    pub fn relation_name(&self, id: RelationId) -> &str {
        &self.relation(id).name
    }

    /// The type that a relation belongs to.
    pub fn relation_type(&self, id: RelationId) -> TypeId {
        self.relation(id).of
    }

    /// What tuples of a relation may name; empty for a relation that only follows from others.
    pub fn restrictions(&self, id: RelationId) -> &[Restriction] {
        &self.relation(id).restrictions
    }

    /// The same as the text has it, `[user, group#member]`.
    pub fn allowed(&self, id: RelationId) -> String {
        let entry = |r: &Restriction| match r {
            Restriction::Object(t) => self.type_name(*t).to_owned(),
            Restriction::Wildcard(t) => format!("{}:*", self.type_name(*t)),
            Restriction::Userset(r) => {
                format!(
                    "{}#{}",
                    self.type_name(self.relation_type(*r)),
                    self.relation_name(*r)
                )
            }
        };
        let list: Vec<String> = self.restrictions(id).iter().map(entry).collect();
        if list.is_empty() {
            "no tuples: it follows from other relations".into()
        } else {
            format!("[{}]", list.join(", "))
        }
    }

    /// How a relation is decided.
    pub fn rewrite(&self, id: RelationId) -> &Rewrite {
        &self.relation(id).rewrite
    }

    /// The types, in the order of the text.
    pub fn types(&self) -> impl Iterator<Item = TypeId> {
        (0..self.types.len()).map(|i| TypeId(i as u16))
    }

    /// The names of a type's relations.
    pub fn relation_names(&self, of: TypeId) -> impl Iterator<Item = &str> {
        self.type_def(of).relations.keys().map(|k| &**k)
    }

    pub(crate) fn type_def(&self, id: TypeId) -> &TypeDef {
        &self.types[usize::from(id.0)]
    }

    pub(crate) fn relation(&self, id: RelationId) -> &RelationDef {
        &self.relations[usize::from(id.0)]
    }
}
