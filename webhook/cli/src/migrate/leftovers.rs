//! What looks like a way to Azure and is at no place that is known: it stays,
//! and is named, with the profile to write and the next step.

use k8s_openapi::ByteString;
use serde_json::Value;

use super::source::{self, Source};
use crate::tree::walk;

/// What shows a way to Azure in a text or a key.
const MARKS: [&str; 5] = [
    "prometheus-remote-write/images",
    "/prom-remotewrite:prom-remotewrite-",
    "/aad-auth-proxy",
    "INGESTION_URL",
    "].name=prom-remotewrite",
];
/// The key of Prometheus' own block, in small letters.
const BLOCK: &str = "azuread";

/// The lines of `text` with a mark: their numbers from 1, themselves, and the marks.
pub(super) fn marks(text: &str) -> impl Iterator<Item = (usize, &str, &'static str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, line, mark(line)?)))
}

/// The mark in a line: the key as YAML, JSON, HCL, Alloy and paths have it, which Grafana's
/// section `auth.azuread` is not.
fn mark(line: &str) -> Option<&'static str> {
    let small = line.to_ascii_lowercase();
    let parts = small.split(BLOCK);
    let is_key = parts.clone().zip(parts.skip(1)).any(|(before, after)| {
        let after = after.trim_start_matches(['"', '\'']).trim_start();
        !before.ends_with("auth.") && after.starts_with(['.', '{', '=', ':'])
    });
    MARKS.into_iter().find(|mark| line.contains(mark)).or(is_key.then_some(BLOCK))
}

/// The mark in `text`, apart from comments.
pub(super) fn mark_in(text: &str) -> Option<&'static str> {
    let is_comment = |line: &str| ["#", "//"].iter().any(|it| line.trim_start().starts_with(it));
    marks(text).find(|(_, line, _)| !is_comment(line)).map(|(.., mark)| mark)
}

/// The mark in what `text` is in base64, as a Secret has files.
fn mark_in_base64(text: &str) -> Option<&'static str> {
    let letters: String = text.split_whitespace().collect();
    let ByteString(bytes) = serde_json::from_value(letters.into()).ok()?;
    mark_in(str::from_utf8(&bytes).ok()?)
}

/// Whether `text` may be a file of its own, as Argo CD has values and a `ConfigMap` has
/// `prometheus.yml`: one in JSON may have one line.
pub(super) fn is_file(text: &str) -> bool {
    text.trim_end().contains('\n') || text.starts_with('{')
}

/// What is left of a document.
#[derive(Default)]
pub(super) struct Leftovers {
    /// The path to what stays, what it is where that can be read, and why.
    pub(super) stays: Vec<(Vec<String>, Option<Source>, String)>,
    /// The paths to texts that are files of their own.
    pub(super) texts: Vec<Vec<String>>,
}

/// What is left, apart from what is below the paths in `known`, where it has been named.
pub(super) fn leftovers(document: &Value, known: &[Vec<String>]) -> Leftovers {
    let mut found = Leftovers::default();
    walk(document, &mut |node, path| {
        let text = node.as_str().unwrap_or_default();
        if known.iter().any(|known| known == path) {
            return false;
        }
        if !path.is_empty() && is_file(text) && mark_in(text).is_some() {
            found.texts.push(path.to_vec());
            return false;
        }
        let source = source::of(node);
        let key = path.last().map(String::as_str).unwrap_or_default();
        let of_key = mark(&format!("{key}:"));
        let mark = of_key.or_else(|| mark_in(text)).or_else(|| mark_in_base64(text));
        // What has no form of its own is said once.
        let is_said = found.stays.iter().any(|(_, source, _)| source.is_none());
        if source.is_some() || (mark.is_some() && !is_said) {
            let reason = reason(document, path, source.as_ref(), mark.unwrap_or_default());
            found.stays.push((path.to_vec(), source, reason));
            return false;
        }
        true
    });
    found
}

fn reason(document: &Value, path: &[String], source: Option<&Source>, mark: &str) -> String {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    let is_patch = document.as_array().is_some_and(|items| {
        items.iter().any(|item| item.get("op").is_some() && item.get("path").is_some())
    });
    match source {
        None => format!("it has {mark:?} in a form that is not known: migrate the Kubernetes object or the Helm values that result from it, decoded if it is base64"),
        _ if is_patch => "this is a JSON patch: remove the operation that adds the container, and add the annotations to the same pod; or migrate the patched object, as kustomize build prints it".to_owned(),
        Some(source) if path.len() < 2 => format!("this is {} by itself, and where its pod's annotations are is not known: migrate the file that it goes into, if there is one", source.name()),
        _ if kind.is_empty() => "these are values of a chart that is not known, so that the place of its pod's annotations is not known either".to_owned(),
        _ => format!("how the pods of {kind} are annotated is not known"),
    }
}
