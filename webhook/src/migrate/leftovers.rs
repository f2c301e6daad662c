//! What looks like a way to Azure and is at no place that is known: it stays,
//! and is named.

use serde_json::Value;

use super::{native, sites::each_child, source};

/// Words in a text that is a file of its own.
const WORDS: [&str; 4] =
    ["prometheus-remote-write/images", "/promdev/prom-remotewrite", "INGESTION_URL", "azuread:"];

/// Each with what it is and why it stays; not below the ways in `known`, where
/// it has been named already.
pub(super) fn leftovers(document: &Value, known: &[Vec<String>]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(document, &mut Vec::new(), known, &mut found);
    found
}

fn walk(
    node: &Value,
    path: &mut Vec<String>,
    known: &[Vec<String>],
    found: &mut Vec<(String, String)>,
) {
    if known.contains(path) {
        return;
    }
    let place = path.join(".");
    let mut stays =
        |what: &str, why: &str| found.push((format!("{what} at {place}"), why.to_owned()));
    if let Value::String(text) = node {
        let has_lines = text.trim_end().contains('\n');
        if has_lines && WORDS.iter().any(|word| text.contains(word)) {
            stays("text", "it is a file of its own: migrate it by itself");
        }
        return;
    }
    if native::block(node).is_some() && node.get("url").is_some() {
        stays("remote write", "whose pod it is about is not known");
        return;
    }
    if source::is_sidecar(node) {
        stays("container", "whose pod it belongs to is not known");
        return;
    }
    each_child(node, |name, child| {
        path.push(name);
        walk(child, path, known, found);
        path.pop();
    });
}
