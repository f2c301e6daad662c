//! Where a document describes a pod that runs Prometheus: by the shape of what
//! is written, so that umbrella charts, `HelmRelease`s and Argo CD's
//! `valuesObject`s are found as well as plain files.
//!
//! A new form is one more [`Form`] here, and one more line in [`find`].

use contract::annotations::{INJECT, PROFILE};
use serde_json::{Value, json};

use super::{TEMPLATES, has_containers, operator, subject};
use crate::tree::{at, each_child};

/// A path below a site.
pub(crate) type RelativePath = &'static [&'static str];

/// A language in which people describe a Prometheus: where it has what a pod has.
#[derive(Debug)]
pub(crate) struct Form {
    /// Containers that run first, and the others: lists, or mappings by name.
    containers: [RelativePath; 2],
    /// The pod's volumes.
    pub(crate) volumes: RelativePath,
    /// The pod's annotations; of no length where there is no pod.
    pub(crate) annotations: RelativePath,
    /// The pod's labels.
    labels: RelativePath,
    /// Lists of what Prometheus writes to.
    writes: &'static [RelativePath],
    /// Whether it is the pod itself.
    pub(crate) is_pod: bool,
}

/// A pod or a pod template.
static POD: Form = Form {
    containers: [&["spec", "initContainers"], &["spec", "containers"]],
    volumes: &["spec", "volumes"],
    annotations: &["metadata", "annotations"],
    labels: &["metadata", "labels"],
    writes: &[],
    is_pod: true,
};
/// The `spec` of a `Prometheus` or a `ThanosRuler`, and a chart's `prometheusSpec`.
static OPERATOR: Form = Form {
    containers: [&["initContainers"], &["containers"]],
    volumes: &["volumes"],
    annotations: &["podMetadata", "annotations"],
    labels: &["podMetadata", "labels"],
    writes: &[&["remoteWrite"], &["additionalRemoteWrite"]],
    is_pod: false,
};
/// The values of the chart prometheus, which has no operator.
static CHART: Form = Form {
    containers: [&["server", "extraInitContainers"], &["server", "sidecarContainers"]],
    volumes: &["server", "extraVolumes"],
    annotations: &["server", "podAnnotations"],
    labels: &["server", "podLabels"],
    writes: &[&["server", "remoteWrite"], &["serverFiles", "prometheus.yml", "remote_write"]],
    is_pod: false,
};
/// Prometheus' own configuration, which contains no pod.
static CONFIGURATION: Form = Form {
    containers: [&["-"], &["-"]],
    volumes: &["-"],
    annotations: &[],
    labels: &["-"],
    writes: &[&["remote_write"]],
    is_pod: false,
};

/// A description of a pod, or of what Prometheus in it writes to.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// The path to it in the document.
    pub(crate) path: Vec<String>,
    /// It.
    pub(crate) node: &'a Value,
    /// In which language it is written.
    pub(crate) form: &'static Form,
    /// Its description, for users.
    pub(crate) subject: String,
    /// The Kubernetes object that it is in, unless it is in values.
    pub(crate) object: Option<&'a Value>,
    /// The annotations of its service account, where the same values have them.
    pub(crate) account: Option<&'a Value>,
}

/// Every site in `document`.
pub(crate) fn sites(document: &Value) -> Vec<Site<'_>> {
    let mut found = Vec::new();
    find(document, &mut Vec::new(), &mut found);
    found
}

fn find<'a>(node: &'a Value, path: &mut Vec<String>, found: &mut Vec<Site<'a>>) {
    let mut add = |below: &[&str], form, what: &str, object, account: &[&str]| {
        let names = below.iter().map(|name| (*name).to_owned());
        let path: Vec<String> = path.iter().cloned().chain(names).collect();
        let place = if path.is_empty() { String::new() } else { format!(" at {}", path.join(".")) };
        let subject = if object { what.to_owned() } else { format!("{what}{place}") };
        let (object, account) = (object.then_some(node), at(node, account));
        let node = at(node, below).unwrap_or(&Value::Null);
        found.push(Site { path, node, form, subject, object, account });
    };
    let kind = node.get("kind").and_then(Value::as_str).unwrap_or_default();
    let template = TEMPLATES.into_iter().find(|path| at(node, path).is_some_and(has_containers));
    if operator::pod(node).is_some() {
        return add(&["spec"], &OPERATOR, &subject(node, kind), true, &["-"]);
    }
    if let Some(path) = template.or((kind == "Pod").then_some(&[])) {
        return add(path, &POD, &subject(node, kind), true, &["-"]);
    }
    if node.get("remote_write").is_some_and(Value::is_array) {
        add(&[], &CONFIGURATION, "Prometheus' configuration", false, &["-"]);
    }
    let mut of_chart = CHART.writes.iter().chain(&CHART.containers);
    let is_chart = of_chart.any(|path| at(node, path).is_some());
    if is_chart {
        let account = ["serviceAccounts", "server", "annotations"];
        add(&[], &CHART, "values of the chart prometheus", false, &account);
    }
    for key in ["prometheusSpec", "thanosRulerSpec"] {
        if node.get(key).is_some_and(Value::is_object) {
            add(&[key], &OPERATOR, "values", false, &["serviceAccount", "annotations"]);
        }
    }
    each_child(node, |name, child| {
        if !(is_chart && ["server", "serverFiles"].contains(&name.as_str())) {
            path.push(name);
            find(child, path, found);
            path.pop();
        }
    });
}

