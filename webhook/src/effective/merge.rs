//! The three sources of settings, put together.

use std::{fmt::Display, path::PathBuf};

use contract::{
    DestinationName, Destinations, Key, LivenessProbe, LogLevel, Overrides, Port, ReadinessProbe,
    SettingError, Settings, SidecarMode, names,
};

use super::{
    CertificateSource, Destination, Effective, amounts::short_of_memory, fingerprint::fingerprint,
    place,
};
use crate::{
    config::{Config, PROFILE_ONLY, Profile, Resources},
    pod::{Mesh, Pod},
};

/// Settings on their way from three sources to one.
pub(super) struct Merge<'a> {
    pub(super) config: &'a Config,
    pub(super) pod: Pod<'a>,
    /// The profile's name.
    pub(super) name: &'a str,
    /// The destination's, if it is a further one: no annotation goes before its profile.
    pub(super) destination: Option<&'a DestinationName>,
    pub(super) profile: &'a Profile,
    pub(super) merged: Overrides,
    pub(super) errors: Vec<SettingError>,
}

impl Merge<'_> {
    pub(super) fn effective(&mut self, further: Vec<Destination>) -> Option<Effective> {
        let (settings, certificate) = self.destination();
        let configured = self.configured_resources();
        self.check_mount_paths(certificate.as_ref(), &further);
        let mut settings = settings?;
        self.fill(&mut settings);
        self.assembled(settings, certificate, further, &configured)
    }

    /// The variables of further destinations, which the sidecar must be able to read:
    /// what is right alone need not be so together with others, because it divides its
    /// limits.
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
        let errors = Destinations::from_env(variables.iter().cloned()).err();
        let by_key = |error: SettingError| {
            let known = PROFILE_ONLY.iter().find(|one| one.variable == error.name);
            let name = known.map(|one| format!("{} of profile {:?}", one.key, self.name));
            SettingError { name: name.unwrap_or(error.name), ..error }
        };
        self.errors.extend(errors.into_iter().flatten().map(by_key));
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
        let limit = resources.memory_limit.as_ref();
        warnings.extend(limit.and_then(|limit| short_of_memory(limit, &settings.limits)));
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

    /// The settings of the whole sidecar.
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

    /// A mesh redirects HTTP probes to its proxy, but not a command.
    fn liveness(&self, mesh: Option<&Mesh>) -> LivenessProbe {
        let usual = mesh.map_or(LivenessProbe::Http, |_| LivenessProbe::Exec);
        self.merged.liveness_probe.unwrap_or(usual)
    }

    fn readiness(&self, mesh: Option<&Mesh>) -> ReadinessProbe {
        match self.config.readiness_probe {
            ReadinessProbe::Http if mesh.is_some() => ReadinessProbe::Exec,
            probe => probe,
        }
    }

    pub(super) fn required<T>(
        &mut self,
        value: Option<T>,
        key: Key,
        what: impl Display,
    ) -> Option<T> {
        if value.is_none() {
            let expected = match self.destination {
                Some(_) => what.to_string(),
                None => format!("{what}, here or as {} of profile {:?}", key.profile(), self.name),
            };
            self.errors.push(SettingError::missing(self.place(key), expected));
        }
        value
    }

    /// Where a setting is given that is wrong or missing.
    pub(super) fn place(&self, key: Key) -> String {
        place(key, self.destination)
    }
}

/// Five seconds before the kubelet kills it, so that the sidecar exits by itself.
const KILL_MARGIN_SECONDS: u64 = 5;

fn shutdown_timeout(grace_seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(grace_seconds.saturating_sub(KILL_MARGIN_SECONDS).max(1))
}
