//! `check`, as its own process.

mod binding;

use serde_json::Value;
use tests::{
    authority::Authority,
    azure::{Fault, OTHER_RESOURCE, Service},
    binaries,
    jwt::{self, Algorithm},
    process::Program,
};

use super::{PATIENCE, Stage};

/// What the program printed, and how it ended.
struct Checked {
    status: i32,
    output: String,
}

impl Stage {
    async fn check(&self, arguments: &[&str]) -> Checked {
        let file = binaries::find(binaries::SIDECAR).unwrap();
        let program = Program::new("check", file).arg("check").args(arguments.iter().copied());
        let mut process = program.envs(self.variables.clone()).start().unwrap();
        let status = process.wait(PATIENCE).await.unwrap().code().unwrap();
        // Nothing but the report is said.
        assert_eq!(process.output(), process.stdout());
        let output = process.stdout();
        for (token, _) in self.azure.tokens().all() {
            let signature = token.rsplit('.').next().unwrap();
            assert!(!output.contains(&token) && !output.contains(signature), "{output}");
        }
        Checked { status, output }
    }

    /// Each step's status in the order of the steps, and the step of that name.
    async fn expect(&self, status: i32, statuses: &str, name: &str) -> Value {
        let Checked { status: ended, output } = self.check(&["--output", "json"]).await;
        let report: Value = serde_json::from_str(&output).unwrap();
        let steps = report["steps"].as_array().unwrap();
        let found: Vec<&str> = steps.iter().map(|step| step["status"].as_str().unwrap()).collect();
        assert_eq!((ended, found.join(" ").as_str()), (status, statuses), "{output}");
        assert_eq!(report["ok"], status == 0);
        steps.iter().find(|step| step["name"] == name).unwrap().clone()
    }
}

/// Every step that applies is ok.
const ALL_OK: &str = "ok ok ok ok ok ok ok ok ok ok";
/// Everything but the write is well.
const WRITE_FAILED: &str = "ok ok ok ok ok ok ok ok failed ok";

