use std::{fs, path::Path};

use super::*;

/// A name, and what holds for any bytes.
type Target = (&'static str, fn(&[u8]));

/// What `fuzz/` runs.
const TARGETS: [Target; 4] = [
    ("requests", requests),
    ("answers", answers),
    ("batches", batches),
    ("certificates", certificates),
];

/// The seed corpus of fuzzing, with its findings.
#[test]
fn the_corpus_is_survived() {
    for (name, holds) in TARGETS {
        let mut files = 0;
        for file in fs::read_dir(format!("fuzz/corpus/{name}")).unwrap() {
            holds(&fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 2, "the corpus of {name} has gone");
    }
}

/// Nothing else compiles them before someone fuzzes.
#[test]
fn each_target_runs_what_is_named_like_it() {
    let manifest = fs::read_to_string("fuzz/Cargo.toml").unwrap();
    for (name, _) in TARGETS {
        let target = Path::new("fuzz/fuzz_targets").join(name).with_extension("rs");
        let call = format!("|input: &[u8]| sidecar::fuzzing::{name}(input)");
        assert!(fs::read_to_string(&target).unwrap().contains(&call), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(fs::read_dir("fuzz/fuzz_targets").unwrap().count(), TARGETS.len());
}

#[test]
fn pieces_are_as_long_as_the_first_line_says() {
    let pieces = |input| Arrival::after_lengths(input).pieces().collect::<Vec<_>>();
    assert_eq!(pieces(b"\x01\x03\nabcdefg"), [&b"a"[..], b"bcd", b"e", b"fg"]);
    assert_eq!(pieces(b"\0\nab"), [b"a", b"b"]);
    assert_eq!(pieces(b"\nabc\n"), [b"abc\n"]);
    assert!(pieces(b"\x01").is_empty());
}
