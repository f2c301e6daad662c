//! What the sidecar reads from files, and what is hidden from it.

use std::collections::BTreeMap;

use contract::{Identity, TokenProxy, TokenProxyAuthority, names};
use k8s_openapi::api::core::v1::{
    CSIVolumeSource, ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIVolumeSource,
    KeyToPath, ProjectedVolumeSource, SecretVolumeSource, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection,
};
use serde_json::Value;

use crate::{
    config::TrustConfigMap,
    effective::{CertificateSource, DestinationView, Effective},
    patch::Json,
    pod::{Pod, at},
};

/// The driver that mounts secrets of a key vault.
const CSI_DRIVER: &str = "secrets-store.csi.k8s.io";
/// The driver's one attribute.
const CLASS_ATTRIBUTE: &str = "secretProviderClass";
/// The projected token's life in seconds; the kubelet renews it at 80 %. The
/// default of azure-workload-identity.
const TOKEN_SECONDS: i64 = 3600;
/// The `ConfigMap` with the API server's CA, and its key; azure-workload-identity takes
/// it in AKS, too.
///
/// <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>
const CLUSTER_CA: &str = "kube-root-ca.crt";
const CLUSTER_CA_KEY: &str = "ca.crt";

/// Volumes for the pod, and their mounts for the sidecar.
pub(super) struct Volumes {
    pub(super) added: Vec<Added>,
    pub(super) mounts: Vec<VolumeMount>,
}

/// A volume for the pod, and its name.
pub(super) struct Added {
    pub(super) name: String,
    pub(super) volume: Json,
}

impl Volumes {
    pub(super) fn new(effective: &Effective, pod: Pod<'_>) -> Self {
        let mut volumes = Self { added: Vec::new(), mounts: Vec::new() };
        let mut sources: Vec<(&CertificateSource, String)> = Vec::new();
        for DestinationView { certificate, mount_path, .. } in effective.destinations() {
            let Some(source) = certificate else { continue };
            let name = match sources.iter().find(|(one, _)| *one == source) {
                Some((_, name)) => name.clone(),
                None => volumes.certificate(source, pod),
            };
            volumes.mount(name.clone(), mount_path.as_str());
            sources.push((source, name));
        }
        // The token says which service account, and not which client it is for.
        let takes_token = |one: DestinationView<'_>| {
            let identity = &one.settings.identity;
            matches!(identity, Identity::WorkloadIdentity { token_proxy: None, .. })
        };
        if effective.destinations().any(takes_token) {
            let sources = vec![token(names::FEDERATED_TOKEN_AUDIENCE)];
            volumes.add(pod, names::TOKEN_VOLUME, names::TOKEN_MOUNT_PATH, projected(sources));
        }
        let proxies =
            effective.destinations().filter_map(|one| one.settings.identity.token_proxy());
        let is_file =
            |proxy: &TokenProxy| matches!(proxy.authority, Some(TokenProxyAuthority::File(_)));
        let are_files: Vec<bool> = proxies.map(is_file).collect();
        if !are_files.is_empty() {
            let mut sources = vec![token(names::BINDING_TOKEN_AUDIENCE)];
            sources.extend(are_files.contains(&true).then(cluster_authority));
            volumes.add(pod, names::BINDING_VOLUME, names::BINDING_MOUNT_PATH, projected(sources));
        }
        if let Some(trust) = &effective.trust {
            volumes.add(pod, names::TRUST_VOLUME, names::TRUST_MOUNT_PATH, roots(trust));
        }
        // The service account plugin mounts the API token into every container
        // that has no mount there, also into this one, after this patch. Unlike an
        // emptyDir, this volume is no local storage, for which a drain would stop.
        if pod.mounts_api_token() {
            let nothing = Volume {
                downward_api: Some(DownwardAPIVolumeSource::default()),
                ..Volume::default()
            };
            volumes.add(pod, names::NO_API_TOKEN_VOLUME, names::API_TOKEN_MOUNT_PATH, nothing);
        }
        volumes
    }

    /// The name of the volume with this certificate: the pod's own where it has the
    /// same, since the CSI driver would mount and rotate the same certificate twice.
    fn certificate(&mut self, source: &CertificateSource, pod: Pod<'_>) -> String {
        match existing(source, pod) {
            Some(name) => name.to_owned(),
            None => self.named(pod, names::CERTIFICATE_VOLUME, certificate(source)),
        }
    }

    fn add(&mut self, pod: Pod<'_>, name: &str, path: &str, volume: Volume) {
        let name = self.named(pod, name, volume);
        self.mount(name, path);
    }

    /// Adds a volume, unless the pod has the same under a name of ours: another
    /// webhook may have removed the container and left its volumes. Its name is the
    /// first one that is free, or that has this very volume.
    fn named(&mut self, pod: Pod<'_>, name: &str, volume: Volume) -> String {
        let (mut volume, mut number) = (volume, 1_u32);
        name.clone_into(&mut volume.name);
        loop {
            let is_new = self.added.iter().all(|one| one.name != volume.name);
            let taken = pod.volumes().find(|one| volume_name(one) == Some(&volume.name));
            match taken {
                None if is_new => break,
                Some(taken) if is_same(taken, &Json::of(&volume).to_value()) => return volume.name,
                _ => {}
            }
            number = number.saturating_add(1);
            volume.name = format!("{name}-{number}");
        }
        let name = volume.name.clone();
        self.added.push(Added { volume: Json::of(&volume), name: volume.name });
        name
    }

    fn mount(&mut self, name: String, path: &str) {
        // Two destinations may say the same of one certificate.
        if self.mounts.iter().any(|mount| mount.name == name && mount.mount_path == path) {
            return;
        }
        self.mounts.push(VolumeMount {
            name,
            mount_path: path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
}

/// The pod's own volume that delivers this certificate.
pub fn existing<'a>(source: &CertificateSource, pod: Pod<'a>) -> Option<&'a str> {
    let text = |volume: &'a Value, path: &[&str]| at(volume, path).and_then(Value::as_str);
    let delivers = |volume: &&'a Value| match source {
        CertificateSource::Csi(class) => {
            text(volume, &["csi", "driver"]) == Some(CSI_DRIVER)
                && text(volume, &["csi", "volumeAttributes", "secretProviderClass"])
                    == Some(class.as_str())
        }
        CertificateSource::Secret(secret) => {
            text(volume, &["secret", "secretName"]) == Some(secret.as_str())
                && at(volume, &["secret", "items"]).is_none_or(Value::is_null)
                && is_for_all(at(volume, &["secret", "defaultMode"]))
        }
    };
    pod.volumes().filter(delivers).find_map(|volume| text(volume, &["name"]))
}

