//! Rules beyond names: no part twice, no relation that follows from itself or can never hold. OpenFGA refuses
//! the same schemas.

use super::{
    RelationId, Restriction, Rewrite, Schema, SchemaError,
    lexer::Pos,
    parser::{Expression, Name},
};

/// In one chain of operators each part stands once; parentheses around the same operator do not hide it.
pub(super) fn no_part_twice(e: &Expression<'_>, problems: &mut Vec<SchemaError>) {
    let mut parts: Vec<(&Name<'_>, Option<&str>)> = Vec::new();
    match e {
        Expression::Direct(_) | Expression::Computed(_) | Expression::From { .. } => return,
        Expression::Union(p) => flat(p, true, &mut parts, problems),
        Expression::Intersection(p) => flat(p, false, &mut parts, problems),
        Expression::Exclusion(base, not) => {
            for side in [base, not] {
                parts.extend(leaf(side));
                no_part_twice(side, problems);
            }
        }
    }
    for (i, (name, from)) in parts.iter().enumerate() {
        if parts[..i].iter().any(|(n, f)| n.text == name.text && f == from) {
            let from = from.map(|f| format!(" from {f}")).unwrap_or_default();
            problems.push(
                name.pos
                    .error(format!("`{}{from}` stands twice in this expression", name.text)),
            );
        }
    }
}

fn leaf<'e>(e: &'e Expression<'e>) -> Option<(&'e Name<'e>, Option<&'e str>)> {
    match e {
        Expression::Computed(name) => Some((name, None)),
        Expression::From { relation, tupleset } => Some((relation, Some(tupleset.text))),
        _ => None,
    }
}

fn flat<'e>(
    list: &'e [Expression<'e>],
    union: bool,
    parts: &mut Vec<(&'e Name<'e>, Option<&'e str>)>,
    problems: &mut Vec<SchemaError>,
) {
    for e in list {
        match e {
            Expression::Union(inner) if union => flat(inner, union, parts, problems),
            Expression::Intersection(inner) if !union => flat(inner, union, parts, problems),
            _ => match leaf(e) {
                Some(found) => parts.push(found),
                None => no_part_twice(e, problems),
            },
        }
    }
}

/// Relations that follow from themselves, else those that can never hold; `places` are where they are defined.
pub(super) fn impossible(schema: &Schema, places: &[Pos]) -> Vec<SchemaError> {
    let at = |i: usize| places.get(i).copied().unwrap_or_default();
    let mut problems = Vec::new();
    for i in 0..schema.relations.len() {
        if let Some(way) = way_back(schema, RelationId(i as u16)) {
            let names: Vec<&str> = way.iter().map(|r| schema.relation_name(*r)).collect();
            let name = &schema.relations[i].name;
            problems.push(at(i).error(format!("`{name}` follows from itself: {}", names.join(", "))));
        }
    }
    if !problems.is_empty() {
        return problems;
    }
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
    for (i, r) in schema.relations.iter().enumerate().filter(|(i, _)| !holds[*i]) {
        problems.push(at(i).error(format!(
            "`{}` can never hold: no way of it leads to a tuple that names somebody",
            r.name
        )));
    }
    problems
}

/// The way from a relation over relations of the same object back to itself.
fn way_back(schema: &Schema, start: RelationId) -> Option<Vec<RelationId>> {
    let mut reached_by: Vec<(RelationId, usize)> = vec![(start, usize::MAX)];
    let mut next = 0;
    while next < reached_by.len() {
        let (here, _) = reached_by[next];
        let mut steps = Vec::new();
        computed(schema.rewrite(here), &mut steps);
        for r in steps {
            if r == start {
                let mut way = vec![start, here];
                let mut at = next;
                while at != 0 {
                    at = reached_by[at].1;
                    way.push(reached_by[at].0);
                }
                if here == start {
                    way.pop();
                }
                way.reverse();
                return Some(way);
            }
            if !reached_by.iter().any(|(known, _)| *known == r) {
                reached_by.push((r, next));
            }
        }
        next += 1;
    }
    None
}

fn computed(rewrite: &Rewrite, out: &mut Vec<RelationId>) {
    match rewrite {
        Rewrite::Direct | Rewrite::From { .. } => {}
        Rewrite::Computed(r) => out.push(*r),
        Rewrite::Union(parts) | Rewrite::Intersection(parts) => {
            for p in parts {
                computed(p, out);
            }
        }
        Rewrite::Exclusion(base, not) => {
            computed(base, out);
            computed(not, out);
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
