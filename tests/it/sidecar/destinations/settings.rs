//! What is said about several destinations: errors, paths, `check`'s report, and
//! Prometheus' own configuration.

use tests::{machine::process::Program, product::binaries, tools};

use super::*;

const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

fn sidecar() -> Program {
    Program::new("sidecar", binaries::find(binaries::SIDECAR).unwrap())
}

#[tokio::test]
async fn errors_of_all_destinations_are_reported_together() {
    let variables = [
        ("INGESTION_URL", "http://example.com/"),
        ("IDENTITY_TYPE", "systemAssigned"),
        ("INGESTION_URL_TENANTS", "https://user:s3cret@example.com/"),
        ("IDENTITY_TYPE_TENANTS", "aadApplication"),
        ("INGESTION_URL_Us-East", URL),
        ("AZURE_CLIENT_ID_NOBODY", "x"),
        ("RESPONSE_MODE_TENANTS", "open"),
        ("AZURE_KUBERNETES_CA_DATA_TENANTS", "-----BEGIN CERTIFICATE----- MIIB"),
        ("MAX_CONNECTIONS", "0"),
        ("CLOUD_PROVIDER", "azure"),
    ];
    let mut process = sidecar().envs(variables).start().unwrap();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(78));
    let output = process.output();
    for name in [
        "INGESTION_URL=",
        "INGESTION_URL_TENANTS=",
        "AZURE_CLIENT_ID_TENANTS is missing",
        "AZURE_TENANT_ID_TENANTS is missing",
        "AZURE_CLIENT_CERTIFICATE_PATH_TENANTS is missing",
        "INGESTION_URL_Us-East=",
        "AZURE_CLIENT_ID_NOBODY=",
        "RESPONSE_MODE_TENANTS=",
        "find trusted roots in AZURE_KUBERNETES_CA_DATA_TENANTS: ",
        "MAX_CONNECTIONS=",
    ] {
        let named = format!("bad configuration: {name}");
        assert_eq!(output.matches(&named).count(), 1, "{name}: {output}");
    }
    assert_eq!(output.lines().count(), 10, "{output}");
    assert!(!output.contains("s3cret"), "{output}");
}

#[tokio::test]
async fn variables_of_platforms_do_not_prevent_the_start() {
    let mut stage = Stage::new().await;
    let _tenants = Other::beside(&mut stage, "tenants").await;
    for (name, value) in [
        ("CLOUD_PROVIDER", "azure"),
        ("CLOUD_SERVICE_HOST", "10.0.0.1"),
        ("CLOUD_SERVICE_PORT", "80"),
        ("CLOUD_PORT", "tcp://10.0.0.1:80"),
        ("CLOUD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("INGESTION_URL_SERVICE_HOST", "10.0.0.1"),
        ("INGESTION_URL_SERVICE_PORT", "80"),
        ("INGESTION_URL_PORT", "tcp://10.0.0.1:80"),
    ] {
        stage.set(name, value);
    }
    let rig = stage.ready().await;
    assert_eq!(rig.status(batch(["ops"])).await, 204);
}

#[tokio::test]
async fn a_write_for_no_destination_is_answered_with_their_names() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    let mut rig = stage.ready().await;
    let urls = format!(
        "set url to http://localhost:{port}/api/v1/write or http://localhost:{port}/tenants/api/v1/write",
        port = rig.port
    );
    for path in [
        "/tenant/api/v1/write",
        "/Tenants/api/v1/write",
        "/tenants/write",
        "/tenants/api/v1/write/x",
    ] {
        let reply = rig.client.post(&rig.url(path), &HEADERS, batch(["up"])).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.headers["retry-after"] == "5"), (503, true));
        assert!(reply.text().contains(&urls), "{path}: {}", reply.text());
        assert!(reply.text().contains(path), "{path}: {}", reply.text());
    }
    let wrong = r#"prom_remotewrite_refused_requests_total{reason="wrong_path"}"#;
    assert_eq!(rig.metric(wrong).await, 4);
    let json = [("content-type", "application/json")];
    for (path, status) in [("/tenant/api/v1/write", 404), ("/tenants/api/v1/write", 415)] {
        let reply = rig.client.post(&rig.url(path), &json, "{}").await.unwrap();
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(rig.client.get(&rig.url("/tenants/api/v1/write")).await.unwrap().status, 405);
    assert_eq!((rig.stored(), tenants.stored()), Default::default());
    let said = |line: &str| line.contains("set url to").then_some(());
    rig.process.line("it is logged", PATIENCE, said).await.unwrap();
}

