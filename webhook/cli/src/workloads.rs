//! The pods in an object: the object itself, its pod template, the pods that an
//! operator makes of it, or the items of a list. Templates are known by
//! their shape, so that custom workloads are found as well.

pub(crate) mod hand_written;
mod operator;
pub(crate) mod sites;

use std::borrow::Cow;

use contract::annotations::PREFIX;
use serde_json::Value;

/// A pod or pod template in a document.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    /// The path to it; `None` where it stands nowhere, and can't be edited.
    pub(crate) path: Option<Vec<String>>,
    /// It.
    pub(crate) pod: Cow<'a, Value>,
    /// The object's kind, namespace and name.
    pub(crate) subject: String,
    /// The object's namespace, if it names one.
    pub(crate) namespace: Option<String>,
    /// Probable errors of its author.
    pub(crate) hints: Vec<String>,
    /// The URL that its Prometheus writes to, if the object contains it.
    pub(crate) writes: Option<Vec<String>>,
}

/// Where workloads keep their template: most, `CronJob`, `PodTemplate`.
pub(crate) const TEMPLATES: [&[&str]; 3] =
    [&["spec", "template"], &["spec", "jobTemplate", "spec", "template"], &["template"]];

/// What cannot be done here.
pub(crate) const OPERATORS: &str =
    "prometheus-operator creates its pods: the webhook sees them when they are created";

/// Every pod and pod template in `object`.
pub(crate) fn workloads(object: &Value) -> Vec<Workload<'_>> {
    let mut found = Vec::new();
    find(object, &mut Vec::new(), &mut found);
    found
}

fn find<'a>(object: &'a Value, path: &mut Vec<String>, found: &mut Vec<Workload<'a>>) {
    let kind = text(object, "/kind").unwrap_or_default();
    if kind.ends_with("List") {
        let items = object.get("items").and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            path.extend(["items".to_owned(), index.to_string()]);
            find(item, path, found);
            path.truncate(path.len().saturating_sub(2));
        }
        return;
    }
    let subject = subject(object, kind);
    let namespace = text(object, "/metadata/namespace").map(str::to_owned);
    if kind == "Pod" {
        let hints = unquoted(object);
        let (path, pod) = (Some(path.clone()), Cow::Borrowed(object));
        found.push(Workload { path, pod, subject, namespace, hints, writes: None });
        return;
    }
    if let Some(pod) = operator::whole_pod(object) {
        let mut hints = unquoted(&pod);
        hints.extend(misplaced(object, &pod, "spec.podMetadata.annotations"));
        hints.push(OPERATORS.to_owned());
        let pod = Cow::Owned(pod);
        let writes = Some(writes(object));
        found.push(Workload { path: None, pod, subject, namespace, hints, writes });
        return;
    }
    for template in TEMPLATES {
        let pod = template.iter().try_fold(object, |value, name| value.get(name));
        let Some(pod) = pod.filter(|pod| has_containers(pod)) else { continue };
        let whole = path.iter().cloned().chain(template.iter().map(|name| (*name).to_owned()));
        let mut hints = unquoted(pod);
        let place = format!("{}.metadata.annotations", template.join("."));
        hints.extend(misplaced(object, pod, &place));
        let (subject, namespace) = (subject.clone(), namespace.clone());
        let (path, pod) = (Some(whole.collect()), Cow::Borrowed(pod));
        found.push(Workload { path, pod, subject, namespace, hints, writes: None });
    }
}

/// The URLs of an operator's object.
fn writes(object: &Value) -> Vec<String> {
    let entries = object.pointer("/spec/remoteWrite").and_then(Value::as_array);
    let urls = entries.into_iter().flatten().filter_map(|entry| entry.get("url")?.as_str());
    urls.map(str::to_owned).collect()
}

pub(crate) fn has_containers(pod: &Value) -> bool {
    pod.pointer("/spec/containers").is_some_and(Value::is_array)
}

/// Annotations of the workload that its pods do not get.
fn misplaced(object: &Value, pod: &Value, place: &str) -> Option<String> {
    let asks = |value: &Value| {
        let annotations = value.pointer("/metadata/annotations").and_then(Value::as_object);
        annotations.is_some_and(|map| map.keys().any(|name| name.starts_with(PREFIX)))
    };
    (asks(object) && !asks(pod))
        .then(|| format!("its pods do not get the annotations in metadata: write them in {place}"))
}

/// Who makes an object, and makes it again: its controller, or the operator whose
/// label it has.
pub(crate) fn made_by(object: &Value) -> Option<String> {
    let label = |name: &str| text(object, &format!("/metadata/labels/{name}"));
    let is_operators = label("operator.prometheus.io~1name").is_some()
        || label("app.kubernetes.io~1managed-by") == Some("prometheus-operator");
    let owner = |key: &str| text(object, &format!("/metadata/ownerReferences/0/{key}"));
    let maker = match (owner("kind"), owner("name")) {
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        _ if is_operators => "the Prometheus object of prometheus-operator".to_owned(),
        _ => return None,
    };
    Some(format!("{maker} creates this object, and reverts changes to it: change {maker}"))
}

/// Kubernetes refuses annotations that YAML does not read as texts.
fn unquoted(pod: &Value) -> Vec<String> {
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations
        .into_iter()
        .flatten()
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_string())
        .map(|(name, value)| {
            format!("write {name}: \"{value}\" with quotes: Kubernetes accepts only strings")
        })
        .collect()
}

/// The placeholder of a missing name.
pub(crate) const WITHOUT_NAME: &str = "without a name";

pub(crate) fn subject(object: &Value, kind: &str) -> String {
    let name = text(object, "/metadata/name").or_else(|| text(object, "/metadata/generateName"));
    let namespace = text(object, "/metadata/namespace").map(|name| format!("{name}/"));
    let subject =
        format!("{kind} {}{}", namespace.unwrap_or_default(), name.unwrap_or(WITHOUT_NAME));
    subject.trim_start().to_owned()
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}
