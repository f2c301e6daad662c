//! Plays the kubelet: makes a process of a container, with the command and variables of
//! the pod.
//!
//! Arguments, environment and mounts are the pod's and nothing else's; what it
//! asks for and is not played here (`valueFrom`, `subPath`, another command) is
//! a failure, never left out. Two things differ from a real node. The image's
//! program is a file of this machine. And containers have file systems of
//! their own, whereas processes share one: each volume is a temporary folder,
//! and a path in the environment or the arguments that lies below a mount is
//! rewritten to it. The network is the machine's, as in a pod with
//! `hostNetwork`.

mod expansion;
mod pod;
mod volume;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

pub use self::volume::AtomicFolder;
use self::{
    expansion::expand,
    pod::{Container, Mount, Variable},
};
use crate::{
    failure::{Context, Failure, Outcome},
    keys::authority::ApplicationCertificate,
    machine::{clock::Clock, folder, process::Program},
};

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a node and its API server would know.
#[derive(Default)]
pub struct Kubelet {
    /// `ConfigMap`s of the pod's namespace.
    pub config_maps: BTreeMap<String, Files>,
    /// Secrets of the pod's namespace.
    pub secrets: BTreeMap<String, Files>,
    /// What the CSI driver writes for each `SecretProviderClass`.
    pub provider_classes: BTreeMap<String, Files>,
    /// Who signs service account tokens.
    pub issuer: Option<Issuer>,
    /// By which tokens are dated.
    pub clock: Clock,
}

/// The cluster's issuer of service account tokens.
pub struct Issuer {
    /// Its URL.
    pub url: String,
    /// Its key.
    pub key: ApplicationCertificate,
}

/// A container, ready to run.
pub struct Prepared {
    /// With the pod's arguments and environment.
    pub program: Program,
    /// Its volumes by name; they live as long as this does.
    pub volumes: BTreeMap<String, AtomicFolder>,
    _folder: TempDir,
}

impl Kubelet {
    /// Prepares the container `name` of `pod`, whose image holds `program`.
    pub fn prepare(&self, pod: &Value, name: &str, program: &Path) -> Outcome<Prepared> {
        let container = Container::find(pod, name)?;
        let folder = folder::temporary("volumes")?;
        let mut volumes = BTreeMap::new();
        let mut places = Vec::new();
        for Mount { name: volume, path } in container.mounts()? {
            let content = self.content(pod, &volume)?;
            let written = AtomicFolder::new(&folder.path().join(&volume))?;
            written.write(&content)?;
            places.push((path, written.path().to_owned()));
            volumes.insert(volume, written);
        }
        let mut environment = Vec::new();
        for Variable { name, value } in container.variables()? {
            let expanded = expand(&value, &environment);
            environment.push((name, expanded));
        }
        let arguments = container.arguments()?.into_iter().map(|text| expand(&text, &environment));
        let arguments: Vec<String> = arguments.map(|text| relocate(&text, &places)).collect();
        let relocated = environment.iter().map(|(name, value)| (name, relocate(value, &places)));
        let program = Program::new(format!("container {name}"), program)
            .args(arguments)
            .envs(relocated.collect::<Vec<_>>());
        Ok(Prepared { program, volumes, _folder: folder })
    }

    /// The files of a volume.
    fn content(&self, pod: &Value, name: &str) -> Outcome<Files> {
        let volume = pod::volume(pod, name)?;
        let missing = |what: &str, key: &str| {
            Failure::new(format!("volume {name}: there is no {what} {key:?}"))
        };
        let is_empty = |downward: &Value| downward.get("items").is_none_or(Value::is_null);
        if volume.get("emptyDir").is_some() || volume.get("downwardAPI").is_some_and(is_empty) {
            return Ok(Files::new());
        }
        if let Some(csi) = volume.get("csi") {
            let class =
                csi.pointer("/volumeAttributes/secretProviderClass").and_then(Value::as_str);
            let class = class.unwrap_or_default();
            let read_only = csi.get("readOnly").and_then(Value::as_bool) == Some(true);
            let driver = csi.get("driver").and_then(Value::as_str);
            if driver != Some("secrets-store.csi.k8s.io") || !read_only {
                return Err(Failure::new(format!("volume {name}: no driver would mount {csi}")));
            }
            let files = self.provider_classes.get(class);
            return files.cloned().ok_or_else(|| missing("SecretProviderClass", class));
        }
        let source =
            |kind: &str, key: &str| Some((volume.get(kind)?, volume.pointer(key)?.as_str()?));
        if let Some((map, key)) = source("configMap", "/configMap/name") {
            let files = self.config_maps.get(key).ok_or_else(|| missing("ConfigMap", key))?;
            return pod::items(files, map.get("items"));
        }
        if let Some((secret, key)) = source("secret", "/secret/secretName") {
            let files = self.secrets.get(key).ok_or_else(|| missing("Secret", key))?;
            return pod::items(files, secret.get("items"));
        }
        self.projected(pod, volume)
    }

    /// A volume of service account tokens.
    fn projected(&self, pod: &Value, volume: &Value) -> Outcome<Files> {
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        let sources = sources.context(format!("play the volume {volume}"))?;
        let mut files = Files::new();
        for source in sources {
            let token = source.get("serviceAccountToken").context(format!("project {source}"))?;
            let issuer = self.issuer.as_ref().context("sign a token without an issuer")?;
            let path = token.get("path").and_then(Value::as_str).context("name a token's file")?;
            let text = issuer.token(pod, token, self.clock.seconds())?;
            files.insert(path.to_owned(), text.into_bytes());
        }
        Ok(files)
    }
}

/// `text` with the mount that it begins with replaced by its folder. The
/// longest mount counts, as it does in a container.
fn relocate(text: &str, places: &[(String, PathBuf)]) -> String {
    let below = |path: &str| {
        let rest = text.strip_prefix(path.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    places
        .iter()
        .filter_map(|(path, folder)| Some((path.len(), below(path)?, folder)))
        .max_by_key(|(length, ..)| *length)
        .map_or_else(|| text.to_owned(), |(_, rest, folder)| format!("{}{rest}", folder.display()))
}

#[cfg(test)]
mod tests;
