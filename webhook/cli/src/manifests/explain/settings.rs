//! The effective value of each setting, and its origin.

use contract::{
    DESTINATION_VARIABLES, Key, LivenessProbe,
    annotations::{self, Annotations},
    format_duration,
};
use webhook::{
    config::{ConfigFile, IDENTITY_BINDING, PROFILE_ONLY, Profile, Resources},
    effective::{DestinationView, Effective, describes_destination},
    pod::Pod,
};

use super::{ExplainedDestination, Origin, Setting};
use crate::identity_webhook;

/// The placeholder of a value that azure-workload-identity provides.
const PROVIDED: &str = "(from azure-workload-identity)";

pub(super) fn destinations(
    file: &ConfigFile,
    pod: Pod<'_>,
    effective: &Effective,
) -> Vec<ExplainedDestination> {
    let annotations = annotations::parse(pod.annotations()).unwrap_or_default();
    let explained = effective.destinations().map(|destination| ExplainedDestination {
        name: destination.name.map(ToString::to_string),
        remote_write_url: destination.remote_write_url(),
        settings: match destination.name {
            None => settings(file, &annotations, effective, destination),
            Some(name) => further(file, name.as_str(), effective, destination),
        },
    });
    explained.collect()
}

/// The settings of the sidecar and its unnamed destination.
fn settings(
    file: &ConfigFile,
    annotations: &Annotations,
    effective: &Effective,
    destination: DestinationView<'_>,
) -> Vec<Setting> {
    let nothing = Profile::default();
    let profile = file.config.profiles.get(&effective.profile).unwrap_or(&nothing);
    let of_profile =
        if annotations.profile.is_some() { Origin::Annotation } else { Origin::Default };
    let mut settings =
        vec![Setting { name: "profile", value: effective.profile.clone(), source: of_profile }];
    let values = Key::ALL.iter().map(|key| (*key, value(*key, effective, destination)));
    settings.extend(
        values.filter_map(|(key, value)| Some(setting(key, value?, annotations, profile, file))),
    );
    let trust = profile.trust.as_ref().map(|trust| format!("{}/{}", trust.name, trust.key));
    settings.extend(trust.map(|value| of_profile_alone("trustConfigMap", value)));
    settings.extend(binding(profile));
    let only = profile.only.iter();
    settings.extend(only.map(|(name, value)| of_profile_alone(name, value.clone())));
    settings.extend(shutdown_timeout(profile, effective));
    settings
}

/// The settings of a further destination: no annotation goes before its profile.
fn further(
    file: &ConfigFile,
    name: &str,
    effective: &Effective,
    destination: DestinationView<'_>,
) -> Vec<Setting> {
    let (nothing, annotations) = (Profile::default(), Annotations::default());
    let profile = file.config.profiles.get(name).unwrap_or(&nothing);
    let mut settings =
        vec![Setting { name: "profile", value: name.to_owned(), source: Origin::Annotation }];
    let keys = Key::ALL.iter().copied().filter(|key| describes_destination(*key));
    let values = keys.map(|key| (key, value(key, effective, destination)));
    settings.extend(
        values.filter_map(|(key, value)| Some(setting(key, value?, &annotations, profile, file))),
    );
    let is_its_own = |key: &str| {
        let known = PROFILE_ONLY.iter().find(|one| one.key == key);
        known.is_some_and(|one| DESTINATION_VARIABLES.contains(&one.variable))
    };
    settings.extend(binding(profile));
    let only = profile.only.iter().filter(|(key, _)| is_its_own(key));
    settings.extend(only.map(|(name, value)| of_profile_alone(name, value.clone())));
    settings
}

fn setting(
    key: Key,
    value: String,
    annotations: &Annotations,
    profile: &Profile,
    file: &ConfigFile,
) -> Setting {
    let source = source(key, &value, annotations, profile, file);
    let is_somebody = value == identity_webhook::SOMEBODY;
    let value = if is_somebody { PROVIDED.to_owned() } else { value };
    Setting { name: key.annotation(), value, source }
}

fn binding(profile: &Profile) -> Option<Setting> {
    profile.binding.as_ref().map(|_| of_profile_alone(IDENTITY_BINDING, "true".to_owned()))
}

const fn of_profile_alone(name: &'static str, value: String) -> Setting {
    Setting { name, value, source: Origin::Profile }
}

