pub(crate) mod any;

use std::collections::BTreeMap;

use super::*;
use crate::TokenProxyAuthority;

const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
const GUID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    Settings::from_env(|name| variables.get(name).map(|value| (*value).to_owned()))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn user_assigned<'a>(more: &[(&'a str, &'a str)]) -> Result<Settings, Vec<String>> {
    let base =
        [("INGESTION_URL", URL), ("IDENTITY_TYPE", "userAssigned"), ("AZURE_CLIENT_ID", GUID)];
    read(&[&base, more].concat())
}

#[test]
fn microsofts_first_yaml() {
    let settings = read(&[
        ("INGESTION_URL", URL),
        ("LISTENING_PORT", "8081"),
        ("IDENTITY_TYPE", "aadApplication"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", GUID),
        ("MDM_CERT_PATH", "/mnt/secrets-store/cert"),
        ("CLUSTER", "aks-1"),
        ("CLOUD", ""),
    ])
    .unwrap();
    let Identity::AadApplication { certificate, authority, .. } = &settings.identity else {
        panic!("{settings:?}");
    };
    assert_eq!(certificate.path.to_str(), Some("/mnt/secrets-store/cert"));
    assert_eq!(settings.audience.resource(), "https://monitor.azure.com/");
    assert_eq!(authority.as_str(), "https://login.microsoftonline.com");
}

#[test]
fn every_error_is_reported_with_its_name() {
    let errors = read(&[
        ("INGESTION_URL", "http://user:secret@example.com/"),
        ("IDENTITY_TYPE", "aadAplication"),
        ("LISTENING_PORT", "0"),
        ("CLOUD", "custom"),
        ("UPSTREAM_TIMEOUT", "25"),
        ("MAX_CONNECTIONS", "-1"),
        ("HTTPS_PROXY", "ftp://user:secret@proxy"),
    ])
    .unwrap_err();
    assert_eq!(
        errors,
        [
            r#"INGESTION_URL="http://…@example.com/": expected a URL without user and password: a token is added"#,
            r#"IDENTITY_TYPE="aadAplication": expected one of userAssigned, systemAssigned, aadApplication, workloadIdentity (did you mean "aadApplication"?)"#,
            r"INGESTION_AAD_AUDIENCE is missing: expected the audience of the cloud's ingestion tokens, because CLOUD=Custom",
            r#"LISTENING_PORT="0": expected a port number from 1 to 65535"#,
            r#"UPSTREAM_TIMEOUT="25": expected a duration from 1ms to 24h such as 25s, 1m30s or 500ms"#,
            r#"MAX_CONNECTIONS="-1": expected a whole number above 0"#,
            r#"HTTPS_PROXY="…@proxy": expected a proxy's address such as http://user:password@proxy.example:3128, with special characters of user and password percent-encoded"#,
        ]
    );
}

#[test]
fn missing_variables_of_each_identity_are_named() {
    let check = |kind: &str, missing: &[&str]| {
        let errors = read(&[("INGESTION_URL", URL), ("IDENTITY_TYPE", kind)]).err();
        let names: Vec<String> = errors
            .unwrap_or_default()
            .iter()
            .map(|text| text.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, missing, "{kind}");
    };
    check("systemAssigned", &[]);
    check("USERASSIGNED", &["AZURE_CLIENT_ID"]);
    check(
        "aadApplication",
        &["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_CERTIFICATE_PATH"],
    );
    check(
        "workloadIdentity",
        &["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"],
    );
    assert_eq!(read(&[]).unwrap_err().len(), 2);
}

#[test]
fn null_and_none_are_errors_that_name_jq() {
    let rule = URL.replace("dcr-0", "null");
    for (name, value) in [
        ("AZURE_CLIENT_ID", "null"),
        ("AZURE_TENANT_ID", "null"),
        ("AZURE_TENANT_ID", "None"),
        ("AZURE_FEDERATED_TOKEN_FILE", "null"),
        ("INGESTION_URL", "null"),
        ("INGESTION_URL", &rule),
        ("IDENTITY_TYPE", "None"),
    ] {
        let errors = read(&[
            ("INGESTION_URL", URL),
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_CLIENT_ID", GUID),
            ("AZURE_TENANT_ID", GUID),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            (name, value),
        ])
        .unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(&format!("{name}=")), "{errors:?}");
        assert!(errors[0].contains("jq and templates write"), "{errors:?}");
    }
}

