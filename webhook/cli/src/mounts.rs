//! Where a file that a container reads comes from: the volume, and what fills it.

use std::{path::Path, slice};

use serde_json::Value;

/// A file of a container.
#[derive(Debug)]
pub(crate) struct MountedFile<'a> {
    /// The volume that it is in.
    pub(crate) volume: &'a Value,
    /// Its name there.
    pub(crate) file: String,
    /// The mount's path, as the container has it.
    pub(crate) mount: &'a str,
}

/// The file at `path` of `container`: that of the deepest mount.
pub(crate) fn file<'a>(
    volumes: &'a [Value],
    container: &'a Value,
    path: &Path,
) -> Option<MountedFile<'a>> {
    let mounts = container.get("volumeMounts")?.as_array()?.iter().filter_map(|mount| {
        let directory = text(mount, "/mountPath")?;
        Some((directory, path.strip_prefix(directory).ok()?.to_str()?, mount))
    });
    let (directory, inner, mount) = mounts.max_by_key(|(directory, ..)| directory.len())?;
    let volume = volumes.iter().find(|volume| volume.get("name") == mount.get("name"))?;
    let part = text(mount, "/subPath").unwrap_or_default();
    let file = format!("{part}/{inner}").trim_matches('/').to_owned();
    Some(MountedFile { volume, file, mount: directory })
}

impl<'a> MountedFile<'a> {
    /// A text in the volume.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        text(self.volume, path)
    }

    /// The key of the Secret or `ConfigMap` at `source` that is the file.
    pub(crate) fn key(&self, source: &str) -> Option<String> {
        key(self.volume.get(source)?, &self.file)
    }

    /// Whether its volume has a service account token for this audience, and nothing else
    /// but the cluster's CA.
    pub(crate) fn is_token_for(&self, audience: &str) -> bool {
        let (authorities, tokens): (Vec<_>, Vec<_>) =
            self.sources().iter().partition(|source| has_cluster_authority(source));
        let audiences = tokens.iter().map(|it| text(it, "/serviceAccountToken/audience"));
        authorities.len() < self.sources().len()
            && audiences.into_iter().all(|it| it == Some(audience))
    }

    /// Whether it is the cluster's CA, as Kubernetes publishes it in each namespace.
    pub(crate) fn is_cluster_authority(&self) -> bool {
        let mut maps = self.sources().iter().filter(|source| has_cluster_authority(source));
        maps.any(|source| key(&source["configMap"], &self.file).as_deref() == Some("ca.crt"))
    }

    /// What fills the volume.
    fn sources(&self) -> &'a [Value] {
        let projected = self.volume.pointer("/projected/sources").and_then(Value::as_array);
        projected.map_or(slice::from_ref(self.volume), Vec::as_slice)
    }
}

fn has_cluster_authority(source: &Value) -> bool {
    text(source, "/configMap/name") == Some("kube-root-ca.crt")
}

/// The key of `source` that is this file of its volume.
fn key(source: &Value, file: &str) -> Option<String> {
    let Some(items) = source.get("items").and_then(Value::as_array) else {
        return Some(file.to_owned());
    };
    let item = items.iter().find(|item| text(item, "/path") == Some(file))?;
    text(item, "/key").map(str::to_owned)
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}
