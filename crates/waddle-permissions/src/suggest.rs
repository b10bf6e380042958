//! "Did you mean …?": the known name nearest to a misspelt one.

/// The candidate at the smallest edit distance, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = wrong.chars().count() / 3 + 1;
    candidates
        .map(|c| (distance(wrong, c), c))
        .filter(|(d, _)| *d <= near)
        .min()
        .map(|(_, c)| c.to_owned())
}

/// Levenshtein distance, in characters; long texts count as far apart.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut before = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, cb) in b.iter().enumerate() {
            let old = row[j + 1];
            row[j + 1] = (before + usize::from(ca != *cb)).min(old + 1).min(row[j] + 1);
            before = old;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["viewer", "writer", "member"];
        assert_eq!(nearest("veiwer", names.into_iter()).as_deref(), Some("viewer"));
        assert_eq!(nearest("members", names.into_iter()).as_deref(), Some("member"));
        assert_eq!(nearest("zebra", names.into_iter()), None);
        assert_eq!(distance("", "abc"), 3);
    }
}
