//! The page of results, made of the reports.

use std::{fmt::Write, fs};

use ::tests::{
    failure::{Context, Outcome},
    machine::environment,
};

use crate::{
    cells::{Cell, ROWS, Row},
    reports::{Report, Reports},
};

const HEAD: &str = "\
# What was tested with which versions

`just matrix` writes this page: each row is the last run of its command, on the machine and of
the commit that it names. The daily tests (`cargo test`, `.ci/run`) use the pinned versions only,
such as Kubernetes 1.37. A row with a pinned version therefore adds nothing to them.

## Never run

* Azure itself: every test uses the mock of it in `tests/src/azure`, which refuses what
  Azure's documentation says that Azure refuses.
* arm64 hardware: [the table for arm64](#architecture) is about QEMU, which emulates it.
* Images pulled from a public registry, images built with the
  [Dockerfile](../manifests/images/Dockerfile), and the workflows in `.github/workflows`.
* The kubectl plugin on macOS and Windows.
* A managed cluster such as AKS, OpenShift, and nodes of another Kubernetes version than the
  pinned one: the API servers below have no nodes.
* Gatekeeper itself: the rules of Deployment Safeguards are checked as admission policies of
  the API server.
* Linkerd, Consul and Kuma: the webhook recognises them by what they document.
* Network plug-ins of managed clusters, and the proxy of a mesh. On kind, kube-router enforces
  network policies, and a simpler proxy without TLS is behind Istio's redirection.

## Other commands

| command | shows |
|---|---|
| `just kind-up`, then `just kind-test` | the product on [a cluster with nodes](../manifests/kind/README.md), with Prometheus Operator, through every fault |
| `just kind-test network-policy mesh` | [networks that interfere](README.md#networks-that-interfere) |
| `just soak` | [hours under faults](README.md#hours-instead-of-minutes): samples, memory, descriptors, threads |
| `just scale` | [what grows with the cluster](README.md#what-grows-with-the-cluster) |
| `cargo test --workspace --test it -- chart::safeguards::` | what AKS' [Deployment Safeguards](../manifests/azure/aks-automatic.md) warn of |
";

/// Writes `tests/MATRIX.md`.
pub(crate) fn write(reports: &Reports) -> Outcome<()> {
    let file = environment::crate_folder().join("MATRIX.md");
    fs::write(&file, page(reports)).context(format!("write {}", file.display()))
}

/// The whole page.
fn page(reports: &Reports) -> String {
    ROWS.iter().fold(HEAD.to_owned(), |page, row| page + &section(row, reports))
}

fn section(row: &'static Row, reports: &Reports) -> String {
    let mut text = format!(
        "\n## {}\n\nTests: `{}`. They show that {}.\n\n",
        row.name,
        row.tests.join("` `"),
        row.proves
    );
    text +=
        "| command | version | passed | failed | skipped | date | commit | seconds | machine |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for cell in row.cells() {
        text += &line(cell, reports.get(&cell.name()));
    }
    let mut details = String::new();
    for cell in row.cells() {
        let Some(report) = reports.get(&cell.name()) else { continue };
        // After that comes advice, and what a program printed.
        let error = report.error.iter().filter_map(|error| error.split([';', '\n']).next());
        details.extend(error.map(|error| format!("* {}: failed: {error}.\n", cell.name())));
        let failed =
            report.failed.iter().map(|name| format!("* {}: `{name}` failed.\n", cell.name()));
        details.extend(failed);
        let skipped = report.skipped.iter();
        let skipped =
            skipped.map(|(name, why)| format!("* {}: `{name}` was skipped: {why}.\n", cell.name()));
        details.extend(skipped);
    }
    if !details.is_empty() {
        text += "\n";
        text += &details;
    }
    text
}

fn line(cell: Cell, report: Option<&Report>) -> String {
    let command = format!("`just matrix {}`", cell.name());
    let Some(report) = report else {
        return format!("| {command} | never run | | | | | | | |\n");
    };
    let mut line = String::new();
    let failed = match report.error {
        Some(_) => "see below".to_owned(),
        None => report.failed.len().to_string(),
    };
    let _infallible = writeln!(
        line,
        "| {command} | {} | {} | {failed} | {} | {} | {} | {} | {} |",
        report.version,
        report.passed,
        report.skipped.len(),
        report.date,
        if report.commit.is_empty() { "unknown" } else { &report.commit },
        report.seconds,
        report.machine
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports;

    /// Nobody edits it: it says what the reports say. `UPDATE_EXPECT=1` writes it again.
    #[test]
    fn the_page_is_what_the_reports_say() {
        let reports = reports::read().unwrap();
        if environment::variable("UPDATE_EXPECT").is_some() {
            write(&reports).unwrap();
        }
        let file = environment::crate_folder().join("MATRIX.md");
        let text = fs::read_to_string(file).unwrap();
        assert!(text == page(&reports), "tests/MATRIX.md is stale: `just bless` writes it again");
    }

    #[test]
    fn a_cell_without_a_report_was_never_run() {
        let page = page(&Reports::new());
        assert!(page.contains("| `just matrix kubernetes=1.29` | never run |"), "{page}");
        let report = Report { passed: 3, failed: vec!["one".into()], ..Report::default() };
        let page = self::page(&Reports::from([("kubernetes=1.29".to_owned(), report)]));
        assert!(page.contains("kubernetes=1.29: `one` failed."), "{page}");
    }

    #[test]
    fn a_cell_that_could_not_run_has_a_row_with_the_reason() {
        let error = Some("cannot build it; it had said:\nmuch".to_owned());
        let report = Report { date: "2026-11-29".into(), error, ..Report::default() };
        let page = page(&Reports::from([("kubernetes=1.29".to_owned(), report)]));
        let row = "| `just matrix kubernetes=1.29` |  | 0 | see below | 0 | 2026-11-29 |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("kubernetes=1.29: failed: cannot build it.\n"), "{page}");
    }
}
