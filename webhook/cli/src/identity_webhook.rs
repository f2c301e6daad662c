//! The settings that azure-workload-identity's webhook adds to a pod: client, tenant and
//! token, which no file contains. Migration and explanation take them for given alike.

use std::collections::BTreeMap;

use contract::{
    IdentityType,
    names::{
        API_SERVER, BINDING_CA_FILE, BINDING_MOUNT_PATH,
        env::{
            AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_KUBERNETES_CA_FILE,
            AZURE_KUBERNETES_SNI_NAME, AZURE_KUBERNETES_TOKEN_PROXY, AZURE_TENANT_ID,
            IDENTITY_TYPE,
        },
    },
};
use serde_json::{Value, json};
use webhook::{inject::ASKS_FOR_BINDING, pod::Pod};

/// The label of the pods that it is asked about.
pub(crate) const LABEL: &str = "azure.workload.identity/use";
/// The annotations of a service account from which it takes them.
pub(crate) const ANNOTATIONS: [(&str, &str); 2] = [
    (AZURE_CLIENT_ID, "azure.workload.identity/client-id"),
    (AZURE_TENANT_ID, "azure.workload.identity/tenant-id"),
];
/// The client and the tenant that it knows and a file may not.
pub(crate) const SOMEBODY: &str = "00000000-0000-0000-0000-000000000000";
/// The proxy of an identity binding, and the name by which it is asked, likewise.
const PROXY: [(&str, &str); 2] = [
    (AZURE_KUBERNETES_TOKEN_PROXY, API_SERVER),
    (AZURE_KUBERNETES_SNI_NAME, "known-to.azure-workload-identity"),
];
/// The token that it provides.
pub(crate) const TOKEN: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// Whether a pod with this value of [`ASKS_FOR_BINDING`] asks for an identity binding.
pub(crate) fn asks_for_binding(annotation: Option<&str>) -> bool {
    annotation.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The client that it gives a pod with this value of its label, by the annotations
/// of its service account.
pub(crate) fn client_of<'a>(label: Option<&str>, account: Option<&'a Value>) -> Option<&'a str> {
    let [(_, annotation), _] = ANNOTATIONS;
    account?.get(annotation)?.as_str().filter(|client| !client.is_empty() && label == Some("true"))
}

/// Adds what it provides to the variables of a workload identity, in a pod that perhaps
/// `asks_for_binding`: from the annotations of the service account, or from elsewhere,
/// which is returned.
pub(crate) fn add(
    variables: &mut BTreeMap<String, String>,
    label: Option<&str>,
    account: Option<&Value>,
    asks_for_binding: bool,
) -> Vec<&'static str> {
    let mut elsewhere = Vec::new();
    let kind = variables.get(IDENTITY_TYPE).and_then(|kind| kind.parse().ok());
    if kind != Some(IdentityType::WorkloadIdentity) || label != Some("true") {
        return elsewhere;
    }
    for (name, annotation) in ANNOTATIONS {
        if variables.get(name).is_none_or(String::is_empty) {
            let says = account.and_then(|account| account.get(annotation)?.as_str());
            elsewhere.extend(says.is_none().then_some(name));
            variables.insert(name.to_owned(), says.unwrap_or(SOMEBODY).to_owned());
        }
    }
    if asks_for_binding && !variables.contains_key(AZURE_KUBERNETES_TOKEN_PROXY) {
        let authority = format!("{BINDING_MOUNT_PATH}/{BINDING_CA_FILE}");
        variables.insert(AZURE_KUBERNETES_CA_FILE.to_owned(), authority);
        for (name, value) in PROXY {
            elsewhere.push(name);
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    let file = || TOKEN.to_owned();
    variables.entry(AZURE_FEDERATED_TOKEN_FILE.to_owned()).or_insert_with(file);
    elsewhere
}

/// The pod as it leaves it to our webhook: it is asked first, and only for pods
/// with its label.
pub(crate) fn provided(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let provided = [
        (AZURE_CLIENT_ID, SOMEBODY),
        (AZURE_TENANT_ID, SOMEBODY),
        (AZURE_FEDERATED_TOKEN_FILE, TOKEN),
    ];
    let is_bound = asks_for_binding(Pod::new(&pod).annotation(ASKS_FOR_BINDING));
    let added = provided.into_iter().chain(PROXY.into_iter().filter(|_| is_bound));
    let added: Vec<Value> =
        added.map(|(name, value)| json!({"name": name, "value": value})).collect();
    let first = pod.pointer_mut("/spec/containers/0").and_then(Value::as_object_mut);
    let variables = first.map(|container| container.entry("env").or_insert_with(|| json!([])));
    if let Some(variables) = variables.and_then(Value::as_array_mut) {
        variables.extend(added);
    }
    pod
}
