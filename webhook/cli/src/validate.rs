//! Settings without effect, or that contradict each other, although the webhook accepts
//! them: one sentence each; and what a profile can be called.

use contract::{
    Cloud, IdentityType, Key,
    annotations::{INJECT, PROFILE},
};
use serde_json::json;
use webhook::{
    config::{Config, Profile},
    decide::{Decision, decide},
    effective::memory_warning,
    pod::Pod,
};

use crate::identity_webhook;

/// Settings of an application, which do nothing for other identities.
const CERTIFICATE: [&str; 5] = [
    "certificateName",
    "certificateSecret",
    "secretProviderClass",
    "mountPath",
    "sendCertificateChain",
];

/// Where a profile's cloud is not that of its ingestion URL: tokens would be asked
/// for of the wrong cloud, and the endpoint would refuse them. The profile's name, and
/// what is wrong with it.
pub fn contradictions(config: &Config) -> Vec<(&str, String)> {
    let found = config.profiles.iter().filter_map(|(name, profile)| {
        let url = profile.overrides.ingestion_url.as_ref()?;
        let (host, of_url) = url.cloud()?;
        let cloud = profile.overrides.cloud.unwrap_or_default();
        // Microsoft's own test environment is at the public hosts, and an audience that
        // is given is asked for in any cloud.
        let agrees = cloud == of_url
            || matches!(cloud, Cloud::Custom | Cloud::Int)
            || profile.overrides.audience.is_some();
        let message = || format!("cloud is {cloud}, and the ingestion URL's host is one of {of_url} ({host}): write {of_url}, or another URL");
        (!agrees).then(|| (name.as_str(), message()))
    });
    found.collect()
}

/// A profile's name, as it can stand everywhere: as a key in YAML, in an
/// annotation and in `helm --set`.
///
/// # Errors
/// What is accepted.
pub fn profile_name(text: &str) -> Result<String, String> {
    let is_end = |end: char| end.is_ascii_alphanumeric();
    let fits = text.len() <= MAX_NAME_BYTES
        && text.starts_with(is_end)
        && text.ends_with(is_end)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    fits.then(|| text.to_owned()).ok_or_else(|| {
        format!(
            "expected at most {MAX_NAME_BYTES} letters, digits, - and _, with a letter or digit at both ends, as in team-a"
        )
    })
}

/// As long as the names of most objects.
const MAX_NAME_BYTES: usize = 63;

/// Settings that do nothing for the identity type of their profile.
pub fn without_effect(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for (name, profile) in &config.profiles {
        let Some(kind) = profile.overrides.identity_type else { continue };
        found.extend(
            keys(profile)
                .filter(|key| !plays_a_part(key, kind))
                .map(|key| format!("profiles.{name}.{key} has no effect: identityType is {kind}")),
        );
    }
    found
}

/// Profiles with which a pod that has no annotations for settings is denied, and why; not for
/// want of what azure-workload-identity provides.
pub fn incomplete(config: &Config) -> impl Iterator<Item = String> {
    config.profiles.keys().filter_map(|name| {
        let annotations = json!({INJECT: "true", PROFILE: name});
        let spec = json!({"containers": [{"name": "prometheus"}]});
        let pod = json!({"metadata": {"annotations": annotations}, "spec": spec});
        match decide(config, Pod::new(&identity_webhook::provided(&pod))) {
            Decision::Deny(denial) => {
                Some(format!("profiles.{name}: pods need annotations as well: {}", denial.message))
            }
            Decision::Inject(_) | Decision::Repair(_) | Decision::Skip(_) => None,
        }
    })
}

/// Profiles whose sidecars are killed under load.
pub fn short_of_memory(config: &Config) -> impl Iterator<Item = String> {
    config.profiles.iter().filter_map(|(name, profile)| {
        let warning = memory_warning(&config.resources, profile)?;
        Some(format!("profiles.{name}: {warning}"))
    })
}

/// The keys that the profile gives.
fn keys(profile: &Profile) -> impl Iterator<Item = &'static str> {
    let overrides = Key::ALL.iter().filter(|key| profile.overrides.has(**key));
    let only = profile.only.iter().map(|(key, _)| *key);
    overrides.map(|key| key.profile()).chain(only)
}

