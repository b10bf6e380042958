//! List objects and list users: candidates are gathered by the indexes, and each is then checked where the
//! schema leaves room for doubt (`adrs/0014-permission-lookups.md`).

use std::collections::VecDeque;

use ahash::{AHashMap, AHashSet};

use crate::{
    check::{CheckError, CheckLimits, Decision, Evaluation, Exceeded, Target},
    edges::Who,
    explain::Quiet,
    objects::Node,
    overlay::View,
    schema::{RelationId, Rewrite, TypeId},
    store::key,
    tuple::{Object, Subject},
};

/// The bounds of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupLimits {
    /// Of each check in it.
    pub check: CheckLimits,
    /// Relations and tuples looked at in all.
    pub steps: u32,
}

impl Default for LookupLimits {
    fn default() -> Self {
        Self {
            check: CheckLimits::default(),
            steps: 2_000_000,
        }
    }
}

impl From<&waddle_core::Limits> for LookupLimits {
    fn from(l: &waddle_core::Limits) -> Self {
        Self {
            check: l.into(),
            steps: l.permission_lookup_steps,
        }
    }
}

/// Which subjects are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Objects of a type, `user`; its wildcard with them.
    Objects(&'a str),
    /// Usersets of a type and relation, `group#member`.
    Usersets(&'a str, &'a str),
}

/// Who has a relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subjects {
    /// Those whom tuples on the way name, sorted.
    pub named: Vec<Subject>,
    /// Whether everybody of the type has it who is not in `except`, by a wildcard.
    pub everyone: bool,
    /// Sorted; empty unless `everyone`.
    pub except: Vec<Subject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Objects(TypeId),
    Usersets(RelationId),
}

pub(crate) struct Lookup<'a> {
    pub view: View<'a>,
    limits: LookupLimits,
    steps_left: u32,
}

impl<'a> Lookup<'a> {
    pub fn new(view: View<'a>, limits: LookupLimits) -> Self {
        Self {
            view,
            limits,
            steps_left: limits.steps,
        }
    }

    fn step(&mut self) -> Result<(), CheckError> {
        if self.steps_left == 0 {
            return Err(CheckError::TooComplex(Exceeded::Steps));
        }
        self.steps_left -= 1;
        Ok(())
    }

    fn holds(
        &mut self,
        e: &mut Evaluation<'a, Quiet>,
        node: Node,
        relation: RelationId,
    ) -> Result<bool, CheckError> {
        let budget = self.limits.check.steps.min(self.steps_left);
        e.steps_left = budget;
        let decided = e.decide(node, relation);
        self.steps_left -= budget - e.steps_left;
        Ok(decided?.0 == Decision::Allowed)
    }

    /// The objects to which `target` has the relation, sorted.
    pub fn objects(&mut self, target: Target, wanted: RelationId) -> Result<Vec<Object>, CheckError> {
        let mut found = Vec::new();
        let mut doubtful = Vec::new();
        for (node, certain) in self.reach(target, wanted)? {
            if certain {
                found.push(node);
            } else {
                doubtful.push(node);
            }
        }
        let mut e = Evaluation::<Quiet>::new(self.view, target, self.limits.check);
        for node in doubtful {
            if self.holds(&mut e, node, wanted)? {
                found.push(node);
            }
        }
        let mut objects: Vec<Object> = found.into_iter().map(|n| self.view.object(n)).collect();
        objects.sort();
        Ok(objects)
    }

    /// Every object that the subject could have the relation to, and whether it has it for certain.
    fn reach(&mut self, target: Target, wanted: RelationId) -> Result<Vec<(Node, bool)>, CheckError> {
        let view = self.view;
        let schema = view.schema();
        let relevant = schema.leading_to(wanted);
        let mut walk = Walk::default();
        let direct = |r: RelationId| schema.ways(r).direct.filter(|_| relevant.contains(&r));
        match target {
            Target::Object(who, of) => {
                for back in view.backs(who) {
                    self.step()?;
                    if let (None, Some(pure)) = (back.userset(), direct(back.relation)) {
                        walk.push(back.node, back.relation, pure);
                    }
                }
                self.everyone(of, &direct, &mut walk)?;
            }
            Target::Wildcard(of) => self.everyone(of, &direct, &mut walk)?,
            Target::Userset(node, relation) => walk.push(node, relation, true),
        }
        while let Some((node, relation, certain)) = walk.next() {
            self.step()?;
            for (r, pure) in &schema.ways(relation).computed {
                if relevant.contains(r) {
                    walk.push(node, *r, certain && *pure);
                }
            }
            let ways = &schema.ways(relation).from;
            for back in view.backs(node) {
                self.step()?;
                match back.userset() {
                    Some(r) if r == relation => {
                        if let Some(pure) = direct(back.relation) {
                            walk.push(back.node, back.relation, certain && pure);
                        }
                    }
                    Some(_) => {}
                    None => {
                        for (_, r, pure) in ways.iter().filter(|(t, ..)| *t == back.relation) {
                            if relevant.contains(r) {
                                walk.push(back.node, *r, certain && *pure);
                            }
                        }
                    }
                }
            }
        }
        let at = |k: u64| (Node((k >> 16) as u32), RelationId(k as u16));
        let of_wanted = walk.seen.into_iter().filter(|(k, _)| at(*k).1 == wanted);
        Ok(of_wanted.map(|(k, certain)| (at(k).0, certain)).collect())
    }

