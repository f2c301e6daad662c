//! The overview as a table, and as JSON.

use std::fmt::Write as _;

use super::{
    Overview,
    problems::{Problem, Severity},
    sidecars::{Freshness, SidecarLine},
    span,
};

/// A column: its title, whether it is for wide output only, and its text for a line
/// at a time in seconds since 1970. A new column is a line here.
type Column = (&'static str, bool, fn(&SidecarLine, i64) -> String);

const COLUMNS: [Column; 13] = [
    ("CONTEXT", false, |line, _| line.context.clone().unwrap_or_default()),
    ("NAMESPACE", false, |line, _| line.namespace.clone()),
    ("POD", false, |line, _| line.pod.clone()),
    ("DESTINATION", false, |line, _| match line.destination.as_str() {
        "" => "-".to_owned(),
        name => name.to_owned(),
    }),
    ("INJECTED BY", false, |line, _| line.version.clone()),
    ("SETTINGS", false, |line, _| freshness(line.settings).to_owned()),
    ("READY", false, |line, _| match &line.reason {
        None => "yes".to_owned(),
        Some(reason) => format!("no: {reason}"),
    }),
    ("LAST SUCCESS", false, |line, now| match line.last_success {
        Some(time) => format!("{} ago", span(now - time)),
        None => unknown(line, "never"),
    }),
    ("REFUSED SAMPLES", false, refused),
    ("TOKEN", false, |line, now| ending(line, line.token_expiry, now)),
    ("CERTIFICATE", false, |line, now| ending(line, line.certificate_expiry, now)),
    ("PROFILE", true, |line, _| line.profile.clone()),
    ("WRITES TO", true, |line, _| line.writes_to.clone()),
];

/// The table of sidecars, and below it the problems.
pub fn text(overview: &Overview, wide: bool, now: i64) -> String {
    let mut text = table(&overview.sidecars, wide, now);
    if overview.sidecars.is_empty() {
        text.push_str("no pod has an injected sidecar\n");
    }
    for problem in &overview.problems {
        describe(&mut text, problem);
    }
    let count =
        |severity| overview.problems.iter().filter(|problem| problem.severity == severity).count();
    let (problems, notes) = (count(Severity::Problem), count(Severity::Note));
    let of = |line: &SidecarLine| (line.context.clone(), line.namespace.clone(), line.pod.clone());
    let sidecars = overview.sidecars.chunk_by(|one, other| of(one) == of(other)).count();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\nsidecars: {sidecars}; problems: {problems}; notes: {notes}");
    printable(&text)
}

/// Without what would steer a terminal: some of it is written by programs in pods.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|char| *char == '\n' || !char.is_control()).collect()
}

/// All of it as one object, whose fields stay.
pub fn json(overview: &Overview) -> String {
    serde_json::to_string_pretty(overview).unwrap_or_default() + "\n"
}

fn table(lines: &[SidecarLine], wide: bool, now: i64) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let is_needed = |title: &str| match title {
        "CONTEXT" => lines.iter().any(|line| line.context.is_some()),
        "DESTINATION" => lines.iter().any(|line| !line.destination.is_empty()),
        _ => true,
    };
    let columns =
        COLUMNS.iter().filter(|(title, for_wide, _)| (wide || !for_wide) && is_needed(title));
    let mut rows = vec![String::new(); lines.len() + 1];
    for (title, _, value) in columns {
        let cells = lines.iter().map(|line| value(line, now));
        let cells: Vec<String> = std::iter::once((*title).to_owned()).chain(cells).collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (row, cell) in rows.iter_mut().zip(&cells) {
            let _ = write!(row, "{cell:<width$}  ");
        }
    }
    rows.iter().fold(String::new(), |text, row| text + row.trim_end() + "\n")
}

fn describe(text: &mut String, problem: &Problem) {
    let word = match problem.severity {
        Severity::Problem => "problem",
        Severity::Note => "note",
    };
    let context =
        problem.context.as_ref().map(|context| format!("{context}: ")).unwrap_or_default();
    let Problem { object, message, next_step, .. } = problem;
    let _ = writeln!(text, "\n{word}: {context}{object}: {message}\n  -> {next_step}");
}

const fn freshness(settings: Freshness) -> &'static str {
    match settings {
        Freshness::Current => "current",
        Freshness::Outdated => "outdated",
        Freshness::Invalid => "invalid",
        Freshness::Unknown => "?",
    }
}

/// What stands for nothing, where metrics were read; else a question mark.
fn unknown(line: &SidecarLine, nothing: &str) -> String {
    if line.is_measured { nothing } else { "?" }.to_owned()
}

fn refused(line: &SidecarLine, _: i64) -> String {
    let Some(refused) = &line.refused_samples else { return "?".to_owned() };
    let counts: Vec<String> =
        refused.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
    if counts.is_empty() { "0".to_owned() } else { counts.join(",") }
}

fn ending(line: &SidecarLine, expiry: Option<i64>, now: i64) -> String {
    match expiry {
        Some(time) if time > now => format!("{} left", span(time - now)),
        Some(_) => "expired".to_owned(),
        None => unknown(line, "-"),
    }
}
