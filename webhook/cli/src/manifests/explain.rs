//! Why a pod gets a sidecar or none, and where each of its settings comes from.

use std::fmt::{self, Write as _};

use contract::{
    DESTINATION_VARIABLES, Key, LivenessProbe,
    annotations::{self, Annotations},
    format_duration,
};
use serde_json::Value;
use webhook::{
    config::{ConfigFile, PROFILE_ONLY, Profile, Resources},
    decide::{Decision, decide},
    effective::{DestinationView, Effective, describes_destination},
    pod::Pod,
};

use super::{ManifestError, ReviewedPod, parse};
use crate::{
    identity_webhook,
    needs::{self, Need, Verdict, lookup::Finding},
    workloads::workloads,
    yaml::documents,
};

/// A pod or pod template, explained.
#[derive(Debug)]
pub struct Explanation {
    /// What would become of it.
    pub outcome: ReviewedPod,
    /// Each setting with its value and its source, if it gets a sidecar: one list for
    /// each destination, and with the first one the settings of the whole sidecar.
    pub destinations: Vec<ExplainedDestination>,
    /// What it will need in its namespace.
    pub needs: Vec<Need>,
    /// The namespace, where the object names one.
    pub namespace: Option<String>,
    /// What a cluster has of it, if one was asked.
    pub findings: Vec<Finding>,
}

/// A destination of a sidecar, explained.
#[derive(Debug, PartialEq, Eq)]
pub struct ExplainedDestination {
    /// Its name; the first one has none.
    pub name: Option<String>,
    /// Where Prometheus writes what is for it.
    pub remote_write_url: String,
    /// Each setting with its value and its source.
    pub settings: Vec<Setting>,
}

/// A setting and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// An annotation's short name, a profile's key, or a variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Who says so.
    pub source: Origin,
}

/// Who gives a setting its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The pod.
    Annotation,
    /// The profile that the pod chose.
    Profile,
    /// The webhook's configuration, apart from profiles.
    Configuration,
    /// The program itself, or Azure's cloud.
    Default,
    /// The rest of the pod: its grace period, its mesh, its resources and quality of
    /// service, the other amount of a pair, or what the webhook of
    /// azure-workload-identity wrote.
    Pod,
}

impl Explanation {
    /// Whether the pod would be denied, or could not start in the cluster that
    /// was asked.
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome.decision, Decision::Deny(_))
            || self.findings.iter().any(|finding| matches!(finding.verdict, Verdict::Bad(_)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Annotation => "annotation",
            Self::Profile => "profile",
            Self::Configuration => "configuration",
            Self::Default => "default",
            Self::Pod => "pod",
        })
    }
}

/// Explains every pod and pod template in `text`.
///
/// # Errors
/// Where a document is no YAML.
pub fn explain(file: &ConfigFile, text: &str) -> Result<Vec<Explanation>, ManifestError> {
    let mut explanations = Vec::new();
    for (number, document) in (1..).zip(documents(text)) {
        let value = parse(number, document)?;
        for workload in workloads(&value) {
            let mut workload = workload;
            let mut decision = decide(&file.config, Pod::new(&workload.pod));
            if let Some((provided, hint)) = provided(file, &workload.pod, &decision) {
                decision = provided;
                workload.hints.push(hint);
            }
            let pod = Pod::new(&workload.pod);
            let decision = super::reviewed(file, workload.namespace.as_deref(), decision);
            let (destinations, needs) = match &decision {
                Decision::Inject(injection) => {
                    let effective = &injection.effective;
                    (destinations(file, pod, effective), needs::needs(effective, pod))
                }
                Decision::Repair(_) | Decision::Skip(_) | Decision::Deny(_) => {
                    (Vec::new(), Vec::new())
                }
            };
            let namespace = workload.namespace.clone();
            let outcome = super::outcome(file, number, workload, decision);
            let findings = Vec::new();
            explanations.push(Explanation { outcome, destinations, needs, namespace, findings });
        }
    }
    Ok(explanations)
}

/// What becomes of a pod that is denied for want of what azure-workload-identity's
/// webhook writes into it, and what that depends on: the pod asks for it by its label.
fn provided(file: &ConfigFile, pod: &Value, alone: &Decision) -> Option<(Decision, String)> {
    let is_labelled = Pod::new(pod).label(identity_webhook::LABEL) == Some("true");
    if !is_labelled || !matches!(alone, Decision::Deny(_)) {
        return None;
    }
    let provided = identity_webhook::provided(pod);
    let decision = decide(&file.config, Pod::new(&provided));
    let is_injected = matches!(decision, Decision::Inject(_));
    is_injected.then(|| (decision, "its client or its tenant has to come from azure-workload-identity, whose webhook writes it into the pod first, for the label azure.workload.identity/use: without that webhook the pod is denied".to_owned()))
}

/// What stands for a value that azure-workload-identity provides.
const PROVIDED: &str = "(from azure-workload-identity)";

fn destinations(
    file: &ConfigFile,
    pod: Pod<'_>,
    effective: &Effective,
) -> Vec<ExplainedDestination> {
    let given = annotations::parse(pod.annotations()).unwrap_or_default();
    let explained = effective.destinations().map(|destination| ExplainedDestination {
        name: destination.name.map(ToString::to_string),
        remote_write_url: destination.remote_write_url(),
        settings: match destination.name {
            None => settings(file, &given, effective, destination),
            Some(name) => further(file, name.as_str(), effective, destination),
        },
    });
    explained.collect()
}