#[test]
fn the_endpoint_of_a_platform_needs_its_secret_and_a_managed_identity() {
    let endpoint = ("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token");
    let both = user_assigned(&[endpoint, ("IDENTITY_HEADER", "s3cret")]).unwrap();
    assert_eq!(both.identity_endpoint.as_ref().unwrap().secret(), "s3cret");
    assert!(!format!("{both:?}").contains("s3cret"));
    assert_eq!(user_assigned(&[endpoint]).unwrap().identity_endpoint, None);
    assert!(user_assigned(&[("IDENTITY_ENDPOINT", "localhost")]).is_err());
    let application = read(&[
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "aadApplication"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", GUID),
        ("MDM_CERT_PATH", "/cert"),
        ("IDENTITY_ENDPOINT", "localhost"),
        ("IDENTITY_HEADER", "s3cret"),
    ]);
    assert_eq!(application.unwrap().identity_endpoint, None);
}

fn workload<'a>(more: &[(&'a str, &'a str)]) -> Result<Settings, Vec<String>> {
    let base = [
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "workloadIdentity"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", GUID),
        ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
    ];
    read(&[&base, more].concat())
}

#[test]
fn the_proxy_of_an_identity_binding() {
    let proxy = |more: &[(&str, &str)]| {
        let address = ("AZURE_KUBERNETES_TOKEN_PROXY", "https://kubernetes.default.svc/");
        let settings = workload(&[&[address], more].concat())?;
        Ok(settings.identity.token_proxy().cloned().unwrap())
    };
    let name = ("AZURE_KUBERNETES_SNI_NAME", "a0b1.ests.aks");
    let file = ("AZURE_KUBERNETES_CA_FILE", "/ca.crt");
    let read = proxy(&[name, file]).unwrap();
    assert_eq!(read.address.to_string(), "https://kubernetes.default.svc");
    assert_eq!(read.server_name.unwrap().as_str(), "a0b1.ests.aks");
    assert_eq!(read.authority, Some(TokenProxyAuthority::File("/ca.crt".into())));
    let data = ("AZURE_KUBERNETES_CA_DATA", PEM);
    assert!(matches!(proxy(&[data]).unwrap().authority, Some(TokenProxyAuthority::Data(_))));
    assert_eq!(proxy(&[]).unwrap().authority, None);
    let too_long = "a".repeat(64);
    let all = proxy(&[
        ("AZURE_KUBERNETES_TOKEN_PROXY", "http://user:s3cret@proxy"),
        ("AZURE_KUBERNETES_SNI_NAME", &too_long),
        ("AZURE_KUBERNETES_CA_FILE", "null"),
        ("AZURE_KUBERNETES_CA_DATA", "-----BEGIN PRIVATE KEY-----s3cret"),
    ]);
    let all: Vec<String> = all.unwrap_err();
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(!all.concat().contains("s3cret"), "{all:?}");
    for bad in ["https://a/?b", "https://a/#b", "https://u@a/", "http://a/", "a", "https://-/"] {
        let errors = workload(&[("AZURE_KUBERNETES_TOKEN_PROXY", bad)]).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("without user, query and fragment"), "{errors:?}");
    }
}

#[test]
fn settings_of_a_token_proxy_are_an_error_without_it() {
    let rest = [
        ("AZURE_KUBERNETES_SNI_NAME", "a0b1.ests.aks"),
        ("AZURE_KUBERNETES_CA_FILE", "/ca.crt"),
        ("AZURE_KUBERNETES_CA_DATA", PEM),
    ];
    assert_eq!(
        workload(&rest).unwrap_err(),
        [
            r#"AZURE_KUBERNETES_SNI_NAME="a0b1.ests.aks": expected AZURE_KUBERNETES_TOKEN_PROXY beside it"#,
            r#"AZURE_KUBERNETES_CA_FILE="/ca.crt": expected AZURE_KUBERNETES_TOKEN_PROXY beside it"#,
            r#"AZURE_KUBERNETES_CA_DATA="…": expected AZURE_KUBERNETES_TOKEN_PROXY beside it"#,
        ]
    );
    // azure-workload-identity sets them in every container of the pod.
    assert!(user_assigned(&rest).is_ok());
}

#[test]
fn the_api_server_is_no_token_proxy_without_the_name_for_it() {
    let warnings = |more: &[(&str, &str)]| workload(more).unwrap().warnings().len();
    let api_server = ("AZURE_KUBERNETES_TOKEN_PROXY", "https://kubernetes.default.svc");
    assert_eq!(warnings(&[api_server]), 1);
    assert_eq!(warnings(&[api_server, ("AZURE_KUBERNETES_SNI_NAME", "a0b1.ests.aks")]), 0);
    assert_eq!(warnings(&[("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example")]), 0);
}

#[test]
fn the_audience_of_queries_is_doubted() {
    let warnings = |audience| {
        let settings = user_assigned(&[("INGESTION_AAD_AUDIENCE", audience)]).unwrap();
        settings.warnings().iter().filter(|warning| warning.contains("audience of queries")).count()
    };
    assert_eq!(warnings("https://prometheus.monitor.azure.com"), 1);
    assert_eq!(warnings("https://prometheus.monitor.azure.com//.default"), 1);
    assert_eq!(warnings("https://monitor.azure.com/"), 0);
}

