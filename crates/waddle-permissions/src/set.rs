//! A small sorted list that becomes a hash set when it grows: neither a member list of 10^6 nor one of 2 is slow.

use std::hash::Hash;

use ahash::AHashSet;
use smallvec::SmallVec;

/// Above this many items inserting into the middle of a list costs more than hashing.
const FEW: usize = 512;

/// Distinct items in no promised order.
#[derive(Debug, Clone)]
pub(crate) enum Set<T: Copy + Ord + Hash, const N: usize> {
    /// Sorted.
    Few(SmallVec<[T; N]>),
    Many(Box<AHashSet<T>>),
}

impl<T: Copy + Ord + Hash, const N: usize> Default for Set<T, N> {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl<T: Copy + Ord + Hash, const N: usize> Set<T, N> {
    pub fn contains(&self, item: T) -> bool {
        match self {
            Self::Few(list) if list.len() <= 8 => list.contains(&item),
            Self::Few(list) => list.binary_search(&item).is_ok(),
            Self::Many(set) => set.contains(&item),
        }
    }

    /// Whether it was new.
    pub fn insert(&mut self, item: T) -> bool {
        match self {
            Self::Few(list) => {
                let Err(at) = list.binary_search(&item) else {
                    return false;
                };
                if list.len() < FEW {
                    list.insert(at, item);
                } else {
                    let mut set: AHashSet<T> = list.iter().copied().collect();
                    set.insert(item);
                    *self = Self::Many(Box::new(set));
                }
                true
            }
            Self::Many(set) => set.insert(item),
        }
    }

    /// Whether it was there.
    pub fn remove(&mut self, item: T) -> bool {
        match self {
            Self::Few(list) => {
                let found = list.binary_search(&item);
                if let Ok(at) = found {
                    list.remove(at);
                }
                found.is_ok()
            }
            Self::Many(set) => {
                let found = set.remove(&item);
                if set.len() < FEW / 2 {
                    let mut list: SmallVec<[T; N]> = set.iter().copied().collect();
                    list.sort_unstable();
                    *self = Self::Few(list);
                }
                found
            }
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(set) => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter()), None),
            Self::Many(set) => (None, Some(set.iter())),
        };
        let few = few.into_iter().flatten();
        few.chain(many.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_behave_alike() {
        let mut set = Set::<u32, 2>::default();
        for i in (0..2_000).rev() {
            assert!(set.insert(i) && !set.insert(i));
        }
        assert_eq!(set.len(), 2_000);
        for i in 0..2_000 {
            assert!(set.contains(i) && set.remove(i) && !set.remove(i) && !set.contains(i));
            let mut rest: Vec<u32> = set.iter().collect();
            rest.sort_unstable();
            assert_eq!(
                (rest.len(), rest.first().copied()),
                (1_999 - i as usize, (i < 1_999).then_some(i + 1))
            );
        }
        assert!(set.is_empty());
    }
}
