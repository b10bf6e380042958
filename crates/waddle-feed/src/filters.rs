//! Which of many filters match a topic: exact ones by a look-up, the others by their first level.

use ahash::AHashMap;
use waddle_core::TopicFilter;

/// The filters of one waddle, each with its place in the list they came in.
#[derive(Debug, Default)]
pub struct Filters {
    /// Without wildcards.
    exact: AHashMap<Box<str>, Vec<usize>>,
    /// With a plain first level, by it.
    rooted: AHashMap<Box<str>, Vec<(TopicFilter, usize)>>,
    /// With a wildcard first.
    free: Vec<(TopicFilter, usize)>,
}

impl Filters {
    /// These filters.
    pub fn new<'a>(filters: impl IntoIterator<Item = &'a TopicFilter>) -> Self {
        let mut this = Self::default();
        for (place, filter) in filters.into_iter().enumerate() {
            let text = filter.as_str();
            match text.split('/').next().unwrap_or(text) {
                _ if filter.is_exact() => this.exact.entry(text.into()).or_default().push(place),
                "#" | "+" => this.free.push((filter.clone(), place)),
                first => this
                    .rooted
                    .entry(first.into())
                    .or_default()
                    .push((filter.clone(), place)),
            }
        }
        this
    }

    /// The places of the filters that match.
    pub fn matching(&self, topic: &str) -> impl Iterator<Item = usize> {
        let exact = self.exact.get(topic).into_iter().flatten().copied();
        let first = topic.split('/').next().unwrap_or(topic);
        let rooted = self.rooted.get(first).into_iter().flatten();
        let wild = rooted.chain(&self.free);
        exact.chain(wild.filter_map(move |(f, place)| f.matches(topic).then_some(*place)))
    }

    /// Whether one matches.
    pub fn any(&self, topic: &str) -> bool {
        self.matching(topic).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_asking_each(
            filters in proptest::collection::vec(r"((a|b|\+)(/(a|b|\+)){0,2}(/#)?|#)", 0..8), topic in r"(a|b|\$a)(/(a|b)){0,3}"
        ) {
            let filters: Vec<TopicFilter> = filters.iter().map(|f| f.parse().unwrap()).collect();
            let index = Filters::new(&filters);
            let mut found: Vec<usize> = index.matching(&topic).collect();
            found.sort_unstable();
            let each: Vec<usize> = (0..filters.len()).filter(|&i| filters[i].matches(&topic)).collect();
            prop_assert_eq!(index.any(&topic), !each.is_empty());
            prop_assert_eq!(found, each);
        }
    }
}
