//! Two pods, field by field: each field that one of them has is the same,
//! accounted for, or lost. What nobody thought of is lost, and so is seen.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// A field that one of the pods has, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The field.
    pub path: String,
    /// What the hand-written pod has.
    pub before: Option<String>,
    /// What the injected pod has.
    pub after: Option<String>,
    /// What that means.
    pub verdict: Difference,
}

/// What a difference means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// There is none.
    Same,
    /// The injected pod has something more.
    Added,
    /// Something else does the same, or nothing is needed: why.
    Replaced(&'static str),
    /// It is gone: why, as far as that can be said.
    Lost(&'static str),
}

/// The sidecar before and after, wherever each is in its pod.
pub(super) struct Sidecars<'a> {
    /// The hand-written container's name, where there is one.
    pub(super) before: Option<&'a str>,
    /// Variables of it that the settings answer for.
    pub(super) variables: &'a [String],
    /// Mounts of it that the webhook makes.
    pub(super) mounts: &'a [String],
    /// Names of volumes that the webhook replaces.
    pub(super) volumes: &'a [String],
}

/// Where the sidecar's fields are in the comparison.
const SIDECAR: &str = "sidecar";
/// Lists whose items have a name of their own, and where it is.
const NAMED: [(&str, &str); 7] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("volumeMounts", "mountPath"),
    ("ports", "containerPort"),
];

/// Reasons that say no more than the profile and the list of what was done.
pub(super) const SAME_SETTINGS: &str = "the sidecar's settings are the same";
/// See [`SAME_SETTINGS`].
pub(super) const MOUNTS: &str = "the webhook mounts it";
/// See [`SAME_SETTINGS`].
pub(super) const BRINGS: &str = "the webhook brings the volume";
/// See [`SAME_SETTINGS`].
pub(super) const NAME: &str = "the webhook's name for it";
/// See [`SAME_SETTINGS`].
pub(super) const IN_PROFILE: &str = "to the sidecar, which has it from the profile";

/// See [`SAME_SETTINGS`].
pub(super) const EMPTY: &str = "it said nothing";

/// What leaves an entry of remote write, or changes there.
const LEAVING: [&str; 7] =
    ["url", "azureAd", "azuread", "proxyUrl", "proxy_url", "noProxy", "no_proxy"];

/// Every field of both pods.
pub(super) fn rows(before: &Value, after: &Value, sidecars: &Sidecars<'_>) -> Vec<Row> {
    let (before, after) =
        (fields(before, sidecars.before), fields(after, Some(contract::names::CONTAINER)));
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .map(|path| {
            let (old, new) = (before.get(path), after.get(path));
            let verdict = match (old, new) {
                (None, _) => Difference::Added,
                _ if old == new => Difference::Same,
                (Some(old), _) if is_nothing(old) && has_more(&after, path) => {
                    Difference::Replaced(EMPTY)
                }
                (Some(old), _) => verdict(path, old, sidecars),
            };
            Row { path: path.clone(), before: old.cloned(), after: new.cloned(), verdict }
        })
        .collect()
}

/// Each single value with the way to it.
fn fields(pod: &Value, sidecar: Option<&str>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut open = vec![(String::new(), pod, None)];
    while let Some((path, value, told)) = open.pop() {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                // A name that is part of the way need not be told again.
                let told = told.filter(|_| entries.len() > 1 && path != SIDECAR);
                for (name, child) in entries.iter().filter(|(name, _)| Some(name.as_str()) != told)
                {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    open.push((path, child, None));
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let key = NAMED.iter().find(|(list, _)| path.rsplit('.').next() == Some(list));
                for (index, item) in items.iter().enumerate() {
                    let told = key.map(|(_, key)| *key);
                    open.push((item_path(&path, index, item, key, sidecar), item, told));
                }
            }
            // Of two with one name the last counts, and it comes first here.
            Value::String(text) => drop(fields.entry(path).or_insert_with(|| text.clone())),
            single => drop(fields.entry(path).or_insert_with(|| single.to_string())),
        }
    }
    fields
}

/// A value that Kubernetes fills in or treats as absent.
fn is_nothing(text: &str) -> bool {
    matches!(text, "{}" | "[]" | "null")
}

/// Whether something is where `path` was empty.
fn has_more(fields: &BTreeMap<String, String>, path: &str) -> bool {
    let below =
        |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
    fields.keys().any(below)
}

