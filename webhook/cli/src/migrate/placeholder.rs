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
/// Of no cloud, which follows from the host.
const URL: &str = "https://placeholder.example/dataCollectionRules/dcr-placeholder/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
/// Stands in for the name of a file or an object.
pub(super) const NAME: &str = "name-to-fill-in";

/// Whether `text` has a placeholder in it.
pub(super) fn is_in(text: &str) -> bool {
    let bare = text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    let has = |(open, close): &(&str, &str)| {
        text.split_once(open).is_some_and(|(_, rest)| rest.contains(close))
    };
    bare || MARKS.iter().any(has)
}

/// What `text` is worked with as, under the name of a variable or a profile's key:
/// itself, or what stands in for a placeholder in it. Which kind of identity it
/// is, the cloud and the port have no stand-in: what follows from them cannot be
/// guessed.
pub(super) fn usable(name: &str, text: &str) -> String {
    let file = || text.rsplit_once('/').filter(|(directory, _)| !is_in(directory));
    match name {
        _ if !is_in(text) => text.to_owned(),
        env::INGESTION_URL | "ingestionUrl" => URL.to_owned(),
        env::AZURE_CLIENT_ID | "clientId" => CLIENT.to_owned(),
        env::AZURE_TENANT_ID | "tenantId" => TENANT.to_owned(),
        env::INGESTION_AAD_AUDIENCE | "audience" => "https://placeholder/.default".to_owned(),
        env::AZURE_AUTHORITY_HOST | env::AAD_HOST_ENDPOINT | "authorityHost" => {
            "https://placeholder.example".to_owned()
        }
        env::MDM_CERT_PATH | env::AZURE_CLIENT_CERTIFICATE_PATH => {
            file().map_or_else(|| text.to_owned(), |(directory, _)| format!("{directory}/{NAME}"))
        }
        "certificateName" | "certificateSecret" | "secretProviderClass" => NAME.to_owned(),
        _ => text.to_owned(),
    }
}

/// Why nothing can be made of `text` as the variable `name`: what follows from it cannot
/// be guessed, or it is a word where the variable has something else, which whoever
/// replaces it has marked in no way that is known.
pub(super) fn unusable(name: &str, text: &str) -> Option<String> {
    let is_open =
        is_in(text) && matches!(name, env::IDENTITY_TYPE | env::CLOUD | env::LISTENING_PORT);
    if is_open {
        return Some(format!(
            "{name}={text:?} is filled in later, and the profile depends on it: write its value here, and migrate again"
        ));
    }
    let is_word = match name {
        env::INGESTION_URL => !text.contains("://"),
        env::AZURE_CLIENT_ID | env::AZURE_TENANT_ID => {
            text.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b'-')
        }
        env::LISTENING_PORT => text.bytes().all(|byte| !byte.is_ascii_digit()),
        _ => false,
    };
    (is_word && !text.is_empty() && !is_in(text)).then(|| format!("{name}={text:?} is a word that something replaces before this file is used, such as sops or a script: run that first, and migrate what it writes"))
}
