//! Expand: the effective userset of one relation as a tree (Zanzibar §2.4.5).
//!
//! Rewrites are followed; usersets that tuples name are leaves, to be expanded in their turn by who wants it.

use crate::{
    check::{CheckError, CheckLimits, Exceeded, MAX_DEPTH},
    objects::Node,
    overlay::View,
    schema::{RelationId, Rewrite},
    tuple::{Object, Subject},
};

/// The userset of one relation of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The object.
    pub object: Object,
    /// The relation.
    pub relation: Box<str>,
    /// Who is in it.
    pub branch: Branch,
}

/// How a userset is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// Those whom tuples name, sorted, and how many more than these there are.
    Direct {
        /// Objects, wildcards and usersets.
        subjects: Vec<Subject>,
        /// Left out for want of room.
        omitted: usize,
    },
    /// Another relation of the same object.
    Computed(Box<Tree>),
    /// A relation of each object that a relation's tuples name.
    From {
        /// The relation whose tuples are followed.
        tupleset: Box<str>,
        /// What they lead to.
        trees: Vec<Tree>,
    },
    /// Those in any part.
    Union(Vec<Branch>),
    /// Those in all parts.
    Intersection(Vec<Branch>),
    /// Those in the first and not in the second.
    Exclusion(Box<Branch>, Box<Branch>),
    /// The relation stands further up in this tree: a cycle.
    Cycle,
}

pub(crate) struct Expansion<'a> {
    pub view: View<'a>,
    pub depth: u32,
    pub steps_left: u32,
    /// Subjects that one leaf shows.
    pub subjects: usize,
    path: Vec<(Node, RelationId)>,
}

impl<'a> Expansion<'a> {
    pub fn new(view: View<'a>, limits: CheckLimits, subjects: usize) -> Self {
        Self {
            view,
            depth: limits.depth.min(MAX_DEPTH),
            steps_left: limits.steps,
            subjects,
            path: Vec::new(),
        }
    }

    pub fn tree(&mut self, node: Node, relation: RelationId) -> Result<Tree, CheckError> {
        let schema = self.view.schema();
        let branch = if self.path.contains(&(node, relation)) {
            Branch::Cycle
        } else {
            if self.path.len() as u32 >= self.depth {
                return Err(CheckError::TooComplex(Exceeded::Depth));
            }
            self.path.push((node, relation));
            let branch = self.branch(node, relation, schema.rewrite(relation))?;
            self.path.pop();
            branch
        };
        Ok(Tree {
            object: self.view.object(node),
            relation: schema.relation_name(relation).into(),
            branch,
        })
    }

    fn branch(&mut self, node: Node, relation: RelationId, rewrite: &Rewrite) -> Result<Branch, CheckError> {
        if self.steps_left == 0 {
            return Err(CheckError::TooComplex(Exceeded::Steps));
        }
        self.steps_left -= 1;
        let mut all = |parts: &[Rewrite]| {
            parts
                .iter()
                .map(|p| self.branch(node, relation, p))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match rewrite {
            Rewrite::Direct => self.direct(node, relation),
            Rewrite::Computed(r) => Branch::Computed(Box::new(self.tree(node, *r)?)),
            Rewrite::Union(parts) => Branch::Union(all(parts)?),
            Rewrite::Intersection(parts) => Branch::Intersection(all(parts)?),
            Rewrite::Exclusion(base, not) => Branch::Exclusion(
                Box::new(self.branch(node, relation, base)?),
                Box::new(self.branch(node, relation, not)?),
            ),
            Rewrite::From { tupleset, targets } => {
                let view = self.view;
                let mut trees = Vec::new();
                for object in view.edges(node, *tupleset).objects() {
                    if self.steps_left == 0 {
                        return Err(CheckError::TooComplex(Exceeded::Steps));
                    }
                    self.steps_left -= 1;
                    let kind = view.kind(object);
                    if let Some((_, r)) = targets.iter().find(|(t, _)| *t == kind) {
                        trees.push(self.tree(object, *r)?);
                    }
                }
                trees.sort_by(|a, b| a.object.cmp(&b.object));
                Branch::From {
                    tupleset: view.schema().relation_name(*tupleset).into(),
                    trees,
                }
            }
        })
    }

    fn direct(&self, node: Node, relation: RelationId) -> Branch {
        let (mut subjects, mut omitted) = (Vec::new(), 0);
        for who in self.view.edges(node, relation).all() {
            if subjects.len() < self.subjects {
                subjects.push(self.view.subject(who));
            } else {
                omitted += 1;
            }
        }
        subjects.sort();
        Branch::Direct { subjects, omitted }
    }
}
