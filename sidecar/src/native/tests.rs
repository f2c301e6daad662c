//! Whole outputs for each kind of identity.

mod operator;

use std::{collections::BTreeMap, fmt::Write as _};

use super::*;

const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

fn native_of(variables: &[(&str, &str)]) -> String {
    let usual = [("INGESTION_URL", URL), ("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", ID)];
    let all: BTreeMap<_, _> = usual.iter().chain(variables).copied().collect();
    native(&destinations(all), Language::Prometheus)
}

fn destinations<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Destinations {
    let variables = variables.into_iter();
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Destinations::from_env(variables).unwrap()
}

/// The configuration without the remarks behind it.
fn check(variables: &[(&str, &str)], since: &str, lines: &[&str]) {
    let text = native_of(variables);
    let mut expected = format!(
        "# Prometheus {since} and newer write without the sidecar, with this in its own configuration.\nremote_write:\n  - url: '{URL}'\n"
    );
    for line in lines {
        let _ = writeln!(expected, "    {line}");
    }
    expected.push_str(&queue(Language::Prometheus));
    let configuration = text.split_once("\n# Differences").map(|(configuration, _)| configuration);
    assert_eq!(configuration, Some(expected.as_str()));
}

#[test]
fn managed_identities() {
    check(
        &[("IDENTITY_TYPE", "userAssigned")],
        "2.45.0",
        &[
            "azuread:",
            "  cloud: AzurePublic",
            "  managed_identity:  # since 2.45.0",
            "    client_id: '00001111-aaaa-2222-bbbb-3333cccc4444'",
        ],
    );
    check(
        &[("IDENTITY_TYPE", "systemAssigned"), ("CLOUD", "AZURE_GOVERNMENT")],
        "3.5.0",
        &[
            "azuread:",
            "  cloud: AzureGovernment",
            "  managed_identity:  # without a client id since 3.5.0",
            "    client_id: ''",
        ],
    );
}

#[test]
fn an_application_with_all_that_can_be_said_of_it() {
    check(
        &[
            ("IDENTITY_TYPE", "aadApplication"),
            ("MDM_CERT_PATH", "/mnt/it's here/tls.crt"),
            ("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", "/mnt/password"),
            ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
            ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.us/"),
            ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128"),
            ("NO_PROXY", ".svc,10.0.0.0/8"),
            ("SSL_CERT_FILE", "/etc/roots.pem"),
        ],
        "3.13.0",
        &[
            "azuread:",
            "  cloud: AzurePublic",
            "  scope: 'https://monitor.azure.us//.default'  # since 3.9.0",
            "  certificate:  # since 3.13.0",
            "    client_id: '00001111-aaaa-2222-bbbb-3333cccc4444'",
            "    tenant_id: '00001111-aaaa-2222-bbbb-3333cccc4444'",
            "    certificate_path: '/mnt/it''s here/tls.crt'",
            "    # unless the key is in the same file",
            "    certificate_key_path: '/mnt/it''s here/tls.key'",
            "    # certificate_password: as it stands in '/mnt/password'",
            "    send_certificate_chain: true",
            "# add the user and password that HTTPS_PROXY has",
            "proxy_url: 'http://proxy.example:3128/'",
            "no_proxy: '.svc,10.0.0.0/8'  # since 2.43.0",
            "tls_config:",
            "  ca_file: '/etc/roots.pem'",
        ],
    );
}

#[test]
fn a_workload_identity() {
    check(
        &[("IDENTITY_TYPE", "workloadIdentity"), ("AZURE_FEDERATED_TOKEN_FILE", "/var/token")],
        "3.7.0",
        &[
            "azuread:",
            "  cloud: AzurePublic",
            "  workload_identity:  # since 3.7.0",
            "    client_id: '00001111-aaaa-2222-bbbb-3333cccc4444'",
            "    tenant_id: '00001111-aaaa-2222-bbbb-3333cccc4444'",
            "    # since 3.14.0 it may be left out where AZURE_FEDERATED_TOKEN_FILE is set",
            "    token_file_path: '/var/token'",
        ],
    );
}

#[test]
fn a_custom_cloud_is_written_as_the_one_whose_authority_it_uses() {
    let custom = |authority: &str| {
        native_of(&[
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
            ("CLOUD", "Custom"),
            ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.us/"),
            ("AZURE_AUTHORITY_HOST", authority),
        ])
    };
    let known = custom("https://login.microsoftonline.us/");
    assert!(known.contains("cloud: AzureGovernment\n") && !known.contains("scope:"), "{known}");
    assert!(!known.contains("the authority"), "{known}");
    let unknown = custom("https://login.example");
    assert!(unknown.contains("cloud: AzurePublic\n"), "{unknown}");
    assert!(unknown.contains("# - the authority https://login.example: "), "{unknown}");
}