fn says(step: &Value, field: &str, words: &str) {
    let text = step[field].as_str().unwrap_or_else(|| panic!("{step} has no {field}"));
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn all_is_well_for_each_kind_of_identity() {
    let mut stage = Stage::new().await;
    let step = stage.expect(0, ALL_OK, "token").await;
    says(&step, "detail", "for https://monitor.azure.com/; application ");
    says(&step, "detail", &stage.azure.tenant());
    assert_eq!(step["remedy"], Value::Null);

    stage.be_the_application();
    let step = stage.expect(0, ALL_OK, "identity").await;
    says(&step, "detail", "CN=first with thumbprint ");
    says(&step, "detail", "expires in 89 days");

    let written = stage.azure.requests(Service::Ingestion);
    assert!(written.iter().all(|request| request.status == Some(204) && request.length == 1));
    assert_eq!(written.len(), 2);
    assert_eq!(stage.azure.workspace(&stage.rule, |workspace| workspace.series().count()), 0);
}

#[tokio::test]
async fn a_container_app_is_asked_where_the_sidecar_asks() {
    let mut stage = Stage::new().await;
    let refused = format!("http://127.0.0.1:{}", tests::ports::free().unwrap());
    stage.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", refused);
    let (endpoint, header) = stage.azure.identity_endpoint();
    let header = header.to_owned();
    stage.set("IDENTITY_ENDPOINT", endpoint);
    stage.set("IDENTITY_HEADER", header);
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
async fn it_runs_beside_the_sidecar_and_prints_a_line_for_each_step() {
    let rig = Stage::new().await.ready().await;
    let Checked { status, output } = rig.stage.check(&["--timeout", "20s"]).await;
    assert_eq!(status, 0, "{output}");
    let names: Vec<&str> = output.lines().map(|line| line[9..22].trim_end()).collect();
    assert_eq!(
        names,
        [
            "configuration",
            "trusted roots",
            "proxy",
            "dns",
            "tcp",
            "tls",
            "identity",
            "token",
            "probe write",
            "clock"
        ]
    );
    assert!(output.lines().all(|line| line.starts_with("ok       ")), "{output}");
    assert!(output.contains("TLS 1.3 with CN=localhost, issued by CN=Azure stand-in authority"));
}

#[tokio::test]
async fn an_identity_that_cannot_show_itself() {
    let mut stage = Stage::new().await;
    let refused = format!("http://127.0.0.1:{}", tests::ports::free().unwrap());
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

#[tokio::test]
async fn azures_response_to_the_probe_write_is_explained() {
    let mut stage = Stage::new().await;
    stage.azure.change(|setup| setup.rules[0].writers.clear());
    let step = stage.expect(1, WRITE_FAILED, "probe_write").await;
    says(&step, "detail", "Azure answered 403");
    says(&step, "code", "role-missing");
    says(&step, "remedy", "az role assignment create --assignee-object-id");
    stage.set("INGESTION_URL", stage.azure.ingestion_url("dcr-00000000000000000000000000000000"));
    let step = stage.expect(1, WRITE_FAILED, "probe_write").await;
    says(&step, "code", "rule-not-found");

    let ingestion = stage.azure.faults(Service::Ingestion);
    ingestion.push(Fault::status(204).header("date", "Thu, 01 Jan 1970 00:00:00 GMT"));
    let step = stage.expect(0, "ok ok ok ok ok ok ok ok ok warning", "clock").await;
    says(&step, "code", "clock-skew");
    let page = "<html><head><title>Blocked by ACME</title></head><body>no</body></html>";
    let scope = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/g/providers/Microsoft.Insights/dataCollectionRules/r";
    for (status, body, code, words) in [
        (403, "", "forbidden-without-reason", "private link"),
        (403, page, "intermediary", "Blocked by ACME"),
        (
            403,
            r#"{"error":{"code":"PublicNetworkAccessDisabled"}}"#,
            "network-isolation",
            "private endpoint",
        ),
        (403, &format!("IsRbacPresent: False, DcrArmId: {scope}, x"), "role-missing", scope),
        (403, "IsRbacPresent: True, IsDcrDceBindingValid: False", "rule-not-bound", "endpoint"),
        (
            400,
            r#"{"error":{"code":"InvalidRequestPath","message":"The request path is invalid."}}"#,
            "invalid-request-path",
            "INGESTION_URL",
        ),
        (407, "", "proxy-authentication-required", "HTTPS_PROXY"),
        (413, "", "too-large", "max_samples_per_send"),
        (415, "", "message-version", "protobuf_message"),
        (421, "", "intermediary", "something between"),
        (451, page, "intermediary", "Blocked by ACME"),
        (503, "later", "azure-unavailable", "Azure says \"later\""),
    ] {
        ingestion.push(Fault::status(status).body(body.to_owned()));
        let step = stage.expect(1, WRITE_FAILED, "probe_write").await;
        says(&step, "code", code);
        says(&step, "remedy", words);
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_empty_writes_is_reached() {
    let stage = Stage::new().await;
    let ingestion = stage.azure.faults(Service::Ingestion);
    ingestion.push(Fault::status(400).body("there is nothing in it"));
    let step = stage.expect(0, ALL_OK, "probe_write").await;
    says(&step, "detail", "reached and authorised; Azure says \"there is nothing in it\"");
    // No reason is given, but without a valid token the answer is another one.
    ingestion.push(Fault::status(400));
    let step = stage.expect(0, ALL_OK, "probe_write").await;
    says(&step, "detail", "reached and authorised");
    // It answers everyone in the same way: nothing is proven.
    ingestion.push_times(2, &Fault::status(400).body("InvalidPayload"));
    let step = stage.expect(0, "ok ok ok ok ok ok ok ok warning ok", "probe_write").await;
    says(&step, "code", "probe-inconclusive");
    says(&step, "remedy", "INGESTION_URL");
    assert_eq!(ingestion.waiting(), 0);
}

#[tokio::test]
async fn a_way_that_is_not_open() {
    let mut stage = Stage::new().await;
    let port = tests::ports::free().unwrap();
    let url = stage.azure.ingestion_url(&stage.rule);
    let (_, path) = url.split_once("/dataCollectionRules").unwrap();
    stage.set("INGESTION_URL", format!("https://localhost:{port}/dataCollectionRules{path}"));
    let step = stage.expect(1, "ok ok ok ok failed skipped ok ok skipped skipped", "tcp").await;
    says(&step, "remedy", &format!("let the pod connect to localhost:{port}"));
    says(&step, "code", "connection-failed");

    stage.set("INGESTION_URL", url);
    let other = Authority::new("somebody else").unwrap();
    std::fs::write(stage.file("ca.pem"), other.pem()).unwrap();
    let step = stage.expect(1, "ok ok ok ok ok failed ok ok skipped skipped", "tls").await;
    says(&step, "remedy", "(SSL_CERT_FILE=/");
    says(&step, "remedy", "add the root of the proxy or the private cloud there");
    says(&step, "code", "issuer-unknown");
}

#[tokio::test]
async fn a_configuration_with_which_the_sidecar_does_not_start() {
    let mut stage = Stage::new().await;
    stage.set("IDENTITY_TYPE", "userAsigned");
    stage.set("LISTENING_PORT", "http");
    let statuses = format!("failed{}", " skipped".repeat(9));
    let step = stage.expect(78, &statuses, "configuration").await;
    says(&step, "detail", "2 errors");
    says(&step, "remedy", "did you mean \"userAssigned\"?");
    says(&step, "remedy", "LISTENING_PORT=\"http\"");
    says(&step, "code", "invalid-configuration");
}

#[tokio::test]
async fn a_time_that_is_none_is_a_mistake_of_the_command_line() {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let program = Program::new("check", file).args(["check", "--timeout", "soon"]);
    let mut process = program.start().unwrap();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(2));
    assert!(process.output().contains("expected a duration from 1ms to 24h"));
}