/// The pod's grace period may leave less time than the profile, or the program,
/// would take.
fn shutdown_timeout(profile: &Profile, effective: &Effective) -> Option<Setting> {
    let taken = effective.settings.limits.shutdown_timeout;
    let usual = profile.limits().shutdown_timeout;
    (taken < usual).then(|| Setting {
        name: "SHUTDOWN_TIMEOUT",
        value: format_duration(taken),
        source: Origin::Pod,
    })
}

fn source(
    key: Key,
    value: &str,
    annotations: &Annotations,
    profile: &Profile,
    file: &ConfigFile,
) -> Origin {
    for (overrides, source) in
        [(&annotations.overrides, Origin::Annotation), (&profile.overrides, Origin::Profile)]
    {
        match overrides.get(key) {
            Some(text) if is_amount(key) && text != value => return Origin::Pod,
            Some(_) => return source,
            None => {}
        }
    }
    let explicit = |explicit| if explicit { Origin::Configuration } else { Origin::Default };
    match key {
        Key::ClientId | Key::TenantId => Origin::Pod,
        Key::LivenessProbe if value != LivenessProbe::Http.word() => Origin::Pod,
        Key::Image => Origin::Configuration,
        Key::ImagePullPolicy => explicit(file.explicit.image_pull_policy),
        Key::SidecarMode => explicit(file.explicit.sidecar_mode),
        _ if is_amount(key) => {
            let Resources { cpu_request, cpu_limit, memory_request, memory_limit } =
                &file.config.resources;
            let usual = match key {
                Key::CpuRequest => cpu_request,
                Key::CpuLimit => cpu_limit,
                Key::MemoryRequest => memory_request,
                _ => memory_limit,
            };
            let is_usual = usual.as_ref().is_some_and(|usual| usual.as_str() == value);
            if is_usual { explicit(file.explicit.resources) } else { Origin::Pod }
        }
        _ => Origin::Default,
    }
}

const fn is_amount(key: Key) -> bool {
    matches!(key, Key::CpuRequest | Key::CpuLimit | Key::MemoryRequest | Key::MemoryLimit)
}

/// The effective value of a key; `None` if it has no effect.
fn value(key: Key, effective: &Effective, destination: DestinationView<'_>) -> Option<String> {
    use webhook::effective::CertificateSource::{Csi, Secret};
    let DestinationView { settings, certificate, .. } = destination;
    let resources = &effective.resources;
    let text = |value: Option<&dyn ToString>| value.map(ToString::to_string);
    match key {
        Key::IngestionUrl => Some(settings.ingestion_url.to_string()),
        Key::Cloud => Some(settings.cloud.to_string()),
        Key::Audience => Some(settings.audience.to_string()),
        Key::IdentityType => Some(settings.identity.kind().to_string()),
        Key::ClientId => text(settings.identity.client_id().map(|id| id as _)),
        Key::TenantId => text(settings.identity.tenant_id().map(|id| id as _)),
        Key::CertificateName => certificate.and(destination.certificate_file()),
        Key::SecretProviderClass => match certificate? {
            Csi(class) => Some(class.to_string()),
            Secret(_) => None,
        },
        Key::CertificateSecret => match certificate? {
            Secret(secret) => Some(secret.to_string()),
            Csi(_) => None,
        },
        Key::MountPath => certificate.map(|_| destination.mount_path.to_string()),
        Key::ListeningPort => Some(settings.listening_port.to_string()),
        Key::Image => Some(effective.image.to_string()),
        Key::ImagePullPolicy => Some(effective.image_pull_policy.to_string()),
        Key::CpuRequest => text(resources.cpu_request.as_ref().map(|amount| amount as _)),
        Key::CpuLimit => text(resources.cpu_limit.as_ref().map(|amount| amount as _)),
        Key::MemoryRequest => text(resources.memory_request.as_ref().map(|amount| amount as _)),
        Key::MemoryLimit => text(resources.memory_limit.as_ref().map(|amount| amount as _)),
        Key::LogLevel => Some(settings.log_level.to_string()),
        Key::SidecarMode => Some(if effective.native { "native" } else { "container" }.to_owned()),
        Key::LivenessProbe => Some(effective.liveness.to_string()),
        Key::ResponseMode => Some(settings.response_mode.to_string()),
    }
}
