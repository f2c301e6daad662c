//! Callgrind's file, as far as it is of interest.
//!
//! <https://valgrind.org/docs/manual/cl-format.html>

use std::collections::HashMap;

/// What a program has done from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) instructions: u64,
    pub(super) allocations: u64,
}

/// glibc's, which Rust's allocator and C call alike, and those of mimalloc that Rust calls.
const ALLOCATORS: [&str; 8] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "mi_malloc_aligned",
    "mi_zalloc_aligned",
    "mi_realloc_aligned",
];

/// Reads the totals, and how often the allocator was called.
pub(super) fn read(text: &str) -> Option<Counted> {
    // A name stands where its number is first used, and only there.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut instructions, mut allocations) = (None, 0);
    let mut called = "";
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            let name = if name.is_empty() { names.get(number).copied() } else { Some(name) };
            names.insert(number, name?);
            called = if line.starts_with("cfn=") { name? } else { "" };
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if ALLOCATORS.contains(&called) {
                allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
            }
        } else if let Some(total) = line.strip_prefix("totals:") {
            instructions = total.trim().parse().ok();
        }
    }
    Some(Counted { instructions: instructions?, allocations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_allocator_are_summed() {
        let text = "version: 1\nevents: Ir\n\nfl=(1) a.rs\nfn=(1) main\n1 5\ncfn=(2) malloc\ncalls=3 0\n1 30\ncfn=(3) other\ncalls=7 0\n1 1\n\nfn=(3)\n2 8\ncfn=(2)\ncalls=2 0\n2 20\nfn=(4) f\ncfn=(5) realloc\ncalls=1 0\n1 1\n\ntotals: 64\n";
        assert_eq!(read(text), Some(Counted { instructions: 64, allocations: 6 }));
        assert_eq!(read("events: Ir\n"), None);
    }
}