/// The settings of the sidecar and its unnamed destination.
fn settings(
    file: &ConfigFile,
    given: &Annotations,
    effective: &Effective,
    destination: DestinationView<'_>,
) -> Vec<Setting> {
    let nothing = Profile::default();
    let profile = file.config.profiles.get(&effective.profile).unwrap_or(&nothing);
    let of_profile = if given.profile.is_some() { Origin::Annotation } else { Origin::Default };
    let mut settings =
        vec![Setting { name: "profile", value: effective.profile.clone(), source: of_profile }];
    let values = Key::ALL.iter().map(|key| (*key, value(*key, effective, destination)));
    settings
        .extend(values.filter_map(|(key, value)| Some(setting(key, value?, given, profile, file))));
    let trust = profile.trust.as_ref().map(|trust| format!("{}/{}", trust.name, trust.key));
    settings.extend(trust.map(|value| of_profile_alone("trustConfigMap", value)));
    let only = profile.given.iter();
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
    let (nothing, given) = (Profile::default(), Annotations::default());
    let profile = file.config.profiles.get(name).unwrap_or(&nothing);
    let mut settings =
        vec![Setting { name: "profile", value: name.to_owned(), source: Origin::Annotation }];
    let keys = Key::ALL.iter().copied().filter(|key| describes_destination(*key));
    let values = keys.map(|key| (key, value(key, effective, destination)));
    settings.extend(
        values.filter_map(|(key, value)| Some(setting(key, value?, &given, profile, file))),
    );
    let is_its_own = |key: &str| {
        let known = PROFILE_ONLY.iter().find(|one| one.key == key);
        known.is_some_and(|one| DESTINATION_VARIABLES.contains(&one.variable))
    };
    let only = profile.given.iter().filter(|(key, _)| is_its_own(key));
    settings.extend(only.map(|(name, value)| of_profile_alone(name, value.clone())));
    settings
}

fn setting(
    key: Key,
    value: String,
    given: &Annotations,
    profile: &Profile,
    file: &ConfigFile,
) -> Setting {
    let source = source(key, &value, given, profile, file);
    let is_somebody = value == identity_webhook::SOMEBODY;
    let value = if is_somebody { PROVIDED.to_owned() } else { value };
    Setting { name: key.annotation(), value, source }
}

const fn of_profile_alone(name: &'static str, value: String) -> Setting {
    Setting { name, value, source: Origin::Profile }
}

/// The pod's grace period may leave less time than the profile, or the program,
/// would take.
fn shutdown_timeout(profile: &Profile, effective: &Effective) -> Option<Setting> {
    let taken = effective.settings.limits.shutdown_timeout;
    let usual = profile.apply(effective.settings.clone()).limits.shutdown_timeout;
    (taken < usual).then(|| Setting {
        name: "SHUTDOWN_TIMEOUT",
        value: format_duration(taken),
        source: Origin::Pod,
    })
}

fn source(
    key: Key,
    value: &str,
    given: &Annotations,
    profile: &Profile,
    file: &ConfigFile,
) -> Origin {
    for (overrides, source) in
        [(&given.overrides, Origin::Annotation), (&profile.overrides, Origin::Profile)]
    {
        match overrides.get(key) {
            Some(text) if is_amount(key) && text != value => return Origin::Pod,
            Some(_) => return source,
            None => {}
        }
    }
    let stated = |stated| if stated { Origin::Configuration } else { Origin::Default };
    match key {
        Key::ClientId | Key::TenantId => Origin::Pod,
        Key::LivenessProbe if value != LivenessProbe::Http.word() => Origin::Pod,
        Key::Image => Origin::Configuration,
        Key::ImagePullPolicy => stated(file.stated.image_pull_policy),
        Key::SidecarMode => stated(file.stated.sidecar_mode),
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
            if is_usual { stated(file.stated.resources) } else { Origin::Pod }
        }
        _ => Origin::Default,
    }
}

const fn is_amount(key: Key) -> bool {
    matches!(key, Key::CpuRequest | Key::CpuLimit | Key::MemoryRequest | Key::MemoryLimit)
}

/// What a key has come to; `None` where it plays no part.
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

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)?;
        let settings = self.destinations.iter().flat_map(|destination| &destination.settings);
        let width = settings.map(|setting| setting.name.len()).max().unwrap_or(0);
        for ExplainedDestination { name, remote_write_url, settings } in &self.destinations {
            if self.destinations.len() > 1 {
                let name = name.as_deref().unwrap_or("without a name");
                writeln!(f, "  destination {name}: remote_write.url is {remote_write_url}")?;
            }
            for Setting { name, value, source } in settings {
                writeln!(f, "  {source:<13}  {name:<width$}  {value}")?;
            }
        }
        for Finding { object, verdict } in &self.findings {
            match verdict {
                Verdict::Good => writeln!(f, "  cluster        ok       {object}")?,
                Verdict::Doubtful(why) => writeln!(f, "  cluster        warning  {object} {why}")?,
                Verdict::Bad(why) => writeln!(f, "  cluster        wrong    {object} {why}")?,
            }
        }
        Ok(())
    }
}

/// The object, the decision, and a line for each thing that is to be said.
impl fmt::Display for ReviewedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        match &self.decision {
            Decision::Inject(_) => writeln!(lines, "gets a sidecar")?,
            Decision::Repair(_) => writeln!(lines, "has a sidecar, which is repaired")?,
            Decision::Skip(skip) => writeln!(lines, "stays as it is: {}", skip.reason)?,
            Decision::Deny(denial) => writeln!(lines, "is denied: {}", denial.message)?,
        }
        for warning in self.decision.warnings() {
            writeln!(lines, "  warning: {warning}")?;
        }
        for hint in &self.hints {
            writeln!(lines, "  hint: {hint}")?;
        }
        write!(f, "document {}: {} {lines}", self.number, self.subject)
    }
}
