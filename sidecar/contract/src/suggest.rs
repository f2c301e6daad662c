//! Did you mean …?

/// The candidate closest to `given`, if it is close enough to be a slip of the
/// pen: at most a third of its letters differ, case aside.
pub fn did_you_mean<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let given: Vec<char> = given.to_lowercase().chars().take(MAX_CHARS).collect();
    candidates
        .into_iter()
        .map(|candidate| (distance(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Longer input is no slip of the pen, and the comparison is quadratic.
const MAX_CHARS: usize = 80;

/// Optimal string alignment: insertions, deletions, substitutions and swaps of
/// neighbours that lead from `a` to `b`.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, j) + usize::from(x != y))
                .min(at(&above, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        let check = |given: &str, expected: Option<&str>| {
            let names = ["userAssigned", "systemAssigned", "aadApplication", "workloadIdentity"];
            assert_eq!(did_you_mean(given, names).as_deref(), expected, "{given}");
        };
        check("userasigned", Some("userAssigned"));
        check("usreAssigned", Some("userAssigned"));
        check("aadAplication", Some("aadApplication"));
        check("WORKLOADIDENTIY", Some("workloadIdentity"));
        check("banana", None);
        check("", None);
        check(&"x".repeat(100_000), None);
    }
}
