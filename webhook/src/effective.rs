//! What a pod's sidecar gets: annotations over profile over configuration.
//!
//! The only place that knows this order. What is missing or must not be set is
//! found here, and all of it is reported together.
//!
//! A pod that names several profiles has several destinations. The first profile is
//! the sidecar's as a whole and its unnamed destination's; annotations go before it
//! alone. Of each further one counts what describes its destination.

mod chosen;
mod destination;
mod fingerprint;
mod given;
mod identity;
mod ignored;
mod mount_path;
mod probes;
mod resources;

use std::{borrow::Cow, fmt::Display, path::PathBuf};

use contract::{
    AuthorityHost, DestinationName, Destinations, Image, ImagePullPolicy, Key, LivenessProbe,
    LogLevel, Mistake, MountPath, ObjectName, Overrides, Port, ReadinessProbe, Settings,
    SidecarMode,
    annotations::{self, Annotations},
    names::{self, env},
};

use crate::{
    config::{Config, PROFILE_ONLY, Profile, Resources, TrustConfigMap},
    pod::{Mesh, Pod},
};
use chosen::chosen;
pub use destination::{Destination, DestinationView};
use fingerprint::fingerprint;
pub use ignored::describes_destination;

/// A sidecar's settings and the shape of its container, complete and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The profile that the pod chose; of several, the first.
    pub profile: String,
    /// What the sidecar is told, apart from `further` destinations.
    pub settings: Settings,
    /// The same as variables.
    pub variables: Vec<(&'static str, String)>,
    /// Where else it writes to, in the pod's order.
    pub further: Vec<Destination>,
    /// The same as variables.
    pub further_variables: Vec<(String, String)>,
    /// A short hash of everything that a change of configuration may change, so
    /// that pods with an older sidecar can be listed. What the rest of the pod
    /// decides is no part of it, since other webhooks change that.
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
    /// What the pod's author should know about resources and further profiles.
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

    /// The unnamed destination's authority, where the variables leave it out as a default
    /// and a destination asks it. It is written out all the same: the webhook of
    /// azure-workload-identity adds variables of Azure's SDKs where they are absent.
    pub(crate) fn unsaid_authority(&self) -> Option<&AuthorityHost> {
        let is_said = self.variables.iter().any(|(name, _)| *name == env::AZURE_AUTHORITY_HOST);
        let is_asked = self.destinations().any(|one| one.settings.identity.tenant_id().is_some());
        self.settings.authority_host.as_ref().filter(|_| is_asked && !is_said)
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
pub fn wanted(config: &Config, pod: Pod<'_>) -> Result<Effective, Vec<Mistake>> {
    let (given, unreadable) = given::readable(pod);
    if given::excuses(&unreadable, annotations::PROFILE) {
        return Err(unreadable);
    }
    match effective(config, pod, &given) {
        Ok(effective) if unreadable.is_empty() => Ok(effective),
        Ok(_) => Err(unreadable),
        Err(more) => {
            let news = more.into_iter().filter(|mistake| {
                mistake.value.is_some() || !given::excuses(&unreadable, &mistake.name)
            });
            Err(unreadable.iter().cloned().chain(news).collect())
        }
    }
}

fn effective(
    config: &Config,
    pod: Pod<'_>,
    given: &Annotations,
) -> Result<Effective, Vec<Mistake>> {
    let mut mistakes = given::policy_mistakes(&config.policy, &given.overrides);
    let chosen = chosen(config, given.profile.as_deref());
    mistakes.extend(chosen.mistakes);
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
            mistakes: Vec::new(),
        };
        further.extend(merge.further(name));
        of_further.append(&mut merge.mistakes);
    }
    // What an unknown profile would have said is not missing.
    let Some((name, profile)) = chosen.first else {
        mistakes.append(&mut of_further);
        return Err(mistakes);
    };
    let nothing = Profile::default();
    let profile = profile.unwrap_or(&nothing);
    let merged = identity::with_own_certificate(&given.overrides, &profile.overrides);
    let mut merge = Merge { config, pod, name, destination: None, profile, merged, mistakes };
    let effective = merge.effective(further);
    merge.mistakes.append(&mut of_further);
    match effective {
        Some(effective) if merge.mistakes.is_empty() => Ok(effective),
        _ => Err(merge.mistakes),
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

/// Settings on their way from three sources to one.
struct Merge<'a> {
    config: &'a Config,
    pod: Pod<'a>,
    /// The profile's name.
    name: &'a str,
    /// The destination's, if it is a further one: no annotation goes before its profile.
    destination: Option<&'a DestinationName>,
    profile: &'a Profile,
    merged: Overrides,
    mistakes: Vec<Mistake>,
}

impl Merge<'_> {
    fn effective(&mut self, further: Vec<Destination>) -> Option<Effective> {
        let (settings, certificate) = self.destination();
        let configured = self.configured_resources();
        self.check_mount_paths(certificate.as_ref(), &further);
        let mut settings = settings?;
        self.fill(&mut settings);
        self.assembled(settings, certificate, further, &configured)
    }

    /// The variables of further destinations, which the sidecar must be able to read:
    /// what is right alone need not be so beside others, since it divides its limits.
    fn further_variables(
        &mut self,
        settings: &Settings,
        further: &[Destination],
    ) -> Vec<(String, String)> {
        if further.is_empty() {
            return Vec::new();
        }
        let named = further.iter().map(|one| contract::Destination {
            name: Some(one.name.clone()),
            settings: one.settings.clone(),
        });
        let unnamed = contract::Destination { name: None, settings: settings.clone() };
        let mut variables = Destinations::new(unnamed, named.collect()).to_env();
        let mistakes = Destinations::from_env(variables.iter().cloned()).err();
        let by_key = |mistake: Mistake| {
            let known = PROFILE_ONLY.iter().find(|one| one.variable == mistake.name);
            let name = known.map(|one| format!("{} of profile {:?}", one.key, self.name));
            Mistake { name: name.unwrap_or(mistake.name), ..mistake }
        };
        self.mistakes.extend(mistakes.into_iter().flatten().map(by_key));
        variables.split_off(settings.to_env().len().min(variables.len()))
    }

    /// Everything together, when nothing is missing.
    fn assembled(
        &mut self,
        settings: Settings,
        certificate: Option<CertificateSource>,
        further: Vec<Destination>,
        configured: &Resources,
    ) -> Option<Effective> {
        let further: Vec<Destination> =
            further.into_iter().map(|one| one.within(&settings)).collect();
        let further_variables = self.further_variables(&settings, &further);
        let (config, merged) = (self.config, &self.merged);
        let (resources, mut warnings) = self.fitting_resources(configured);
        warnings.extend(self.ignored(&further));
        let mesh = self.pod.mesh();
        let mut effective = Effective {
            profile: self.name.to_owned(),
            variables: settings.to_env(),
            settings,
            further,
            further_variables,
            fingerprint: String::new(),
            image: merged.image.as_ref().unwrap_or(&config.image).clone(),
            image_pull_policy: merged.image_pull_policy.unwrap_or(config.image_pull_policy),
            image_pull_secrets: config.image_pull_secrets.clone(),
            native: self.native(),
            resources,
            liveness: self.liveness(mesh.as_ref()),
            readiness: self.readiness(mesh.as_ref()),
            mesh,
            certificate,
            mount_path: self.mount_path()?,
            trust: self.profile.trust.clone(),
            warnings,
        };
        let (liveness, readiness) = (merged.liveness_probe, config.readiness_probe);
        effective.fingerprint = fingerprint(&effective, configured, liveness, readiness);
        Some(effective)
    }

    /// What the whole sidecar is told.
    fn fill(&self, settings: &mut Settings) {
        settings.listening_port = self.merged.listening_port.unwrap_or(Port::DEFAULT);
        settings.limits.shutdown_timeout =
            settings.limits.shutdown_timeout.min(shutdown_timeout(self.pod.grace_seconds()));
        settings.native_sidecar = self.native();
        settings.log_level = self.merged.log_level.unwrap_or(LogLevel::Info);
        let trust = self.profile.trust.as_ref();
        settings.trusted_roots_file =
            trust.map(|trust| PathBuf::from(format!("{}/{}", names::TRUST_MOUNT_PATH, trust.key)));
    }

    fn native(&self) -> bool {
        match self.merged.sidecar_mode {
            None => self.config.native_sidecar,
            Some(SidecarMode::Native) => true,
            Some(SidecarMode::Container) => false,
        }
    }

    fn required<T>(&mut self, value: Option<T>, key: Key, what: impl Display) -> Option<T> {
        if value.is_none() {
            let expected = match self.destination {
                Some(_) => what.to_string(),
                None => format!("{what}, here or as {} of profile {:?}", key.profile(), self.name),
            };
            self.mistakes.push(Mistake::missing(self.place(key), expected));
        }
        value
    }

    /// Where a setting is given that is wrong or missing.
    fn place(&self, key: Key) -> String {
        place(key, self.destination)
    }
}

/// Five seconds before the kubelet kills it, so that the sidecar exits by itself.
const KILL_MARGIN_SECONDS: u64 = 5;

fn shutdown_timeout(grace_seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(grace_seconds.saturating_sub(KILL_MARGIN_SECONDS).max(1))
}
