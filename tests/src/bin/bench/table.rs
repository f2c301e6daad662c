//! The figures, for a terminal.

use std::io::{Write, stdout};

use crate::rounds::{Figures, Measured};

const MEBIBYTE: u64 = 1 << 20;

/// A line on standard output; whoever closed the pipe has seen enough.
pub(crate) fn say(text: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// The head of the table of cells.
pub(crate) fn cells_head() {
    say(&format!(
        "{:<13}{:<12}{:>28}  {:<20}{:>9}{:>9}{:>9}{:>9}{:>10}",
        "body/conns",
        "",
        "CPU µs/request",
        "ratio to nginx",
        "req/s",
        "p50 ms",
        "p99",
        "p99.9",
        "peak MiB"
    ));
}

/// A cell's lines.
pub(crate) fn cell(measured: &Measured) {
    for figures in &measured.contenders {
        say(&line(&measured.cell.to_string(), figures));
    }
}

fn line(cell: &str, figures: &Figures) -> String {
    let ratio = figures.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let millis = |microseconds: f64| format!("{:.2}", microseconds / 1000.0);
    let shed = match figures.shed {
        0 => String::new(),
        shed => format!("  {shed} answered 503"),
    };
    format!(
        "{cell:<13}{:<12}{:>28}  {ratio:<20}{:>9.0}{:>9}{:>9}{:>9}{:>10}{shed}",
        figures.contender.to_string(),
        format!("{:.0}", figures.cpu_microseconds),
        figures.requests_per_second.median,
        millis(figures.p50_microseconds),
        millis(figures.p99_microseconds),
        millis(figures.p999_microseconds),
        mebibytes(figures.peak_memory_bytes),
    )
}

/// With one decimal.
pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / MEBIBYTE;
    format!("{}.{}", tenths / 10, tenths % 10)
}
