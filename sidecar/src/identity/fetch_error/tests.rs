use std::{collections::HashSet, path::PathBuf};

use super::*;

fn managed() -> Identity {
    Identity::UserAssigned { client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".parse().unwrap() }
}

fn federated() -> Identity {
    Identity::WorkloadIdentity {
        client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".parse().unwrap(),
        tenant_id: "contoso.onmicrosoft.com".parse().unwrap(),
        token_file: PathBuf::from("/token"),
    }
}

fn refused(host: &str, status: u16, description: &str, code: Option<u32>) -> Failure {
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        error: None,
        description: description.to_owned(),
        code,
        retry_after: None,
    };
    Failure::Refused { host: host.to_owned(), answer }
}

fn unreachable(host: &str, cause: &str, tls: bool) -> Failure {
    Failure::Unreachable { host: host.to_owned(), cause: cause.to_owned(), tls }
}

#[test]
fn texts_say_what_is_wrong_and_what_to_do() {
    let check = |failure: &Failure, identity: &Identity, text: &str| {
        assert_eq!(FetchError::explain(failure, identity).to_string(), text);
    };
    check(
        &unreachable("169.254.169.254", "deadline has elapsed", false),
        &managed(),
        "cannot reach the instance metadata service (IMDS) at 169.254.169.254: deadline has elapsed; managed identities need it: let the pod reach it (AKS' IMDS restriction, a NetworkPolicy or a service mesh may block it), and run on an Azure node",
    );
    check(
        &refused("169.254.169.254", 400, "Identity not found", None),
        &managed(),
        "the instance metadata service (IMDS) at 169.254.169.254 gives no token (400), saying \"Identity not found\": this node has no identity with client id 00001111-aaaa-2222-bbbb-3333cccc4444: assign it to the scale set of each node pool that the pod may run on (`az vmss identity assign`), or correct AZURE_CLIENT_ID",
    );
    check(
        &unreachable("login.example", "invalid peer certificate: UnknownIssuer", true),
        &federated(),
        "cannot reach Entra at login.example: invalid peer certificate: UnknownIssuer; if a proxy or a private cloud has a root certificate of its own, name it in SSL_CERT_FILE",
    );
    check(
        &refused("login.example", 401, "AADSTS700027: No.", Some(700_027)),
        &federated(),
        "Entra at login.example gives no token (401), saying \"AADSTS700027: No.\": the certificate is not registered with the application: upload it there (App registrations, Certificates & secrets), or for subject name and issuer authentication set AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true",
    );
    check(
        &refused("login.example", 400, "AADSTS12345: New.", Some(12_345)),
        &federated(),
        "Entra at login.example gives no token (400), saying \"AADSTS12345: New.\": see https://login.microsoftonline.com/error?code=12345",
    );
    check(
        &refused("login.example", 302, "", None),
        &federated(),
        "Entra at login.example gives no token (302): something else than Entra seems to answer there",
    );
    check(
        &Failure::TimedOut { host: "login.example".to_owned(), after: Duration::from_secs(20) },
        &federated(),
        "got no answer from login.example within 20 s: it is in trouble, or something on the way, such as a firewall or a proxy, holds the answer back",
    );
}

#[test]
fn codes_that_people_meet_have_their_remedy() {
    for (code, remedy) in [
        (700_016, "AZURE_CLIENT_ID"),
        (90_002, "AZURE_TENANT_ID"),
        (7_000_229, "az ad sp create"),
        (7_000_112, "enable it"),
        (500_011, "INGESTION_AAD_AUDIENCE"),
        (53_003, "conditional access"),
        (50_034, "AZURE_CLIENT_ID"),
        (700_027, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"),
        (700_024, "clock"),
        (1_000_502, "renew it"),
        (7_000_222, "renew the certificate"),
        (70_021, "subject"),
        (700_213, "subject"),
    ] {
        for identity in [managed(), federated()] {
            let failure = refused("login.example", 400, "", Some(code));
            let error = FetchError::explain(&failure, &identity);
            assert!(error.to_string().contains(remedy), "{code}: {error}");
            assert!(!error.transient, "{code}");
        }
    }
}

#[test]
fn trouble_that_passes_is_told_from_trouble_that_waits_for_somebody() {
    for (status, code, transient) in [
        (400, None, false),
        (400, Some(90_033), true),
        (401, None, false),
        (408, None, true),
        (429, None, true),
        (500, None, true),
        (503, None, true),
    ] {
        let error = FetchError::explain(&refused("login.example", status, "", code), &federated());
        assert_eq!(error.transient, transient, "{status} {code:?}");
    }
}

#[test]
fn labels_differ_and_are_fit_for_a_metric() {
    let labels: HashSet<&str> = FetchErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(labels.len(), FetchErrorKind::ALL.len());
    for label in labels {
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{label}");
    }
}
