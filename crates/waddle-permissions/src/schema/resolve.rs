//! From names to numbers, and the rules that a schema must keep.

use ahash::AHashMap;

use super::{
    RelationDef, RelationId, Restriction, Rewrite, Schema, SchemaError, TypeDef, TypeId, Ways,
    parser::{Allowed, Expression, Name, TypeText},
    rules,
};
use crate::suggest::nearest;

/// Types and relations that one schema may have.
const MAX_NAMES: usize = 4096;

/// The longest name of a type and of a relation, as in OpenFGA.
const MAX_TYPE: usize = 254;
const MAX_RELATION: usize = 50;

/// What is wrong, the first and the others.
type Problems = (SchemaError, Vec<SchemaError>);

fn result(mut problems: Vec<SchemaError>) -> Result<(), Problems> {
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort_by_key(|e| (e.line, e.column));
    let first = problems.remove(0);
    Err((first, problems))
}

/// Resolves every name and checks: no name twice, none reserved or undefined, `from` follows plain tuples only,
/// no part of a definition twice, each relation can hold for somebody and none follows from itself.
pub(super) fn resolve(types: &[TypeText<'_>]) -> Result<Schema, Problems> {
    let mut problems = Vec::new();
    let mut schema = names(types, &mut problems);
    let mut places = Vec::with_capacity(schema.relations.len());
    for (t, id) in types.iter().zip(0..) {
        for d in &t.defines {
            let at = RelationId(places.len() as u16);
            places.push(d.name.pos);
            let Some(def) = schema.relations.get(usize::from(at.0)) else {
                break;
            };
            let mut restrictions = Vec::new();
            let of = def.of;
            debug_assert_eq!(of, TypeId(id));
            rules::no_part_twice(&d.expression, &mut problems);
            let rewrite = Resolver {
                schema: &schema,
                types,
                of,
                restrictions: &mut restrictions,
            }
            .expression(&d.expression);
            match rewrite {
                Ok(rewrite) => {
                    let def = &mut schema.relations[usize::from(at.0)];
                    def.rewrite = rewrite;
                    def.restrictions = restrictions;
                }
                Err(e) => problems.push(e),
            }
        }
    }
    result(problems)?;
    result(rules::impossible(&schema, &places))?;
    Ways::enter(&mut schema);
    Ok(schema)
}

/// A name that may be given.
fn good(name: &Name<'_>, what: &str, max: usize, problems: &mut Vec<SchemaError>) {
    if matches!(name.text, "self" | "this") {
        problems.push(
            name.pos
                .error(format!("a {what} cannot be named `self` or `this`")),
        );
    }
    if name.text.len() > max {
        problems.push(
            name.pos
                .error(format!("the name of a {what} has at most {max} characters")),
        );
    }
}

fn names(types: &[TypeText<'_>], problems: &mut Vec<SchemaError>) -> Schema {
    let mut schema = Schema {
        types: Vec::new(),
        relations: Vec::new(),
        by_name: AHashMap::new(),
    };
    for t in types {
        if schema.types.len() + schema.relations.len() + t.defines.len() >= MAX_NAMES {
            problems.push(
                t.name
                    .pos
                    .error(format!("more than {MAX_NAMES} types and relations")),
            );
            break;
        }
        let id = TypeId(schema.types.len() as u16);
        good(&t.name, "type", MAX_TYPE, problems);
        if schema.by_name.contains_key(t.name.text) {
            let twice = format!("type `{}` is defined twice", t.name.text);
            problems.push(t.name.pos.error(twice));
        } else {
            schema.by_name.insert(t.name.text.into(), id);
        }
        let mut relations = AHashMap::new();
        for d in &t.defines {
            good(&d.name, "relation", MAX_RELATION, problems);
            let here = RelationId(schema.relations.len() as u16);
            if relations.insert(d.name.text.into(), here).is_some() {
                let twice = format!("relation `{}` is defined twice in this type", d.name.text);
                problems.push(d.name.pos.error(twice));
            }
            schema.relations.push(RelationDef {
                name: d.name.text.into(),
                of: id,
                rewrite: Rewrite::Direct,
                restrictions: Vec::new(),
                ways: Ways::default(),
            });
        }
        schema.types.push(TypeDef {
            name: t.name.text.into(),
            relations,
        });
    }
    schema
}

struct Resolver<'s, 't> {
    schema: &'s Schema,
    types: &'t [TypeText<'t>],
    of: TypeId,
    restrictions: &'s mut Vec<Restriction>,
}

impl Resolver<'_, '_> {
    fn type_id(&self, name: &Name<'_>) -> Result<TypeId, SchemaError> {
        self.schema.type_id(name.text).ok_or_else(|| SchemaError {
            suggestion: nearest(name.text, self.schema.types.iter().map(|t| &*t.name)),
            ..name.pos.error(format!("there is no type `{}`", name.text))
        })
    }

    fn relation_of(&self, of: TypeId, name: &Name<'_>) -> Result<RelationId, SchemaError> {
        self.schema.relation_id(of, name.text).ok_or_else(|| SchemaError {
            suggestion: nearest(name.text, self.schema.relation_names(of)),
            ..name.pos.error(format!(
                "type `{}` has no relation `{}`",
                self.schema.type_name(of),
                name.text
            ))
        })
    }

    fn expression(&mut self, e: &Expression<'_>) -> Result<Rewrite, SchemaError> {
        Ok(match e {
            Expression::Direct(allowed) => self.direct(allowed)?,
            Expression::Computed(name) => Rewrite::Computed(self.relation_of(self.of, name)?),
            Expression::From { relation, tupleset } => self.from(relation, tupleset)?,
            Expression::Union(parts) => Rewrite::Union(self.all(parts)?),
            Expression::Intersection(parts) => Rewrite::Intersection(self.all(parts)?),
            Expression::Exclusion(base, not) => {
                Rewrite::Exclusion(Box::new(self.expression(base)?), Box::new(self.expression(not)?))
            }
        })
    }

    fn all(&mut self, parts: &[Expression<'_>]) -> Result<Vec<Rewrite>, SchemaError> {
        parts.iter().map(|p| self.expression(p)).collect()
    }

    fn direct(&mut self, allowed: &[Allowed<'_>]) -> Result<Rewrite, SchemaError> {
        for a in allowed {
            let (r, name) = match a {
                Allowed::Object(name) => (Restriction::Object(self.type_id(name)?), name),
                Allowed::Wildcard(name) => (Restriction::Wildcard(self.type_id(name)?), name),
                Allowed::Userset(name, relation) => {
                    let relation = self.relation_of(self.type_id(name)?, relation)?;
                    (Restriction::Userset(relation), name)
                }
            };
            if self.restrictions.contains(&r) {
                return Err(name.pos.error(format!("{a} stands twice in this list")));
            }
            self.restrictions.push(r);
        }
        Ok(Rewrite::Direct)
    }

    /// The tupleset must be nothing but `[type, …]`, so that what is followed is what was written.
    fn from(&self, relation: &Name<'_>, tupleset: &Name<'_>) -> Result<Rewrite, SchemaError> {
        let followed = self.relation_of(self.of, tupleset)?;
        let define = self.types[usize::from(self.of.0)]
            .defines
            .iter()
            .find(|d| d.name.text == tupleset.text);
        let Some(Expression::Direct(allowed)) = define.map(|d| &d.expression) else {
            return Err(tupleset.pos.error(format!(
                "`from {}` needs a relation of plain tuples, as in `define {}: [type]`",
                tupleset.text, tupleset.text
            )));
        };
        let mut targets = Vec::new();
        let mut candidates = Vec::new();
        for a in allowed {
            let Allowed::Object(name) = a else {
                return Err(tupleset.pos.error(format!(
                    "`from {}` needs tuples that name objects, no usersets or wildcards",
                    tupleset.text
                )));
            };
            let of = self.type_id(name)?;
            match self.schema.relation_id(of, relation.text) {
                Some(r) => targets.push((of, r)),
                None => candidates.extend(self.schema.relation_names(of)),
            }
        }
        if targets.is_empty() {
            return Err(SchemaError {
                suggestion: nearest(relation.text, candidates.into_iter()),
                ..relation.pos.error(format!(
                    "no type that `{}` may name has a relation `{}`",
                    tupleset.text, relation.text
                ))
            });
        }
        Ok(Rewrite::From {
            tupleset: followed,
            targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        let text = format!("model\n  schema 1.1\n{body}");
        Schema::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn errors_have_places_and_suggestions() {
        for (body, expected) in [
            (
                "type user\ntype doc\n  relations\n    define viewer: [usr]",
                "6:21: there is no type `usr`; did you mean `user`?",
            ),
            (
                "type user\ntype doc\n  relations\n    define viewer: [user]\n    define a: veiwer",
                "7:15: type `doc` has no relation `veiwer`; did you mean `viewer`?",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user]\n    define b: a or a and a",
                "7:22: `and` beside another operator: put one of the two in parentheses",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: b\n    define b: a",
                "6:12: `a` follows from itself: a, b, a",
            ),
            (
                "type user\ntype doc\n  relations\n    define p: [doc]\n    define a: a from p",
                "7:12: `a` can never hold: no way of it leads to a tuple that names somebody",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user] or b\n    define b: [user] but not a",
                "6:12: `a` follows from itself: a, b, a",
            ),
            (
                "type user\ntype self",
                "4:6: a type cannot be named `self` or `this`",
            ),
            (
                "type user\ntype doc\n  relations\n    define this: [user]",
                "6:12: a relation cannot be named `self` or `this`",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user, user:*, user]",
                "6:30: `user` stands twice in this list",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user]\n    define b: a or (a or a)",
                "7:21: `a` stands twice in this expression",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user]\n    define b: a but not [user]",
                "7:25: `[…]` stands once in a definition and at its start: its own tuples first, then what it follows from",
            ),
            ("type user\ntype user", "4:6: type `user` is defined twice"),
            (
                "type user\ntype doc\n  relations\n    defin a: [user]",
                "6:5: expected `define`, an operator or the next type, found `defin`; did you mean `define`?",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user] or [user]",
                "6:25: `[…]` stands once in a definition and at its start: its own tuples first, then what it follows from",
            ),
            (
                "type user\ntype doc\n  relations\n    define p: [user, doc]\n    define a: zz from p",
                "7:15: no type that `p` may name has a relation `zz`",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user]\n    define p: [doc#a]\n    define b: a from p",
                "8:22: `from p` needs tuples that name objects, no usersets or wildcards",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user with c]",
                "6:21: conditions (`with`) are not supported",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user",
                "7:1: expected `]`, found the end of the text",
            ),
            ("type ü", "3:6: unexpected character 'ü'"),
        ] {
            assert_eq!(error(body), expected);
        }
        assert_eq!(
            Schema::parse("model\n schema 1.0").unwrap_err().to_string(),
            "2:9: schema version 1.0 is not supported, only 1.1"
        );
        let deep = format!(
            "type user\ntype doc\n relations\n define b: [user]\n define a: {}b{}",
            "(".repeat(100),
            ")".repeat(100)
        );
        assert!(error(&deep).contains("nested more than"));
    }

    #[test]
    fn all_problems_are_named_in_the_order_of_the_text() {
        let text = "model\n schema 1.1\ntype user\ntype doc\n relations\n  define a: [usr]\n  define b: [user]\n  define b: veiwer\n  define c: c\ntype user";
        let found: Vec<String> = Schema::problems(text)
            .iter()
            .map(|e| format!("{}:{}", e.line, e.column))
            .collect();
        assert_eq!(found, ["6:14", "8:10", "8:13", "10:6"]);
        assert!(Schema::problems("model\n schema 1.1\ntype user").is_empty());
        assert_eq!(Schema::problems("model schema 1.1 typ user").len(), 1);
    }

    #[test]
    fn comments_and_line_breaks_are_free() {
        let s = Schema::parse(
            "# a\nmodel # b\n schema 1.1\ntype user # c\ntype g\n relations\n  define m: [user,\n  g#m, # d\n user:*]\n   or (a\n and b)\n define a: [user]\n define b: [user] but not a",
        )
        .unwrap();
        let g = s.type_id("g").unwrap();
        let m = s.relation_id(g, "m").unwrap();
        assert_eq!(s.restrictions(m).len(), 3);
        assert!(matches!(s.rewrite(m), Rewrite::Union(p) if p.len() == 2));
    }
}
