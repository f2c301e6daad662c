//! Azure/aad-auth-proxy as a sidecar: the path and query of the ingestion URL
//! are Prometheus' to say, and its variables have other names.
//!
//! <https://github.com/Azure/aad-auth-proxy/blob/main/docs/getting-started/GETTING_STARTED.md>

use contract::names::env;
use serde_json::Value;

use super::variables::{self, Variables};
use crate::{loopback, workloads::sites::Site};

/// Its variables and the sidecar's; of the ingestion URL it has scheme and host.
pub(super) const NAMES: [(&str, &str); 7] = [
    ("TARGET_HOST", env::INGESTION_URL),
    ("AUDIENCE", env::INGESTION_AAD_AUDIENCE),
    ("LISTENING_PORT", env::LISTENING_PORT),
    ("IDENTITY_TYPE", env::IDENTITY_TYPE),
    ("AAD_CLIENT_ID", env::AZURE_CLIENT_ID),
    ("AAD_TENANT_ID", env::AZURE_TENANT_ID),
    ("AAD_CLIENT_CERTIFICATE_PATH", env::AZURE_CLIENT_CERTIFICATE_PATH),
];

/// Its settings as variables of the sidecar.
///
/// # Errors
/// Where it is not obvious what it is for.
pub(super) fn variables(container: &Value, site: &Site<'_>) -> Result<Variables, Vec<String>> {
    let variables = variables::of_container(container)?;
    let ours = NAMES.map(|(theirs, ours)| Some((ours.to_owned(), variables.get(theirs)?.clone())));
    let mut variables: Variables = ours.into_iter().flatten().collect();
    let port: Option<u16> = variables.get(env::LISTENING_PORT).and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| vec!["its LISTENING_PORT is not a number".to_owned()])?;
    let mut paths = site.writes().filter_map(|(_, entry)| {
        loopback::parse(entry.get("url")?.as_str()?).filter(|found| found.port == port)
    });
    let (Some(write), None) = (paths.next(), paths.next()) else {
        return Err(vec![format!(
            "its ingestion URL is not known, because not exactly one remote write entry of this object goes to http://localhost:{port}: write the profile by hand, with its IDENTITY_TYPE and AAD_CLIENT_ID as identityType and clientId, and its TARGET_HOST with the path of that entry as ingestionUrl"
        )]);
    };
    if let Some(host) = variables.get_mut(env::INGESTION_URL) {
        *host = format!("{}{}", host.trim_end_matches('/'), write.rest)
            .replacen("http://", "https://", 1);
    }
    Ok(variables)
}
