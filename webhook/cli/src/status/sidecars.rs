//! One line for each destination of each injected pod.

use std::collections::BTreeMap;

use contract::{DestinationName, annotations, names};
use serde::{Serialize, Serializer};
use serde_json::Value;
use webhook::{effective::settings_for, pod::Container};

use super::facts::{Figures, FoundCluster, FoundPod, Standing, items, text};
use crate::policy;

/// Why a sidecar that runs cannot write.
pub(super) const NO_TOKEN: &str = "no token";

/// An injected pod, and what is said of it.
pub(super) struct Sidecar<'a> {
    pub(super) found: &'a FoundPod,
    /// One for each destination.
    pub(super) lines: Vec<SidecarLine>,
    /// Where it listens.
    pub(super) port: u64,
}

/// What is said of one destination of an injected pod: a column each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarLine {
    /// The kubeconfig's context, if several were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The destination's name; empty for the unnamed one.
    pub destination: String,
    /// The version that injected it: the webhook's, or that of the program which wrote
    /// the policy.
    pub version: String,
    /// Whether its settings are today's.
    pub settings: Freshness,
    /// The profile that describes it.
    pub profile: String,
    /// The ingestion endpoint's host.
    pub writes_to: String,
    /// Whether its container runs and holds a token.
    pub ready: bool,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// When Azure last accepted a write; `null` if never, or not known.
    #[serde(serialize_with = "time")]
    pub last_success: Option<i64>,
    /// Samples that Azure refused since the sidecar started, by reason; `null` if
    /// not known.
    pub refused_samples: Option<BTreeMap<String, u64>>,
    /// When the held token ends; `null` if there is none, or not known.
    #[serde(serialize_with = "time")]
    pub token_expiry: Option<i64>,
    /// When the certificate in use ends; `null` if there is none, or not known.
    #[serde(serialize_with = "time")]
    pub certificate_expiry: Option<i64>,
    /// Whether its metrics were read.
    #[serde(skip)]
    pub(super) is_measured: bool,
}

/// Whether a sidecar's settings are today's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Freshness {
    /// They are.
    Current,
    /// A pod that is made anew gets others.
    Outdated,
    /// A pod that is made anew is denied.
    Invalid,
    /// The configuration of the webhook, or of the policy, cannot be read.
    Unknown,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn time<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    use k8s_openapi::jiff::Timestamp;
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string()).serialize(serializer)
}

/// The injected pods of a cluster, by namespace and name.
pub(super) fn sidecars(cluster: &FoundCluster, now: i64) -> Vec<Sidecar<'_>> {
    let injected = cluster.pods.iter().filter_map(|found| match found.standing() {
        Standing::Injected(container) => {
            let suffixes = container
                .variable_names()
                .filter_map(|name| name.strip_prefix(names::env::INGESTION_URL));
            let names = suffixes.filter_map(DestinationName::of_suffix).map(Some);
            let all = std::iter::once(None).chain(names);
            let lines = all.filter_map(|name| line(cluster, found, container, name, now)).collect();
            let port = container.ports().next().unwrap_or(names::DEFAULT_LISTENING_PORT.into());
            Some(Sidecar { found, lines, port })
        }
        Standing::HandWritten(_) | Standing::Without => None,
    });
    let mut sidecars: Vec<_> = injected.collect();
    sidecars.sort_by(|Sidecar { found: a, .. }, Sidecar { found: b, .. }| {
        (a.namespace(), a.name()).cmp(&(b.namespace(), b.name()))
    });
    sidecars
}

/// What is said of a destination; `None` where the sidecar does not have it.
fn line(
    cluster: &FoundCluster,
    found: &FoundPod,
    container: Container<'_>,
    name: Option<DestinationName>,
    now: i64,
) -> Option<SidecarLine> {
    let variable = names::env::INGESTION_URL;
    let variable =
        name.as_ref().map_or_else(|| variable.to_owned(), |name| name.variable(variable));
    let url = container.variable(&variable)?;
    let pod = found.pod();
    let injected = pod.annotation(annotations::INJECTED).unwrap_or_default();
    let version = injected.split(' ').find_map(|word| word.strip_prefix("version="));
    let destination = name.map(|name| name.to_string()).unwrap_or_default();
    let profiles = pod.annotation(annotations::PROFILE).unwrap_or(annotations::DEFAULT_PROFILE);
    let first = annotations::profile_names(profiles).next().unwrap_or_default();
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next();
    let figures = found.figures().map(|figures| figures.of_destination(&destination));
    let figures = figures.as_ref();
    let time = |name| figures.and_then(|figures| figures.time(name));
    let reason = not_ready(found, figures, now);
    Some(SidecarLine {
        context: cluster.context.clone(),
        namespace: found.namespace().to_owned(),
        pod: found.name().to_owned(),
        version: version.unwrap_or("?").to_owned(),
        settings: settings(cluster, found, injected),
        profile: if destination.is_empty() { first.to_owned() } else { destination.clone() },
        destination,
        writes_to: host.unwrap_or_default().to_owned(),
        ready: reason.is_none(),
        reason,
        last_success: time("prom_remotewrite_last_success_timestamp_seconds"),
        refused_samples: figures
            .map(|figures| figures.by_reason("prom_remotewrite_refused_samples_total")),
        token_expiry: time("prom_remotewrite_token_expiry_timestamp_seconds"),
        certificate_expiry: time("prom_remotewrite_certificate_expiry_timestamp_seconds"),
        is_measured: figures.is_some(),
    })
}

/// By the configuration of what injected it.
fn settings(cluster: &FoundCluster, found: &FoundPod, injected: &str) -> Freshness {
    let pod = found.pod();
    if cluster.lost_policy(pod) {
        return Freshness::Invalid;
    }
    let settings = if policy::is_by_policy(pod) {
        cluster.policy(pod).map(|found| Ok(policy::settings(&found.parameters, pod)))
    } else {
        cluster
            .file()
            .map(|file| settings_for(&file.config, pod).map(|effective| effective.fingerprint))
    };
    match settings {
        Some(Ok(hash)) if injected.ends_with(&hash) => Freshness::Current,
        Some(Ok(_)) => Freshness::Outdated,
        Some(Err(_)) => Freshness::Invalid,
        None => Freshness::Unknown,
    }
}

/// Why a sidecar cannot write at `now`, if so.
fn not_ready(found: &FoundPod, figures: Option<&Figures>, now: i64) -> Option<String> {
    let token = || {
        let expiry = figures?.time("prom_remotewrite_token_expiry_timestamp_seconds");
        expiry.is_none_or(|expiry| expiry <= now).then(|| NO_TOKEN.to_owned())
    };
    stopped(found).or_else(token)
}

/// Why a sidecar's container does not run, if so.
pub(crate) fn stopped(found: &FoundPod) -> Option<String> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut statuses = lists.into_iter().flat_map(|list| items(&found.raw, list));
    let Some(status) = statuses.find(|status| text(status, "/name") == names::CONTAINER) else {
        return Some(text(&found.raw, "/status/phase").to_owned());
    };
    if status.get("ready").and_then(Value::as_bool) != Some(true) {
        let causes = ["/state/waiting/reason", "/state/terminated/reason"];
        let reason = causes.iter().map(|path| text(status, path)).find(|text| !text.is_empty());
        return Some(reason.unwrap_or("not started").to_owned());
    }
    None
}
