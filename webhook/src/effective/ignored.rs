//! Settings of further profiles that concern the whole sidecar, which the first profile
//! decides.

use contract::{DESTINATION_VARIABLES, Key};

use super::{Destination, Merge};
use crate::config::{PROFILE_ONLY, Profile, ProfileOnly};

impl Merge<'_> {
    /// A sentence for each further profile with settings that have no effect, because
    /// they are not as the first profile has them.
    pub(super) fn ignored(&self, further: &[Destination]) -> Vec<String> {
        let profile = |one: &Destination| self.config.profiles.get(one.name.as_str());
        let sentence = |one: &Destination| {
            let keys = self.other_keys(profile(one)?);
            (!keys.is_empty()).then(|| {
                format!(
                    "{} of profile \"{}\" {} no effect: the first profile, {:?}, decides for the whole sidecar",
                    keys.join(", "),
                    one.name,
                    if keys.len() == 1 { "has" } else { "have" },
                    self.name
                )
            })
        };
        further.iter().filter_map(sentence).collect()
    }

    fn other_keys(&self, profile: &Profile) -> Vec<&'static str> {
        let is_other = |key: &Key| {
            let value = profile.overrides.get(*key);
            !describes_destination(*key) && value.is_some() && value != self.merged.get(*key)
        };
        let keys = Key::ALL.iter().copied().filter(is_other).map(Key::profile);
        let is_set = |one: &&ProfileOnly| {
            let other = profile.only.iter().find(|(key, _)| *key == one.key);
            !DESTINATION_VARIABLES.contains(&one.variable)
                && other.is_some_and(|other| !self.profile.only.contains(other))
        };
        let only = PROFILE_ONLY.iter().filter(is_set).map(|one| one.key);
        let trust = profile.trust.is_some() && profile.trust != self.profile.trust;
        keys.chain(only).chain(trust.then_some("trustConfigMap")).collect()
    }
}

/// Whether a setting describes a destination; the others are of the whole sidecar.
pub const fn describes_destination(key: Key) -> bool {
    match key {
        Key::IngestionUrl
        | Key::Cloud
        | Key::Audience
        | Key::IdentityType
        | Key::ClientId
        | Key::TenantId
        | Key::CertificateName
        | Key::SecretProviderClass
        | Key::CertificateSecret
        | Key::MountPath
        | Key::ResponseMode => true,
        Key::ListeningPort
        | Key::Image
        | Key::ImagePullPolicy
        | Key::CpuRequest
        | Key::CpuLimit
        | Key::MemoryRequest
        | Key::MemoryLimit
        | Key::LogLevel
        | Key::SidecarMode
        | Key::LivenessProbe => false,
    }
}
