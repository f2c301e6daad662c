mod any;
mod warnings;

use super::*;
use crate::{ByteSize, Cloud, Identity, MAX_DESTINATIONS, ResponseMode, TokenProxyAuthority};

const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
const GUID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const OTHER: &str = "55556666-aaaa-2222-bbbb-3333cccc4444";

/// The unnamed destination.
const UNNAMED: [(&str, &str); 3] =
    [("INGESTION_URL", URL), ("IDENTITY_TYPE", "userAssigned"), ("AZURE_CLIENT_ID", GUID)];

fn read(variables: &[(&str, &str)]) -> Result<Destinations, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Destinations::from_env(variables)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn beside(more: &[(&str, &str)]) -> Result<Destinations, Vec<String>> {
    read(&[&UNNAMED, more].concat())
}

fn settings<'a>(destinations: &'a Destinations, name: &str) -> &'a Settings {
    &destinations.iter().find(|one| one.label() == name).unwrap().settings
}

#[test]
fn one_destination_is_what_it_always_was() {
    let destinations = beside(&[]).unwrap();
    assert_eq!(destinations.len(), 1);
    assert_eq!(destinations.sidecar().ingestion_url.to_string(), URL);
    assert_eq!(destinations.limits(), destinations.sidecar().limits);
    assert_eq!(read(&[]).unwrap_err().len(), 2);
}

#[test]
fn unset_variables_are_inherited_from_the_unnamed_destination() {
    let destinations = beside(&[
        ("CLOUD", "AzureGovernment"),
        ("CLUSTER", "aks-1"),
        ("INGESTION_URL_US_EAST", "https://us-east.example/x\n"),
        ("AZURE_CLIENT_ID_US_EAST", OTHER),
        ("INGESTION_URL_A", "https://a.example/x"),
        ("IDENTITY_TYPE_A", "systemAssigned"),
        ("CLOUD_A", "AzurePublic"),
        ("RESPONSE_MODE_A", "transparent"),
    ])
    .unwrap();
    let labels: Vec<&str> = destinations.iter().map(Destination::label).collect();
    assert_eq!(labels, ["", "a", "us-east"]);
    let (a, us_east) = (settings(&destinations, "a"), settings(&destinations, "us-east"));
    assert_eq!(us_east.cloud, Cloud::AzureGovernment);
    assert_eq!(us_east.identity, Identity::UserAssigned { client_id: OTHER.parse().unwrap() });
    assert_eq!(us_east.ingestion_url.to_string(), "https://us-east.example/x");
    assert_eq!((a.cloud, &a.identity), (Cloud::AzurePublic, &Identity::SystemAssigned));
    assert_eq!(a.response_mode, ResponseMode::Transparent);
    assert_eq!(a.cluster.as_deref(), Some("aks-1"));
}

#[test]
fn a_certificate_and_an_authority_are_taken_over_as_a_whole() {
    let application = [
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "aadApplication"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", GUID),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "/first"),
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", "/password"),
        ("AZURE_AUTHORITY_HOST", "https://first.example"),
        ("INGESTION_URL_SAME", "https://same.example/"),
        ("INGESTION_URL_OWN", "https://own.example/"),
        ("MDM_CERT_PATH_OWN", "/own"),
        ("AAD_HOST_ENDPOINT_OWN", "https://own.example"),
    ];
    let destinations = read(&application).unwrap();
    let of = |name: &str| {
        let Settings { identity, .. } = settings(&destinations, name);
        let Identity::AadApplication { certificate, authority, .. } = identity else {
            panic!("{identity:?}")
        };
        (
            certificate.path.display().to_string(),
            certificate.password_file.is_some(),
            authority.to_string(),
        )
    };
    assert_eq!(of("same"), ("/first".into(), true, "https://first.example".into()));
    assert_eq!(of("own"), ("/own".into(), false, "https://own.example".into()));
}

