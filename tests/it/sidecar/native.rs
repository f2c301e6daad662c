//! The configuration that does without the sidecar is one that Prometheus takes.

use std::path::Path;

use tests::{binaries, process::Program, tools};

use super::PATIENCE;

const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

async fn native(variables: &[(&str, &str)]) -> String {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let usual = [("INGESTION_URL", URL), ("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", ID)];
    let program = Program::new("native", file).arg("native").envs(usual);
    program.envs(variables.iter().copied()).run(PATIENCE).await.unwrap()
}

#[tokio::test]
async fn promtool_accepts_it_for_every_identity() {
    let promtool = tools::find(&tools::PROMETHEUS, "promtool").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let check = async |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let arguments = ["check", "config", path.to_str().unwrap()];
        Program::new("promtool", &promtool).args(arguments).run(PATIENCE).await
    };
    let roots = folder.path().join("roots.pem");
    let authority = tests::authority::Authority::new("roots").unwrap();
    std::fs::write(&roots, authority.pem()).unwrap();
    for (name, variables) in identities(&roots) {
        let text = native(&variables).await;
        check(name, &text).await.unwrap();
    }
    // It does look at what it is given.
    let text = native(&[("IDENTITY_TYPE", "userAssigned")]).await;
    let spoilt = check("spoilt.yaml", &text.replace("client_id", "id")).await;
    assert!(spoilt.unwrap_err().to_string().contains("field id not found"));
}

fn identities(roots: &Path) -> Vec<(&'static str, Vec<(&'static str, &str)>)> {
    let roots = ("SSL_CERT_FILE", roots.to_str().unwrap());
    let proxy = ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128");
    vec![
        ("user.yaml", vec![("IDENTITY_TYPE", "userAssigned"), roots]),
        ("system.yaml", vec![("IDENTITY_TYPE", "systemAssigned"), ("CLOUD", "AZURECHINA")]),
        (
            "application.yaml",
            vec![
                ("IDENTITY_TYPE", "aadApplication"),
                ("MDM_CERT_PATH", "/mnt/it's: #1/tls.crt"),
                ("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", "/mnt/password"),
                ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
                ("INGESTION_AAD_AUDIENCE", "https://monitor.example/"),
                proxy,
                ("NO_PROXY", "localhost,.svc"),
                roots,
            ],
        ),
        (
            "workload.yaml",
            vec![
                ("IDENTITY_TYPE", "workloadIdentity"),
                ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/token"),
                ("CLOUD", "INT"),
                proxy,
            ],
        ),
    ]
}
