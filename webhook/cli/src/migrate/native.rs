//! Prometheus' own `azuread` block, as its configuration and as
//! prometheus-operator writes it.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write>

use contract::{IdentityType, names::env};
use serde_json::{Map, Value};

use super::{report::is_nothing, variables::Variables};
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
pub(super) fn variables(entry: &Value, site: &Site<'_>) -> Result<Variables, Vec<String>> {
    let mut found = ReadBlock { variables: Variables::new(), problems: Vec::new() };
    found.set(env::INGESTION_URL, entry.get("url"));
    let label = site.label(identity_webhook::LABEL);
    let is_provided = identity_webhook::client_of(label, site.account).is_some();
    for (key, value) in block(entry).into_iter().flat_map(|(_, block)| block) {
        match plain(key).as_str() {
            "cloud" => found.set(env::CLOUD, Some(value)),
            "scope" => found.set(env::INGESTION_AAD_AUDIENCE, Some(value)),
            "managedidentity" => found.identity(IdentityType::UserAssigned, value),
            "workloadidentity" => found.identity(IdentityType::WorkloadIdentity, value),
            // The environment is that of azure-workload-identity, and says who it is.
            "sdk" if is_provided => found.identity(IdentityType::WorkloadIdentity, value),
            "sdk" => found.problem(&format!("sdk takes the identity from the environment: {BLOCKS}")),
            "oauth" => found.problem(&format!("oauth has a client secret, and the sidecar needs a certificate, a managed or a workload identity: {BLOCKS}")),
            "certificate" => found.problem("certificate is a file of a pod that is not in this object: write a profile with certificateName and the certificateSecret or secretProviderClass that delivers it, by hand"),
            _ => found.problem(&format!("{key} cannot be carried over from here")),
        }
    }
    for (key, value) in entry.as_object().into_iter().flatten() {
        if let Some(name) = carried(key) {
            found.set(name, Some(value));
        } else if !INDIFFERENT.split(' ').any(|known| known == plain(key)) && !is_nothing(value) {
            found.problem(&format!("the entry's key {key} is for the way to Azure, and a profile has none: remove it, or leave this entry unchanged"));
        }
    }
    if found.problems.is_empty() { Ok(found.variables) } else { Err(found.problems) }
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
            Some(other) => self.problem(&format!("{other} is not a string, which {name} must be")),
        }
    }

    /// The kind, and the ids in `identity`. Without a client id a managed one is the
    /// system-assigned, since 3.5.0. Where the token is does not matter: the sidecar
    /// gets one of its own.
    fn identity(&mut self, mut kind: IdentityType, identity: &Value) {
        if !identity.is_object() {
            return self.problem("it names no identity");
        }
        for (key, id) in identity.as_object().into_iter().flatten().filter(|(_, id)| *id != "") {
            match plain(key).as_str() {
                "clientid" => self.set(env::AZURE_CLIENT_ID, Some(id)),
                "tenantid" => self.set(env::AZURE_TENANT_ID, Some(id)),
                _ => {}
            }
        }
        if kind == IdentityType::UserAssigned && !self.variables.contains_key(env::AZURE_CLIENT_ID)
        {
            kind = IdentityType::SystemAssigned;
        }
        self.set(env::IDENTITY_TYPE, Some(&kind.name().into()));
        if kind == IdentityType::WorkloadIdentity {
            self.set(env::AZURE_FEDERATED_TOKEN_FILE, Some(&identity_webhook::TOKEN.into()));
        }
    }

    fn problem(&mut self, text: &str) {
        self.problems.push(text.to_owned());
    }
}
