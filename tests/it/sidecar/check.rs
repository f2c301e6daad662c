//! `check`, as its own process.

mod binding;
mod identity;

use serde_json::Value;
use tests::{
    azure::{Fault, Service},
    keys::authority::Authority,
    machine::process::Program,
    product::binaries,
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
    let port = tests::machine::ports::free().unwrap();
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
async fn a_time_that_is_none_is_an_error_of_the_command_line() {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let program = Program::new("check", file).args(["check", "--timeout", "soon"]);
    let mut process = program.start().unwrap();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(2));
    assert!(process.output().contains("expected a duration from 1ms to 24h"));
}
