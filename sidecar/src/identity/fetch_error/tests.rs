use std::{collections::HashSet, path::PathBuf};

use super::*;

fn managed() -> Identity {
    Identity::UserAssigned { client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".parse().unwrap() }
}

fn federated() -> Identity {
    Identity::WorkloadIdentity {
        client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".parse().unwrap(),
        tenant_id: "contoso.onmicrosoft.com".parse().unwrap(),
        authority: "https://login.microsoftonline.com".parse().unwrap(),
        token_file: PathBuf::from("/token"),
        token_proxy: None,
    }
}

fn refused(host: &str, status: u16, description: &str, code: Option<u32>) -> Failure {
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        error: None,
        description: description.to_owned(),
        code,
        retry_after: None,
        skew: None,
        server: None,
        support: None,
    };
    Failure::Refused { host: host.to_owned(), answer: answer.into() }
}

/// What it means to an identity of the kind that asks there.
fn explain(failure: &Failure, identity: &Identity) -> FetchError {
    let service = match identity {
        Identity::UserAssigned { .. } => TokenService::Imds(None),
        _ => TokenService::Entra,
    };
    FetchError::explain(failure, identity, &service)
}

fn unreachable(host: &str, cause: &str, is_untrusted: bool) -> Failure {
    let roots = "SSL_CERT_FILE=/roots.pem".to_owned();
    let at = if is_untrusted { Hop::Certificate(roots) } else { Hop::Network };
    Failure::Unreachable { host: host.to_owned(), cause: cause.to_owned(), at }
}

#[test]
fn texts_say_what_is_wrong_and_what_to_do() {
    let check = |failure: &Failure, identity: &Identity, text: &str| {
        assert_eq!(explain(failure, identity).to_string(), text);
    };
    check(
        &unreachable("169.254.169.254", "deadline has elapsed", false),
        &managed(),
        "cannot reach the instance metadata service (IMDS) at 169.254.169.254: deadline has elapsed; managed identities need it: let the pod reach it (AKS' IMDS restriction, a NetworkPolicy or a service mesh may block it), and run on an Azure node; on Container Apps and App Service, which have no IMDS, assign the identity to the app, so that the platform sets IDENTITY_ENDPOINT and IDENTITY_HEADER",
    );
    check(
        &refused("169.254.169.254", 400, "Identity not found", None),
        &managed(),
        "the instance metadata service (IMDS) at 169.254.169.254 gives no token (400), saying \"Identity not found\": this node has no identity with client id 00001111-aaaa-2222-bbbb-3333cccc4444: assign it to the scale set of each node pool that the pod may run on (`az vmss identity assign`), or correct AZURE_CLIENT_ID",
    );
    check(
        &unreachable("login.example", "invalid peer certificate: UnknownIssuer", true),
        &federated(),
        "cannot reach Entra at login.example: invalid peer certificate: UnknownIssuer; if a proxy or a private cloud has its own root certificate, name it in SSL_CERT_FILE",
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
        "Entra at login.example gives no token (302): something other than Entra answers there, such as a firewall or a proxy: let requests to login.example pass it, without TLS inspection",
    );
    check(
        &Failure::TimedOut { host: "login.example".to_owned(), after: Duration::from_secs(20) },
        &federated(),
        "no answer from Entra at login.example within 20 s: it has a problem, or something in between, such as a firewall or a proxy, delays its response",
    );
}

/// Another proxy is not what is needed where one is set.
#[test]
fn a_proxy_that_fails_is_what_is_to_be_corrected() {
    for (status, remedy) in [
        (Some(407), "correct HTTPS_PROXY"),
        (Some(403), "let the proxy pass CONNECT"),
        (None, "that it is the right one for HTTPS_PROXY"),
    ] {
        let failure = Failure::Unreachable {
            host: "login.example (through the proxy proxy.example:3128)".to_owned(),
            cause: "No.".to_owned(),
            at: Hop::Proxy(status),
        };
        let text = explain(&failure, &federated()).to_string();
        assert!(text.contains(remedy) && !text.contains("if a proxy is needed"), "{text}");
    }
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
        (700_030, "subject name and issuer"),
        (7_000_218, "without its assertion"),
        (70_021, "subject"),
        (70_025, "identity bindings"),
        (700_211, "issuer"),
        (700_213, "upper and lower case"),
        (700_222, "AZURE_FEDERATED_TOKEN_FILE"),
    ] {
        for identity in [managed(), federated()] {
            let failure = refused("login.example", 400, "", Some(code));
            let error = explain(&failure, &identity);
            assert!(error.to_string().contains(remedy), "{code}: {error}");
            assert!(!error.transient, "{code}");
        }
    }
}

