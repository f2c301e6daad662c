//! Prometheus' own `azuread` block, as its configuration and as
//! prometheus-operator writes it.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write>

use contract::{IdentityType, Key, annotations::PREFIX, names::env};
use serde_json::{Map, Value};

use super::{OrReasons, losses::is_nothing, variables::Variables};
use crate::{identity_webhook, workloads::sites::Site};

/// Keys of an entry that mean the same on the way to the sidecar, or are about
/// what is sent, as [`plain`] has them.
const INDIFFERENT: &str = "url name remotetimeout writerelabelconfigs queueconfig metadataconfig sendexemplars sendnativehistograms followredirects enablehttp2 messageversion protobufmessage failedrequestlogging convertnhcbtoclassic azuread";
/// What to write where the block says who Prometheus is in no way that can be
/// carried over.
const BLOCKS: &str = "write managedIdentity: {clientId: …} for a managed identity of the nodes, or workloadIdentity: {clientId: …, tenantId: …} for one of the service account, in its place (in prometheus.yml managed_identity and workload_identity, with client_id and tenant_id), and migrate again";

/// A key without its style: Prometheus has snake case, its operator camel case.
fn plain(key: &str) -> String {
    key.replace('_', "").to_lowercase()
}

/// The variable of a key that goes into the profile.
fn carried(key: &str) -> Option<&'static str> {
    match plain(key).as_str() {
        "proxyurl" => Some(env::HTTPS_PROXY),
        "noproxy" => Some(env::NO_PROXY),
        _ => None,
    }
}

/// The block of an entry, with its key.
pub(super) fn block(entry: &Value) -> Option<(&'static str, &Map<String, Value>)> {
    ["azureAd", "azuread"].into_iter().find_map(|key| Some((key, entry.get(key)?.as_object()?)))
}

/// The keys of `entry` that leave it.
pub(super) fn leaving(entry: &Value) -> impl Iterator<Item = &str> {
    let keys = entry.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    keys.filter(|key| plain(key) == "azuread" || carried(key).is_some())
}

/// The settings as variables.
///
/// # Errors
/// What the sidecar has no counterpart for: one sentence each.
pub(super) fn variables(entry: &Value, site: &Site<'_>) -> OrReasons<Variables> {
    let mut found = vec![(env::INGESTION_URL, entry["url"].clone())];
    let mut problems = Vec::new();
    let port = site.annotation(&format!("{PREFIX}{}", Key::ListeningPort.annotation()));
    found.extend(port.map(|port| (env::LISTENING_PORT, port.clone())));
    let label = site.label(identity_webhook::LABEL);
    let is_provided = identity_webhook::client_of(label, site.account).is_some();
    for (key, value) in block(entry).into_iter().flat_map(|(_, block)| block) {
        match plain(key).as_str() {
            "cloud" => found.push((env::CLOUD, value.clone())),
            "scope" => found.push((env::INGESTION_AAD_AUDIENCE, value.clone())),
            "managedidentity" if value.is_object() => {
                found.extend(identity(IdentityType::UserAssigned, value));
            }
            "workloadidentity" if value.is_object() => {
                found.extend(identity(IdentityType::WorkloadIdentity, value));
            }
            // The environment is that of azure-workload-identity, and says who it is.
            "sdk" if is_provided => found.extend(identity(IdentityType::WorkloadIdentity, value)),
            "sdk" => problems.push(format!("sdk takes the identity from the environment: {BLOCKS}")),
            "oauth" => problems.push(format!("oauth has a client secret, and the sidecar needs a certificate, a managed or a workload identity: {BLOCKS}")),
            "certificate" => problems.push("certificate is a file of a pod that is not in this object: write a profile with certificateName and the certificateSecret or secretProviderClass that delivers it, by hand".to_owned()),
            _ => problems.push(format!("{key} cannot be carried over as it is: {BLOCKS}")),
        }
    }
    for (key, value) in entry.as_object().into_iter().flatten() {
        if let Some(name) = carried(key) {
            found.push((name, value.clone()));
        } else if !INDIFFERENT.split(' ').any(|known| known == plain(key)) && !is_nothing(value) {
            problems.push(format!("the entry's key {key} is for the way to Azure, and a profile has none: remove it, or leave this entry unchanged"));
        }
    }
    let mut variables = Variables::new();
    for (name, value) in found {
        match value {
            Value::Null => {}
            Value::String(text) => drop(variables.insert(name.to_owned(), text.trim().to_owned())),
            other => problems.push(format!("{other} is not a string, which {name} must be")),
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

/// What an identity says. Without a client id a managed one is the system-assigned, since
/// 3.5.0. Where the token is does not matter: the sidecar gets one of its own.
fn identity(kind: IdentityType, says: &Value) -> [(&'static str, Value); 4] {
    let id = |name: &str| {
        let mut ids = says.as_object().into_iter().flatten();
        let id = ids.find(|(key, id)| plain(key) == name && *id != "");
        id.map(|(_, id)| id.clone()).unwrap_or_default()
    };
    let (client, tenant) = (id("clientid"), id("tenantid"));
    let (kind, token) = match kind {
        IdentityType::WorkloadIdentity => (kind, identity_webhook::TOKEN.into()),
        _ if client.is_null() => (IdentityType::SystemAssigned, Value::Null),
        _ => (kind, Value::Null),
    };
    [
        (env::IDENTITY_TYPE, kind.name().into()),
        (env::AZURE_CLIENT_ID, client),
        (env::AZURE_TENANT_ID, tenant),
        (env::AZURE_FEDERATED_TOKEN_FILE, token),
    ]
}
