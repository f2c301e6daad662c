//! Azure/aad-auth-proxy as a sidecar: the path and query of the ingestion URL
//! are Prometheus' to say, and its variables have other names.
//!
//! <https://github.com/Azure/aad-auth-proxy/blob/main/docs/getting-started/GETTING_STARTED.md>

use contract::names::env;
use serde_json::Value;

use super::{
    sites::Site,
    variables::{self, Variables},
};
use crate::loopback;

/// What the path of its image has in it.
pub(super) const IMAGE: &str = "/aad-auth-proxy";

/// Its variables and the sidecar's.
const NAMES: [(&str, &str); 6] = [
    ("AUDIENCE", env::INGESTION_AAD_AUDIENCE),
    ("LISTENING_PORT", env::LISTENING_PORT),
    ("IDENTITY_TYPE", env::IDENTITY_TYPE),
    ("AAD_CLIENT_ID", env::AZURE_CLIENT_ID),
    ("AAD_TENANT_ID", env::AZURE_TENANT_ID),
    ("AAD_CLIENT_CERTIFICATE_PATH", env::AZURE_CLIENT_CERTIFICATE_PATH),
];

/// Its variables that have a counterpart.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(theirs, _)| *theirs).chain([HOST])
}

/// The scheme and host of the ingestion URL.
const HOST: &str = "TARGET_HOST";

/// The port that it listens on.
pub(super) fn port(given: &Variables) -> Option<u16> {
    given.get(env::LISTENING_PORT)?.parse().ok()
}

/// Its settings as variables of the sidecar.
///
/// # Errors
/// Where it is not obvious what it is for.
pub(super) fn variables(container: &Value, site: &Site<'_>) -> Result<Variables, Vec<String>> {
    let given = variables::of_container(container)?;
    let mut variables = Variables::new();
    for (theirs, ours) in NAMES {
        if let Some(value) = given.get(theirs) {
            variables.insert(ours.to_owned(), value.clone());
        }
    }
    let port = port(&given).ok_or_else(|| vec!["its LISTENING_PORT is no number".to_owned()])?;
    let mut paths = site.writes().filter_map(|(.., entry)| {
        let url = entry.get("url")?.as_str()?;
        loopback::parse(url).filter(|found| found.port == port)
    });
    let (Some(write), None) = (paths.next(), paths.next()) else {
        let reason = format!(
            "not exactly one remote write entry of this object goes to http://localhost:{port}, so that its ingestion URL is not known"
        );
        return Err(vec![reason]);
    };
    let host = given.get(HOST).map(String::as_str).unwrap_or_default();
    let host = host.trim_end_matches('/').replacen("http://", "https://", 1);
    let url = format!("{host}{}", write.rest);
    variables.insert(env::INGESTION_URL.to_owned(), url);
    Ok(variables)
}
