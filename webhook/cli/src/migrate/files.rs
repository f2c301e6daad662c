//! What of the files that a hand-written container reads goes into the profile.

use std::path::Path;

use contract::{Identity, Settings, TokenProxyAuthority, names};
use serde_json::{Value, json};
use webhook::config::IDENTITY_BINDING;

use super::OrReasons;
use crate::{
    mounts::{self, MountedFile},
    workloads::sites::Site,
};

/// What becomes of a container's files.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Keys of the profile with their values.
    pub(super) keys: Vec<(&'static str, Value)>,
    /// Mounts of the container that the webhook makes.
    pub(super) mounts: Vec<String>,
    /// Whether a token proxy is trusted by the cluster's CA, which the webhook mounts.
    pub(super) has_cluster_authority: bool,
    /// What of the volumes nothing takes the place of.
    pub(super) lost: Vec<String>,
}

/// The files that `settings` name, as a `container` of `site` has them.
///
/// # Errors
/// A certificate that no profile can name.
pub(super) fn of(site: &Site<'_>, container: &Value, settings: &Settings) -> OrReasons<Files> {
    let mut files = Files::default();
    let find = |path: &Path| mounts::file(site.volumes(), container, path);
    match &settings.identity {
        Identity::AadApplication { certificate, .. } => {
            let path = &certificate.path;
            find(path).and_then(|file| files.certificate(&file)).ok_or_else(|| {
                vec![format!("the certificate {} is in no volume of this object that a SecretProviderClass or a Secret fills: write the profile by hand, with secretProviderClass or certificateSecret, and certificateName", path.display())]
            })?;
        }
        Identity::WorkloadIdentity { token_file, token_proxy, .. } => {
            let mut audience = names::FEDERATED_TOKEN_AUDIENCE;
            if let Some(proxy) = token_proxy {
                audience = names::BINDING_TOKEN_AUDIENCE;
                files.keys.push((IDENTITY_BINDING, true.into()));
                if let Some(TokenProxyAuthority::File(path)) = &proxy.authority {
                    files.authority(find(path), path);
                }
            }
            if let Some(token) = find(token_file).filter(|file| file.is_token_for(audience)) {
                files.take_over(&token);
            }
        }
        Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
    }
    // Roots in a ConfigMap; any others stay, since no profile can name them.
    if let Some(roots) = settings.trusted_roots_file.as_deref().and_then(find)
        && let (Some(name), Some(key)) = (roots.text("/configMap/name"), roots.key("configMap"))
    {
        files.keys.push(("trustConfigMap", json!({"name": name, "key": key})));
        files.take_over(&roots);
    }
    Ok(files)
}

impl Files {
    fn certificate(&mut self, file: &MountedFile<'_>) -> Option<()> {
        let class = file.text("/csi/volumeAttributes/secretProviderClass");
        let (kind, name, key) = match (class, file.text("/secret/secretName")) {
            (Some(class), None) => ("secretProviderClass", class, file.file.clone()),
            (None, Some(secret)) => ("certificateSecret", secret, file.key("secret")?),
            _ => return None,
        };
        self.keys.extend([(kind, name.into()), ("certificateName", key.into())]);
        self.take_over(file);
        Some(())
    }

    /// The CA of a token proxy, which the kubelet mounts beside the API token if nothing
    /// else does; no profile can name another one's file.
    fn authority(&mut self, file: Option<MountedFile<'_>>, path: &Path) {
        let automatic = Path::new(names::API_TOKEN_MOUNT_PATH).join(names::BINDING_CA_FILE);
        self.has_cluster_authority =
            file.as_ref().map_or(path == automatic, MountedFile::is_cluster_authority);
        if let Some(file) = file.filter(|_| self.has_cluster_authority) {
            self.take_over(&file);
        }
    }

    /// The webhook mounts this; of its volume may be lost what the webhook's own
    /// would not have, unless the volume stays.
    fn take_over(&mut self, file: &MountedFile<'_>) {
        const OURS: &str = "driver readOnly volumeAttributes nodePublishSecretRef secretName name items defaultMode sources";
        self.mounts.push(file.mount.to_owned());
        let sources = file.volume.as_object().into_iter().flatten();
        let fields = sources.filter_map(|(_, source)| source.as_object()).flatten();
        let lost = fields.filter(|(field, _)| !OURS.split(' ').any(|ours| ours == *field));
        let name = &file.volume["name"];
        self.lost.extend(lost.map(|(field, _)| {
            format!("volumes, {name}, {field}: the webhook's own volume has no such field")
        }));
    }
}
