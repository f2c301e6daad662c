//! The steps that get a token, for each kind of identity.

use tests::{
    azure::{Fault, OTHER_RESOURCE, Service},
    keys::jwt::{self, Algorithm},
};

use super::{ALL_OK, Stage, WRITE_FAILED, says};

#[tokio::test]
async fn a_container_app_is_asked_where_the_sidecar_asks() {
    let mut stage = Stage::new().await;
    stage.in_container_app();
    for _ in 0..2 {
        let step = stage.expect(0, ALL_OK, "identity").await;
        says(&step, "detail", "IDENTITY_ENDPOINT");
        stage.set("IDENTITY_SERVER_THUMBPRINT", "0123456789ABCDEF0123456789ABCDEF01234567");
    }
    stage.set("IDENTITY_HEADER", "another");
    let statuses = "ok ok ok ok ok ok ok failed skipped skipped";
    let step = stage.expect(1, statuses, "token").await;
    says(&step, "remedy", "IDENTITY_HEADER");
}

#[tokio::test]
async fn a_program_that_answers_for_the_metadata_service_is_named() {
    let stage = Stage::new().await;
    let statuses = "ok ok ok ok ok ok ok failed skipped skipped";
    for (fault, words) in [
        (Fault::status(503).header("server", "envoy"), "excludeOutboundIPRanges"),
        (Fault::status(502).header("server", "istio-envoy"), "service mesh"),
        (
            Fault::status(404)
                .body("no azure identity found for request clientID 0000##REDACTED##0000"),
            "AAD pod identity",
        ),
    ] {
        stage.azure.faults(Service::Imds).always(fault);
        let step = stage.expect(1, statuses, "token").await;
        says(&step, "remedy", words);
    }
}

#[tokio::test]
async fn entras_refusals_are_explained_and_keep_their_ids() {
    let mut stage = Stage::new().await;
    stage.be_the_application();
    let statuses = "ok ok ok ok ok ok ok failed skipped skipped";
    for (code, words) in [
        (70_025, "no federated credential at all"),
        (700_222, "issued by Entra itself"),
        (700_030, "subject name and issuer"),
        (7_000_218, "without its assertion"),
        (700_211, "cluster's OIDC issuer"),
    ] {
        let body = serde_json::json!({
            "error": "invalid_client",
            "error_description": format!("AADSTS{code}: No.\r\nTrace ID: x"),
            "error_codes": [code],
            "trace_id": "aaaa-1", "correlation_id": "bbbb-2",
        });
        stage.azure.faults(Service::Entra).always(Fault::status(401).json(&body));
        let step = stage.expect(1, statuses, "token").await;
        says(&step, "remedy", words);
        says(&step, "remedy", "trace id aaaa-1, correlation id bbbb-2");
    }
}

#[tokio::test]
async fn the_audience_of_queries_is_doubted() {
    let mut stage = Stage::new().await;
    stage.set("INGESTION_AAD_AUDIENCE", "https://prometheus.monitor.azure.com");
    let audience = "https://prometheus.monitor.azure.com".to_owned();
    stage.azure.change(|setup| setup.resources.push(audience));
    let statuses = "warning ok ok ok ok ok ok ok failed ok";
    let step = stage.expect(1, statuses, "configuration").await;
    says(&step, "remedy", "the audience of queries");
}

#[tokio::test]
async fn a_workload_identity_is_looked_into_before_it_is_shown() {
    let mut stage = Stage::new().await;
    let (issuer, subject) =
        ("https://oidc.example/", "system:serviceaccount:monitoring:prometheus");
    let federation = tests::azure::Federation {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        keys: vec![stage.certificate.public_key().unwrap()],
    };
    stage.azure.change(|setup| setup.applications[0].federations.push(federation));
    stage.be_the_application();
    let now = stage.azure.clock().seconds();
    let write = |stage: &Stage, subject: &str| {
        let claims = serde_json::json!({
            "aud": ["api://AzureADTokenExchange"], "iss": issuer, "sub": subject,
            "iat": now, "nbf": now, "exp": now + 3600,
        });
        let header = serde_json::json!({"alg": "RS256", "kid": "1"});
        let key = stage.certificate.key_der();
        let token = jwt::sign(Algorithm::Rs256, &header, &claims, key).unwrap();
        std::fs::write(stage.file("token"), token).unwrap();
    };
    stage.set("IDENTITY_TYPE", "workloadIdentity");
    stage.set("AZURE_FEDERATED_TOKEN_FILE", stage.file("token").to_str().unwrap());
    write(&stage, subject);
    let step = stage.expect(0, ALL_OK, "identity").await;
    says(&step, "detail", subject);
    write(&stage, "system:serviceaccount:default:other");
    let step = stage.expect(1, "ok ok ok ok ok ok ok failed skipped skipped", "token").await;
    says(&step, "remedy", "letter by letter");
}

#[tokio::test]
async fn an_identity_that_cannot_show_itself() {
    let mut stage = Stage::new().await;
    let refused = format!("http://127.0.0.1:{}", tests::machine::ports::free().unwrap());
    stage.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", refused);
    let no_identity = "ok ok ok ok ok ok failed skipped skipped skipped";
    let step = stage.expect(1, no_identity, "identity").await;
    says(&step, "detail", "cannot reach the instance metadata service");
    says(&step, "remedy", "NetworkPolicy");
    says(&step, "code", "imds-unreachable");

    stage.be_the_application();
    std::fs::remove_file(stage.file("certificate")).unwrap();
    let step = stage.expect(1, no_identity, "identity").await;
    says(&step, "detail", stage.file("certificate").to_str().unwrap());
    says(&step, "remedy", "AZURE_CLIENT_CERTIFICATE_PATH");
    says(&step, "code", "certificate-unusable");
}

#[tokio::test]
async fn a_token_that_is_refused_or_for_something_else() {
    let mut stage = Stage::new().await;
    let known = stage.variables["AZURE_CLIENT_ID"].clone();
    stage.set("AZURE_CLIENT_ID", "00001111-aaaa-2222-bbbb-3333cccc4444");
    let step = stage.expect(1, "ok ok ok ok ok ok ok failed skipped skipped", "token").await;
    says(&step, "detail", "no token (imds_refused)");
    says(&step, "remedy", "this node has no identity with client id 00001111");
    says(&step, "code", "imds-refused");

    stage.set("AZURE_CLIENT_ID", known);
    stage.set("INGESTION_AAD_AUDIENCE", OTHER_RESOURCE);
    let step = stage.expect(1, WRITE_FAILED, "probe_write").await;
    says(&step, "detail", "Azure answered 401");
    says(&step, "remedy", &format!("it is for {OTHER_RESOURCE}"));
    says(&step, "remedy", "INGESTION_AAD_AUDIENCE");
    says(&step, "code", "token-rejected");
}
