//! A guard that noise can't break: what a request costs, counted instead of
//! timed, compared with figures that are checked in.
//!
//! Instructions and allocations are counted by callgrind, system calls by
//! valgrind below it. Valgrind shows every program the same processor (AVX2 at
//! the most), so that neither memcpy nor AES depends on the machine; what is
//! left is the C compiler that built aws-lc, and glibc.

mod callgrind;
mod count;

use std::{collections::BTreeMap, fs, path::PathBuf};

use ::tests::{
    failure::{Context, Failure, Outcome},
    machine::environment,
};
use serde::{Deserialize, Serialize};

use crate::{stage::Stage, table};

/// What a request costs, and a program.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Costs {
    instructions: f64,
    allocations: f64,
    system_calls: f64,
    binary_bytes: u64,
}

/// By program.
type Figures = BTreeMap<String, Costs>;

/// Runs differ by one per cent, because a handshake more is spread over all requests; the
/// rest is for another C compiler and another glibc.
const INSTRUCTIONS: Tolerance = Tolerance { share: 0.05, absolute: 0.0 };
/// Whole ones, but for what happens once in a while.
const ALLOCATIONS: Tolerance = Tolerance { share: 0.0, absolute: 0.5 };
/// Whether an answer is there at the first look is a race.
const SYSTEM_CALLS: Tolerance = Tolerance { share: 0.0, absolute: 2.0 };
/// For another C compiler.
const BINARY_BYTES: Tolerance = Tolerance { share: 0.03, absolute: 0.0 };

#[derive(Clone, Copy)]
struct Tolerance {
    share: f64,
    absolute: f64,
}

/// Counts, and compares; with `UPDATE_EXPECT=1` writes the figures instead.
pub(crate) async fn run() -> Outcome<()> {
    let stage = Stage::new().await?;
    let found = Figures::from([
        ("sidecar".to_owned(), count::sidecar(&stage).await?),
        ("webhook".to_owned(), count::webhook(&stage).await?),
    ]);
    let file = file();
    if environment::variable("UPDATE_EXPECT").is_some() {
        let text = serde_json::to_string_pretty(&found).context("write figures")?;
        fs::write(&file, text + "\n").context(format!("write {}", file.display()))?;
    }
    let text = fs::read(&file).context(format!("read {}", file.display()))?;
    let expected: Figures =
        serde_json::from_slice(&text).context(format!("read {}", file.display()))?;
    let mut differences = 0;
    for (program, found) in &found {
        let expected = expected.get(program).context(format!("find figures of {program}"))?;
        differences += compare(program, expected, found);
    }
    if differences == 0 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{differences} figures are not those of {}: better ones are written down as well, with UPDATE_EXPECT=1 .ci/run guard",
        file.display()
    )))
}

fn file() -> PathBuf {
    environment::crate_folder().join("data/guard.json")
}

/// Prints each figure, and returns how many differ.
fn compare(program: &str, expected: &Costs, found: &Costs) -> usize {
    let bytes = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
    let figures = [
        ("instructions", INSTRUCTIONS, expected.instructions, found.instructions),
        ("allocations", ALLOCATIONS, expected.allocations, found.allocations),
        ("system calls", SYSTEM_CALLS, expected.system_calls, found.system_calls),
        ("binary's bytes", BINARY_BYTES, bytes(expected.binary_bytes), bytes(found.binary_bytes)),
    ];
    let mut differences = 0;
    for (what, tolerance, expected, found) in figures {
        let is_same = tolerance.allows(expected, found);
        differences += usize::from(!is_same);
        let mark = if is_same { "ok    " } else { "DIFFERS" };
        table::say(&format!("{mark} {program:<8} {what:<15}{found:>12.1}  expected {expected:.1}"));
    }
    differences
}

impl Tolerance {
    fn allows(self, expected: f64, found: f64) -> bool {
        (found - expected).abs() <= expected * self.share + self.absolute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_and_better_are_told_from_noise() {
        let expected = Costs {
            instructions: 100_000.0,
            allocations: 20.0,
            system_calls: 8.0,
            binary_bytes: 1_000_000,
        };
        let check = |found: Costs, differences| {
            assert_eq!(compare("program", &expected, &found), differences, "{found:?}");
        };
        check(expected, 0);
        check(Costs { instructions: 104_000.0, allocations: 20.4, ..expected }, 0);
        check(Costs { instructions: 106_000.0, ..expected }, 1);
        check(Costs { instructions: 94_000.0, ..expected }, 1);
        check(Costs { allocations: 21.0, system_calls: 11.0, ..expected }, 2);
        check(Costs { binary_bytes: 1_040_000, ..expected }, 1);
    }
}
