//! From names to numbers, and the rules that a schema must keep.

use ahash::AHashMap;

use super::{
    RelationDef, RelationId, Restriction, Rewrite, Schema, SchemaError, TypeDef, TypeId,
    lexer::Pos,
    parser::{Allowed, Expression, Name, TypeText},
};
use crate::suggest::nearest;

/// Types and relations that one schema may have.
const MAX_NAMES: usize = 4096;

/// Resolves every name and checks: no name twice, none undefined, one `[…]` per relation, `from` follows
/// plain tuples only, and each relation can hold for somebody.
pub(super) fn resolve(types: &[TypeText<'_>]) -> Result<Schema, SchemaError> {
    let mut schema = names(types)?;
    let mut places = Vec::with_capacity(schema.relations.len());
    let mut next = 0;
    for t in types {
        for d in &t.defines {
            let id = RelationId(next);
            next += 1;
            let mut restrictions = Vec::new();
            let rewrite = Resolver {
                schema: &schema,
                types,
                of: schema.relation(id).of,
                restrictions: &mut restrictions,
            }
            .expression(&d.expression)?;
            places.push(d.name.pos);
            let def = &mut schema.relations[usize::from(id.0)];
            def.rewrite = rewrite;
            def.restrictions = restrictions;
        }
    }
    satisfiable(&schema, &places)?;
    Ok(schema)
}

fn names(types: &[TypeText<'_>]) -> Result<Schema, SchemaError> {
    let mut schema = Schema {
        types: Vec::new(),
        relations: Vec::new(),
        by_name: AHashMap::new(),
    };
    for t in types {
        let id = TypeId(schema.types.len() as u16);
        if schema.by_name.insert(t.name.text.into(), id).is_some() {
            return Err(t
                .name
                .pos
                .error(format!("type `{}` is defined twice", t.name.text)));
        }
        let mut relations = AHashMap::new();
        for d in &t.defines {
            if relations
                .insert(d.name.text.into(), RelationId(schema.relations.len() as u16))
                .is_some()
            {
                return Err(d.name.pos.error(format!(
                    "relation `{}` is defined twice in this type",
                    d.name.text
                )));
            }
            schema.relations.push(RelationDef {
                name: d.name.text.into(),
                of: id,
                rewrite: Rewrite::Direct,
                restrictions: Vec::new(),
            });
        }
        schema.types.push(TypeDef {
            name: t.name.text.into(),
            relations,
        });
        if schema.types.len() > MAX_NAMES || schema.relations.len() > MAX_NAMES {
            return Err(t
                .name
                .pos
                .error(format!("more than {MAX_NAMES} types or relations")));
        }
    }
    Ok(schema)
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
            Expression::Direct(allowed, pos) => self.direct(allowed, *pos)?,
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

    fn direct(&mut self, allowed: &[Allowed<'_>], pos: Pos) -> Result<Rewrite, SchemaError> {
        if !self.restrictions.is_empty() {
            return Err(pos.error("a relation has its own tuples in one place only: a second `[`"));
        }
        for a in allowed {
            let r = match a {
                Allowed::Object(name) => Restriction::Object(self.type_id(name)?),
                Allowed::Wildcard(name) => Restriction::Wildcard(self.type_id(name)?),
                Allowed::Userset(name, relation) => {
                    Restriction::Userset(self.relation_of(self.type_id(name)?, relation)?)
                }
            };
            if !self.restrictions.contains(&r) {
                self.restrictions.push(r);
            }
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
        let Some(Expression::Direct(allowed, _)) = define.map(|d| &d.expression) else {
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

/// Each relation must be able to hold for somebody, else it is a slip (`define a: b`, `define b: a`).
fn satisfiable(schema: &Schema, places: &[Pos]) -> Result<(), SchemaError> {
    let mut holds = vec![false; schema.relations.len()];
    loop {
        let mut changed = false;
        for (i, r) in schema.relations.iter().enumerate() {
            if !holds[i] && can_hold(&r.rewrite, &r.restrictions, &holds) {
                holds[i] = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    match holds.iter().position(|h| !h) {
        None => Ok(()),
        Some(i) => {
            let pos = places.get(i).copied().unwrap_or_default();
            let name = &schema.relations[i].name;
            Err(pos.error(format!("`{name}` can never hold: it follows only from itself")))
        }
    }
}

fn can_hold(rewrite: &Rewrite, restrictions: &[Restriction], holds: &[bool]) -> bool {
    let of = |r: RelationId| holds[usize::from(r.0)];
    match rewrite {
        Rewrite::Direct => restrictions.iter().any(|r| match r {
            Restriction::Object(_) | Restriction::Wildcard(_) => true,
            Restriction::Userset(r) => of(*r),
        }),
        Rewrite::Computed(r) => of(*r),
        Rewrite::From { targets, .. } => targets.iter().any(|(_, r)| of(*r)),
        Rewrite::Union(parts) => parts.iter().any(|p| can_hold(p, restrictions, holds)),
        Rewrite::Intersection(parts) => parts.iter().all(|p| can_hold(p, restrictions, holds)),
        Rewrite::Exclusion(base, _) => can_hold(base, restrictions, holds),
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
                "6:12: `a` can never hold: it follows only from itself",
            ),
            ("type user\ntype user", "4:6: type `user` is defined twice"),
            (
                "type user\ntype doc\n  relations\n    defin a: [user]",
                "6:5: expected `define`, an operator or the next type, found `defin`; did you mean `define`?",
            ),
            (
                "type user\ntype doc\n  relations\n    define a: [user] or [user]",
                "6:25: a relation has its own tuples in one place only: a second `[`",
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
