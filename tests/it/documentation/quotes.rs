//! Words that pages quote from our programs are in the programs.

use std::{fs, path::Path};

use super::{pages, root};

/// Sections that quote our own messages: in headings, or in the first column of
/// their tables. A heading that ends with a program in parentheses quotes that one.
const SECTIONS: &[(&str, &str)] = &[
    ("manifests/troubleshooting.md", "## The pod is not created"),
    ("manifests/troubleshooting.md", "## The sidecar restarts"),
    ("manifests/troubleshooting.md", "## Messages of the sidecar"),
    ("manifests/troubleshooting.md", "## `helm test` fails"),
    ("manifests/troubleshooting.md", "## Messages of the webhook"),
    ("certs/README.md", "## Log messages"),
];

/// All Rust of the three programs, on one line as far as texts go.
fn sources() -> String {
    let mut text = String::new();
    let folders = [
        "sidecar/src",
        "sidecar/contract/src",
        "sidecar/logs/src",
        "webhook/src",
        "webhook/cli/src",
        "certs/src",
    ];
    for folder in folders {
        collect(&root().join(folder), &mut text);
    }
    text.replace("\\\"", "\"")
}

fn collect(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn quoted_words_are_the_programs_own() {
    let (pages, sources) = (pages(), sources());
    let mut checked = 0;
    for (name, heading) in SECTIONS {
        let page = pages.iter().find(|page| page.name == *name).unwrap();
        let (_, section) = page.text.split_once(&format!("\n{heading}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
        let headings = headings.filter(|heading| !heading.ends_with(')'));
        let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        for text in headings.chain(cells) {
            for quote in text.split('`').skip(1).step_by(2) {
                assert!(sources.contains(quote), "{name}: no program says {quote:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 25, "{checked}");
}
