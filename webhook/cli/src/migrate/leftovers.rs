//! What looks like a way to Azure and is at no place that is known: it stays,
//! and is named, with the profile to write and the next step.

use serde_json::Value;

use super::{
    plan::Plan,
    report,
    source::{self, Program, Source},
};
use crate::{manifests::language, tree::walk};

/// What shows a way to Azure in a text or a key.
const MARKS: [&str; 6] = [
    "prometheus-remote-write/images",
    "/prom-remotewrite:prom-remotewrite-",
    "/aad-auth-proxy",
    "INGESTION_URL",
    "azuread:",
    "azureAd:",
];

/// The mark in `text`, apart from comments.
pub(super) fn mark_in(text: &str) -> Option<&'static str> {
    let is_comment =
        |line: &str| ["#", "//"].iter().any(|mark| line.trim_start().starts_with(mark));
    let mut lines = text.lines().filter(|line| !is_comment(line));
    lines.find_map(|line| MARKS.into_iter().find(|mark| line.contains(mark)))
}

/// Whether `text` is a file of its own, as Argo CD has values and a `ConfigMap` has
/// `prometheus.yml`.
fn is_file(text: &str) -> bool {
    text.trim_end().contains('\n') && mark_in(text).is_some()
}

/// The paths to texts that are files of their own.
pub(super) fn texts(document: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    walk(document, &mut |node, path| {
        let is_one = node.as_str().is_some_and(is_file) && !path.is_empty();
        found.extend(is_one.then(|| path.to_vec()));
        true
    });
    found
}

/// The path to what stays, what it is where that can be read, and why; not below
/// the paths in `known`, where it has been named already.
pub(super) fn leftovers(
    document: &Value,
    known: &[Vec<String>],
) -> Vec<(Vec<String>, Option<Source>, String)> {
    let mut found: Vec<(Vec<String>, Option<Source>, String)> = Vec::new();
    walk(document, &mut |node, path| {
        if known.iter().any(|known| known == path) {
            return false;
        }
        let source = source::of(node);
        let key = path.last().map(String::as_str).unwrap_or_default();
        let of_key = MARKS.into_iter().find(|mark| mark.trim_end_matches(':') == key);
        let is_inner = !path.is_empty() && node.as_str().is_some_and(is_file);
        let of_text = node.as_str().filter(|_| !is_inner).and_then(mark_in);
        let mark = of_key.or(of_text);
        // What has no form of its own is said once.
        let is_said = found.iter().any(|(_, source, _)| source.is_none());
        if source.is_some() || (mark.is_some() && !is_said) {
            let reason = reason(document, path, source.as_ref(), mark);
            found.push((path.to_vec(), source, reason));
            return false;
        }
        true
    });
    found
}

fn reason(
    document: &Value,
    path: &[String],
    source: Option<&Source>,
    mark: Option<&str>,
) -> String {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    let is_patch = document.as_array().is_some_and(|items| {
        items.iter().any(|item| item.get("op").is_some() && item.get("path").is_some())
    });
    let text = document.as_str().and_then(language::of).map(|language| language.to_string());
    let language = text.map(|text| format!("it has {:?}, and {text}", mark.unwrap_or_default()));
    let language = language.or_else(|| language::of_object(document).map(str::to_owned));
    let mark = mark.unwrap_or_default();
    match (source, language) {
        (None, Some(language)) => language,
        (None, None) => format!("it has {mark:?} in a form that is not known: migrate the Kubernetes object or the Helm values that result from it"),
        _ if is_patch => "this is a JSON patch: remove the operation that adds the container, and add the annotations to the same pod; or migrate the patched object, as kustomize build prints it".to_owned(),
        (Some(source), _) if path.len() < 2 => format!("this is {} by itself, and where its pod's annotations are is not known: migrate the file that it goes into, if there is one", source.name()),
        _ if kind.is_empty() => "these are values of a chart that is not known, so that the place of its pod's annotations is not known either".to_owned(),
        _ => format!("how the pods of {kind} are annotated is not known"),
    }
}

/// What a person has to do with the source of `plan`.
pub(super) fn next_step(plan: &Plan<'_>) -> String {
    let is_native = plan.source.program == Program::Native;
    let gone = if is_native { "its azuread block" } else { "it" };
    let Plan { name, url, .. } = plan;
    let annotations = report::annotations(name);
    format!(
        "by hand, with profile {name:?}: remove {gone}, annotate the pod with {annotations} (charts and operators have podMetadata.annotations or podAnnotations), and let it write to {url}"
    )
}
