//! What looks like a way to Azure and is at no place that is known: it stays,
//! and is named.

use serde_json::Value;

use super::{
    native,
    sites::{at, each_child},
    source,
};
use crate::yaml::{self, documents};

/// Words in a text that is a file of its own.
const WORDS: [&str; 5] = [
    "prometheus-remote-write/images",
    "/promdev/prom-remotewrite",
    "INGESTION_URL",
    "azuread:",
    "azureAd:",
];

/// What shows that samples go to Azure from a document that is one text to YAML,
/// as Terraform is; comments show nothing.
pub(super) fn mark(text: &str) -> Option<&'static str> {
    let is_text = |document: &&str| yaml::read(document).is_ok_and(|value| value.is_string());
    let texts = documents(text).into_iter().filter(is_text);
    let mut lines = texts.flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#'));
    lines.find_map(|line| WORDS.into_iter().find(|word| line.contains(word)))
}

/// The ways to texts that are files of their own, as Argo CD has values and a
/// `ConfigMap` has `prometheus.yml`.
pub(super) fn texts(document: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    walk(document, &mut Vec::new(), &mut |node, path| {
        let Value::String(text) = node else { return true };
        let has_lines = text.trim_end().contains('\n');
        if has_lines && WORDS.iter().any(|word| text.contains(word)) {
            found.push(path.to_vec());
        }
        false
    });
    found
}

/// Each with what it is and why it stays; not below the ways in `known`, where
/// it has been named already.
pub(super) fn leftovers(document: &Value, known: &[Vec<String>]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(document, &mut Vec::new(), &mut |node, path| {
        if known.iter().any(|known| known == path) {
            return false;
        }
        if is_status(document, path) {
            return false;
        }
        if let Value::String(text) = node {
            if sets_our_part(text) {
                let place = path.join(".");
                found.push((format!("text at {place}"), SETS.to_owned()));
            }
            return false;
        }
        let (what, why) = if native::block(node).is_some() && node.get("url").is_some() {
            ("remote write", "whose pod it is about is not known")
        } else if source::is_sidecar(node) && path.iter().any(|key| key == "sidecarContainers") {
            ("container", CHART)
        } else if source::is_sidecar(node) {
            ("container", "whose pod it belongs to is not known")
        } else {
            return true;
        };
        found.push((format!("{what} at {}", path.join(".")), why.to_owned()));
        false
    });
    found
}

/// Why a container of the chart prometheus stays.
const CHART: &str = "of the chart prometheus only remote write is known: remove it with its extraVolumes, and write the annotation in server.podAnnotations";

/// Why a way into values stays.
const SETS: &str = "it is the way to a part of the values, by its place in a list: that part may have gone or moved, so remove or mend it by hand";

/// Whether it is the way to a container or a remote write entry of values, as
/// Flux has it as `targetPath` and Argo CD as a parameter's name.
fn sets_our_part(text: &str) -> bool {
    let lists = [".containers[", ".initContainers[", ".volumes["];
    let entry =
        text.contains("emoteWrite[") && [".url", ".azureAd"].iter().any(|key| text.contains(key));
    text.contains("prometheusSpec.") && (entry || lists.iter().any(|list| text.contains(list)))
}

/// Whether it is what the cluster says of an object, which nobody writes.
fn is_status(document: &Value, path: &[String]) -> bool {
    let Some((last, object)) = path.split_last() else { return false };
    last == "status" && at(document, object).is_some_and(|object| object.get("kind").is_some())
}

/// Visits `node`, and its children where `visit` says so.
fn walk(node: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&Value, &[String]) -> bool) {
    if !visit(node, path) {
        return;
    }
    each_child(node, |name, child| {
        path.push(name);
        walk(child, path, visit);
        path.pop();
    });
}
