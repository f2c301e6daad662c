//! The figures as a picture, SVG: one row of bars for each cell.

use std::{fmt::Write as _, fs, path::Path};

use ::tests::{
    failure::{Context, Outcome},
    svg::escape,
};

use crate::{
    contenders::Kind,
    report::Report,
    rounds::{Figures, Measured},
};

const WIDTH: f64 = 940.0;
/// Room for a cell's name, and between columns.
const LEFT: f64 = 120.0;
const GAP: f64 = 24.0;
const TOP: f64 = 92.0;
const BAR: f64 = 13.0;
const BETWEEN_CELLS: f64 = 16.0;
/// Room behind the longest bar for its figure.
const BEHIND: f64 = 50.0;

/// A column: what it shows, and how a figure is written.
struct Column {
    title: &'static str,
    value: fn(&Figures) -> f64,
    /// Lowest and highest of the rounds, where they are known.
    spread: fn(&Figures) -> Option<(f64, f64)>,
    digits: usize,
}

const COLUMNS: [Column; 3] = [
    Column {
        title: "CPU time for a request, µs",
        value: |figures| figures.cpu_microseconds.median,
        spread: |figures| Some((figures.cpu_microseconds.min, figures.cpu_microseconds.max)),
        digits: 0,
    },
    Column {
        title: "p99 latency, ms",
        value: |figures| figures.p99_microseconds / 1e3,
        spread: |_| None,
        digits: 1,
    },
    Column {
        title: "peak memory, MiB",
        value: |figures| {
            let kibibytes = u32::try_from(figures.peak_memory_bytes >> 10).unwrap_or(u32::MAX);
            f64::from(kibibytes) / 1024.0
        },
        spread: |_| None,
        digits: 0,
    },
];

/// Writes the picture of a run.
pub(crate) fn write(report: &Report, file: &Path) -> Outcome<()> {
    fs::write(file, draw(report)).context(format!("write {}", file.display()))
}

fn draw(report: &Report) -> String {
    let mut rows = String::new();
    let mut y = TOP;
    for measured in &report.cells {
        row(&mut rows, measured, y);
        y += height(measured);
    }
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="system-ui, sans-serif" font-size="12">
<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>
"##
    );
    let title = "Forwarding remote writes over TLS: what it costs";
    text(&mut picture, (16.0, 24.0), "start", r#" font-size="15" font-weight="600""#, title);
    let rounds = report.effort.rounds;
    let below =
        format!("{}; medians of {rounds} alternating rounds, shorter is better", report.machine);
    text(&mut picture, (16.0, 43.0), "start", r##" fill="#57606a""##, &below);
    legend(&mut picture, report);
    for (number, column) in COLUMNS.iter().enumerate() {
        text(
            &mut picture,
            (column_start(number), TOP - 10.0),
            "start",
            r#" font-weight="600""#,
            column.title,
        );
    }
    picture + &rows + "</svg>\n"
}

fn legend(picture: &mut String, report: &Report) {
    let kinds = report.cells.first().map(|cell| cell.contenders.iter().map(|one| one.contender));
    let mut x = 16.0;
    for kind in kinds.into_iter().flatten() {
        rectangle(picture, (x, 55.0), (12.0, 12.0), colour(kind));
        text(picture, (x + 17.0, 65.0), "start", "", &kind.to_string());
        x += 130.0;
    }
}

/// A cell: its name, and for each column a bar for each contender.
fn row(picture: &mut String, measured: &Measured, top: f64) {
    let cell = measured.cell;
    let middle = top + (height(measured) - BETWEEN_CELLS) / 2.0;
    let size =
        if cell.kibibytes == 1024 { "1 MiB".to_owned() } else { format!("{} KiB", cell.kibibytes) };
    let connections = if cell.connections == 1 { "connection" } else { "connections" };
    text(picture, (16.0, middle), "start", r#" font-weight="600""#, &size);
    let below = format!("{} {connections}", cell.connections);
    text(picture, (16.0, middle + 14.0), "start", r##" fill="#57606a""##, &below);
    for (number, column) in COLUMNS.iter().enumerate() {
        let highest = |figures: &Figures| {
            (column.spread)(figures).map_or((column.value)(figures), |(_, max)| max)
        };
        let longest = measured.contenders.iter().map(highest).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (column_width() - BEHIND) / longest;
        let mut y = top;
        for figures in &measured.contenders {
            bar(picture, column, figures, (column_start(number), y), scale);
            y += BAR;
        }
    }
}

fn bar(picture: &mut String, column: &Column, figures: &Figures, (x, y): (f64, f64), scale: f64) {
    let value = (column.value)(figures);
    let length = value * scale;
    rectangle(picture, (x, y), (length, BAR - 2.0), colour(figures.contender));
    let mut end = length;
    if let Some((min, max)) = (column.spread)(figures) {
        end = max * scale;
        let middle = y + BAR / 2.0 - 1.0;
        let (from, to) = (x + min * scale, x + end);
        let _ = writeln!(
            picture,
            r##"<path d="M{from:.1} {middle:.1}H{to:.1}" stroke="#24292f" stroke-width="1"/>"##
        );
    }
    let digits = column.digits;
    text(
        picture,
        (x + end + 5.0, y + BAR - 3.5),
        "start",
        r#" font-size="11""#,
        &format!("{value:.digits$}"),
    );
}

fn rectangle(picture: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
    let _ = writeln!(
        picture,
        r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#
    );
}

fn text(picture: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(
        picture,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{more}>{text}</text>"#
    );
}

fn column_width() -> f64 {
    (WIDTH - LEFT - 3.0 * GAP) / 3.0
}

fn column_start(number: usize) -> f64 {
    let number = f64::from(u8::try_from(number).unwrap_or(u8::MAX));
    LEFT + number * (column_width() + GAP)
}

fn height(measured: &Measured) -> f64 {
    let bars = f64::from(u8::try_from(measured.contenders.len()).unwrap_or(u8::MAX));
    bars * BAR + BETWEEN_CELLS
}

const fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Nginx => "#8c959f",
        Kind::AadAuthProxy => "#bf8aaf",
        Kind::BareHyper => "#d4a72c",
        Kind::Sidecar => "#0969da",
    }
}
