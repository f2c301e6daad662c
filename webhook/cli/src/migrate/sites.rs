//! Where a document describes a pod that runs Prometheus: by the shape of what
//! is written, so that umbrella charts, `HelmRelease`s and Argo CD's
//! `valuesObject`s are found as well as plain files.

use serde_json::{Value, json};

use crate::workloads::{TEMPLATES, WITHOUT_NAME, has_containers, operator, subject};

/// A description of a pod, or of what Prometheus in it writes to.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// The way to it in the document.
    pub(super) path: Vec<String>,
    /// It.
    pub(super) node: &'a Value,
    /// In which language it is written.
    pub(super) form: Form,
    /// What it is, for people.
    pub(super) subject: String,
    /// The annotations of its service account, where the same values have them.
    pub(super) account: Option<&'a Value>,
}

/// The languages in which people describe a Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The `spec` of a `Prometheus`, and a chart's `prometheusSpec`.
    Operator,
    /// A pod or a pod template.
    Pod,
    /// Prometheus' own configuration, which says nothing of a pod.
    Configuration,
}

/// Every site in `document`.
pub(super) fn sites(document: &Value) -> Vec<Site<'_>> {
    let mut found = Vec::new();
    find(document, &mut Vec::new(), &mut found);
    found
}

fn find<'a>(node: &'a Value, path: &mut Vec<String>, found: &mut Vec<Site<'a>>) {
    let kind = node.get("kind").and_then(Value::as_str).unwrap_or_default();
    let here = || subject(node, kind);
    if operator::pod(node).is_some() {
        found.extend(site(node, path, &["spec"], Form::Operator, here()));
        return;
    }
    if kind == "Pod" {
        found.extend(site(node, path, &[], Form::Pod, here()));
        return;
    }
    let template = TEMPLATES.into_iter().find(|way| at(node, way).is_some_and(has_containers));
    if let Some(way) = template {
        found.extend(site(node, path, way, Form::Pod, here()));
        return;
    }
    if node.get("remote_write").is_some_and(Value::is_array) {
        let subject = format!("Prometheus' configuration{}", place(path));
        found.extend(site(node, path, &[], Form::Configuration, subject));
    }
    if node.pointer("/server/remoteWrite").is_some_and(Value::is_array) {
        let subject = format!("values{} of the chart prometheus", place(path));
        found.extend(site(node, path, &[SERVER], Form::Configuration, subject));
    }
    if node.get("prometheusSpec").is_some_and(Value::is_object) {
        path.push("prometheusSpec".to_owned());
        let subject = format!("values{}", place(path));
        path.pop();
        let mut site = site(node, path, &["prometheusSpec"], Form::Operator, subject);
        if let Some(site) = &mut site {
            site.account = node.pointer("/serviceAccount/annotations");
        }
        found.extend(site);
    }
    each_child(node, |name, child| {
        path.push(name);
        find(child, path, found);
        path.pop();
    });
}

/// Where the chart prometheus has what concerns its server.
pub(super) const SERVER: &str = "server";

/// Each child with its name: a key, or an item's number.
pub(super) fn each_child<'a>(node: &'a Value, mut visit: impl FnMut(String, &'a Value)) {
    match node {
        Value::Object(entries) => {
            for (name, child) in entries {
                visit(name.clone(), child);
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                visit(index.to_string(), child);
            }
        }
        _ => {}
    }
}

fn place(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" at {}", path.join(".")) }
}

fn site<'a>(
    node: &'a Value,
    path: &[String],
    way: &[&str],
    form: Form,
    subject: String,
) -> Option<Site<'a>> {
    let node = at(node, way)?;
    let path = path.iter().cloned().chain(way.iter().map(|name| (*name).to_owned())).collect();
    Some(Site { path, node, form, subject, account: None })
}

/// The node that `way` leads to, by keys and items' numbers.
pub(super) fn at<'a, S: AsRef<str>>(node: &'a Value, way: &[S]) -> Option<&'a Value> {
    way.iter().try_fold(node, |node, name| match node {
        Value::Array(items) => items.get(name.as_ref().parse::<usize>().ok()?),
        other => other.get(name.as_ref()),
    })
}

impl Form {
    /// The way to what a pod has at `/spec`.
    pub(super) const fn spec(self) -> &'static [&'static str] {
        match self {
            Self::Operator | Self::Configuration => &[],
            Self::Pod => &["spec"],
        }
    }

    /// The way to what a pod has at `/metadata`.
    pub(super) const fn metadata(self) -> &'static str {
        match self {
            Self::Operator | Self::Configuration => "podMetadata",
            Self::Pod => "metadata",
        }
    }

    /// The keys with lists of what Prometheus writes to.
    pub(super) const fn remote_write(self) -> &'static [&'static str] {
        match self {
            Self::Operator => &["remoteWrite", "additionalRemoteWrite"],
            // The chart prometheus puts its list there as it is.
            Self::Configuration => &["remote_write", "remoteWrite"],
            Self::Pod => &[],
        }
    }

    /// The pod of a site that is `node`; `None` where none is described.
    pub(super) fn pod(self, node: &Value) -> Option<Value> {
        match self {
            Self::Operator => operator::pod(&json!({
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "Prometheus",
                "spec": node,
            })),
            Self::Pod => Some(node.clone()),
            Self::Configuration => None,
        }
    }
}

impl<'a> Site<'a> {
    /// The items of the list `name` of its pod's specification.
    pub(super) fn items(&self, name: &str) -> &'a [Value] {
        let list = at(self.node, self.form.spec()).and_then(|spec| spec.get(name));
        list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The object's own name, as far as its subject has one.
    pub(super) fn name(&self) -> &str {
        match self.form {
            Form::Configuration => "",
            _ if self.subject.ends_with(WITHOUT_NAME) => "",
            _ if self.path.last().is_some_and(|key| key == "prometheusSpec") => "",
            _ => self.subject.rsplit([' ', '/']).next().unwrap_or_default(),
        }
    }

    /// A label of its pod.
    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        self.node.get(self.form.metadata())?.get("labels")?.get(name)?.as_str()
    }

    /// An annotation of its pod, which need not be the text that it should be.
    pub(super) fn annotation(&self, name: &str) -> Option<&'a Value> {
        self.node.get(self.form.metadata())?.get("annotations")?.get(name)
    }

    /// Each entry of remote write: its list, its number, and it.
    pub(super) fn writes(&self) -> impl Iterator<Item = (&'static str, usize, &'a Value)> {
        let node = self.node;
        self.form.remote_write().iter().flat_map(move |key| {
            let list = node.get(key).and_then(Value::as_array).into_iter().flatten();
            list.enumerate().map(move |(index, entry)| (*key, index, entry))
        })
    }
}
