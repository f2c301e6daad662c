//! Did you mean …?

/// The candidate closest to `name`, if it is close enough to be a typing
/// error: at most a third of its letters differ, case aside.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(name, candidates, |length| length.div_ceil(3)).map(str::to_owned)
}

/// The candidate closest to `name`, case aside, if no more letters differ than `bound`
/// says for the candidate's length.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    bound: impl Fn(usize) -> usize,
) -> Option<&'a str> {
    let name: String = name.chars().take(MAX_CHARS).collect::<String>().to_lowercase();
    let letters = name.chars().count();
    let near = candidates.into_iter().filter_map(|candidate| {
        let length = candidate.chars().count();
        let bound = bound(length);
        // So many letters differ at least; the comparison itself takes longer.
        (length.abs_diff(letters) <= bound).then_some(())?;
        let distance = strsim::osa_distance(&name, &candidate.to_lowercase());
        (distance <= bound).then_some((distance, candidate))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Longer input is not a typing error, and the comparison takes quadratic time.
const MAX_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        let check = |name: &str, expected: Option<&str>| {
            let names = ["userAssigned", "systemAssigned", "aadApplication", "workloadIdentity"];
            assert_eq!(did_you_mean(name, names).as_deref(), expected, "{name}");
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
