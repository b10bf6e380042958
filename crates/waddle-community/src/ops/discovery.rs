//! Finding waddles: the public and the restricted ones, the largest first.

use std::sync::Arc;

use waddle_core::WaddleId;
use waddle_storage::repo::waddles;

use crate::{Community, FoundAfter, Page, Result, Visibility, Waddle};

/// Words of one search at the most; what is more is not looked for.
const WORDS: usize = 8;

/// The words of a search, in lower case.
fn words(query: &str) -> Vec<String> {
    query
        .split_whitespace()
        .take(WORDS)
        .map(str::to_lowercase)
        .collect()
}

impl Community {
    /// One page of the waddles that everybody may know of and whose slug, name or description has every word of
    /// `query`, with the number of their members, behind `after`; the largest first.
    pub async fn discover(
        &self,
        query: &str,
        after: Option<FoundAfter>,
        limit: usize,
    ) -> Result<Vec<(Arc<Waddle>, u64)>> {
        let (words, limit) = (words(query), limit.min(Page::MAX));
        let found = self
            .storage()
            .server()
            .read(move |conn| waddles::find(conn, &words, after, limit))
            .await?;
        Ok(found
            .into_iter()
            .filter_map(|(id, members)| Some((self.waddle_by_id(id)?, members)))
            .filter(|(w, _)| w.visibility != Visibility::Private)
            .collect())
    }

    /// How many members a waddle has, without opening it.
    pub async fn listed_members(&self, id: WaddleId) -> Result<u64> {
        let server = self.storage().server();
        Ok(server.read(move |conn| waddles::member_count(conn, id)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_few_and_in_lower_case() {
        assert_eq!(words("  Rust  ÄRGER "), ["rust", "ärger"]);
        assert_eq!(words("a b c d e f g h i j").len(), super::WORDS);
        assert!(words(" ").is_empty());
    }
}