fn plays_a_part(key: &str, kind: IdentityType) -> bool {
    use IdentityType::{AadApplication, SystemAssigned, UserAssigned, WorkloadIdentity};
    match key {
        "clientId" => kind != SystemAssigned,
        "tenantId" | "authorityHost" => matches!(kind, AadApplication | WorkloadIdentity),
        "podIdentityAuthorityHost" => matches!(kind, SystemAssigned | UserAssigned),
        key if CERTIFICATE.contains(&key) => kind == AadApplication,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use webhook::config::ConfigFile;

    use super::*;

    fn config(url: &str, lines: &str) -> Config {
        let url = format!(
            "https://a-b.westeurope-1.metrics.ingest.monitor.azure.{url}/dataCollectionRules/dcr-0/streams/s/api/v1/write"
        );
        let text = format!("config:\n  profiles:\n    a: {{ingestionUrl: '{url}', {lines}}}\n");
        ConfigFile::parse(&text).unwrap().config
    }

    #[test]
    fn a_cloud_is_that_of_its_url() {
        for (url, cloud, agrees) in [
            ("com", "", true),
            ("com", "cloud: AzurePublic", true),
            ("com", "cloud: INT", true),
            ("us", "cloud: AzureGovernment", true),
            ("cn", "cloud: Custom, audience: 'https://a/'", true),
            ("com", "cloud: AzureGovernment", false),
            ("cn", "cloud: usgovernment", false),
            ("us", "", false),
        ] {
            let config = config(url, cloud);
            let found = contradictions(&config);
            assert_eq!(found.is_empty(), agrees, "{url} {cloud}: {found:?}");
        }
    }

    #[test]
    fn a_profile_says_all_that_a_pod_needs() {
        let ids = "clientId: 33333333-0000-0000-0000-000000000000, tenantId: 22222222-0000-0000-0000-000000000000";
        let application = format!("identityType: aadApplication, {ids}");
        let whole = format!("{application}, certificateSecret: a, certificateName: b");
        let custom = "identityType: systemAssigned, cloud: Custom";
        let audience = format!("{custom}, audience: 'https://a/'");
        for (lines, is_whole) in [
            (application.as_str(), false),
            (&whole, true),
            ("identityType: userAssigned", false),
            ("identityType: workloadIdentity", true),
            (custom, false),
            (&audience, true),
        ] {
            let found: Vec<String> = incomplete(&config("com", lines)).collect();
            assert_eq!(found.is_empty(), is_whole, "{lines}: {found:?}");
        }
    }

    #[test]
    fn a_memory_limit_has_room_for_requests_in_flight() {
        for (lines, limit) in [
            ("maxInFlightBytes: 64Mi", None),
            ("maxInFlightBytes: 65Mi", Some("128Mi")),
            ("memoryLimit: 48Mi", Some("48Mi")),
            ("memoryLimit: 48Mi, maxInFlightBytes: 24Mi", None),
            ("memoryRequest: 8Mi", Some("32Mi")),
        ] {
            let found: Vec<String> = short_of_memory(&config("com", lines)).collect();
            let expected = limit.map(|limit| format!("profiles.a: the memory limit is {limit}, "));
            let agrees = found.len() == expected.iter().count()
                && found.iter().zip(&expected).all(|(found, begin)| found.starts_with(begin));
            assert!(agrees, "{lines}: {found:?}");
        }
    }

    #[test]
    fn each_identity_has_its_own_settings() {
        for (lines, expected) in [
            (
                "identityType: systemAssigned, clientId: 33333333-0000-0000-0000-000000000000",
                "clientId",
            ),
            (
                "identityType: userAssigned, tenantId: 33333333-0000-0000-0000-000000000000",
                "tenantId",
            ),
            ("identityType: userAssigned, authorityHost: 'https://a.example'", "authorityHost"),
            ("identityType: userAssigned, sendCertificateChain: true", "sendCertificateChain"),
            ("identityType: workloadIdentity, certificateSecret: a", "certificateSecret"),
            (
                "identityType: aadApplication, podIdentityAuthorityHost: 'http://169.254.1.1'",
                "podIdentityAuthorityHost",
            ),
        ] {
            let found = without_effect(&config("com", lines));
            let expected = format!("profiles.a.{expected} has no effect: ");
            assert!(matches!(found.as_slice(), [one] if one.starts_with(&expected)), "{found:?}");
        }
        let all =
            "identityType: aadApplication, certificateSecret: a, mountPath: /a, listeningPort: 1";
        assert_eq!(without_effect(&config("com", all)), Vec::<String>::new());
        assert_eq!(without_effect(&config("com", "certificateSecret: a")), Vec::<String>::new());
    }
}
