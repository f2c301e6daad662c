//! Runs the suite with other versions of what people have: `just matrix`.
//!
//! There is no second suite. A cell is a part in one version, built once, named by the
//! variable that the harness looks at, and some of the existing tests. What came of it goes
//! into `tests/matrix.json`, of which `tests/MATRIX.md` is made.

mod cells;
mod page;
mod reports;
mod run;

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use ::tests::{failure::Outcome, say};
use clap::Parser;

use self::{cells::Cell, reports::Report};

/// Tests prom-remotewrite with other versions of Kubernetes, Prometheus and other senders.
///
/// The first run of a cell builds the part, which takes minutes. Results are written to
/// tests/MATRIX.md.
#[derive(Debug, Parser)]
#[command(name = "matrix")]
struct Arguments {
    /// What to test, for example kubernetes=1.32 or prometheus; everything if absent
    #[arg(value_parser = cells::chosen, value_name = "CELL")]
    cells: Vec<Vec<Cell>>,
    /// Print the cells and test none
    #[arg(long)]
    list: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut cells = arguments.cells.concat();
    if cells.is_empty() {
        cells = cells::all().collect();
    }
    match test(&cells, arguments.list).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(format_args!("failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every cell passed.
async fn test(cells: &[Cell], list: bool) -> Outcome<bool> {
    let mut passed = true;
    let mut out = stdout();
    for cell in cells {
        if list {
            let _closed = writeln!(out, "{}", cell.name());
            continue;
        }
        say(format_args!("{}: {}", cell.name(), cell.row.proves));
        let report = run::run(*cell).await;
        passed &= report.has_passed();
        page::write(&reports::keep(&cell.name(), &report)?)?;
        let _closed = writeln!(out, "{}", line(*cell, &report));
    }
    Ok(passed)
}

/// How a cell ended: version, results, what was skipped and why.
fn line(cell: Cell, report: &Report) -> String {
    let (passed, seconds) = (report.passed, report.seconds);
    let mut parts = vec![format!("{}: {passed} tests passed in {seconds} s", cell.name())];
    if !report.version.is_empty() {
        parts.push(report.version.clone());
    }
    if !report.failed.is_empty() {
        parts.push(format!("failed: {}", report.failed.join(", ")));
    }
    parts.extend(report.error.iter().map(|error| format!("failed: {error}")));
    let skipped = report.skipped.iter();
    parts.extend(skipped.map(|(name, why)| format!("skipped {name}: {why}")));
    parts.join("; ")
}