#[tokio::test]
async fn where_every_destination_is_named_the_usual_path_is_a_wrong_one() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    for name in ["INGESTION_URL", "IDENTITY_TYPE", "AZURE_CLIENT_ID"] {
        stage.variables.remove(name);
    }
    let rig = stage.ready().await;
    let reply = rig.post(batch(["up"])).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("/tenants/api/v1/write"), "{}", reply.text());
    assert_eq!(tenants.status(&rig, batch(["up"])).await, 204);
    let text = rig.client.get(&rig.url("/metrics")).await.unwrap().text();
    let expiry = "prom_remotewrite_token_expiry_timestamp_seconds{";
    let expiry: Vec<&str> = text.lines().filter(|line| line.starts_with(expiry)).collect();
    assert_eq!(expiry.len(), 1, "{expiry:?}");
}

#[tokio::test]
async fn the_doctor_reports_on_each_destination() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    tenants.azure.faults(Service::Ingestion).always(tests::azure::Fault::status(403));
    let check = async |arguments: &[&str]| {
        let program = sidecar().arg("check").args(arguments.iter().copied());
        let mut process = program.envs(stage.variables.clone()).start().unwrap();
        let status = process.wait(PATIENCE).await.unwrap().code();
        (status, process.stdout())
    };
    let (status, output) = check(&["--output", "json"]).await;
    assert_eq!(status, Some(1), "{output}");
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2 + 2 * 8, "{output}");
    let of_tenants = steps.iter().filter(|step| step["destination"] == "tenants");
    assert_eq!(of_tenants.count(), 8, "{output}");
    let failed: Vec<_> = steps.iter().filter(|step| step["status"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{output}");
    assert_eq!(
        (&failed[0]["name"], &failed[0]["destination"]),
        (&"probe_write".into(), &"tenants".into())
    );
    let (_, text) = check(&[]).await;
    let (ours, theirs) = text.split_once("\ndestination at /tenants/api/v1/write\n").unwrap();
    assert!(
        ours.contains("\ndestination at /api/v1/write\n") && !ours.contains("failed"),
        "{text}"
    );
    assert!(theirs.contains("failed   probe write"), "{text}");
}

#[tokio::test]
async fn remedies_name_a_destinations_own_variables() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    tenants.azure.faults(Service::Ingestion).always(tests::azure::Fault::status(404));
    let program = sidecar().arg("check").envs(stage.variables.clone());
    let mut process = program.start().unwrap();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(1));
    let said = "compare INGESTION_URL_TENANTS with the rule's immutable id";
    assert!(process.stdout().contains(said), "{}", process.stdout());
    let mut rig = stage.ready().await;
    assert_eq!(tenants.status(&rig, batch(["up"])).await, 503);
    let logged = |line: &str| line.contains(said).then_some(());
    rig.process.line("it is logged", PATIENCE, logged).await.unwrap();
}

#[tokio::test]
async fn promtool_accepts_an_entry_for_each_destination() {
    let promtool = tools::find(&tools::PROMTOOL, "promtool").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let id = "00001111-aaaa-2222-bbbb-3333cccc4444";
    let second = URL.replace("dcr-0", "dcr-1");
    let text = sidecar().arg("native").envs([
        ("INGESTION_URL", URL),
        ("IDENTITY_TYPE", "userAssigned"),
        ("AZURE_CLIENT_ID", id),
        ("INGESTION_URL_TENANTS", &second),
        ("IDENTITY_TYPE_TENANTS", "systemAssigned"),
    ]);
    let text = text.run(PATIENCE).await.unwrap();
    assert!(text.contains("dcr-0") && text.contains("dcr-1"), "{text}");
    let path = folder.path().join("prometheus.yml");
    std::fs::write(&path, &text).unwrap();
    let arguments = ["check", "config", path.to_str().unwrap()];
    Program::new("promtool", &promtool).args(arguments).run(PATIENCE).await.unwrap();
}
