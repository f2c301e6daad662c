//! Annotations, variables and metrics are spelt as the programs spell them.

use std::{collections::BTreeSet, fs, path::Path};

use contract::{DESTINATION_VARIABLES, DestinationName, Key, annotations::PREFIX};

use super::{pages, root};

/// Names under our prefix that are no annotation of a pod's author: what the
/// webhook writes, the label and the annotation of the certificate's Secret, and
/// the repository.
const OTHERS: &[&str] =
    &["inject", "profile", "injected", "certificates", "renew", "prom-remotewrite"];

/// Variables that others read, and no text of ours.
const VARIABLES: &[&str] = &["RUST_BACKTRACE"];

/// Where our programs, scripts and the harness read theirs.
const READERS: &[&str] = &[
    ".ci",
    "certs/src",
    "manifests",
    "tests/src",
    "tests/toolbox/src",
    "tests/it",
    "webhook/src",
    "webhook/cli/src",
];

/// The name at the start of `text`.
fn name(text: &str, is_part: fn(char) -> bool) -> &str {
    text.split(|c| !is_part(c)).next().unwrap_or_default()
}

#[test]
fn annotations_are_those_of_the_contract() {
    let mut seen = BTreeSet::new();
    for page in pages() {
        for (start, _) in page.text.match_indices(PREFIX) {
            // `ghcr.io/prom-remotewrite/…` and paths are something else.
            let before = page.text[..start].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || matches!(before, '/' | '.' | '-') {
                continue;
            }
            let found =
                name(&page.text[start + PREFIX.len()..], |c| c.is_ascii_lowercase() || c == '-');
            if found.is_empty() {
                continue;
            }
            let known =
                OTHERS.contains(&found) || Key::ALL.iter().any(|key| key.annotation() == found);
            assert!(known, "{}: there is no annotation {PREFIX}{found}", page.name);
            seen.insert(found.to_owned());
        }
    }
    assert!(seen.contains("inject"), "{seen:?}");
}

#[test]
fn metrics_are_those_of_the_tables() {
    let pages = pages();
    let of = |name: &str| &pages.iter().find(|page| page.name == name).unwrap().text;
    let first = |line: &str| Some(name(line.strip_prefix("| `")?, is_metric).to_owned());
    let sidecar = of("sidecar/README.md").lines().filter_map(first);
    let sidecar = sidecar.filter(|name| name.starts_with("prom_remotewrite_"));
    let webhook = of("webhook/README.md").lines().filter_map(first);
    let webhook = webhook.map(|name| format!("prom_remotewrite_webhook_{name}"));
    let certs = of("certs/README.md").lines().filter_map(first);
    let certs = certs.map(|name| format!("prom_remotewrite_certs_{name}"));
    let known: BTreeSet<String> = sidecar.chain(webhook).chain(certs).collect();
    for page in &pages {
        for (start, _) in page.text.match_indices("prom_remotewrite_") {
            let found = name(&page.text[start..], is_metric);
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| found.strip_suffix(end));
            let found = base.unwrap_or(found);
            let is_prefix = found.ends_with('_');
            assert!(
                is_prefix || known.contains(found),
                "{}: there is no metric {found}",
                page.name
            );
        }
    }
}

fn is_metric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

#[test]
fn variables_are_those_of_the_contract() {
    let pages = pages();
    // That table is the contract's own, see `sidecar/src/readme.rs`.
    let sidecar = &pages.iter().find(|page| page.name == "sidecar/README.md").unwrap().text;
    let rows = sidecar.lines().filter_map(|line| line.strip_prefix("| `"));
    let table: BTreeSet<&str> = rows.map(|row| name(row, is_variable)).collect();
    let readers: String = READERS.iter().map(|folder| code(&root().join(folder))).collect();
    let is_read = |name: &str| {
        readers.contains(&format!("\"{name}\"")) || readers.contains(&format!("${{{name}"))
    };
    let known = |name: &str| {
        table.contains(name) || VARIABLES.contains(&name) || is_read(name) || is_destinations(name)
    };
    let mut seen = 0;
    for page in &pages {
        for quoted in page.text.split('`').skip(1).step_by(2) {
            let word = name(quoted, is_variable);
            let ends = quoted[word.len()..].chars().next().is_none_or(|c| c == '=');
            if word.contains('_') && !word.ends_with('_') && ends {
                assert!(known(word), "{}: there is no variable {word}", page.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Whether it is the suffix of a destination, or a variable with one.
fn is_destinations(name: &str) -> bool {
    let is_suffix = |suffix: &str| DestinationName::of_suffix(suffix).is_some();
    let mut suffixes = DESTINATION_VARIABLES.iter().filter_map(|base| name.strip_prefix(base));
    is_suffix(name) || suffixes.any(is_suffix)
}

fn is_variable(c: char) -> bool {
    c.is_ascii_uppercase() || c == '_'
}

/// All text below a folder but pages.
fn code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &code(&path);
        } else if path.extension().is_none_or(|extension| extension != "md") {
            text += &fs::read_to_string(path).unwrap_or_default();
        }
    }
    text
}
