//! Which name was probably meant.

/// The name nearest to `typo`, if one is near enough to be what was meant: two edits or a third of
/// its letters, case apart.
pub(super) fn nearest<'a>(typo: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    let typo: Vec<char> = typo.to_lowercase().chars().collect();
    names
        .map(|name| (distance(&typo, &name.to_lowercase()), name))
        .filter(|(edits, name)| *edits <= (name.chars().count() / 3).max(2))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name.clone())
}

/// How many characters must be inserted, removed or replaced to get from one to the other.
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (line, wanted) in (1..).zip(to.chars()) {
        let mut left = line;
        let mut diagonal = line - 1;
        for (cell, had) in row.iter_mut().skip(1).zip(from) {
            let above = *cell;
            *cell = (diagonal + usize::from(*had != wanted)).min(above + 1).min(left + 1);
            (diagonal, left) = (above, *cell);
        }
        if let Some(first) = row.first_mut() {
            *first = line;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["requestsPerMinute", "capacity", "mode"].map(String::from);
        let nearest = |typo| nearest(typo, names.iter());
        assert_eq!(nearest("requestPerMinute").as_deref(), Some("requestsPerMinute"));
        assert_eq!(nearest("requests_per_minute").as_deref(), Some("requestsPerMinute"));
        assert_eq!(nearest("Mode").as_deref(), Some("mode"));
        assert_eq!(nearest("moed").as_deref(), Some("mode"));
        assert_eq!(nearest("burst"), None);
    }

    #[test]
    fn distance_counts_single_edits() {
        let distance = |from: &str, to| distance(&from.chars().collect::<Vec<_>>(), to);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
