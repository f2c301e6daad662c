//! What runs found, kept in `tests/matrix.json`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use ::tests::{
    failure::{Context, Outcome},
    machine::environment,
};
use serde::{Deserialize, Serialize};

/// What came of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What the program reports as its version.
    pub(crate) version: String,
    /// The day, in UTC.
    pub(crate) date: String,
    /// The commit that was tested, `-dirty` if files differed from it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) commit: String,
    /// Where it ran.
    pub(crate) machine: String,
    /// How long the tests took, without what was built.
    pub(crate) seconds: u64,
    /// How many tests passed.
    pub(crate) passed: usize,
    /// Which tests failed.
    pub(crate) failed: Vec<String>,
    /// Why there is no result, or not the whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Which tests were skipped, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// The last report of every cell, by its name.
pub(crate) type Reports = BTreeMap<String, Report>;

fn file() -> PathBuf {
    environment::crate_folder().join("matrix.json")
}

/// Those that were kept.
pub(crate) fn read() -> Outcome<Reports> {
    let file = file();
    if !file.exists() {
        return Ok(Reports::new());
    }
    let what = || format!("read {}", file.display());
    serde_json::from_str(&fs::read_to_string(&file).context(what())?).context(what())
}

/// Replaces a cell's report.
pub(crate) fn keep(name: &str, report: &Report) -> Outcome<Reports> {
    let mut reports = read()?;
    reports.insert(name.to_owned(), report.clone());
    let text = serde_json::to_string_pretty(&reports).context("write reports as JSON")?;
    let file = file();
    fs::write(&file, text + "\n").context(format!("write {}", file.display()))?;
    Ok(reports)
}

impl Report {
    /// Whether the cell ran as a whole, and no test failed.
    pub(crate) const fn has_passed(&self) -> bool {
        self.failed.is_empty() && self.error.is_none()
    }

    /// Adds what `cargo test` printed of these tests and modules, of which none may be absent.
    ///
    /// A skipped test passes, as far as Cargo knows, and has told so on a line of its own.
    pub(crate) fn read(&mut self, output: &str, tests: &[&str]) {
        let mut ended = false;
        let mut absent = tests.to_vec();
        for line in output.lines() {
            if let Some(name) = test(line, "FAILED").or_else(|| test(line, "ok")) {
                absent.retain(|start| !name.starts_with(start));
            }
            if let Some(name) = test(line, "FAILED") {
                self.failed.push(name.to_owned());
            } else if test(line, "ok").is_some() {
                self.passed += 1;
            } else if let Some(skipped) = line.strip_prefix("skipped ") {
                let (name, why) = skipped.split_once(": ").unwrap_or((skipped, ""));
                self.skipped.insert(name.to_owned(), why.to_owned());
            }
            ended |= line.starts_with("test result: ");
        }
        self.passed = self.passed.saturating_sub(self.skipped.len());
        if !ended || self.passed == 0 && self.failed.is_empty() {
            self.error = Some("no test ended".to_owned());
        } else if !absent.is_empty() {
            self.error = Some(format!("no test ran of {}", absent.join(", ")));
        }
    }
}

/// The name in `test NAME ... RESULT`.
fn test<'a>(line: &'a str, result: &str) -> Option<&'a str> {
    line.strip_prefix("test ")?.strip_suffix(result)?.strip_suffix(" ... ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_no_passed_one() {
        let output = "\
running 3 tests
skipped one: Kubernetes 1.29.6 has no policy; 1.36 has
test policy::one ... ok
test chart::two ... ok
test chart::three has been running for over 60 seconds
test chart::three ... FAILED

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out
";
        let mut report = Report::default();
        report.read(output, &["policy::", "chart::"]);
        assert!(report.error.is_none());
        assert_eq!((report.passed, &report.failed[..]), (1, &["chart::three".to_owned()][..]));
        assert_eq!(report.skipped["one"], "Kubernetes 1.29.6 has no policy; 1.36 has");
    }

    #[test]
    fn a_cell_that_did_not_run_has_not_passed() {
        for output in
            ["", "error: could not compile", "test a ... ok\n", "test result: ok. 0 passed"]
        {
            let mut report = Report::default();
            report.read(output, &["a"]);
            assert_eq!(report.error.as_deref(), Some("no test ended"), "{output}");
            assert!(!report.has_passed());
        }
    }

    #[test]
    fn a_name_that_no_test_has_is_noticed() {
        let output = "test chart::policy::one ... ok\ntest result: ok. 1 passed\n";
        let mut report = Report::default();
        report.read(output, &["chart::", "policy::"]);
        assert_eq!(report.error.as_deref(), Some("no test ran of policy::"));
    }
}
