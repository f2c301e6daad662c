//! The volumes of a pod, and what is in them.

use std::path::Path;

use contract::names;
use serde_json::Value;

use super::sites::{Form, Site};

/// A file in a volume of the pod.
#[derive(Debug)]
pub(super) struct MountedFile<'a> {
    /// The volume.
    pub(super) volume: &'a Value,
    /// The file in it.
    pub(super) file: String,
    /// Where the volume is mounted; `None` where only a part of it is.
    pub(super) directory: Option<&'a str>,
    /// The mount's path, as the container has it.
    pub(super) mount: &'a str,
}

/// The volume in which `path` is for `container`: of the deepest mount.
pub(super) fn mounted<'a>(
    site: &Site<'a>,
    container: &'a Value,
    path: &Path,
) -> Option<MountedFile<'a>> {
    let mounts = container.get("volumeMounts")?.as_array()?.iter().filter_map(|mount| {
        let directory = text(mount, "/mountPath")?;
        let inner = path.strip_prefix(directory).ok()?.to_str()?;
        Some((directory, inner, mount))
    });
    let (directory, inner, mount) = mounts.max_by_key(|(directory, ..)| directory.len())?;
    let volume = site.items("volumes").iter().find(|volume| {
        text(volume, "/name").is_some_and(|name| Some(name) == text(mount, "/name"))
    })?;
    let part = text(mount, "/subPath").filter(|part| !part.is_empty());
    let file = [part.unwrap_or_default(), inner].iter().filter(|part| !part.is_empty()).fold(
        String::new(),
        |path, part| {
            if path.is_empty() { (*part).to_owned() } else { format!("{path}/{part}") }
        },
    );
    let whole = part.is_none().then(|| directory.trim_end_matches('/'));
    Some(MountedFile { volume, file, directory: whole, mount: directory })
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}

/// A projected service account token for Entra, which the webhook projects, too.
pub(super) fn is_token(mounted: &MountedFile<'_>) -> bool {
    let sources = mounted.volume.pointer("/projected/sources").and_then(Value::as_array);
    sources.is_some_and(|sources| match sources.as_slice() {
        [source] => {
            text(source, "/serviceAccountToken/audience") == Some(names::FEDERATED_TOKEN_AUDIENCE)
        }
        _ => false,
    })
}

/// The key of a Secret or `ConfigMap` that is the file `name` of its volume.
pub(super) fn key(source: &Value, name: &str) -> Option<String> {
    match source.get("items").and_then(Value::as_array) {
        None => Some(name.to_owned()),
        Some(items) => {
            let item = items.iter().find(|item| text(item, "/path") == Some(name))?;
            Some(text(item, "/key")?.to_owned())
        }
    }
}

/// Who else mounts the volume.
pub(super) fn other_users(site: &Site<'_>, container: &Value, volume: &str) -> Vec<String> {
    let mounts = |value: &Value| {
        let mounts = value.get("volumeMounts").and_then(Value::as_array);
        mounts.into_iter().flatten().any(|mount| text(mount, "/name") == Some(volume))
    };
    let containers = ["initContainers", "containers"].into_iter().flat_map(|list| site.items(list));
    let mut users: Vec<String> = containers
        .filter(|other| *other != container && mounts(other))
        .map(|other| format!("container {:?}", text(other, "/name").unwrap_or_default()))
        .collect();
    if site.form == Form::Operator && mounts(site.node) {
        users.push("Prometheus itself (volumeMounts)".to_owned());
    }
    users
}

/// What a volume has and the webhook's own would not.
pub(super) fn unusual(volume: &Value) -> Option<String> {
    let known: [&str; 12] = [
        "/name",
        "/csi/driver",
        "/csi/readOnly",
        "/csi/volumeAttributes/secretProviderClass",
        "/secret/secretName",
        "/secret/items",
        "/secret/defaultMode",
        "/configMap/name",
        "/configMap/items",
        "/configMap/defaultMode",
        "/projected/sources",
        "/projected/defaultMode",
    ];
    let mut open = vec![(String::new(), volume)];
    while let Some((path, value)) = open.pop() {
        if known.contains(&path.as_str()) {
            continue;
        }
        let Some(entries) = value.as_object() else {
            return Some(path.trim_start_matches('/').replace('/', "."));
        };
        open.extend(entries.iter().map(|(name, child)| (format!("{path}/{name}"), child)));
    }
    None
}
