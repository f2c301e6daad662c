//! The environment: names and meanings from the contract, what is accepted and what is
//! required from its reader.

use std::collections::BTreeMap;

use contract::{
    AcceptFrom, Cloud, IdentityType, Limits, LogFormat, LogLevel, Port, ResponseMode, Settings,
    format_duration, names::env,
};

use super::code;

const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

pub(super) fn table() -> String {
    let defaults = defaults();
    let rows = env::ALL.iter().map(|env::Variable { name, meaning }| {
        let default = defaults.iter().find(|(known, _)| known == name);
        let default = default.map_or_else(|| required(name), |(_, value)| code(value));
        [code(name), meaning.trim().to_owned(), accepted(name).unwrap_or_default(), default]
    });
    super::table(["variable", "meaning", "accepted", "default"], rows)
}

fn defaults() -> Vec<(&'static str, String)> {
    let limits = Limits::default();
    let cloud = Cloud::default();
    vec![
        (env::LISTENING_PORT, Port::DEFAULT.to_string()),
        (env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, "false".to_owned()),
        (env::CLOUD, cloud.to_string()),
        (env::INGESTION_AAD_AUDIENCE, cloud.audience().unwrap().to_string()),
        (env::AZURE_AUTHORITY_HOST, cloud.authority().unwrap().to_string()),
        (env::ACCEPT_FROM, AcceptFrom::Loopback.to_string()),
        (env::RESPONSE_MODE, ResponseMode::Protective.to_string()),
        (env::MAX_IN_FLIGHT_BYTES, limits.max_in_flight.to_string()),
        (env::MAX_CONNECTIONS, limits.max_connections.to_string()),
        (env::MAX_REQUEST_BYTES, limits.max_request.to_string()),
        (env::MAX_DECOMPRESSED_BYTES, limits.max_decompressed.to_string()),
        (env::HEADER_TIMEOUT, format_duration(limits.header_timeout)),
        (env::IDLE_TIMEOUT, format_duration(limits.idle_timeout)),
        (env::UPSTREAM_TIMEOUT, format_duration(limits.upstream_timeout)),
        (env::SHUTDOWN_TIMEOUT, format_duration(limits.shutdown_timeout)),
        (env::NATIVE_SIDECAR, "false".to_owned()),
        (env::LOG_LEVEL, LogLevel::Info.to_string()),
        (env::LOG_FORMAT, LogFormat::Logfmt.to_string()),
        (env::TRACE_LOGGING, "false".to_owned()),
    ]
}

type Variables = BTreeMap<String, String>;

/// All that a kind of identity needs, and nothing else.
fn needed(kind: IdentityType) -> Variables {
    let mut variables = vec![(env::INGESTION_URL, URL), (env::IDENTITY_TYPE, kind.name())];
    match kind {
        IdentityType::SystemAssigned => {}
        IdentityType::UserAssigned => variables.push((env::AZURE_CLIENT_ID, ID)),
        IdentityType::AadApplication => variables.extend([
            (env::AZURE_CLIENT_ID, ID),
            (env::AZURE_TENANT_ID, ID),
            (env::AZURE_CLIENT_CERTIFICATE_PATH, "/mnt/certificate"),
        ]),
        IdentityType::WorkloadIdentity => variables.extend([
            (env::AZURE_CLIENT_ID, ID),
            (env::AZURE_TENANT_ID, ID),
            (env::AZURE_FEDERATED_TOKEN_FILE, "/mnt/token"),
        ]),
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(variables: &Variables) -> Result<Settings, Vec<contract::SettingError>> {
    Settings::from_env(|name| variables.get(name).cloned())
}

/// The identity types that require it.
fn required(name: &str) -> String {
    let without = |kind: &IdentityType| {
        let mut variables = needed(*kind);
        variables.remove(name).is_some() && read(&variables).is_err()
    };
    let kinds: Vec<_> = IdentityType::ALL.into_iter().filter(without).collect();
    if kinds.len() == IdentityType::ALL.len() {
        return "required".to_owned();
    }
    let kinds: Vec<String> = kinds.into_iter().map(|kind| code(kind.name())).collect();
    if kinds.is_empty() { String::new() } else { format!("required for {}", kinds.join(", ")) }
}

/// The accepted values, from the reader's error for an invalid one.
fn accepted(name: &str) -> Option<String> {
    IdentityType::ALL.into_iter().find_map(|kind| {
        let mut variables = needed(kind);
        // What goes with it is an error without it, whatever it says.
        let proxy = "https://kubernetes.default.svc".to_owned();
        variables.insert(env::AZURE_KUBERNETES_TOKEN_PROXY.to_owned(), proxy);
        variables.insert(name.to_owned(), "<?>".to_owned());
        let errors = read(&variables).err()?;
        errors.into_iter().find(|error| error.name == name).map(|error| error.expected)
    })
}

#[test]
fn a_default_is_what_is_read_without_it() {
    let variables = needed(IdentityType::AadApplication);
    let usual = read(&variables).unwrap();
    for (name, default) in defaults() {
        let mut variables = variables.clone();
        variables.insert(name.to_owned(), default.clone());
        assert_eq!(read(&variables).unwrap(), usual, "{name}={default}");
    }
}

#[test]
fn the_required_variables_are_enough() {
    for kind in IdentityType::ALL {
        assert_eq!(read(&needed(kind)).unwrap().identity.kind(), kind);
    }
}
