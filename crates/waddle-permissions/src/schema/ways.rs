//! The ways by which one relation gives another: what lookups walk from a subject up to objects.

use ahash::AHashSet;

use super::{RelationId, Restriction, Rewrite, Schema};

/// Where having a relation leads. Each way says whether it is certain: nothing but `or` is around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    /// Whether tuples of the relation itself give it, and whether for certain.
    pub direct: Option<bool>,
    /// Relations of the same object.
    pub computed: Vec<(RelationId, bool)>,
    /// Relations of objects that name this one by a tupleset: the tupleset, the relation.
    pub from: Vec<(RelationId, RelationId, bool)>,
}

impl Ways {
    /// Enters the ways of all relations.
    pub fn enter(schema: &mut Schema) {
        for i in 0..schema.relations.len() {
            let id = RelationId(i as u16);
            let rewrite = schema.relations[i].rewrite.clone();
            leaves(&rewrite, true, &mut |leaf, certain| match leaf {
                Rewrite::Computed(r) => {
                    schema.relations[usize::from(r.0)]
                        .ways
                        .computed
                        .push((id, certain));
                }
                Rewrite::From { tupleset, targets } => {
                    for (_, r) in targets {
                        let way = (*tupleset, id, certain);
                        schema.relations[usize::from(r.0)].ways.from.push(way);
                    }
                }
                _ => schema.relations[i].ways.direct = Some(certain),
            });
        }
    }
}

/// The parts of a rewrite of which one must hold for the whole to hold: of `and` the first is enough, of
/// `but not` the base.
fn leaves(rewrite: &Rewrite, certain: bool, visit: &mut impl FnMut(&Rewrite, bool)) {
    match rewrite {
        Rewrite::Direct | Rewrite::Computed(_) | Rewrite::From { .. } => visit(rewrite, certain),
        Rewrite::Union(parts) => parts.iter().for_each(|p| leaves(p, certain, visit)),
        Rewrite::Intersection(parts) => parts.iter().take(1).for_each(|p| leaves(p, false, visit)),
        Rewrite::Exclusion(base, _) => leaves(base, false, visit),
    }
}

impl Schema {
    pub(crate) fn ways(&self, id: RelationId) -> &Ways {
        &self.relation(id).ways
    }

    /// The relations that can give `wanted`, itself among them.
    pub(crate) fn leading_to(&self, wanted: RelationId) -> AHashSet<RelationId> {
        let mut found = AHashSet::from([wanted]);
        let mut open = vec![wanted];
        while let Some(r) = open.pop() {
            leaves(self.rewrite(r), true, &mut |leaf, _| {
                let mut add = |r: RelationId| {
                    if found.insert(r) {
                        open.push(r);
                    }
                };
                match leaf {
                    Rewrite::Computed(r) => add(*r),
                    Rewrite::From { targets, .. } => targets.iter().for_each(|(_, r)| add(*r)),
                    _ => {
                        for r in self.restrictions(r) {
                            if let Restriction::Userset(r) = r {
                                add(*r);
                            }
                        }
                    }
                }
            });
        }
        found
    }
}