    fn everyone(
        &mut self,
        of: TypeId,
        direct: &impl Fn(RelationId) -> Option<bool>,
        walk: &mut Walk,
    ) -> Result<(), CheckError> {
        for (node, relation) in self.view.everyone(of) {
            self.step()?;
            if let Some(pure) = direct(relation) {
                walk.push(node, relation, pure);
            }
        }
        Ok(())
    }

    /// Who has the relation.
    pub fn subjects(
        &mut self,
        node: Node,
        relation: RelationId,
        filter: Filter,
    ) -> Result<Subjects, CheckError> {
        let mut gathered = Gathered::default();
        self.gather(node, relation, filter, &mut gathered)?;
        let mut e = Evaluation::<Quiet>::new(self.view, Target::Wildcard(TypeId(0)), self.limits.check);
        let mut out = Subjects::default();
        if let Filter::Objects(of) = filter {
            if gathered.wildcard {
                e.turn_to(Target::Wildcard(of));
                out.everyone = self.holds(&mut e, node, relation)?;
            } else {
                // Only a wildcard gives anything to those who are named by exclusions alone.
                gathered.excluded.clear();
            }
        }
        let named = gathered.named.iter().map(|w| (*w, true));
        let excluded = gathered.excluded.difference(&gathered.named).map(|w| (*w, false));
        for (who, is_named) in named.chain(excluded) {
            let target = match (who, filter) {
                (Who::Object(n), Filter::Objects(of)) => Target::Object(n, of),
                (Who::Userset(n, r), _) => Target::Userset(n, r),
                _ => continue,
            };
            e.turn_to(target);
            if self.holds(&mut e, node, relation)? {
                if is_named || !out.everyone {
                    out.named.push(self.view.subject(who));
                }
            } else if out.everyone {
                out.except.push(self.view.subject(who));
            }
        }
        out.named.sort();
        out.except.sort();
        Ok(out)
    }

    /// Everybody whom tuples name that the relation may look at.
    fn gather(
        &mut self,
        node: Node,
        relation: RelationId,
        filter: Filter,
        out: &mut Gathered,
    ) -> Result<(), CheckError> {
        let schema = self.view.schema();
        // Grants first, so that what they name is known as such.
        let mut open = VecDeque::from([(node, relation, true)]);
        while let Some((node, relation, grants)) = open.pop_front() {
            self.step()?;
            let known = out.seen.get(&key(node, relation)).copied();
            if !known.is_none_or(|granting| grants && !granting) {
                continue;
            }
            out.seen.insert(key(node, relation), grants);
            if grants && filter == Filter::Usersets(relation) {
                out.named.insert(Who::Userset(node, relation));
            }
            self.look(
                node,
                relation,
                schema.rewrite(relation),
                grants,
                filter,
                out,
                &mut open,
            )?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one recursion over a rewrite")]
    fn look(
        &mut self,
        node: Node,
        relation: RelationId,
        rewrite: &Rewrite,
        grants: bool,
        filter: Filter,
        out: &mut Gathered,
        open: &mut VecDeque<(Node, RelationId, bool)>,
    ) -> Result<(), CheckError> {
        let view = self.view;
        match rewrite {
            Rewrite::Direct => {
                let edges = view.edges(node, relation);
                for (n, r) in edges.usersets() {
                    self.step()?;
                    open.push_back((n, r, grants));
                }
                if let Filter::Objects(of) = filter {
                    out.wildcard |= grants && edges.contains(Who::Wildcard(of));
                    for n in edges.objects() {
                        self.step()?;
                        if view.kind(n) == of {
                            let list = if grants { &mut out.named } else { &mut out.excluded };
                            list.insert(Who::Object(n));
                        }
                    }
                }
            }
            Rewrite::Computed(r) => open.push_back((node, *r, grants)),
            Rewrite::From { tupleset, targets } => {
                for object in view.edges(node, *tupleset).objects() {
                    self.step()?;
                    let kind = view.kind(object);
                    if let Some((_, r)) = targets.iter().find(|(t, _)| *t == kind) {
                        open.push_back((object, *r, grants));
                    }
                }
            }
            Rewrite::Union(parts) | Rewrite::Intersection(parts) => {
                for p in parts {
                    self.look(node, relation, p, grants, filter, out, open)?;
                }
            }
            Rewrite::Exclusion(base, not) => {
                self.look(node, relation, base, grants, filter, out, open)?;
                self.look(node, relation, not, false, filter, out, open)?;
            }
        }
        Ok(())
    }
}

/// Who was met on the way.
#[derive(Default)]
struct Gathered {
    /// Whether it was met where having it gives something.
    seen: AHashMap<u64, bool>,
    named: AHashSet<Who>,
    /// Met only where having something takes it away.
    excluded: AHashSet<Who>,
    wildcard: bool,
}

/// Relations reached on the way up from a subject, each once, or twice if doubt went.
#[derive(Default)]
struct Walk {
    seen: AHashMap<u64, bool>,
    open: VecDeque<(Node, RelationId, bool)>,
}

impl Walk {
    fn push(&mut self, node: Node, relation: RelationId, certain: bool) {
        let known = self.seen.get(&key(node, relation)).copied();
        if known.is_none_or(|k| certain && !k) {
            self.seen.insert(key(node, relation), certain);
            self.open.push_back((node, relation, certain));
        }
    }

    fn next(&mut self) -> Option<(Node, RelationId, bool)> {
        self.open.pop_front()
    }
}
