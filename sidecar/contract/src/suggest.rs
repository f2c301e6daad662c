//! Did you mean …?

/// The candidate closest to `given`, if it is close enough to be a typing
/// mistake: at most a third of its letters differ, case aside.
pub fn did_you_mean<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let given: String = given.chars().take(MAX_CHARS).collect::<String>().to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Longer input is not a typing mistake, and the comparison takes quadratic time.
const MAX_CHARS: usize = 80;

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