/// Whether this is a name of ours for a volume with a certificate.
pub fn is_certificate_volume(name: &str) -> bool {
    let number = name.strip_prefix(names::CERTIFICATE_VOLUME).map(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| match number {
        Some(number) => number.parse::<u32>().is_ok(),
        None => name == names::CERTIFICATE_VOLUME,
    })
}

/// Whether files of this mode can be read by a user who does not own them, as
/// the sidecar's does not.
fn is_for_all(mode: Option<&Value>) -> bool {
    const OTHERS_READ: i64 = 0o4;
    mode.is_none_or(|mode| mode.as_i64().is_none_or(|mode| mode & OTHERS_READ != 0))
}

fn certificate(source: &CertificateSource) -> Volume {
    match source {
        CertificateSource::Csi(class) => Volume {
            csi: Some(CSIVolumeSource {
                driver: CSI_DRIVER.to_owned(),
                // The driver refuses anything else.
                read_only: Some(true),
                volume_attributes: Some(BTreeMap::from([(
                    CLASS_ATTRIBUTE.to_owned(),
                    class.to_string(),
                )])),
                ..CSIVolumeSource::default()
            }),
            ..Volume::default()
        },
        CertificateSource::Secret(secret) => Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_string()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
    }
}

fn token(audience: &str) -> VolumeProjection {
    VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(audience.to_owned()),
            expiration_seconds: Some(TOKEN_SECONDS),
            path: names::TOKEN_FILE.to_owned(),
        }),
        ..VolumeProjection::default()
    }
}

/// The API server's CA, which Kubernetes writes into every namespace.
fn cluster_authority() -> VolumeProjection {
    let (key, path) = (CLUSTER_CA_KEY.to_owned(), names::BINDING_CA_FILE.to_owned());
    VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: CLUSTER_CA.to_owned(),
            items: Some(vec![KeyToPath { key, path, mode: None }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn projected(sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        projected: Some(ProjectedVolumeSource { sources: Some(sources), default_mode: None }),
        ..Volume::default()
    }
}

fn roots(trust: &TrustConfigMap) -> Volume {
    let key = trust.key.to_string();
    Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: trust.name.to_string(),
            items: Some(vec![KeyToPath { key: key.clone(), path: key, mode: None }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Whether `found` is `expected`, apart from what the API server has filled in.
fn is_same(found: &Value, expected: &Value) -> bool {
    const DEFAULTED: &str = "defaultMode";
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let is_known = |name: &String| name == DEFAULTED || expected.contains_key(name);
            let is_in =
                |(name, expected)| found.get(name).is_some_and(|one| is_same(one, expected));
            found.keys().all(is_known) && expected.iter().all(is_in)
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| is_same(found, expected))
        }
        _ => found == expected,
    }
}

fn volume_name(volume: &Value) -> Option<&str> {
    volume.get("name")?.as_str()
}
