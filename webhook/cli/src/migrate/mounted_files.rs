//! The files that a hand-written container reads, and the volumes that deliver
//! them.

use std::path::Path;

use contract::{Identity, Settings, names};
use serde_json::Value;

use super::{
    mounts::{MountedFile, is_token, key, mounted, other_users, text, unusual},
    placeholder,
    sites::Site,
};

/// What of the container's files goes into the profile.
#[derive(Debug, Default)]
pub(super) struct MountedFiles {
    /// Keys of the profile with their values.
    pub(super) keys: Vec<(&'static str, String)>,
    /// The `ConfigMap` with roots and its key.
    pub(super) trust: Option<(String, String)>,
    /// Volumes that the webhook brings itself: their places in the list.
    pub(super) replaced: Vec<usize>,
    /// Mounts of the container that the webhook makes.
    pub(super) mounts: Vec<String>,
    /// What its author should know.
    pub(super) notes: Vec<String>,
}

/// The files that `settings` name, as `container` of `site` has them; the path of
/// its certificate is `written` so.
///
/// # Errors
/// A certificate that no profile can name.
pub(super) fn of(
    site: &Site<'_>,
    container: &Value,
    settings: &Settings,
    written: Option<&str>,
) -> Result<MountedFiles, Vec<String>> {
    let mut files = MountedFiles::default();
    match &settings.identity {
        Identity::AadApplication { certificate, .. } => {
            files.certificate(site, container, &certificate.path, written)?;
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

impl MountedFiles {
    fn certificate(
        &mut self,
        site: &Site<'_>,
        container: &Value,
        path: &Path,
        written: Option<&str>,
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
        let written = written.and_then(|path| path.rsplit('/').next());
        let shown = written.filter(|_| file == placeholder::NAME).unwrap_or(&file);
        self.keys.push((key_of_source, name.to_owned()));
        self.keys.push(("certificateName", shown.to_owned()));
        let usual = names::DEFAULT_MOUNT_PATH;
        if let Some(directory) = mounted.directory.filter(|directory| *directory != usual) {
            self.keys.push(("mountPath", directory.to_owned()));
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
        self.trust = Some((name.to_owned(), key));
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
    fn taken_over(&mut self, site: &Site<'_>, container: &Value, mounted: &MountedFile<'_>) {
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
