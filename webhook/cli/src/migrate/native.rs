//! Prometheus' own `azuread` block, as its configuration and as
//! prometheus-operator writes it.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write>

use contract::{
    IdentityType,
    names::{self, env},
};
use serde_json::{Map, Value};

use super::variables::Variables;

/// Keys of an entry that mean the same on the way to the sidecar, or are about
/// what is sent; both spellings.
const INDIFFERENT: [&str; 23] = [
    "url",
    "name",
    "remoteTimeout",
    "remote_timeout",
    "writeRelabelConfigs",
    "write_relabel_configs",
    "queueConfig",
    "queue_config",
    "metadataConfig",
    "metadata_config",
    "sendExemplars",
    "send_exemplars",
    "sendNativeHistograms",
    "send_native_histograms",
    "followRedirects",
    "follow_redirects",
    "enableHTTP2",
    "enableHttp2",
    "enable_http2",
    "messageVersion",
    "protobuf_message",
    "failed_request_logging",
    "convert_nhcb_to_classic",
];
/// Keys of an entry that go into the profile, with their variables.
const CARRIED: [(&str, &str); 4] = [
    ("proxyUrl", env::HTTPS_PROXY),
    ("proxy_url", env::HTTPS_PROXY),
    ("noProxy", env::NO_PROXY),
    ("no_proxy", env::NO_PROXY),
];

/// The block of an entry, with its key.
pub(super) fn block(entry: &Value) -> Option<(&'static str, &Map<String, Value>)> {
    let spelled = |key: &'static str| Some((key, entry.get(key)?.as_object()?));
    spelled("azureAd").or_else(|| spelled("azuread"))
}

/// The keys of `entry` that leave it.
pub(super) fn leaving(entry: &Value) -> Vec<&'static str> {
    let block = block(entry).map(|(key, _)| key);
    let carried = CARRIED.iter().map(|(key, _)| *key).filter(|key| entry.get(key).is_some());
    block.into_iter().chain(carried).collect()
}

/// The settings as variables.
///
/// # Errors
/// What the sidecar has no counterpart for: one sentence each.
pub(super) fn variables(entry: &Value) -> Result<Variables, Vec<String>> {
    let Some((_, block)) = block(entry) else { return Ok(Variables::new()) };
    let mut found = ReadBlock { variables: Variables::new(), problems: Vec::new() };
    found.set(env::INGESTION_URL, entry.get("url"));
    for (key, value) in block {
        match key.as_str() {
            "cloud" => found.set(env::CLOUD, Some(value)),
            "scope" => found.set(env::INGESTION_AAD_AUDIENCE, Some(value)),
            "managedIdentity" | "managed_identity" => found.managed(value),
            "workloadIdentity" | "workload_identity" => found.workload(value),
            "oauth" => found.problem("oauth has a client secret, and the sidecar takes a certificate, a managed or a workload identity"),
            "sdk" => found.problem("sdk leaves it to the environment who Prometheus is: name the identity"),
            "certificate" => found.problem("certificate is a file of a pod that is not in this object: write a profile with certificateName and the certificateSecret or secretProviderClass that delivers it, by hand"),
            other => found.problems.push(format!("{other} cannot be carried over from here")),
        }
    }
    for (key, value) in entry.as_object().into_iter().flatten() {
        if let Some((_, name)) = CARRIED.iter().find(|(carried, _)| carried == key) {
            found.set(name, Some(value));
        } else if !INDIFFERENT.contains(&key.as_str()) && !is_block(key) && !is_nothing(value) {
            found.problems.push(format!("the entry's key {key} is for the way to Azure, and a profile has none: do without it, or leave this entry as it is"));
        }
    }
    if found.problems.is_empty() { Ok(found.variables) } else { Err(found.problems) }
}

fn is_block(key: &str) -> bool {
    key.eq_ignore_ascii_case("azuread")
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

struct ReadBlock {
    variables: Variables,
    problems: Vec<String>,
}

impl ReadBlock {
    fn set(&mut self, name: &str, value: Option<&Value>) {
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                self.variables.insert(name.to_owned(), text.trim().to_owned());
            }
            Some(other) => self.problem(&format!("{other} is no text, as {name} must be")),
        }
    }

    fn kind(&mut self, kind: IdentityType) {
        self.set(env::IDENTITY_TYPE, Some(&kind.name().into()));
    }

    /// Without a client id it is the system-assigned identity, since 3.5.0.
    fn managed(&mut self, identity: &Value) {
        if !identity.is_object() {
            return self.problem("it names no identity");
        }
        let client = either(identity, "clientId", "client_id");
        let client = client.filter(|id| !id.is_null() && id.as_str() != Some(""));
        let named = client.is_some();
        self.kind(if named { IdentityType::UserAssigned } else { IdentityType::SystemAssigned });
        self.set(env::AZURE_CLIENT_ID, client);
    }

    /// Where the token is does not matter: the sidecar gets one of its own.
    fn workload(&mut self, identity: &Value) {
        if !identity.is_object() {
            return self.problem("it names no identity");
        }
        self.kind(IdentityType::WorkloadIdentity);
        self.set(env::AZURE_CLIENT_ID, either(identity, "clientId", "client_id"));
        self.set(env::AZURE_TENANT_ID, either(identity, "tenantId", "tenant_id"));
        let file = format!("{}/{}", names::TOKEN_MOUNT_PATH, names::TOKEN_FILE);
        self.set(env::AZURE_FEDERATED_TOKEN_FILE, Some(&file.into()));
    }

    fn problem(&mut self, text: &str) {
        self.problems.push(text.to_owned());
    }
}

fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake))
}