#[test]
fn settings_without_an_equivalent_are_listed() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        let text = native_of(variables);
        let (_, missing) = text.split_once("# Settings without an equivalent:").unwrap();
        assert!(missing.contains(expected), "{missing}");
    };
    let application = ("IDENTITY_TYPE", "aadApplication");
    let certificate = ("MDM_CERT_PATH", "/mnt/certificate");
    check(
        &[application, certificate, ("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", "/mnt/password")],
        "certificate_password",
    );
    check(&[application, certificate, ("CLOUD", "INT")], "CLOUD=INT");
    check(&[application, certificate, ("SSL_CERT_DIR", "/etc/roots")], "/etc/roots");
    check(&[application, certificate, ("INGESTION_AAD_AUDIENCE", "api://a~b")], "this audience");
    check(
        &[
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
            ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
        ],
        "the tenant's GUID",
    );
    check(
        &[
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
            ("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example"),
        ],
        "the identity binding of AKS, whose proxy (https://proxy.example)",
    );
    check(
        &[
            ("IDENTITY_TYPE", "userAssigned"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"),
        ],
        "http://127.0.0.1:1",
    );
    let plain = native_of(&[("IDENTITY_TYPE", "userAssigned")]);
    assert!(!plain.contains("no counterpart"), "{plain}");
}

#[test]
fn differences_are_those_to_the_sidecar_as_it_is_set() {
    let check = |variables: &[(&str, &str)], expected: &str, is_reported: bool| {
        let text = native_of(variables);
        let (_, differences) = text.split_once("# Differences from the sidecar:").unwrap();
        assert_eq!(differences.contains(expected), is_reported, "{differences}");
    };
    let user = ("IDENTITY_TYPE", "userAssigned");
    let workload = ("IDENTITY_TYPE", "workloadIdentity");
    let file = ("AZURE_FEDERATED_TOKEN_FILE", "/var/token");
    check(&[user], "401, 403, 404 and 408 are final", true);
    check(&[user, ("RESPONSE_MODE", "transparent")], "are final", false);
    check(&[user], "half of its life", true);
    check(&[user], "login.chinacloudapi.cn", false);
    check(&[workload, file, ("CLOUD", "AzureChina")], "login.chinacloudapi.cn", true);
    check(&[workload, file], "own container needs the token's volume", true);
    check(&[user, ("HTTPS_PROXY", "proxy:1")], "own environment", true);
}

#[test]
fn a_string_means_nothing_but_itself() {
    for (text, yaml) in
        [("plain", "'plain'"), ("it's: #1", "'it''s: #1'"), ("two\nlines", "\"two\\nlines\"")]
    {
        assert_eq!(quoted(text), yaml);
    }
}

#[test]
fn a_proxys_password_stays_where_it_is() {
    let text = native_of(&[
        ("IDENTITY_TYPE", "userAssigned"),
        ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128"),
    ]);
    assert!(!text.contains("s3cret") && !text.contains("user:"), "{text}");
}

#[test]
fn each_destination_is_an_entry_of_one_list() {
    let variables = [
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "userAssigned"),
        ("AZURE_CLIENT_ID", ID),
        ("INGESTION_URL_TENANTS", "https://tenants.example/"),
        ("IDENTITY_TYPE_TENANTS", "aadApplication"),
        ("AZURE_TENANT_ID_TENANTS", ID),
        ("MDM_CERT_PATH_TENANTS", "/mnt/certificate"),
    ];
    let text = native(&destinations(variables), Language::Prometheus);
    assert!(text.starts_with("# Prometheus 3.13.0 and newer"), "the newest field decides: {text}");
    assert_eq!(text.matches("\nremote_write:\n").count(), 1, "{text}");
    let (_, rest) = text.split_once("  # what is written to /api/v1/write\n").unwrap();
    let (first, second) =
        rest.split_once("  # what is written to /tenants/api/v1/write\n").unwrap();
    assert!(first.contains(URL) && first.contains("managed_identity:"), "{first}");
    let is_second = second.contains("https://tenants.example/") && second.contains("certificate:");
    assert!(is_second, "{second}");
    assert_eq!(text.matches("half of its life").count(), 1, "once for both: {text}");
    let operators = native(&destinations(variables), Language::Operator);
    assert!(operators.contains("  # what is written to /api/v1/write\n"), "{operators}");
    assert!(operators.contains("# /tenants/api/v1/write: prometheus-operator's"), "{operators}");
    assert!(!operators.contains("tenants.example"), "{operators}");
}
