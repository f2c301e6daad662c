//! Values that a person or a tool fills in before the file is used: they go
//! into the profile as they are written, and something valid stands in for them
//! while the pod is put together.

use contract::names::env;

/// Marks of a template: documentation, Helm, shells and Terraform, Azure
/// `DevOps`, `envsubst` without braces.
const MARKS: [(&str, &str); 5] =
    [("<", ">"), ("{{", "}}"), ("${", "}"), ("#{", "}#"), ("__", "__")];

const GUID: &str = "00000000-0000-0000-0000-000000000000";
const URL: &str = "https://placeholder.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-placeholder/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

/// Whether `text` has a placeholder in it.
pub(super) fn is_in(text: &str) -> bool {
    let bare = text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    bare || MARKS.iter().any(|(open, close)| {
        text.split_once(open).is_some_and(|(_, rest)| rest.contains(close) && !rest.is_empty())
    })
}

/// What stands in for `text` as the variable `name`, if there is a placeholder
/// in it. Which kind of identity it is, the cloud and the port have none: what
/// follows from them cannot be guessed.
pub(super) fn stand_in(name: &str, text: &str) -> Option<String> {
    if !is_in(text) {
        return None;
    }
    match name {
        env::INGESTION_URL => Some(URL.to_owned()),
        env::AZURE_CLIENT_ID | env::AZURE_TENANT_ID => Some(GUID.to_owned()),
        env::INGESTION_AAD_AUDIENCE => Some("https://placeholder/.default".to_owned()),
        env::AZURE_AUTHORITY_HOST | env::AAD_HOST_ENDPOINT => {
            Some("https://placeholder.example".to_owned())
        }
        env::MDM_CERT_PATH | env::AZURE_CLIENT_CERTIFICATE_PATH => {
            let (directory, file) = text.rsplit_once('/')?;
            (is_in(file) && !is_in(directory)).then(|| format!("{directory}/{NAME}"))
        }
        _ => None,
    }
}

/// Stands in for the name of a file or an object.
pub(super) const NAME: &str = "placeholder";

/// `text`, or what stands in for it as a name.
pub(super) fn name(text: &str) -> String {
    if is_in(text) { NAME.to_owned() } else { text.to_owned() }
}
