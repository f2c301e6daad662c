//! Where a file that a container reads comes from: the volume, and what fills it.

use std::path::Path;

use contract::names::FEDERATED_TOKEN_AUDIENCE;
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
    /// Whether the volume as a whole is mounted there.
    pub(crate) is_whole: bool,
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
    Some(MountedFile { volume, file, mount: directory, is_whole: part.is_empty() })
}

/// Whether `mounts` has the volume of this name.
pub(crate) fn has(mounts: Option<&Value>, volume: &Value) -> bool {
    let mut mounts = mounts.and_then(Value::as_array).into_iter().flatten();
    mounts.any(|mount| mount.get("name") == Some(volume))
}

impl<'a> MountedFile<'a> {
    /// A text in the volume.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        text(self.volume, path)
    }

    /// The key of the Secret or `ConfigMap` at `source` that is the file.
    pub(crate) fn key(&self, source: &str) -> Option<String> {
        let items = self.volume.get(source).and_then(|source| source.get("items")?.as_array());
        let Some(items) = items else {
            return Some(self.file.clone());
        };
        let item = items.iter().find(|item| text(item, "/path") == Some(&self.file))?;
        text(item, "/key").map(str::to_owned)
    }

    /// Whether it is a projected service account token for Entra, and nothing else is.
    pub(crate) fn is_federated_token(&self) -> bool {
        self.text("/projected/sources/0/serviceAccountToken/audience")
            == Some(FEDERATED_TOKEN_AUDIENCE)
            && self.volume.pointer("/projected/sources/1").is_none()
    }
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}