/// A service account token is made for Entra or for a token proxy.
#[test]
fn a_token_proxy_is_taken_over_with_the_token() {
    let destinations = read(&[
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "workloadIdentity"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", GUID),
        ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
        ("AZURE_KUBERNETES_TOKEN_PROXY", "https://first.example"),
        ("AZURE_KUBERNETES_SNI_NAME", "first.ests.aks"),
        ("AZURE_KUBERNETES_CA_FILE", "/first"),
        ("INGESTION_URL_SAME", "https://same.example/"),
        ("INGESTION_URL_ENTRA", "https://entra.example/"),
        ("AZURE_FEDERATED_TOKEN_FILE_ENTRA", "/other"),
        ("INGESTION_URL_PROXY", "https://proxy.example/"),
        ("AZURE_KUBERNETES_TOKEN_PROXY_PROXY", "https://own.example"),
        ("INGESTION_URL_CA", "https://ca.example/"),
        ("AZURE_KUBERNETES_CA_DATA_CA", "-----BEGIN CERTIFICATE-----"),
    ])
    .unwrap();
    let of = |name: &str| {
        let proxy = settings(&destinations, name).identity.token_proxy()?;
        let authority = match &proxy.authority {
            Some(TokenProxyAuthority::File(path)) => path.display().to_string(),
            Some(TokenProxyAuthority::Data(_)) => "data".to_owned(),
            None => "none".to_owned(),
        };
        let name = proxy.server_name.as_ref().map_or("none", |name| name.as_str());
        Some(format!("{} {name} {authority}", proxy.address))
    };
    assert_eq!(of("same"), of(""));
    assert_eq!(of("entra"), None);
    assert_eq!(of("proxy").as_deref(), Some("https://own.example none none"));
    assert_eq!(of("ca").as_deref(), Some("https://first.example first.ests.aks data"));
}

#[test]
fn named_destinations_do_without_the_unnamed_one_if_they_are_complete() {
    let complete = [("INGESTION_URL_A", URL), ("IDENTITY_TYPE_A", "systemAssigned")];
    assert_eq!(read(&complete).unwrap().sidecar().ingestion_url.to_string(), URL);
    // As azure-workload-identity sets them in any pod.
    let foreign = [("AZURE_CLIENT_ID", GUID), ("AZURE_TENANT_ID", GUID)];
    assert_eq!(read(&[&complete[..], &foreign].concat()).unwrap().len(), 1);
    let incomplete = [("INGESTION_URL_A", URL), ("IDENTITY_TYPE_A", "userAssigned")];
    assert_eq!(
        read(&[&incomplete[..], &foreign].concat()).unwrap_err(),
        ["AZURE_CLIENT_ID_A is missing: expected the identity's client id"]
    );
    let unnamed = [("INGESTION_URL_A", URL), ("IDENTITY_TYPE", "systemAssigned")];
    let errors = read(&unnamed).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("INGESTION_URL is missing"), "{errors:?}");
}

#[test]
fn every_error_of_every_destination_is_reported_once_with_its_variable() {
    let errors = beside(&[
        ("CLOUD", "mars"),
        ("LISTENING_PORT", "0"),
        ("INGESTION_URL_A", "http://a.example/"),
        ("INGESTION_URL_B", "https://user:s3cret@b.example/"),
        ("AZURE_CLIENT_ID_B", "null"),
        ("IDENTITY_TYPE_B", "aadApplication"),
        ("INGESTION_URL_tenants", URL),
        ("INGESTION_URL__", URL),
        ("RESPONSE_MODE_C", "transparent"),
        ("IDENTITY_TYPE_", "x"),
    ])
    .unwrap_err();
    assert_eq!(
        errors,
        [
            r#"INGESTION_URL__="https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMet"…: expected INGESTION_URL_NAME, with a name of at most 63 upper case letters, digits and _ between them"#,
            r#"INGESTION_URL_tenants="https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMet"…: expected INGESTION_URL_NAME, with a name of at most 63 upper case letters, digits and _ between them (did you mean "INGESTION_URL_TENANTS"?)"#,
            r#"CLOUD="mars": expected one of AzurePublic, AzureGovernment, AzureChina, Custom, INT"#,
            r#"LISTENING_PORT="0": expected a port number from 1 to 65535"#,
            r#"INGESTION_URL_A="http://a.example/": expected https://: plain http would show the token to the network"#,
            r#"INGESTION_URL_B="https://…@b.example/": expected a URL without user and password: a token is added"#,
            r#"AZURE_CLIENT_ID_B="null": expected a GUID such as 00001111-aaaa-2222-bbbb-3333cccc4444, and this is what jq and templates write for a missing value"#,
            "AZURE_TENANT_ID_B is missing: expected the application's tenant",
            "AZURE_CLIENT_CERTIFICATE_PATH_B is missing: expected the certificate's file (or MDM_CERT_PATH)",
            r#"IDENTITY_TYPE_="x": expected INGESTION_URL_ as well, because a destination needs an ingestion URL (did you mean "IDENTITY_TYPE_A"?)"#,
            r#"RESPONSE_MODE_C="transparent": expected INGESTION_URL_C as well, because a destination needs an ingestion URL (did you mean "RESPONSE_MODE_A"?)"#,
        ]
    );
}

