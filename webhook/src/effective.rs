//! The settings of a pod's sidecar: annotations over profile over configuration.
//!
//! Only this module knows this order. Missing settings, and those that must not be set,
//! are found here and reported together.
//!
//! A pod that names several profiles has several destinations. The first profile
//! configures the whole sidecar and its unnamed destination, which annotations can
//! override. A further profile configures its destination only.

mod amounts;
mod annotated;
mod chosen;
mod destination;
mod fingerprint;
mod identity;
mod ignored;
mod merge;
mod mount_path;

use std::borrow::Cow;

use contract::{
    AuthorityHost, DestinationName, Image, ImagePullPolicy, Key, LivenessProbe, MountPath,
    ObjectName, ReadinessProbe, SettingError, Settings,
    annotations::{self, Annotations},
    names::env,
};

use crate::{
    config::{Config, Profile, Resources, TrustConfigMap},
    pod::{Mesh, Pod},
};
pub use amounts::memory_warning;
use chosen::chosen;
pub use destination::{Destination, DestinationView};
pub use ignored::describes_destination;
use merge::Merge;

/// A sidecar's settings and the shape of its container, complete and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The profile that the pod chose; of several, the first.
    pub profile: String,
    /// The settings of the sidecar, without those of `further` destinations.
    pub settings: Settings,
    /// The same as variables.
    pub variables: Vec<(&'static str, String)>,
    /// Where else it writes to, in the pod's order.
    pub further: Vec<Destination>,
    /// The same as variables.
    pub further_variables: Vec<(String, String)>,
    /// A short hash of everything that a change of configuration may change, so that pods
    /// with an older sidecar can be listed. Settings that depend on the rest of the pod
    /// are not part of it, because other webhooks change that.
    pub fingerprint: String,
    /// Its image.
    pub image: Image,
    /// When the image is pulled.
    pub image_pull_policy: ImagePullPolicy,
    /// Secrets to pull it with.
    pub image_pull_secrets: Vec<ObjectName>,
    /// Whether it is an init container that keeps running.
    pub native: bool,
    /// What it may use.
    pub resources: Resources,
    /// How the kubelet checks that it is alive.
    pub liveness: LivenessProbe,
    /// How the kubelet checks that it is ready.
    pub readiness: ReadinessProbe,
    /// The service mesh that the pod shows.
    pub mesh: Option<Mesh>,
    /// Where the unnamed destination's certificate comes from, for an identity that
    /// has one.
    pub certificate: Option<CertificateSource>,
    /// Where it is mounted.
    pub mount_path: MountPath,
    /// Roots that it trusts instead of the system's.
    pub trust: Option<TrustConfigMap>,
    /// Warnings for the pod's author about resources and further profiles.
    pub warnings: Vec<String>,
}

impl Effective {
    /// The profiles that the pod chose, as its annotation has them.
    pub fn profiles(&self) -> Cow<'_, str> {
        if self.further.is_empty() {
            return Cow::Borrowed(&self.profile);
        }
        let further = self.further.iter().map(|destination| destination.name.as_str());
        let names: Vec<&str> = std::iter::once(self.profile.as_str()).chain(further).collect();
        Cow::Owned(names.join(","))
    }

    /// The sidecar's variables, those of further destinations included.
    pub fn all_variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let further = self.further_variables.iter();
        own.chain(further.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The unnamed destination's authority, where the variables leave it out as a default.
    /// It is written out all the same: the webhook of
    /// azure-workload-identity adds variables of Azure's SDKs where they are absent.
    pub(crate) fn unsaid_authority(&self) -> Option<&AuthorityHost> {
        let is_said = self.variables.iter().any(|(name, _)| *name == env::AZURE_AUTHORITY_HOST);
        self.settings.identity.authority().filter(|_| !is_said)
    }

    /// Its destinations: the unnamed one, and the further ones.
    pub fn destinations(&self) -> impl Iterator<Item = DestinationView<'_>> {
        let unnamed = DestinationView {
            name: None,
            settings: &self.settings,
            certificate: self.certificate.as_ref(),
            mount_path: &self.mount_path,
        };
        std::iter::once(unnamed).chain(self.further.iter().map(Destination::view))
    }
}

/// Who delivers the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The Secrets Store CSI driver, by this `SecretProviderClass`.
    Csi(ObjectName),
    /// This Secret.
    Secret(ObjectName),
}

/// The settings for `pod`, by its own annotations.
///
/// # Errors
/// Everything that is unreadable, missing, contradicts itself, or is not the
/// pod's to say.
pub fn settings_for(config: &Config, pod: Pod<'_>) -> Result<Effective, Vec<SettingError>> {
    let (annotations, unreadable) = annotated::readable(pod);
    if annotated::could_provide(&unreadable, annotations::PROFILE) {
        return Err(unreadable);
    }
    match effective(config, pod, &annotations) {
        Ok(effective) if unreadable.is_empty() => Ok(effective),
        Ok(_) => Err(unreadable),
        Err(more) => {
            let news = more.into_iter().filter(|error| {
                error.value.is_some() || !annotated::could_provide(&unreadable, &error.name)
            });
            Err(unreadable.iter().cloned().chain(news).collect())
        }
    }
}

fn effective(
    config: &Config,
    pod: Pod<'_>,
    annotations: &Annotations,
) -> Result<Effective, Vec<SettingError>> {
    let mut errors = annotated::policy_errors(&config.policy, &annotations.overrides);
    let chosen = chosen(config, annotations.profile.as_deref());
    errors.extend(chosen.errors);
    let (mut further, mut of_further) = (Vec::new(), Vec::new());
    for (name, profile) in &chosen.further {
        let merged = profile.overrides.clone();
        let mut merge = Merge {
            config,
            pod,
            name: name.as_str(),
            destination: Some(name),
            profile,
            merged,
            errors: Vec::new(),
        };
        further.extend(merge.further(name));
        of_further.append(&mut merge.errors);
    }
    // Settings of an unknown profile are not reported as missing.
    let Some((name, profile)) = chosen.first else {
        errors.append(&mut of_further);
        return Err(errors);
    };
    let nothing = Profile::default();
    let profile = profile.unwrap_or(&nothing);
    let merged = identity::with_own_certificate(&annotations.overrides, &profile.overrides);
    let mut merge = Merge { config, pod, name, destination: None, profile, merged, errors };
    let effective = merge.effective(further);
    merge.errors.append(&mut of_further);
    match effective {
        Some(effective) if merge.errors.is_empty() => Ok(effective),
        _ => Err(merge.errors),
    }
}

/// An annotation's full name.
pub fn annotation(key: Key) -> String {
    format!("{}{}", annotations::PREFIX, key.annotation())
}

/// Where a pod gets a setting of this destination from: of a further one only from its
/// profile, which has its name.
fn place(key: Key, destination: Option<&DestinationName>) -> String {
    match destination {
        Some(name) => format!("{} of profile \"{name}\"", key.profile()),
        None => annotation(key),
    }
}