#[test]
fn overrides_of_the_cloud() {
    let federated = |more: &[(&str, &str)]| {
        let usual = [
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_TENANT_ID", GUID),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
        ];
        user_assigned(&[&usual, more].concat())
    };
    let authority = |settings: &Settings| settings.identity.authority().unwrap().to_string();
    let settings = federated(&[
        ("CLOUD", "AZURE_CUSTOM"),
        ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.example"),
        ("AAD_HOST_ENDPOINT", "https://login.example/"),
    ])
    .unwrap();
    assert_eq!(settings.audience.scope(), "https://monitor.azure.example/.default");
    assert_eq!(authority(&settings), "https://login.example");
    let both = federated(&[
        ("AZURE_AUTHORITY_HOST", "https://a.example"),
        ("AAD_HOST_ENDPOINT", "https://b.example"),
    ]);
    assert_eq!(authority(&both.unwrap()), "https://a.example");
    assert!(user_assigned(&[("AZURE_AUTHORITY_HOST", "http://a.example")]).is_err());
}

#[test]
fn microsofts_trace_switch_and_our_level() {
    let level = |more: &[(&str, &str)]| user_assigned(more).map(|settings| settings.log_level);
    assert_eq!(level(&[]), Ok(LogLevel::Info));
    assert_eq!(level(&[("TRACE_LOGGING", "true")]), Ok(LogLevel::Trace));
    assert_eq!(level(&[("TRACE_LOGGING", "true"), ("LOG_LEVEL", "warn")]), Ok(LogLevel::Warn));
}

#[test]
fn a_request_must_fit_into_what_all_requests_may_hold() {
    let limits = |more: &[(&str, &str)]| user_assigned(more).map(|settings| settings.limits);
    let request = |more: &[(&str, &str)]| limits(more).unwrap().max_request.to_string();
    assert_eq!(request(&[]), "16Mi");
    assert_eq!(request(&[("MAX_IN_FLIGHT_BYTES", "8Mi")]), "8Mi", "the default gives way");
    assert_eq!(request(&[("MAX_IN_FLIGHT_BYTES", "64Mi")]), "16Mi");
    assert_eq!(request(&[("MAX_REQUEST_BYTES", "32Mi")]), "32Mi");
    assert_eq!(
        limits(&[("MAX_REQUEST_BYTES", "33Mi")]).unwrap_err(),
        [
            r#"MAX_REQUEST_BYTES="33Mi": expected at most MAX_IN_FLIGHT_BYTES=32Mi (default): raise that, too, together with the container's memory limit"#
        ]
    );
    let both = [("MAX_IN_FLIGHT_BYTES", "8Mi"), ("MAX_REQUEST_BYTES", "8388609")];
    assert_eq!(
        limits(&both).unwrap_err(),
        [
            r#"MAX_REQUEST_BYTES="8388609": expected at most MAX_IN_FLIGHT_BYTES=8Mi: raise that, too, together with the container's memory limit"#
        ]
    );
}

#[test]
fn a_cloud_that_is_not_the_urls_is_doubted() {
    let warnings = |more: &[(&str, &str)]| user_assigned(more).unwrap().warnings();
    assert_eq!(
        warnings(&[("CLOUD", "AzureGovernment")]),
        [
            "the ingestion host is one of AzurePublic (.ingest.monitor.azure.com), and CLOUD is AzureGovernment, whose tokens it refuses: set CLOUD to AzurePublic, or correct the URL"
        ]
    );
    let audience = ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.com/");
    assert_eq!(warnings(&[("CLOUD", "AzureGovernment"), audience]), Vec::<String>::new());
    assert_eq!(warnings(&[("CLOUD", "AzurePublic")]), Vec::<String>::new());
}

#[test]
fn a_limit_without_its_unit_is_doubted() {
    let warnings = |name, value| user_assigned(&[(name, value)]).unwrap().warnings();
    for name in ["MAX_IN_FLIGHT_BYTES", "MAX_REQUEST_BYTES", "MAX_DECOMPRESSED_BYTES"] {
        let doubts_of = warnings(name, "32");
        let [warning] = &doubts_of[..] else { panic!("{name}: {doubts_of:?}") };
        assert!(warning.starts_with(&format!("{name}=32 is less than a usual write")), "{warning}");
        assert_eq!(warnings(name, "128Ki"), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn doubts_do_not_stop_it() {
    let settings = user_assigned(&[("CLOUD", "INT"), ("ACCEPT_FROM", "any")]).unwrap();
    assert_eq!(settings.warnings().len(), 2);
    assert_eq!(user_assigned(&[]).unwrap().warnings(), Vec::<String>::new());
}