/// The containers at `path` of `node`, with their places there; one of a mapping has
/// its key as its name.
fn containers(node: &Value, path: RelativePath) -> Vec<(String, Value)> {
    let list = at(node, path).unwrap_or(&Value::Null);
    let mut found = Vec::new();
    each_child(list, |place, container| {
        let mut container = container.clone();
        if let Some(fields) = container.as_object_mut().filter(|_| list.is_object()) {
            fields.entry("name").or_insert_with(|| place.clone().into());
        }
        found.push((place, container));
    });
    found
}

impl<'a> Site<'a> {
    /// What `node` at `path` is if an operator describes a pod there that is not
    /// known: most do so alike.
    pub(crate) fn supposed(node: &'a Value, path: &[String]) -> Self {
        let (path, subject) = (path.to_vec(), String::new());
        Self { path, node, form: &OPERATOR, subject, object: None, account: None }
    }

    /// Its pod, if `node` were there, as far as it decides about a sidecar; where
    /// another object describes it, one that asks for `profile`.
    pub(crate) fn pod(&self, node: &Value, profile: &str) -> Value {
        if self.form.is_pod {
            return node.clone();
        }
        let of = |path: RelativePath| at(node, path).cloned().unwrap_or_default();
        let list = |path: RelativePath| -> Value {
            containers(node, path).into_iter().map(|(_, it)| it).collect()
        };
        let [init, main] = self.form.containers;
        let mut annotations = of(self.form.annotations);
        if self.form.annotations.is_empty() {
            annotations = json!({INJECT: "true", PROFILE: profile});
        }
        let metadata = json!({"annotations": annotations, "labels": of(self.form.labels)});
        let spec = node.get("server").unwrap_or(node).as_object().cloned();
        let mut spec = spec.unwrap_or_default();
        spec.extend([
            ("initContainers".to_owned(), list(init)),
            ("containers".to_owned(), list(main)),
            ("volumes".to_owned(), of(self.form.volumes)),
            ("podMetadata".to_owned(), metadata),
        ]);
        operator::pod_of_spec(&spec.into())
    }

    /// All containers, with the path to them, and whether they run first.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (Vec<String>, bool, Value)> {
        let lists = self.form.containers.iter().zip([true, false]);
        lists.flat_map(|(list, is_init)| {
            containers(self.node, list).into_iter().map(move |(place, container)| {
                let list = list.iter().map(|name| (*name).to_owned());
                (list.chain([place]).collect(), is_init, container)
            })
        })
    }

    /// The volumes of its pod.
    pub(crate) fn volumes(&self) -> &'a [Value] {
        let list = at(self.node, self.form.volumes).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    /// A label of its pod.
    pub(crate) fn label(&self, name: &str) -> Option<&'a str> {
        at(self.node, self.form.labels)?.get(name)?.as_str()
    }

    /// An annotation of its pod, which need not be the text that it should be.
    pub(crate) fn annotation(&self, name: &str) -> Option<&'a Value> {
        at(self.node, self.form.annotations)?.get(name)
    }

    /// Each entry of remote write, and the path to it.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (Vec<String>, &'a Value)> {
        let node = self.node;
        self.form.writes.iter().flat_map(move |list| {
            let entries = at(node, list).and_then(Value::as_array).into_iter().flatten();
            entries.enumerate().map(move |(index, entry)| {
                let list = list.iter().map(|name| (*name).to_owned());
                (list.chain([index.to_string()]).collect(), entry)
            })
        })
    }
}
