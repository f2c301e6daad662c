//! The tables of `README.md` are generated from the program.
//!
//! `UPDATE_EXPECT=1 cargo test -p sidecar readme` writes them anew.

mod metrics;
mod variables;

use expect_test::expect_file;

use crate::{check::step, explain::Code, metrics::Refusal};

const README: &str = include_str!("../README.md");

/// The text with another between the two marks of this name.
fn with_section(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{section}\n{end}{after}")
}

/// A Markdown table; its cells hold no bar of their own.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| {
        assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "{cells:?}");
        format!("| {} |\n", cells.join(" | "))
    };
    let head = line(&head.map(str::to_owned)) + &format!("|{}\n", "---|".repeat(N));
    rows.into_iter().fold(head, |text, row| text + &line(&row))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_tables_are_what_the_program_says() {
    let text = with_section(README, "variables", &variables::table());
    let text = with_section(&text, "metrics", &metrics::table());
    let variables = contract::DESTINATION_VARIABLES.map(code).join(", ");
    let text = with_section(&text, "destination variables", &(variables + "\n"));
    let codes = Code::ALL.iter().map(|one| [code(one.as_str()), one.meaning().to_owned()]);
    let text = with_section(&text, "codes", &table(["code", "meaning"], codes));
    expect_file!["../README.md"].assert_eq(&text);
}

#[test]
fn every_step_of_the_doctor_is_described_in_its_order() {
    let (_, steps) = README.split_once("\n## Check the way to Azure\n").unwrap();
    assert_eq!(first_column(steps, step::ALL.len()), step::ALL);
}

#[test]
fn every_reason_for_a_refusal_is_described() {
    let (_, reasons) = README.split_once("\n## Requests that the sidecar rejects\n").unwrap();
    let expected: Vec<&str> = Refusal::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(first_column(reasons, expected.len()), expected);
}

/// The names in the first `count` rows that follow.
fn first_column(text: &str, count: usize) -> Vec<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name).take(count).collect()
}