#[test]
fn a_program_that_answers_for_the_metadata_service_is_named() {
    let check = |status: u16, server: Option<&str>, description: &str, words: &str| {
        let Failure::Refused { host, mut answer } =
            refused("169.254.169.254", status, description, None)
        else {
            panic!("it is a refusal");
        };
        answer.server = server.map(str::to_owned);
        let error = explain(&Failure::Refused { host, answer }, &managed()).to_string();
        assert!(error.contains(words), "{error}");
    };
    check(503, Some("envoy"), "", "service mesh");
    check(502, Some("istio-envoy"), "", "excludeOutboundIPRanges");
    check(503, None, "upstream connect error or disconnect/reset before headers", "service mesh");
    check(404, None, "no azure identity found for request clientID", "AAD pod identity");
    check(404, None, "no AzureAssignedIdentity found for pod:monitoring/x", "AAD pod identity");
    check(404, Some("Microsoft-IIS/10.0"), "", "it is being updated");
    check(503, None, "", "temporary error");
}

#[test]
fn the_platforms_endpoint_has_words_of_its_own() {
    let check = |failure: &Failure, words: &str| {
        let error = FetchError::explain(failure, &managed(), &TokenService::Platform).to_string();
        assert!(error.contains("the platform's identity endpoint (IDENTITY_ENDPOINT)"), "{error}");
        assert!(error.contains(words), "{error}");
    };
    check(&refused("localhost:42356", 400, "", None), "az containerapp identity assign");
    check(&refused("localhost:42356", 401, "", None), "IDENTITY_HEADER");
    check(&unreachable("localhost:42356", "refused", false), "restart the app");
}

#[test]
fn the_proxy_of_an_identity_binding_has_words_of_its_own() {
    let address = "https://proxy.example".parse().unwrap();
    let proxy = contract::TokenProxy { address, server_name: None, authority: None };
    let service = TokenService::TokenProxy(proxy);
    let check = |failure: &Failure, transient: bool, words: &str| {
        let error = FetchError::explain(failure, &federated(), &service);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.transient, transient, "{error}");
    };
    check(&unreachable("proxy", "refused", false), true, "never through HTTPS_PROXY");
    let unset = "for its host, because AZURE_KUBERNETES_SNI_NAME is not set, and issued by a CA in SSL_CERT_FILE=/roots.pem, because neither";
    check(&unreachable("proxy", "UnknownIssuer", true), true, unset);
    check(&refused("proxy", 429, "", None), true, "binding at proxy throttles requests (429)");
    let broken = Failure::Broken { host: "proxy".to_owned(), cause: "end of file".to_owned() };
    check(&broken, true, "no whole answer from the token proxy of the identity binding at proxy");
    let reason = "read AZURE_KUBERNETES_CA_FILE=/x: not found".to_owned();
    check(&Failure::NoRoots { reason }, true, "AZURE_KUBERNETES_CA_FILE=/x");
    check(&refused("proxy", 401, "", None), false, "api://AKSIdentityBinding");
    let client = "use-managed-identity for the resource 00001111-aaaa-2222-bbbb-3333cccc4444 of the API group cid.wi.aks.azure.com";
    check(&refused("proxy", 403, "", None), false, client);
    let forbidden = r#"forbidden: User "system:anonymous" cannot post path "/x""#;
    check(&refused("proxy", 403, forbidden, None), false, "the API server answers in its place");
    check(&refused("proxy", 404, "", None), false, "AZURE_KUBERNETES_SNI_NAME");
    check(&refused("proxy", 503, "", None), true, "temporary error");
    check(&refused("proxy", 400, "", Some(700_211)), false, "az aks identity-binding create");
    check(&refused("proxy", 401, "", Some(700_212)), false, "must be api://AKSIdentityBinding");
    check(&refused("proxy", 401, "", Some(700_222)), false, "AZURE_FEDERATED_TOKEN_FILE");
    check(&refused("proxy", 400, "", Some(90_002)), false, "AZURE_TENANT_ID");
    check(&refused("proxy", 400, "", Some(12_345)), false, "error?code=12345");
}

#[test]
fn the_ids_for_a_support_case_come_last() {
    let Failure::Refused { host, mut answer } = refused("login.example", 400, "", Some(700_016))
    else {
        panic!("it is a refusal");
    };
    answer.support = Some("trace id 1, correlation id 2".to_owned());
    let error = explain(&Failure::Refused { host, answer }, &federated()).to_string();
    assert!(error.ends_with("; for a support case: trace id 1, correlation id 2"), "{error}");
}

#[test]
fn temporary_errors_differ_from_those_that_need_an_operator() {
    for (status, code, transient) in [
        (400, None, false),
        (400, Some(90_033), true),
        (401, None, false),
        (408, None, true),
        (429, None, true),
        (500, None, true),
        (503, None, true),
    ] {
        let error = explain(&refused("login.example", status, "", code), &federated());
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
