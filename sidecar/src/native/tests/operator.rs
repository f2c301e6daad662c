//! The same entries as prometheus-operator has them.

use super::*;

fn operators(variables: &[(&str, &str)]) -> String {
    let usual = [("INGESTION_URL", URL), ("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", ID)];
    let all: BTreeMap<_, _> = usual.iter().chain(variables).copied().collect();
    native(&destinations(all), Language::Operator)
}

#[test]
fn the_operator_has_names_of_its_own() {
    let text = operators(&[
        ("IDENTITY_TYPE", "workloadIdentity"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
        ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.us/"),
        ("HTTPS_PROXY", "proxy.example:3128"),
        ("NO_PROXY", ".svc"),
        ("SSL_CERT_FILE", "/etc/roots.pem"),
    ]);
    let (entry, remarks) = text.split_once("\n# Differences").unwrap();
    let expected = format!(
        "\
# Prometheus 3.9.0 and newer, made by prometheus-operator 0.88.0 or newer, write without
# the sidecar, with this in spec of their Prometheus object. An older operator's definition
# may silently drop fields that it does not know.
remoteWrite:
  - url: '{URL}'
    azureAd:
      cloud: AzurePublic
      scope: 'https://monitor.azure.us//.default'  # since 3.9.0
      workloadIdentity:  # since 3.7.0
        clientId: '{ID}'
        tenantId: '{ID}'
    proxyUrl: 'http://proxy.example:3128/'
    noProxy: '.svc'  # since 2.43.0
    tlsConfig:
      caFile: '/etc/roots.pem'
    queueConfig:
      retryOnRateLimit: true  # since 2.26.0; without it, Prometheus drops what Azure throttles
"
    );
    assert_eq!(entry, expected);
    assert!(remarks.contains("the token's file ('/var/token')"), "{remarks}");
    let managed = operators(&[("IDENTITY_TYPE", "systemAssigned")]);
    assert!(
        managed.contains("      managedIdentity: {}  # without a client id since 3.5.0\n"),
        "{managed}"
    );
}

#[test]
fn remarks_speak_of_the_operators_own_fields() {
    let text = operators(&[
        ("IDENTITY_TYPE", "workloadIdentity"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
        ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
        ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128"),
        ("SSL_CERT_FILE", "/etc/roots.pem"),
        ("SSL_CERT_DIR", "/etc/roots"),
        ("CLOUD", "Custom"),
        ("INGESTION_AAD_AUDIENCE", "api://a~b"),
        ("AZURE_AUTHORITY_HOST", "https://login.example"),
    ]);
    for own in ["proxyUrl is used for", "caFile is used for", "caFile of tlsConfig", "as tenantId"]
    {
        assert!(text.contains(own), "{own}: {text}");
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let foreign: Vec<&str> = words
        .filter(|word| word.contains('_') && word.bytes().any(|b| b.is_ascii_lowercase()))
        .collect();
    assert_eq!(foreign, Vec::<&str>::new(), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn each_field_needs_an_operator_that_knows_it() {
    let check = |variables: &[(&str, &str)], since: &str| {
        let text = operators(variables);
        assert!(text.contains(&format!("prometheus-operator {since} or newer")), "{text}");
    };
    let user = ("IDENTITY_TYPE", "userAssigned");
    check(&[user], "0.69.0");
    check(&[user, ("HTTPS_PROXY", "proxy:1")], "0.75.0");
    check(&[user, ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.us/")], "0.88.0");
    check(&[("IDENTITY_TYPE", "systemAssigned")], "0.87.0");
}

#[test]
fn the_operator_has_no_certificates() {
    let text = operators(&[("IDENTITY_TYPE", "aadApplication"), ("MDM_CERT_PATH", "/a.pfx")]);
    assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    assert!(text.contains("no certificate"), "{text}");
}
