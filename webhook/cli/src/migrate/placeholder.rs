//! Values that a person or a tool fills in before the file is used: they go
//! into the profile as they are written, and something valid stands in for them
//! while the pod is put together.

use contract::names::env;

/// Marks of a template: documentation, Helm, shells and Terraform, Azure
/// `DevOps`, `envsubst` without braces.
const MARKS: [(&str, &str); 5] =
    [("<", ">"), ("{{", "}}"), ("${", "}"), ("#{", "}#"), ("__", "__")];

const CLIENT: &str = "00000000-0000-0000-0000-00000000000c";
const TENANT: &str = "00000000-0000-0000-0000-00000000000a";
const URL: &str = "https://placeholder.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-placeholder/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
/// Stands in for the name of a file or an object.
pub(super) const NAME: &str = "name-to-fill-in";

/// Whether `text` has a placeholder in it.
pub(super) fn is_in(text: &str) -> bool {
    let bare = text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    bare || MARKS.iter().any(|(open, close)| {
        text.split_once(open).is_some_and(|(_, rest)| rest.contains(close) && !rest.is_empty())
    })
}

/// What `text` is worked with as, under the name of a variable or a profile's key:
/// itself, or what stands in for a placeholder in it. Which kind of identity it
/// is, the cloud and the port have no stand-in: what follows from them cannot be
/// guessed.
pub(super) fn usable(name: &str, text: &str) -> String {
    let stand_in = match name {
        _ if !is_in(text) => None,
        env::INGESTION_URL | "ingestionUrl" => Some(URL.to_owned()),
        env::AZURE_CLIENT_ID | "clientId" => Some(CLIENT.to_owned()),
        env::AZURE_TENANT_ID | "tenantId" => Some(TENANT.to_owned()),
        env::INGESTION_AAD_AUDIENCE | "audience" => Some("https://placeholder/.default".to_owned()),
        env::AZURE_AUTHORITY_HOST | env::AAD_HOST_ENDPOINT | "authorityHost" => {
            Some("https://placeholder.example".to_owned())
        }
        env::MDM_CERT_PATH | env::AZURE_CLIENT_CERTIFICATE_PATH => {
            let file = text.rsplit_once('/').filter(|(directory, _)| !is_in(directory));
            file.map(|(directory, _)| format!("{directory}/{NAME}"))
        }
        "certificateName" | "certificateSecret" | "secretProviderClass" | "trustConfigMap" => {
            Some(NAME.to_owned())
        }
        _ => None,
    };
    stand_in.unwrap_or_else(|| text.to_owned())
}