#[test]
fn a_name_that_is_too_long_is_told_how_long_it_may_be() {
    let named = |length: usize| {
        let variable = format!("INGESTION_URL_{}", "A".repeat(length));
        beside(&[(variable.as_str(), URL)])
    };
    assert!(named(63).is_ok());
    let errors = named(64).unwrap_err();
    assert!(errors[0].contains("with a name of at most 63 upper case letters"), "{errors:?}");
}

#[test]
fn a_variable_missing_in_the_unnamed_destination_is_reported_once() {
    let base = [("INGESTION_URL", URL), ("IDENTITY_TYPE", "userAssigned")];
    let errors = read(&[&base[..], &[("INGESTION_URL_A", URL)]].concat()).unwrap_err();
    assert_eq!(errors, ["AZURE_CLIENT_ID is missing: expected the identity's client id"]);
}

#[test]
fn eight_and_no_more() {
    let names: Vec<String> = (0..8).map(|n| format!("INGESTION_URL_N{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), URL)).collect();
    let destinations = beside(&many[..7]).unwrap();
    assert_eq!(destinations.len(), MAX_DESTINATIONS);
    let limits = destinations.limits();
    assert_eq!(limits.max_in_flight, ByteSize::mebibytes(4));
    assert_eq!(limits.max_request, ByteSize::mebibytes(4), "the default gives way");
    let errors = beside(&many).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("INGESTION_URL_N7="), "{errors:?}");
    assert!(errors[0].ends_with("expected at most 8 destinations, not 9"), "{errors:?}");
}

#[test]
fn a_batch_must_fit_into_the_share_of_its_destination() {
    let two = |request| beside(&[("INGESTION_URL_A", URL), ("MAX_REQUEST_BYTES", request)]);
    assert!(two("16Mi").is_ok());
    assert_eq!(
        two("17Mi").unwrap_err(),
        [
            r#"MAX_REQUEST_BYTES="17Mi": expected at most 16Mi, the share of MAX_IN_FLIGHT_BYTES=32Mi that each of 2 destinations has: raise that, too, together with the container's memory limit"#
        ]
    );
}

#[test]
fn variables_that_only_look_like_a_destinations_are_ignored() {
    let links = |service: &str| {
        ["_SERVICE_HOST", "_SERVICE_PORT", "_SERVICE_PORT_HTTP", "_PORT", "_PORT_80_TCP_ADDR"]
            .map(|end| (format!("{service}{end}"), "10.0.0.1".to_owned()))
    };
    for service in ["CLOUD", "INGESTION_URL", "AZURE_CLIENT_ID", "CLOUD_A", "RESPONSE_MODE"] {
        let links = links(service);
        let links: Vec<_> =
            links.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(beside(&links).unwrap(), beside(&[]).unwrap(), "{service}");
    }
    for other in ["CLOUD_PROVIDER", "CLOUD_RUN_JOB", "CLOUDSDK_PYTHON", "CLOUD_", "CLOUD__X"] {
        assert_eq!(beside(&[(other, "azure")]).unwrap(), beside(&[]).unwrap(), "{other}");
    }
    let empty = [("INGESTION_URL_A", " \n"), ("IDENTITY_TYPE_B", "")];
    assert_eq!(beside(&empty).unwrap(), beside(&[]).unwrap());
}

#[test]
fn tokens_are_shared_by_the_same_identity_for_the_same_audience() {
    let destinations = beside(&[
        ("INGESTION_URL_SAME", "https://same.example/"),
        ("AZURE_AUTHORITY_HOST_SAME", "https://unasked.example"),
        ("INGESTION_URL_IDENTITY", "https://other.example/"),
        ("AZURE_CLIENT_ID_IDENTITY", OTHER),
        ("INGESTION_URL_AUDIENCE", "https://other.example/"),
        ("INGESTION_AAD_AUDIENCE_AUDIENCE", "https://other.example"),
    ])
    .unwrap();
    let shares = |name| destinations.sidecar().shares_tokens_with(settings(&destinations, name));
    assert_eq!(["same", "identity", "audience"].map(shares), [true, false, false]);
}