fn item_path(
    path: &str,
    index: usize,
    item: &Value,
    key: Option<&(&str, &str)>,
    sidecar: Option<&str>,
) -> String {
    let name = key.and_then(|(_, key)| item.get(key)).map(|name| match name {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    match name {
        Some(name) if path.ends_with("ontainers") && Some(name.as_str()) == sidecar => {
            SIDECAR.to_owned()
        }
        Some(name) => format!("{path}[{name}]"),
        None => format!("{path}[{index}]"),
    }
}

/// What became of a field that is not as it was.
fn verdict(path: &str, old: &str, sidecars: &Sidecars<'_>) -> Difference {
    match path.strip_prefix(SIDECAR).and_then(|rest| rest.strip_prefix('.')) {
        Some(field) => of_sidecar(field, old, sidecars),
        None => elsewhere(path, sidecars),
    }
}

fn elsewhere(path: &str, sidecars: &Sidecars<'_>) -> Difference {
    if written(path).is_some_and(|field| LEAVING.contains(&field)) {
        return Difference::Replaced(IN_PROFILE);
    }
    if sidecars.volumes.iter().any(|name| is_below(path, "spec.volumes", name)) {
        return Difference::Replaced(BRINGS);
    }
    Difference::Lost("nothing takes its place")
}

fn of_sidecar(field: &str, old: &str, sidecars: &Sidecars<'_>) -> Difference {
    let is = |list: &str, names: &[String]| names.iter().any(|name| is_below(field, list, name));
    if is("env", sidecars.variables) {
        return Difference::Replaced(SAME_SETTINGS);
    }
    if is("volumeMounts", sidecars.mounts) {
        return Difference::Replaced(MOUNTS);
    }
    // Kubernetes treats these as absent.
    if is_nothing(old) && !field.contains('.') {
        return Difference::Replaced(EMPTY);
    }
    let (root, rest) = field.split_once(['.', '[']).unwrap_or((field, ""));
    let last = rest.rsplit('.').next().unwrap_or_default();
    match (root, last, old) {
        ("env", ..) if rest.contains(".valueFrom.") => {
            Difference::Lost("no profile can name where its value is")
        }
        ("env", ..) => Difference::Lost("the sidecar has no such variable"),
        ("volumeMounts", ..) => Difference::Lost("no profile can mount it"),
        ("ports", "name" | "protocol", _) => Difference::Replaced("the port is named rw-port"),
        ("name", ..) => Difference::Replaced(NAME),
        ("image" | "imagePullPolicy", ..) => {
            Difference::Replaced("this project's image, as the chart's values say")
        }
        ("livenessProbe" | "startupProbe", ..) => Difference::Replaced("probes of its own"),
        ("readinessProbe", ..) => Difference::Replaced(
            "none: an identity outage must not take Prometheus out of its Service",
        ),
        ("securityContext", ..) => Difference::Replaced("the restricted Pod Security standard"),
        ("restartPolicy", _, "Always") => Difference::Replaced("as sidecarMode says"),
        ("terminationMessagePath", _, "/dev/termination-log")
        | ("terminationMessagePolicy", _, "File") => {
            Difference::Replaced("Kubernetes' own default")
        }
        ("resources", ..) => Difference::Lost("no profile can say this amount"),
        _ => Difference::Lost("the injected container has no such field"),
    }
}

/// The field of a remote write entry that `path` is.
fn written(path: &str) -> Option<&str> {
    let lists = ["remoteWrite[", "additionalRemoteWrite[", "remote_write["];
    let rest = lists.iter().find_map(|list| path.strip_prefix(list))?;
    rest.split_once("].")?.1.split('.').next()
}

/// Whether `field` is of the item `name` of `list`.
fn is_below(field: &str, list: &str, name: &str) -> bool {
    let rest = field.strip_prefix(list).and_then(|rest| rest.strip_prefix('['));
    rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(']'))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, why) = match self.verdict {
            Difference::Same => (' ', None),
            Difference::Added => ('+', None),
            Difference::Replaced(why) => ('~', Some(why)),
            Difference::Lost(why) => ('-', Some(why)),
        };
        write!(f, "{mark} {}: ", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before != after => write!(f, "{before} -> {after}")?,
            (Some(one), _) | (None, Some(one)) => f.write_str(one)?,
            (None, None) => {}
        }
        why.map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}
