//! The files that a hand-written container reads, and the volumes that deliver
//! them.

use std::path::Path;

use contract::{Identity, Settings, names};
use serde_json::Value;

use super::{
    placeholder,
    sites::{Form, Site},
    variables::Given,
};

/// A file in a volume of the pod.
#[derive(Debug)]
pub(super) struct Mounted<'a> {
    /// The volume.
    pub(super) volume: &'a Value,
    /// The file in it.
    pub(super) file: String,
    /// Where the volume is mounted; `None` where only a part of it is.
    pub(super) directory: Option<&'a str>,
    /// The mount's path, as the container has it.
    pub(super) mount: &'a str,
}

/// What of the container's files goes into the profile.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Keys of the profile with their values.
    pub(super) keys: Vec<(&'static str, Given)>,
    /// The `ConfigMap` with roots and its key.
    pub(super) trust: Option<(Given, Given)>,
    /// Volumes that the webhook brings itself: their places in the list.
    pub(super) replaced: Vec<usize>,
    /// Mounts of the container that the webhook makes.
    pub(super) mounts: Vec<String>,
    /// What its author should know.
    pub(super) notes: Vec<String>,
}

/// The files that `settings` name, as `container` of `site` has them.
///
/// # Errors
/// A certificate that no profile can name.
pub(super) fn files(
    site: &Site<'_>,
    container: &Value,
    settings: &Settings,
    certificate_text: Option<&Given>,
) -> Result<Files, Vec<String>> {
    let mut files = Files::default();
    match &settings.identity {
        Identity::AadApplication { certificate, .. } => {
            files.certificate(site, container, &certificate.path, certificate_text)?;
        }
        Identity::WorkloadIdentity { token_file, .. } => {
            if let Some(mounted) = mounted(site, container, token_file).filter(is_token) {
                files.taken_over(site, container, &mounted);
            }
        }
        Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
    }
    if let Some(path) = &settings.trusted_roots_file {
        files.roots(site, container, path);
    }
    files.abandoned(site, container);
    Ok(files)
}

/// The volume in which `path` is for `container`: of the deepest mount.
fn mounted<'a>(site: &Site<'a>, container: &'a Value, path: &Path) -> Option<Mounted<'a>> {
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
    Some(Mounted { volume, file, directory: whole, mount: directory })
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}

/// A projected service account token for Entra, which the webhook projects, too.
fn is_token(mounted: &Mounted<'_>) -> bool {
    let sources = mounted.volume.pointer("/projected/sources").and_then(Value::as_array);
    sources.is_some_and(|sources| match sources.as_slice() {
        [source] => {
            text(source, "/serviceAccountToken/audience") == Some(names::FEDERATED_TOKEN_AUDIENCE)
        }
        _ => false,
    })
}

/// The key of a Secret or `ConfigMap` that is the file `name` of its volume.
fn key(source: &Value, name: &str) -> Option<String> {
    match source.get("items").and_then(Value::as_array) {
        None => Some(name.to_owned()),
        Some(items) => {
            let item = items.iter().find(|item| text(item, "/path") == Some(name))?;
            Some(text(item, "/key")?.to_owned())
        }
    }
}

impl Files {
    fn certificate(
        &mut self,
        site: &Site<'_>,
        container: &Value,
        path: &Path,
        given: Option<&Given>,
    ) -> Result<(), Vec<String>> {
        let nowhere = || {
            vec![format!(
                "the certificate {} is in no volume of this object that a SecretProviderClass or a Secret fills",
                path.display()
            )]
        };
        let mounted = mounted(site, container, path).ok_or_else(nowhere)?;
        let class = text(mounted.volume, "/csi/volumeAttributes/secretProviderClass");
        let secret = text(mounted.volume, "/secret/secretName");
        let (key_of_source, name, file) = match (class, secret) {
            (Some(class), None) => ("secretProviderClass", class, Some(mounted.file.clone())),
            (None, Some(secret)) => {
                let source = mounted.volume.get("secret").unwrap_or(&Value::Null);
                ("certificateSecret", secret, key(source, &mounted.file))
            }
            _ => return Err(nowhere()),
        };
        let file = file.ok_or_else(nowhere)?;
        let written = given.and_then(|given| given.text.rsplit('/').next());
        let shown = written.filter(|_| file == placeholder::NAME).unwrap_or(&file);
        self.keys.push((key_of_source, as_name(name)));
        self.keys.push(("certificateName", Given { text: shown.to_owned(), value: file.clone() }));
        let usual = names::DEFAULT_MOUNT_PATH;
        if let Some(directory) = mounted.directory.filter(|directory| *directory != usual) {
            self.keys.push(("mountPath", as_name(directory)));
        }
        self.taken_over(site, container, &mounted);
        Ok(())
    }

    /// Roots in a `ConfigMap`; any others stay, since no profile can name them.
    fn roots(&mut self, site: &Site<'_>, container: &Value, path: &Path) {
        let Some(mounted) = mounted(site, container, path) else { return };
        let Some(source) = mounted.volume.get("configMap") else { return };
        let Some(name) = text(source, "/name") else { return };
        let Some(key) = key(source, &mounted.file) else { return };
        self.trust = Some((as_name(name), as_name(&key)));
        self.taken_over(site, container, &mounted);
    }

    /// Volumes that nothing mounts any more, though nothing takes their place.
    fn abandoned(&mut self, site: &Site<'_>, container: &Value) {
        let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
        for name in mounts.filter_map(|mount| text(mount, "/name")) {
            let is = |volume: &Value| text(volume, "/name") == Some(name);
            let place = site.items("volumes").iter().position(is);
            let goes = place.is_none_or(|place| self.replaced.contains(&place));
            let named = self.notes.iter().any(|note| note.contains(&format!("{name:?}")));
            if !goes && !named && other_users(site, container, name).is_empty() {
                self.notes
                    .push(format!("volume {name:?} stays, and nothing here mounts it any more"));
            }
        }
    }

    /// The webhook mounts this. The volume goes if nothing else wants it, and
    /// if the webhook's own has all that it has.
    fn taken_over(&mut self, site: &Site<'_>, container: &Value, mounted: &Mounted<'_>) {
        self.mounts.push(mounted.mount.to_owned());
        let name = text(mounted.volume, "/name").unwrap_or_default();
        let place = site.items("volumes").iter().position(|volume| volume == mounted.volume);
        let others = other_users(site, container, name);
        if !others.is_empty() {
            self.notes.push(format!(
                "volume {name:?} stays: it is mounted by {} as well; where that was for the sidecar alone, remove both, and the webhook brings its own",
                others.join(", ")
            ));
        } else if let Some(more) = unusual(mounted.volume) {
            self.notes
                .push(format!("volume {name:?} stays: the webhook's own would have no {more}"));
        } else {
            self.replaced.extend(place.filter(|place| !self.replaced.contains(place)));
        }
    }
}

fn as_name(text: &str) -> Given {
    Given { text: text.to_owned(), value: placeholder::name(text) }
}

/// Who else mounts the volume.
fn other_users(site: &Site<'_>, container: &Value, volume: &str) -> Vec<String> {
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
fn unusual(volume: &Value) -> Option<String> {
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
