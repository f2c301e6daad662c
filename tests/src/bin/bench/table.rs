//! The figures, for a terminal.

use std::io::{Write, stdout};

use crate::{
    creation::Creation,
    goals::{Goal, Limit},
    report::Report,
    rounds::{Figures, Measured},
};

const MEBIBYTE: u64 = 1 << 20;

/// A line on standard output; anyone who closed the pipe has seen enough.
pub(crate) fn say(text: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// The head of the table of cells.
pub(crate) fn cells_head() {
    say(&format!(
        "{:<13}{:<16}{:>28}  {:<20}{:>9}{:>9}{:>9}{:>9}{:>10}",
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
        "{cell:<13}{:<16}{:>28}  {ratio:<20}{:>9.0}{:>9}{:>9}{:>9}{:>10}{shed}",
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

/// What the sidecar and the webhook cost by themselves.
pub(crate) fn alone(report: &Report) {
    if let Some(alone) = &report.sidecar {
        say("");
        say(&format!("sidecar: start to first token {:.1} ms", alone.start_to_token_milliseconds));
        let idle = alone.idle_cpu_milliseconds_a_second;
        say(&format!("sidecar: idle, {idle:.3} ms of CPU a second"));
    }
    let Some(webhook) = &report.webhook else { return };
    say(&format!(
        "\n{:<20}{:>12}{:>28}  {:<34}{:>14}{:>9}{:>9}{:>10}",
        "review", "bytes", "CPU µs", "ratio", "a core second", "p50 ms", "p99", "peak MiB"
    ));
    for review in &webhook.reviews {
        let ratio = review.ratio.as_ref();
        let ratio = ratio.map(|(other, ratio)| format!("{ratio:.2} of {other}"));
        say(&format!(
            "{:<20}{:>12}{:>28}  {:<34}{:>14.0}{:>9.2}{:>9.2}{:>10}",
            review.pod,
            review.review_bytes,
            format!("{:.0}", review.cpu_microseconds),
            ratio.unwrap_or_default(),
            review.per_core_second,
            review.p50_microseconds / 1e3,
            review.p99_microseconds / 1e3,
            mebibytes(review.peak_memory_bytes),
        ));
    }
    say(&format!("webhook: start to ready {:.1} ms", webhook.start_to_ready_milliseconds));
    if let Some(creation) = &webhook.creation {
        let Creation { without, with, added } = creation;
        say(&format!(
            "a pod's creation: {without:.1} ms without the webhook, {with:.1} ms with it"
        ));
        say(&format!("the webhook adds {added:.1} ms"));
    }
}

/// Whether the goals are reached.
pub(crate) fn goals(goals: &[Goal]) {
    say("");
    for goal in goals {
        let mark = if goal.is_met() { "ok    " } else { "MISSED" };
        let limit = match goal.limit {
            Limit::AtMost(limit) => format!("at most {limit}"),
            Limit::AtLeast(limit) => format!("at least {limit}"),
        };
        say(&format!("{mark} {:<48}{:>10.3}  {limit}", goal.what, goal.value));
    }
}
