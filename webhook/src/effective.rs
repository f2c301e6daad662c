//! What a pod's sidecar gets: annotations over profile over configuration.
//!
//! The only place that knows this order. What is missing or must not be set is
//! found here, and all of it is reported together.

mod fingerprint;
mod given;
mod identity;
mod mount_path;
mod probes;
mod resources;

use std::{fmt::Display, path::PathBuf};

use contract::{
    Cloud, Image, ImagePullPolicy, Key, LivenessProbe, LogLevel, Mistake, MountPath, ObjectName,
    Overrides, Port, ReadinessProbe, ResponseMode, Settings, SidecarMode,
    annotations::{self, Annotations},
    names,
};

use crate::{
    config::{Config, Profile, Resources, TrustConfigMap},
    pod::{Mesh, Pod},
};
use fingerprint::fingerprint;

/// A sidecar's settings and the shape of its container, complete and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The profile that the pod chose.
    pub profile: String,
    /// What the sidecar is told.
    pub settings: Settings,
    /// The same as variables.
    pub variables: Vec<(&'static str, String)>,
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
    /// Where its certificate comes from, for an identity that has one.
    pub certificate: Option<CertificateSource>,
    /// Where the certificate is mounted.
    pub mount_path: MountPath,
    /// Roots that it trusts instead of the system's.
    pub trust: Option<TrustConfigMap>,
    /// What the pod's author should know about the resources.
    pub warnings: Vec<String>,
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
    let name = given.profile.as_deref().unwrap_or(annotations::DEFAULT_PROFILE);
    let mut mistakes = given::policy_mistakes(&config.policy, &given.overrides);
    let profile = match given::profile(config, given.profile.as_deref()) {
        Ok(profile) => profile,
        // What an unknown profile would have said is not missing.
        Err(unknown) => {
            mistakes.push(unknown);
            return Err(mistakes);
        }
    };
    let nothing = Profile::default();
    let profile = profile.unwrap_or(&nothing);
    let merged = identity::with_own_certificate(&given.overrides, &profile.overrides);
    let mut merge = Merge { config, pod, name, profile, merged, mistakes };
    let effective = merge.effective();
    match effective {
        Some(effective) if merge.mistakes.is_empty() => Ok(effective),
        _ => Err(merge.mistakes),
    }
}

/// An annotation's full name.
pub fn annotation(key: Key) -> String {
    format!("{}{}", annotations::PREFIX, key.annotation())
}

/// Settings on their way from three sources to one.
struct Merge<'a> {
    config: &'a Config,
    pod: Pod<'a>,
    name: &'a str,
    profile: &'a Profile,
    merged: Overrides,
    mistakes: Vec<Mistake>,
}

impl Merge<'_> {
    fn effective(&mut self) -> Option<Effective> {
        let ingestion_url = self.merged.ingestion_url.clone();
        let ingestion_url = self.required(
            ingestion_url,
            Key::IngestionUrl,
            "the metrics ingestion URL with the data collection rule in its path",
        );
        let certificate = self.certificate_source();
        let identity = self.identity();
        let audience = self.audience();
        let authority_host = self.authority(identity.as_ref());
        let configured = self.configured_resources();
        self.check_mount_path(certificate.as_ref());
        let mut settings = self.profile.apply(Settings::new(ingestion_url?, identity?, audience?));
        settings.cloud = self.cloud();
        settings.authority_host = authority_host;
        self.fill(&mut settings);
        self.assembled(settings, certificate, &configured)
    }

    /// Everything together, when nothing is missing.
    fn assembled(
        &self,
        settings: Settings,
        certificate: Option<CertificateSource>,
        configured: &Resources,
    ) -> Option<Effective> {
        let (config, merged) = (self.config, &self.merged);
        let (resources, warnings) = self.fitting_resources(configured);
        let mesh = self.pod.mesh();
        let mut effective = Effective {
            profile: self.name.to_owned(),
            variables: settings.to_env(),
            settings,
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

    /// The settings that cannot be missing.
    fn fill(&self, settings: &mut Settings) {
        settings.listening_port = self.merged.listening_port.unwrap_or(Port::DEFAULT);
        settings.response_mode = self.merged.response_mode.unwrap_or(ResponseMode::Protective);
        settings.limits.shutdown_timeout =
            settings.limits.shutdown_timeout.min(shutdown_timeout(self.pod.grace_seconds()));
        settings.native_sidecar = self.native();
        settings.log_level = self.merged.log_level.unwrap_or(LogLevel::Info);
        let trust = self.profile.trust.as_ref();
        settings.trusted_roots_file =
            trust.map(|trust| PathBuf::from(format!("{}/{}", names::TRUST_MOUNT_PATH, trust.key)));
    }

    fn cloud(&self) -> Cloud {
        self.merged.cloud.unwrap_or_default()
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
            let expected =
                format!("{what}, here or as {} of profile {:?}", key.profile(), self.name);
            self.mistakes.push(Mistake::missing(annotation(key), expected));
        }
        value
    }
}

/// Five seconds before the kubelet kills it, so that the sidecar exits by itself.
const KILL_MARGIN_SECONDS: u64 = 5;

fn shutdown_timeout(grace_seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(grace_seconds.saturating_sub(KILL_MARGIN_SECONDS).max(1))
}
